//! One connection to a server, for who may block: each call waits for its answer, and no longer than the server's limits say.
//!
//! Its runtime lives on the thread that calls. Statements go without being prepared, so that a pooler in between may hand each
//! session to another server.

use std::error::Error as _;
use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

use super::super::Fault;
use super::tls::Rustls;
use super::{Host, Password, Server, Trust};

/// How long a connection is silent before its other end is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// So much later than the server itself is a statement given up: the server's own words are better.
const GRACE: Duration = Duration::from_secs(1);
/// How long the network is listened to for a connection's end before something is sent over it.
const LISTEN: Duration = Duration::from_millis(1);

/// A value in a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Param<'a> {
    Text(&'a str),
    Number(i64),
    MaybeNumber(Option<i64>),
    Flag(bool),
    Bytes(&'a [u8]),
}

/// A connection.
pub(crate) struct Link {
    /// `None`: it ends.
    runtime: Option<Runtime>,
    client: Client,
    limit: Duration,
}

impl Param<'_> {
    fn sql(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Number(number) => (number, Type::INT8),
            Self::MaybeNumber(number) => (number, Type::INT8),
            Self::Flag(flag) => (flag, Type::BOOL),
            Self::Bytes(bytes) => (bytes, Type::BYTEA),
        }
    }
}

impl Link {
    pub(super) fn open(server: &Server) -> Result<Self, Fault> {
        let config = config(server)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| Fault::Failed(error.to_string()))?;
        let connected = runtime.block_on(async { tokio::time::timeout(server.connect, connected(server, &config)).await });
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(fault)) => {
                runtime.shutdown_background();
                return Err(fault);
            }
            Err(_) => {
                // A name that is looked up is not waited for.
                runtime.shutdown_background();
                return Err(Fault::Failed(format!("no connection within {} s", server.connect.as_secs())));
            }
        };
        Ok(Self { runtime: Some(runtime), client, limit: server.statement + GRACE })
    }

    /// Whether it is still up, as far as this end has heard.
    pub(crate) fn is_up(&self) -> bool {
        let Some(runtime) = &self.runtime else { return false };
        runtime.block_on(async { tokio::time::sleep(LISTEN).await });
        !self.client.is_closed()
    }

    /// The rows that a statement gives.
    pub(crate) fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let params: Vec<_> = params.iter().map(Param::sql).collect();
        self.wait(self.client.query_typed(sql, &params))
    }

    /// Each row that a statement gives, however many: they are not held. Its limit is one for all of them.
    pub(crate) fn each(&self, sql: &str, params: &[Param<'_>], each: &mut dyn FnMut(&Row) -> Result<(), Fault>) -> Result<(), Fault> {
        let params: Vec<_> = params.iter().map(Param::sql).collect();
        self.bounded(async {
            let mut rows = Box::pin(self.client.query_typed_raw(sql, params).await.map_err(fault)?);
            while let Some(row) = std::future::poll_fn(|context| futures_core::Stream::poll_next(rows.as_mut(), context)).await {
                each(&row.map_err(fault)?)?;
            }
            Ok(())
        })
    }

    /// Gives the number of rows that a statement touched.
    pub(crate) fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, Fault> {
        let params: Vec<_> = params.iter().map(Param::sql).collect();
        self.wait(self.client.execute_typed(sql, &params))
    }

    /// Statements without values.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), Fault> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Does all or nothing.
    pub(crate) fn transaction<T>(&self, body: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.batch("BEGIN")?;
        match body() {
            Ok(done) => self.batch("COMMIT").map(|()| done),
            Err(fault) => {
                // Where this fails too, the server ends the transaction with the connection.
                let _ = self.batch("ROLLBACK");
                Err(fault)
            }
        }
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        self.bounded(async { answer.await.map_err(fault) })
    }

    fn bounded<T>(&self, answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let Some(runtime) = &self.runtime else { return Err(Fault::Absent) };
        let late = || Fault::Failed(format!("no answer within {} s", self.limit.as_secs()));
        runtime.block_on(async { tokio::time::timeout(self.limit, answer).await }).unwrap_or_else(|_| Err(late()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn config(server: &Server) -> Result<Config, Fault> {
    let mut config = Config::new();
    match &server.host {
        Host::Name(name) => config.host(name),
        Host::Folder(folder) => config.host_path(folder),
    };
    match &server.password {
        Password::None => {}
        Password::Known(secret) => {
            config.password(secret.expose());
        }
        Password::Closed(reason) => return Err(Fault::Failed(reason.clone())),
    }
    let statement = server.statement.as_millis();
    config.port(server.port).user(&server.user).dbname(&server.database).application_name("aimux").options(format!(
        "-c statement_timeout={statement} -c lock_timeout={statement} -c idle_in_transaction_session_timeout={} -c search_path=pg_catalog",
        statement * 2
    ));
    config.ssl_mode(if server.trust == Trust::Plain { SslMode::Disable } else { SslMode::Require });
    config.connect_timeout(server.connect).keepalives_idle(KEEP_ALIVE).tcp_user_timeout(server.statement);
    Ok(config)
}

async fn connected(server: &Server, config: &Config) -> Result<Client, Fault> {
    if server.trust == Trust::Plain {
        let (client, connection) = config.connect(NoTls).await.map_err(fault)?;
        // How it ends is told by the next call.
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(Rustls::new(&server.trust).map_err(Fault::Failed)?).await.map_err(fault)?;
    tokio::spawn(connection);
    Ok(client)
}

/// A column of a row.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Fault> {
    row.try_get(index).map_err(fault)
}

/// The server's own words, else each cause.
fn fault(error: tokio_postgres::Error) -> Fault {
    if let Some(said) = error.as_db_error() {
        if [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(said.code()) {
            return Fault::Absent;
        }
        return Fault::Failed(format!("{} ({})", said.message(), said.code().code()));
    }
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !reason.contains(&inner_text) {
            // Writing into text does not fail.
            let _ = write!(reason, ": {inner_text}");
        }
        cause = inner.source();
    }
    Fault::Failed(reason)
}
