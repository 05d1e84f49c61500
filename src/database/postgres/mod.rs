//! A database of Postgres, which several instances share: where it is, how it is reached, how its tables come about.
//!
//! All of ours is in the schema `aimux`. `aimux.formats` counts the migrations that each kind of tables has had; they are run by one
//! instance at a time, and those of a newer aimux are left alone. Start with `Format`; `link.rs` is the connection.

mod link;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use link::{Link, Param, column};
pub(crate) use tokio_postgres::Row;

use super::Fault;
use crate::secret::Secret;

/// How long a connection may take to come about.
pub(crate) const CONNECT_S: u64 = 3;
/// How long a statement may take.
pub(crate) const STATEMENT_S: u64 = 15;

/// A database of a server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where the server listens.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// Who asks.
    pub user: String,
    /// With which password.
    pub password: Password,
    /// How the server is trusted.
    pub trust: Trust,
    /// What this instance of aimux calls itself in its rows.
    pub instance: String,
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long a statement may take.
    pub statement: Duration,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// At an address or a name.
    Name(String),
    /// At the socket in a folder.
    Folder(PathBuf),
}

/// A server's password.
#[derive(Debug, Clone)]
pub enum Password {
    /// None is needed.
    None,
    /// It is known.
    Known(Secret),
    /// It is not; why.
    Closed(String),
}

/// How a server is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Without TLS: on this machine, or by the config's leave.
    Plain,
    /// By a certificate that the system trusts, for the host's name.
    System,
    /// By a certificate of an authority in this file, for the host's name.
    File(PathBuf),
}

/// Where rows go, and as whose: what they are kept for, how long one waits, does not matter.
impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        let place = |server: &Self| {
            let Self { host, port, database, user, trust, instance, connect, statement, password: _ } = server.clone();
            (host, port, database, user, trust, instance, connect, statement)
        };
        let is_same_password = match (&self.password, &other.password) {
            (Password::None, Password::None) => true,
            (Password::Known(one), Password::Known(other)) => one.matches(other.expose()),
            (Password::Closed(one), Password::Closed(other)) => one == other,
            _ => false,
        };
        is_same_password && place(self) == place(other)
    }
}

impl Eq for Server {}

/// As a URL, without the password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, port, database, .. } = self;
        match &self.host {
            Host::Name(name) if name.contains(':') => write!(f, "postgres://{user}@[{name}]:{port}/{database}"),
            Host::Name(name) => write!(f, "postgres://{user}@{name}:{port}/{database}"),
            Host::Folder(folder) => write!(f, "postgres://{user}@{}:{port}/{database}", folder.display()),
        }
    }
}

/// A kind of tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format<'a> {
    /// What tells it from other kinds.
    pub(crate) kind: &'a str,
    /// What makes the next version of the tables out of the one before.
    pub(crate) migrations: &'a [&'a str],
}

/// The lock of who makes tables: `aimm`.
const MAKING: i64 = 0x6169_6d6d;

impl Format<'_> {
    /// A database to write to: its tables made, or brought to this version, where need be. Blocks.
    ///
    /// # Errors
    /// When it cannot be reached or used, or its tables are a newer aimux's.
    pub(crate) fn open(&self, server: &Server) -> Result<Link, Fault> {
        let link = Link::open(server)?;
        if self.version(&link)? < self.migrations.len() {
            link.transaction(|| self.migrate(&link))?;
        }
        Ok(link)
    }

    /// A database to read from. Blocks.
    ///
    /// # Errors
    /// When it cannot be reached or used, or nobody wrote to it yet.
    pub(crate) fn open_to_read(&self, server: &Server) -> Result<Link, Fault> {
        let link = Link::open(server)?;
        match self.version(&link)? {
            0 => Err(Fault::Absent),
            version if version < self.migrations.len() => {
                Err(Fault::Failed("it was written by an older aimux; a request through this one brings it up to date".to_owned()))
            }
            _ => Ok(link),
        }
    }

    /// Whether it can be written to, as far as that can be told without writing.
    ///
    /// # Errors
    /// When it cannot be reached or used, nobody wrote to it yet, or it takes no rows; why.
    pub(crate) fn look(&self, server: &Server, table: &str) -> Result<(), Fault> {
        let link = self.open_to_read(server)?;
        let sql =
            "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean, has_table_privilege($1, 'INSERT')";
        let Some(row) = link.query(sql, &[Param::Text(table)])?.pop() else { return Ok(()) };
        match (column::<bool>(&row, 0)?, column::<bool>(&row, 1)?) {
            (true, _) => Err(Fault::Failed("it only reads: it is a replica, or set so".to_owned())),
            (_, false) => Err(Fault::Failed(format!("the user \"{}\" may not insert into {table}", server.user))),
            (false, true) => Ok(()),
        }
    }

    /// The version of its tables, 0 where there are none.
    fn version(&self, link: &Link) -> Result<usize, Fault> {
        let encoding = link.query("SELECT current_setting('server_encoding'), to_regclass('aimux.formats') IS NULL", &[])?;
        let (encoding, is_new) = match encoding.first() {
            Some(row) => (column::<String>(row, 0)?, column::<bool>(row, 1)?),
            None => Default::default(),
        };
        if encoding != "UTF8" {
            return Err(Fault::Failed(format!("its encoding is {encoding}; aimux needs UTF8")));
        }
        if is_new {
            return Ok(0);
        }
        let found = link.query("SELECT version FROM aimux.formats WHERE kind = $1", &[Param::Text(self.kind)])?;
        let version = found.first().map_or(Ok(0), |row| column::<i64>(row, 0))?;
        let (version, known) = (usize::try_from(version).unwrap_or(usize::MAX), self.migrations.len());
        if version > known {
            return Err(Fault::Failed(format!("it was written by a newer aimux (version {version}, this one knows {known})")));
        }
        Ok(version)
    }

    /// Runs the migrations that it has not had, as a part of a transaction. Several instances may try at a time; one does.
    fn migrate(&self, link: &Link) -> Result<(), Fault> {
        link.query("SELECT pg_advisory_xact_lock($1)", &[Param::Number(MAKING)])?;
        // Who may not make a schema may still have been given one.
        let there = link.query("SELECT to_regnamespace('aimux') IS NULL", &[])?;
        if there.first().is_some_and(|row| column(row, 0).unwrap_or(false)) {
            link.batch("CREATE SCHEMA aimux")?;
        }
        link.batch("CREATE TABLE IF NOT EXISTS aimux.formats (kind TEXT PRIMARY KEY, version BIGINT NOT NULL)")?;
        for migration in self.migrations.iter().skip(self.version(link)?) {
            link.batch(migration)?;
        }
        let version = i64::try_from(self.migrations.len()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO aimux.formats VALUES ($1, $2) ON CONFLICT (kind) DO UPDATE SET version = $2";
        link.execute(sql, &[Param::Text(self.kind), Param::Number(version)]).map(|_| ())
    }
}
