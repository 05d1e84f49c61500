//! aimux: one local address between coding agents and every language model.
//!
//! The modules stand on floors; each imports from lower ones only. `docs/architecture.md` draws them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking"))]

pub mod audit;
pub mod chat;
pub mod cli;
pub mod config;
pub mod database;
mod date;
pub mod demo;
pub mod dialect;
pub mod error;
pub mod history;
pub mod keys;
pub mod ledger;
pub mod mcp;
pub mod provider;
mod random;
pub mod route;
pub mod secret;
pub mod server;
pub mod telemetry;
mod trust;
pub mod upstream;
pub mod wire;
