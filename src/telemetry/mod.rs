//! Figures of a running server, for Prometheus: one table of metrics, counted without locks, written as text when asked for.
//!
//! It lacks traces and any figure of a single request: those are the ledger's. Labels say what the config names, and
//! `other` for all else, so that no client makes more of them. Start with `metrics.rs`, the table; then `count.rs`.

mod count;
mod histogram;
pub mod metrics;
mod page;
mod process;
#[cfg(test)]
mod tests;

pub use count::{Asked, BREAKS, Counts, Exchange, Names};
pub use page::{Gauges, Rest};
pub use process::Process;
