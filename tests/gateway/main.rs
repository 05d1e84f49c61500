//! The program over real sockets: a scripted upstream behind it, plain and real clients before it.
//!
//! `upstream` plays providers, `replies` has their words, `gateway` starts the program, `http` is the plain client, `terminal` one to sit at.
//! Tests by subject: `same_dialect`, `translated`, `failures`, `access`, `lifecycle`, `reload`, `routing`, `oneshot`, `screen`, `run`, and `real_clients`, which needs what
//! `tests/run` installs and `claude` drives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and explains itself by printing"
)]

mod access;
mod activation;
mod bench;
mod caching;
mod chat;
mod citations;
mod claude;
mod continued;
mod conversations;
mod doctor;
mod error_codes;
mod exposition;
mod failures;
mod faults;
mod gateway;
mod handover;
mod hedging;
mod http;
mod http2;
mod hygiene;
mod import_llm;
mod ledger;
mod lifecycle;
mod limits;
mod live;
mod log_files;
mod metrics;
mod oneshot;
mod oneshot_parts;
mod overflows;
mod pitfalls;
mod providers;
mod providers_messages;
mod readme;
mod real_clients;
mod reload;
mod renewal;
mod replies;
mod rotate;
mod routing;
mod run;
mod same_dialect;
mod screen;
mod server_limits;
mod sessions;
mod stalls;
mod survival;
mod terminal;
mod thinking;
mod tls;
mod tools;
mod translated;
mod upstream;
