//! One server: how it is begun, what it has, a call on its way.

use std::pin::Pin;
use std::sync::PoisonError;
use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::model::{
    CallToolResult, ClientCapabilities, ClientConfig, ClientRequest, Implementation, PaginatedRequestParams, ServerResult,
    Tool as ServerTool,
};
use rmcp::service::{ClientInitializeError, Peer, PeerRequestOptions, RoleClient, RunningService, ServiceError};
use serde_json::value::RawValue;

use super::groups::Groups;
use super::lines::{Lines, Why};
use super::program::{self, Program};
use super::sandbox::Available;
use super::{Around, Tool, arguments, http};
use crate::config::{McpReach, McpServer};
use crate::error::{Code, Error};
use crate::upstream::client::{Client, ClientSettings};

/// The most tools of one server, and the most answers in which it names them.
const TOOLS_MAX: usize = 512;
const PAGES_MAX: usize = 64;
/// The longest description that is given on, and the longest schema.
const DESCRIPTION_MAX: usize = 16 << 10;
const SCHEMA_MAX: usize = 64 << 10;
/// How long a server is told that a call is not wanted any more.
const CANCEL_MAX: Duration = Duration::from_millis(500);

pub(super) type Service = RunningService<RoleClient, ClientConfig>;

/// A server.
pub(super) struct Link {
    server: McpServer,
    program: Option<Program>,
    service: Option<Service>,
    why: Option<Why>,
}

/// A server that has named its tools.
pub(super) struct Listed {
    pub(super) service: Service,
    pub(super) tools: Vec<ServerTool>,
}

/// The way until then.
pub(super) type Begun = Pin<Box<dyn Future<Output = Result<Listed, String>> + Send>>;

impl Link {
    pub(super) fn new(server: McpServer) -> Self {
        Self { server, program: None, service: None, why: None }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.server.timeout
    }

    pub(super) fn output_bytes(&self) -> usize {
        self.server.output_bytes
    }

    /// Starts the program, or connects; within a runtime.
    pub(super) fn begin(
        &mut self,
        around: &Around,
        groups: &Groups,
        sandboxes: &mut Available,
        notes: &mut Vec<String>,
    ) -> Result<Begun, String> {
        match &self.server.reach {
            McpReach::Program(wanted) => {
                let (program, input, output) =
                    program::start(&self.server.name, wanted, self.server.key.as_ref(), around, groups, sandboxes, notes)?;
                let (lines, why) = Lines::new(input, output);
                (self.program, self.why) = (Some(program), Some(why));
                Ok(Box::pin(async move { listed(client().serve(lines).await.map_err(|error| refused(&error))?).await }))
            }
            McpReach::Url { url, headers } => {
                let upstreams = Client::new(ClientSettings::default()).map_err(|error| error.message)?;
                let transport = http::transport(upstreams, url, headers, self.server.key.as_ref())?;
                Ok(Box::pin(async move { listed(client().serve(transport).await.map_err(|error| error.to_string())?).await }))
            }
        }
    }

    /// Takes what it has; gives its tools.
    pub(super) fn take(&mut self, service: Service, tools: Vec<ServerTool>, at: usize) -> Vec<Tool> {
        self.service = Some(service);
        tools.into_iter().filter_map(|tool| self.tool(tool, at)).collect()
    }

    fn tool(&self, tool: ServerTool, at: usize) -> Option<Tool> {
        let schema = serde_json::to_string(&*tool.input_schema).ok().filter(|text| text.len() <= SCHEMA_MAX)?;
        let mut description = tool.description.unwrap_or_default().into_owned();
        if description.len() > DESCRIPTION_MAX {
            let end = (0..=DESCRIPTION_MAX).rev().find(|end| description.is_char_boundary(*end)).unwrap_or(0);
            description.truncate(end);
        }
        Some(Tool {
            server: self.server.name.clone(),
            name: tool.name.into_owned(),
            offered: String::new(),
            description,
            schema: RawValue::from_string(schema).ok()?,
            at,
        })
    }

