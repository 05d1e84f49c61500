//! The config: one YAML file, read strictly, every mistake found in one run, compiled into route's tables.
//!
//! The way: `load` finds the file, `tree` gives each value its place, `overrides` applies the environment, `check` (with
//! `providers` and `models`) reads it by the table in `fields`, `diagnostic` shows what is wrong. It prints nothing and
//! changes no file; `fix` mends a text. Start with [`ready`] and [`validate`].

use std::path::PathBuf;
use std::time::Duration;

mod allowances;
mod backup;
mod check;
mod choices;
mod database;
mod diagnostic;
mod diff;
pub mod environment;
mod fields;
mod fix;
mod former;
mod import;
mod init;
mod key_command;
mod key_sources;
mod key_uses;
mod load;
mod made;
mod mask;
mod mcp;
mod migrate;
mod model_facts;
mod models;
mod names;
pub(crate) mod near;
mod oauth;
mod overrides;
mod pages;
mod place;
mod policies;
mod providers;
mod reader;
mod reference;
mod route_tests;
mod routes;
mod rule_findings;
mod samples;
mod schema;
mod sent;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod url;
mod validation;
mod write;
mod written;

pub use backup::{Backup, Made, Parts, Restored, Wanted, backup, backups, backups_folder, restore};
pub use database::DatabaseKey;
pub use diff::{Diff, NameChange, SettingChange, diff, read_side};
pub use environment::Environment;
pub use fix::{Applied, Fixed, fix};
pub use import::{Format, Imported, ImportedKey, Loss, import};
pub use init::{Candidate, KeyPlace, SCHEMA_FILE, candidates, first_config, modeline};
pub use key_uses::{KeyOpener, KeyUse, OpenedKey, Provided, key_uses, provided, provided_without};
pub(crate) use load::FILE_MAX;
pub use mcp::{McpProgram, McpReach, McpSandbox, McpSandboxKind, McpServer};
pub use migrate::{VERSION, Version, version_of};
pub use names::{Names, names};
pub use pages::{Page, explain, pages};
pub use place::{Placing, check_text, place_config, place_config_after, read_config, write_beside};
pub use reference::reference;
pub use schema::schema;
pub use show::{Extent, Origin, Shown, ShownRow, ShownValue, show};
pub use validation::{Checks, FindingLine, Keys, Place, Strict, Validation, read, unreadable, validate, validate_found, validate_text};
pub use written::{Written, changes};

use crate::error::Error;
use crate::history;
use crate::keys::Store;
use crate::ledger;
use crate::route::Table;
use crate::secret::Secret;

/// The port of the default address: A-I-M-U-X on a telephone's keypad.
pub const DEFAULT_PORT: u16 = 24689;

/// What a server or a command needs to run: the checked config, compiled, keys opened.
#[derive(Debug)]
pub struct Ready {
    /// The file it came from; `None`: made from the keys at hand.
    pub path: Option<PathBuf>,
    /// The server's settings.
    pub server: Server,
    /// The limits.
    pub limits: Limits,
    /// What routing reads, secrets included.
    pub table: Table,
    /// What is remembered of requests.
    pub ledger: ledger::Settings,
    /// What is kept of conversations.
    pub history: history::Settings,
    /// Where the password is of what these two are kept in.
    pub database_key: DatabaseKey,
    /// Lines for the user: warnings, and what was made up.
    pub notes: Vec<String>,
    /// Every value that the config gives, to be compared with another's.
    pub written: Vec<Written>,
}

/// `server:`.
#[derive(Debug, Clone)]
pub struct Server {
    /// The listening address.
    pub listen: std::net::SocketAddr,
    /// The client token of the config; `None`: the one in the state folder, made at first start.
    pub token: Option<Secret>,
    /// Further names that this server is reached by (`Host`).
    pub hosts: Vec<String>,
    /// Whether a change of the config or of a key is taken on by itself.
    pub watch: bool,
    /// How long the server stays without a connection; zero: for ever; `None`: as it was started.
    pub idle_exit: Option<Duration>,
}

