//! A store of a test's own, of either kind, and what a test looks at behind aimux' back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aimux::ledger::Place;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;

use crate::postgres::Postgres;

pub(crate) enum Store {
    Sqlite(TempDir),
    Postgres(Box<Postgres>),
}

/// Runs tests over each kind of store; each takes an empty one.
macro_rules! over_each {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(&crate::store::Store::sqlite()); })*
        }
        mod real_postgres {
            $(#[test] fn $name() { super::$name(&crate::store::Store::postgres()); })*
        }
    };
}
pub(crate) use over_each;

/// Columns of Postgres' alone, by which several instances do not get in each other's way.
const SHARED: [&str; 3] = ["instance", "writer", "sequence"];

impl Store {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Box::new(Postgres::start()))
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Sqlite(folder) => Place::File(folder.path().join("state/store.sqlite")),
            Self::Postgres(postgres) => postgres.place(),
        }
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.place().file().unwrap()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    /// Every column of a table's rows, as text: `name=value`, flags as 0 and 1.
    pub(crate) fn rows(&self, table: &str) -> Vec<String> {
        match self {
            Self::Sqlite(_) => sqlite_rows(&self.connection(), table),
            Self::Postgres(postgres) => {
                // Like a row of a file: NULL told apart, columns in their order.
                let sql = format!(
                    "SELECT string_agg(column_name || '=' || coalesce(CASE json_typeof(value) WHEN 'boolean' THEN (value::text::boolean)::int::text
                        ELSE json #>> ARRAY[column_name] END, 'NULL'), ' ' ORDER BY ordinal_position)
                     FROM (SELECT row_number() OVER () AS line, row_to_json(one) AS json FROM (SELECT * FROM aimux.{table} ORDER BY 1, 2) AS one) AS rows,
                        LATERAL (SELECT column_name::text, ordinal_position, json -> column_name::text AS value FROM information_schema.columns
                            WHERE table_schema = 'aimux' AND table_name = '{table}' AND column_name NOT IN ('{}')) AS columns
                     GROUP BY line ORDER BY line",
                    SHARED.join("', '")
                );
                postgres.sql(&sql).lines().map(str::to_owned).collect()
            }
        }
    }

    pub(crate) fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        match self {
            Self::Sqlite(_) => self.connection().query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap(),
            Self::Postgres(postgres) => postgres.sql(&sql.replace("FROM ", "FROM aimux.")).parse().unwrap(),
        }
    }

    /// As a newer aimux leaves it.
    pub(crate) fn is_newer_now(&self, kind: &str) {
        match self {
            Self::Sqlite(_) => {
                let connection = self.connection();
                let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
                connection.pragma_update(None, "user_version", version + 1).unwrap();
            }
            Self::Postgres(postgres) => {
                postgres.sql(&format!("UPDATE aimux.formats SET version = version + 1 WHERE kind = '{kind}'"));
            }
        }
    }
}

fn sqlite_rows(connection: &Connection, table: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = statement.query_map([], |row| {
        let cell = |(index, name): (usize, &String)| {
            let value = match row.get_ref(index).unwrap() {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                other => panic!("{other:?}"),
            };
            format!("{name}={value}")
        };
        Ok(names.iter().enumerate().map(cell).collect::<Vec<_>>().join(" "))
    });
    read.unwrap().map(Result::unwrap).collect()
}

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
