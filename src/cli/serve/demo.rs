//! `--demo`: the built-in upstream, and the config that leads to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::config::{self, Limits, Ready};
use crate::dialect::{Dialect, Quirks};
use crate::error::{Code, Error};
use crate::provider::{Auth, Check};
use crate::route::glob::Glob;
use crate::route::sticky::Sticky;
use crate::route::table::{Choice, Endpoint, ModelEntry, Provider, Table, TargetRef};
use crate::{demo, history, ledger};

/// Starts the upstream.
pub(crate) async fn start_demo() -> Result<demo::Demo, Error> {
    demo::start().await.map_err(|error| Error::new(Code::CannotBind, "the demo upstream could not be started").caused_by(error))
}

/// The config of `--demo`: one provider, the built-in upstream, for every model name.
pub(crate) fn demo_config(demo: SocketAddr, listen: Option<SocketAddr>) -> Ready {
    let endpoint = Endpoint {
        dialect: Dialect::OpenAiChat,
        base_url: format!("http://{demo}/v1"),
        auth: Auth::None,
        quirks: Quirks::CHAT,
        check: Check::usual(Dialect::OpenAiChat),
    };
    let provider = Provider { models: vec!["demo".to_owned()], ..Provider::new("demo", vec![endpoint]) };
    let entry = |name: &str| ModelEntry {
        name: Glob::new(name),
        targets: vec![TargetRef { provider: 0, model: "demo".to_owned() }],
        choice: Choice::default(),
    };
    let table = Table {
        providers: vec![Arc::new(provider)],
        models: vec![entry("claude-*"), entry("*")],
        sticky: Some(Sticky::default()),
        ..Table::default()
    };
    let listen = listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, config::DEFAULT_PORT).into());
    Ready {
        path: None,
        server: config::Server { listen, token: None, hosts: Vec::new(), watch: false, idle_exit: None },
        limits: Limits::default(),
        table,
        ledger: ledger::Settings::off(),
        history: history::Settings::off(),
        database_key: config::DatabaseKey::default(),
        notes: Vec::new(),
        written: Vec::new(),
    }
}
