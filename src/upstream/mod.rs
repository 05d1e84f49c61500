//! The driver that `serve` runs: it holds the sockets and the clock, and does what [`crate::route`] says.
//!
//! Start with [`drive`] (attempts until the first content), then [`relay`] (the answer on its way).

mod attempt;
pub mod client;
pub mod drive;
mod headers;
pub mod preamble;
mod refusal;
pub mod relay;
mod settle;

pub use attempt::count_tokens;
pub use drive::{Answer, Job, Upstreams};
pub use preamble::Preamble;
pub use refusal::Refusal;
pub use relay::Relay;
