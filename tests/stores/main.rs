//! What the ledger and the conversations are kept in: the same tests over each store, then the faults of a database that is shared.
//!
//! The modules `real_postgres` start a Postgres of their own, from `AIMUX_TEST_POSTGRES`, the folder of its programs. Start with `store.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod commands;
mod faults;
mod history;
mod ledger;
mod postgres;
mod store;
