//! The drivers: they hold the sockets and the clock, and do what [`crate::route`] says.

pub mod client;
