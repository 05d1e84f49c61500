//! Conversations as the config has them kept: the store of that kind.

use super::Settings;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::store::Store;
use crate::database::{Fault, Health, Place};

/// Conversations to write to: made or brought to this version where need be.
pub(super) fn open(settings: &Settings) -> Result<Box<dyn Store>, Fault> {
    match &settings.place {
        Place::File(path) => Ok(Box::new(Sqlite::open(path, settings.attachments)?)),
        Place::Postgres(server) => Ok(Box::new(Postgres::open(server, settings.attachments)?)),
    }
}

/// Conversations to read; others may write to them meanwhile.
pub(super) fn open_to_read(settings: &Settings) -> Result<Box<dyn Store>, Fault> {
    match &settings.place {
        Place::File(path) => Ok(Box::new(Sqlite::open_to_read(path)?)),
        Place::Postgres(server) => Ok(Box::new(Postgres::open_to_read(server)?)),
    }
}

/// How they are, by a quick look.
pub(super) fn health(place: &Place) -> Health {
    match place {
        Place::File(path) => super::sqlite::health(path),
        Place::Postgres(server) => super::postgres::health(server),
    }
}
