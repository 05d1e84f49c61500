//! `postgres`: the database that `ledger` and `history` may be kept in. Nothing is connected to here.
//!
//! Start with [`read`]; its password is opened with the other keys, or by [`DatabaseKey`].

use std::net::IpAddr;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Finding};
use super::key_sources::{self, Source};
use super::load::Opener;
use super::mask;
use super::reader::{Reader, Section, Text};
use super::{Environment, Ready};
use crate::database::Place;
use crate::database::postgres::{CONNECT_S, Host, Password, STATEMENT_S, Server, Trust};
use crate::error::Error;
use crate::keys::Store;
use crate::secret::Secret;

/// What holds where the config says nothing.
const PORT: u16 = 5432;
const NAME: &str = "aimux";
/// Why a password is not there that nobody opened.
const CLOSED: &str = "its password was not opened";

/// A database as it is read: its password is still closed.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) server: Server,
    pub(crate) key: Option<Source>,
}

/// Where the password of a config's database is.
#[derive(Debug, Clone, Default)]
pub struct DatabaseKey(Option<Source>);

impl DatabaseKey {
    /// Takes the place of a password.
    pub(super) fn new(key: Option<Source>) -> Self {
        Self(key)
    }

    /// Opens it for those places that need it. Asks `passphrase` when the identity is protected by one. What is in the way is what a
    /// connection fails with.
    pub fn open(
        &self,
        environment: &Environment,
        keys: &Store,
        passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
        places: [&mut Place; 2],
    ) {
        let closed = |place: &Place| matches!(place, Place::Postgres(server) if matches!(server.password, Password::Closed(_)));
        if places.iter().all(|place| !closed(place)) {
            return;
        }
        let password = password(&mut Opener::new(environment, keys, Some(passphrase)), self.0.as_ref());
        for place in places {
            put(place, password.as_ref().map_err(|error| error.message.clone()));
        }
    }
}

impl Ready {
    /// Opens the password of the database, where something is kept in one: see [`DatabaseKey::open`].
    pub fn open_database(&mut self, environment: &Environment, keys: &Store, passphrase: &mut dyn FnMut() -> Result<Secret, Error>) {
        let Self { database_key, ledger, history, .. } = self;
        database_key.open(environment, keys, passphrase, [&mut ledger.place, &mut history.place]);
    }
}

/// Puts a password, or why there is none, where a database needs one.
pub(super) fn put(place: &mut Place, password: Result<&Password, String>) {
    if let Place::Postgres(server) = place {
        server.password = password.cloned().unwrap_or_else(Password::Closed);
    }
}

/// The password.
///
/// # Errors
/// When it is not there or cannot be opened.
pub(super) fn password(opener: &mut Opener<'_>, key: Option<&Source>) -> Result<Password, Error> {
    key.map_or(Ok(Password::None), |source| Ok(Password::Known(opener.key(source, "postgres")?.secret)))
}

/// Reads the database; `None`: there is none, or what is said of it is wrong, which has been reported.
pub(crate) fn read(reader: &mut Reader<'_>, root: &Section<'_>, store: &Store) -> Option<Read> {
    let section = reader.inner(root, "postgres")?;
    let host = host(reader, &section);
    let is_here = host.as_ref().is_some_and(is_loopback);
    let ca = reader.text(&section, "ca").and_then(|path| absolute(reader, &section, "ca", path));
    let trust = match (reader.choice(&section, "tls"), ca) {
        (Some("off"), Some(_)) => {
            without_effect(reader, &section, "ca", "`tls` is off");
            Trust::Plain
        }
        (Some("off"), None) => Trust::Plain,
        (_, Some(path)) => Trust::File(path.into()),
        (None, None) if is_here => Trust::Plain,
        (_, None) => Trust::System,
    };
    let text = |reader: &mut Reader<'_>, name: &str| reader.text(&section, name).map(|text| text.text);
    let port = reader.integer(&section, "port").and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
    let [database, user] = ["database", "user"].map(|name| text(reader, name).unwrap_or_else(|| NAME.to_owned()));
    let instance = text(reader, "instance").unwrap_or_else(here);
    let [connect, statement] = [("connect_s", CONNECT_S), ("statement_s", STATEMENT_S)]
        .map(|(name, usual)| Duration::from_secs(reader.integer(&section, name).unwrap_or(usual)));
    let key = section.get("key").and_then(|node| key_sources::source(reader, node, &section.at("key"), store));
    let password = if section.get("key").is_some() { Password::Closed(CLOSED.to_owned()) } else { Password::None };
    let server = Server { host: host?, port, database, user, password, trust, instance, connect, statement };
    Some(Read { server, key })
}

