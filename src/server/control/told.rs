//! What a server tells over its control socket of itself and of a client's session. Start with [`Status`].

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ledger;
use crate::route::sticky::Known as Sessions;
use crate::server::keeper::Tasks;
use crate::upstream::client::Counters;

/// What a server says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether a command started it for a client, not an operator.
    #[serde(default)]
    pub on_demand: bool,
    /// Whether a service manager looks after it.
    #[serde(default)]
    pub is_managed: bool,
    /// Whether another server can take its place without a refused connection.
    #[serde(default)]
    pub hands_over: bool,
    /// The address that it was given instead of the config's.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// The connections to upstreams.
    #[serde(default)]
    pub connections: Counters,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Tasks,
    /// The sessions that it remembers.
    #[serde(default)]
    pub sessions: Sessions,
}

/// What a server tells of a client's session.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
pub struct SessionTold {
    /// What the ledger has of it; `None`: nothing.
    pub sum: Option<ledger::SessionSum>,
    /// The model that it was switched to.
    pub switched: Option<String>,
}