    /// A call, not sent yet.
    pub(super) fn call(&self, tool: &str, arguments: &str) -> Result<Pending, String> {
        let request = arguments::request(tool, arguments)?;
        let service = self.service.as_ref().ok_or("the server is not there")?;
        Ok(Pending { peer: service.peer().clone(), request })
    }

    /// Why something failed, with what the server said at its end.
    pub(super) fn reason(&self, reason: &str) -> String {
        let known = self.why.as_ref().and_then(|why| why.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let reason = known.unwrap_or_else(|| reason.to_owned());
        match self.program.as_ref().map(Program::last_words) {
            Some(words) if !words.is_empty() => format!("{reason}; it said: {words}"),
            _ => reason,
        }
    }

    /// The same of a server that did not start.
    pub(super) fn failed(&self, reason: &str) -> Error {
        let error = Error::new(Code::ToolServer, format!("mcp server \"{}\": {}", self.server.name, self.reason(reason)));
        let is_held =
            matches!(&self.server.reach, McpReach::Program(program) if program.sandbox.as_ref().is_some_and(|held| !held.network));
        if is_held {
            error.hint("in its sandbox it has no network and writes nowhere but into its folder: `sandbox:` in docs/tools.md")
        } else {
            error
        }
    }

    /// Lets it go: its standard input ends.
    pub(super) fn close(&mut self) {
        if let Some(service) = self.service.take() {
            service.cancellation_token().cancel();
        }
    }

    pub(super) fn program(&mut self) -> Option<&mut Program> {
        self.program.as_mut()
    }
}

/// What servers are told of aimux: it offers them nothing.
fn client() -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new("aimux", env!("CARGO_PKG_VERSION")))
}

/// Why a program was not spoken to: all that its pipes say is that it reads no more.
fn refused(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { .. } => "the server has ended".to_owned(),
        error => error.to_string(),
    }
}

async fn listed(service: Service) -> Result<Listed, String> {
    let mut tools = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let page = service.peer().list_tools(Some(page)).await.map_err(|error| sentence(&error))?;
        tools.extend(page.tools);
        cursor = page.next_cursor;
        if cursor.is_none() || tools.len() >= TOOLS_MAX {
            break;
        }
    }
    tools.truncate(TOOLS_MAX);
    Ok(Listed { service, tools })
}

fn sentence(error: &ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => format!("the server refused: {} ({})", error.message, error.code.0),
        ServiceError::TransportClosed | ServiceError::TransportSend(_) => "the server has ended".to_owned(),
        ServiceError::UnexpectedResponse => "the server's answer is no result of a tool".to_owned(),
        error => error.to_string(),
    }
}

/// A call.
pub(super) struct Pending {
    peer: Peer<RoleClient>,
    request: ClientRequest,
}

impl Pending {
    /// Sends it and waits. Dropped, the server is told that nobody waits.
    pub(super) async fn made(self) -> Result<CallToolResult, String> {
        let sent = self.peer.send_cancellable_request(self.request, PeerRequestOptions::no_options()).await;
        let mut waiting = Waiting(Some(sent.map_err(|error| sentence(&error))?));
        let Some(handle) = &mut waiting.0 else { return Err("the call was lost".to_owned()) };
        let answer = (&mut handle.rx).await;
        waiting.0 = None;
        match answer.map_err(|_| "the server has ended".to_owned())?.map_err(|error| sentence(&error))? {
            ServerResult::CallToolResult(result) => Ok(result),
            ServerResult::InputRequiredResult(_) => {
                Err("the server wants to ask the user something, which aimux does not offer".to_owned())
            }
            ServerResult::CreateTaskResult(_) => Err("the server made a task of it, which aimux does not wait for".to_owned()),
            _ => Err("the server's answer is no result of a tool".to_owned()),
        }
    }
}

/// A call whose answer is waited for.
struct Waiting(Option<rmcp::service::RequestHandle<RoleClient>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let (Some(handle), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else { return };
        // A server that does not take it will be ended anyway.
        runtime.spawn(tokio::time::timeout(CANCEL_MAX, handle.cancel(Some("nobody waits for it any more".to_owned()))));
    }
}
