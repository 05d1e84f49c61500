//! The driver that `serve` runs: it holds the sockets and the clock, and does what [`crate::route`] says.
//!
//! Start with [`drive`] (attempts until the first content), then [`relay`] (the answer on its way).

pub mod client;
pub mod drive;
pub mod headers;
pub mod relay;
mod settle;

pub use drive::{Answer, Job, Refusal, Upstreams};
pub use relay::Relay;
