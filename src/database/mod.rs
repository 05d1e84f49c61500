//! Databases of ours: where one is, why it cannot be worked with, how it is.
//!
//! A file of SQLite's is what holds without a word in the config (`sqlite.rs`); a database of Postgres is shared by several instances
//! ([`postgres`]). Start with [`Place`].

pub mod postgres;
pub(crate) mod sqlite;

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file of SQLite's.
    File(PathBuf),
    /// In a database of Postgres.
    Postgres(Box<postgres::Server>),
}

impl Place {
    /// The file; `None`: it is in none of this machine's.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// Why there is no database to work with.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system or the database says no; it may say yes later.
    Failed(String),
    /// The file is no database, or no longer one.
    Damaged(String),
    /// Nobody wrote one yet.
    Absent,
}

impl Fault {
    /// In words.
    pub(crate) fn reason(self, noun: &str) -> String {
        match self {
            Self::Failed(reason) => reason,
            Self::Damaged(reason) => format!("it is damaged or no {noun} ({reason}); move it away and a new one is begun"),
            Self::Absent => "there is none".to_owned(),
        }
    }
}

/// How a database is, by a quick look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// Nobody wrote one yet.
    Absent,
    /// It is as it was left.
    Sound,
    /// It cannot be looked at now, or by this version; why.
    Closed(String),
    /// It is no database, or no longer one; why.
    Damaged(String),
}

impl From<Result<(), Fault>> for Health {
    fn from(looked: Result<(), Fault>) -> Self {
        match looked {
            Ok(()) => Self::Sound,
            Err(Fault::Damaged(reason)) => Self::Damaged(reason),
            Err(Fault::Failed(reason)) => Self::Closed(reason),
            Err(Fault::Absent) => Self::Absent,
        }
    }
}

/// Databases keep whole numbers with a sign.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The number as it was; what is below zero never was one of ours.
pub(crate) fn figure(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
