//! The validator as a whole.