/// `limits:`, each with its default.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of a request's headers.
    pub header_bytes: usize,
    /// Nesting of its JSON.
    pub json_depth: usize,
    /// Seconds for a request's headers.
    pub header_read_s: u64,
    /// Seconds for a request's body.
    pub body_read_s: u64,
    /// Seconds to connect to an upstream.
    pub connect_s: u64,
    /// Seconds to the first byte of a streamed answer.
    pub first_byte_s: u64,
    /// Seconds to the first byte of an answer that is not streamed, and again to its last.
    pub first_byte_whole_s: u64,
    /// Seconds to the first content of a streamed answer, from when it was asked for.
    pub first_content_s: u64,
    /// Seconds of silence in a stream.
    pub stream_idle_s: u64,
    /// Bytes per second under which a stream that has begun is given up; 0: never.
    pub pace_bytes_per_s: u64,
    /// Seconds over which they are counted.
    pub pace_over_s: u64,
    /// Seconds of silence after which the client is sent an empty delta.
    pub keep_alive_s: u64,
    /// Bytes of one server-sent event.
    pub frame_bytes: usize,
    /// Bytes of an answer that is not streamed.
    pub answer_bytes: usize,
    /// Bytes of request bodies held at a time, in all.
    pub buffered_bytes: usize,
    /// Requests in flight, in all.
    pub requests_in_flight: usize,
    /// Seconds that a request waits for a place among those in flight, and for one at a provider that is full.
    pub queue_wait_s: u64,
    /// Requests that wait in line for a place at one provider.
    pub queue_length: usize,
    /// Open client connections.
    pub connections: usize,
    /// Seconds that requests in flight get when the server stops.
    pub drain_s: u64,
    /// The same for streams; never less than `drain_s` in effect.
    pub drain_stream_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            header_bytes: 64 << 10,
            json_depth: 64,
            header_read_s: 10,
            body_read_s: 60,
            connect_s: 5,
            first_byte_s: 120,
            first_byte_whole_s: 600,
            first_content_s: 300,
            stream_idle_s: 120,
            pace_bytes_per_s: 0,
            pace_over_s: 30,
            keep_alive_s: 20,
            frame_bytes: 16 << 20,
            answer_bytes: 64 << 20,
            buffered_bytes: 256 << 20,
            requests_in_flight: 2048,
            queue_wait_s: 1,
            queue_length: 256,
            connections: 4096,
            drain_s: 30,
            drain_stream_s: 600,
        }
    }
}

/// How a config is found and opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--config`; else `AIMUX_CONFIG`, else the file in the config folder, else one made from the keys at hand.
    pub path: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<std::net::SocketAddr>,
}

/// A config that cannot be used.
#[derive(Debug)]
pub enum LoadError {
    /// The file's diagnostics, rendered, one text for the terminal.
    Invalid {
        /// All diagnostics with source excerpts.
        rendered: String,
        /// How many are errors.
        errors: usize,
    },
    /// Anything else: no config at all, an unreadable file, a key that cannot be opened.
    Other(Error),
}

/// Loads, checks and compiles a config, and opens its keys: all that `serve` does before it binds.
///
/// # Errors
/// With every diagnostic of the file, or what else is in the way.
pub fn ready(
    options: &Options,
    environment: &Environment,
    keys: &Store,
    passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
) -> Result<Ready, LoadError> {
    load::ready(options, environment, keys, passphrase)
}

/// [`ready`] for one request: only the keys of these providers are opened, and that another's is missing is a note.
///
/// # Errors
/// As for [`ready`].
pub fn ready_for(
    options: &Options,
    environment: &Environment,
    keys: &Store,
    passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
    providers: &[String],
) -> Result<Ready, LoadError> {
    load::ready_for(options, environment, keys, passphrase, providers)
}

/// The file that [`ready`] would read; `None`: it would make a config from the keys at hand.
#[must_use]
pub fn locate(options: &Options, environment: &Environment) -> Option<PathBuf> {
    load::locate(options, environment)
}

/// Where the file is that [`ready`] would read, or would be: what a server is found by.
#[must_use]
pub fn usual(options: &Options, environment: &Environment) -> PathBuf {
    load::usual(options, environment)
}

/// The value of `--listen`: `127.0.0.1:24689`, `[::1]:0`, `localhost:8080`.
///
/// # Errors
/// With what is wrong, in a few words.
pub fn listen_address(text: &str) -> Result<std::net::SocketAddr, &'static str> {
    check::listen_address(text)
}

/// [`ready`] without the keys: what those need to know who steer a server, and no passphrase.
///
/// # Errors
/// As for [`ready`], but an absent key is a note.
pub fn outline(options: &Options, environment: &Environment, keys: &Store) -> Result<Ready, LoadError> {
    load::outline(options, environment, keys)
}

/// The servers of tools, those that are wanted with their keys opened.
///
/// # Errors
/// As for [`ready`]; a key matters only where its server is wanted.
pub fn mcp_servers(
    options: &Options,
    environment: &Environment,
    keys: &Store,
    passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<McpServer>, LoadError> {
    load::mcp_servers(options, environment, keys, passphrase, is_wanted)
}
