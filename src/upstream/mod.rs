//! The driver that `serve` runs: it holds the sockets and the clock, and does what [`crate::route`] says.
//!
//! Start with [`Job`] (a request on its way), then [`drive`] (attempts until the first content) and [`relay`] (the answer
//! on its way). [`blocking`] is the driver of a command that asks once.

mod account;
mod attempt;
pub mod blocking;
mod certificate;
pub mod client;
mod count_tokens;
mod direct;
mod download;
pub mod drive;
mod echo;
mod guard;
mod headers;
mod hedge;
mod job;
mod listed;
pub mod live;
pub mod preamble;
mod probe;
mod reach;
mod refusal;
pub mod relay;
mod renew;
mod renewals;
mod resume;
mod settle;
mod tokens;

pub use certificate::Validity;
pub use count_tokens::count_tokens;
pub use direct::{Written, counting};
pub use download::download;
pub use drive::Answer;
pub use job::{Job, Upstreams};
pub use listed::{Answered, Lister};
pub use preamble::Preamble;
pub use probe::{Probed, Prober};
pub use reach::{Reached, Reacher};
pub use refusal::Refusal;
pub(crate) use refusal::scrub;
pub use relay::Relay;
pub use renew::{Keeper, is_due, is_over};
pub use resume::Partial;
pub use tokens::fetch;