/// Where a section's rows go: its `store`; `None`: into its file.
pub(crate) fn chosen(reader: &mut Reader<'_>, root: &Section<'_>, section: &Section<'_>, database: Option<&Read>) -> Option<Place> {
    if reader.choice(section, "store")? != "postgres" {
        return None;
    }
    if section.get("path").is_some() {
        without_effect(reader, section, "path", "`store` is postgres");
    }
    let place = database.map(|read| Place::Postgres(Box::new(read.server.clone())));
    if root.get("postgres").is_none() {
        let path = section.at("store");
        let span = section.get("store").map_or(section.span, |node| node.span);
        let diagnostic =
            Diagnostic::new(Finding::Missing, span, &path, format!("{path} is postgres, and `postgres` is missing"), "which one?");
        reader.found_with(diagnostic.help("say where it is, `postgres: { host: db.example, key: db }` say"));
    }
    place
}

/// Notes a database that nothing is kept in.
pub(crate) fn unused(reader: &mut Reader<'_>, root: &Section<'_>, places: [&Place; 2]) {
    let is_used = places.iter().any(|place| matches!(place, Place::Postgres(_)));
    if let (Some(node), false) = (root.get("postgres"), is_used) {
        let message = "postgres has no effect: neither the ledger nor conversations are kept there";
        let diagnostic = Diagnostic::new(Finding::NotEnforced, node.span, "postgres", message, "without effect");
        reader.found_with(diagnostic.help("write `ledger: { store: postgres }`"));
    }
}

fn host(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Host> {
    if section.lacks("host") {
        let message = "postgres lacks `host`";
        reader.found(Finding::Missing, section.span, "postgres", message, "where is it?");
        return None;
    }
    let given = reader.text(section, "host")?;
    let path = section.at("host");
    let help = "write the host alone; port, database and user are fields, and the password is a `key`";
    if given.text.contains('@') || mask::looks_like_key(&given.text) {
        reader.report.secrets.push(given.span);
        let message = format!("{path} holds a user, password or key");
        reader.found_with(Diagnostic::new(Finding::ClearKey, given.span, path, message, "a secret in clear").help(help));
        return None;
    }
    if given.text.starts_with('/') {
        return Some(Host::Folder(given.text.into()));
    }
    let bare = given.text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&given.text);
    let is_name = bare.len() <= 253 && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_name || bare.parse::<IpAddr>().is_ok() {
        return Some(Host::Name(bare.to_owned()));
    }
    let message = format!("{path} is \"{}\", expected a name, an address or the absolute path of a folder", reader.written(given.span));
    reader.found_with(Diagnostic::new(Finding::BadValue, given.span, path, message, "no host").help(help));
    None
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Folder(_) => true,
        Host::Name(name) => name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn absolute(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, path: Text) -> Option<String> {
    if path.text.starts_with('/') {
        return Some(path.text);
    }
    let at = section.at(name);
    let message = format!("{at} is \"{}\", expected the absolute path of a file", reader.written(path.span));
    let diagnostic = Diagnostic::new(Finding::BadValue, path.span, &at, message, "not an absolute path");
    reader.found_with(diagnostic.help("begin it with `/`; `${HOME}` stands for your home"));
    None
}

fn without_effect(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, why: &str) {
    if let Some(node) = section.get(name) {
        let path = section.at(name);
        reader.found(Finding::NotEnforced, node.span, &path, format!("{path} has no effect: {why}"), "without effect");
    }
}

/// The machine's name.
fn here() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use crate::config::load::examine;

    fn read_place(text: &str) -> Place {
        let environment = Environment::new([("HOME".to_owned(), "/home/u".to_owned())]);
        let store = Store::new(std::path::Path::new("/nonexistent"), None);
        examine("config.yaml", text.as_bytes(), &Options::default(), &environment, &store).0.unwrap().ledger.place
    }

    #[test]
    fn another_machine_is_spoken_to_by_tls_unless_the_config_says_otherwise() {
        let ca = || Trust::File("/ca.pem".into());
        for (fields, trust) in [
            ("host: db.example", Trust::System),
            ("host: 10.0.0.7", Trust::System),
            ("host: db.example, tls: verify", Trust::System),
            ("host: db.example, ca: /ca.pem", ca()),
            ("host: db.example, tls: off", Trust::Plain),
            ("host: localhost", Trust::Plain),
            ("host: 127.0.0.9", Trust::Plain),
            ("host: \"[::1]\"", Trust::Plain),
            ("host: /run/postgresql", Trust::Plain),
            ("host: localhost, tls: verify", Trust::System),
            ("host: localhost, ca: /ca.pem", ca()),
        ] {
            let text = format!("version: 1\nproviders: {{ ollama: {{}} }}\npostgres: {{ {fields} }}\nledger: {{ store: postgres }}\n");
            let place = read_place(&text);
            let Place::Postgres(server) = place else { panic!("{fields}") };
            assert_eq!((server.trust, server.port, server.user.as_str()), (trust, 5432, "aimux"), "{fields}");
        }
    }
}
