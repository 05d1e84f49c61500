//! Tests of what holds for every pair of dialects.

mod losses;
