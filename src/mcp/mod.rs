//! Servers of tools (Model Context Protocol), as their client: started or reached, asked what they have, called, ended.
//!
//! The protocol is its own SDK's (`rmcp`); what is under it is ours: a program's lines (`lines.rs`), HTTP over the upstreams'
//! connections (`http.rs`), processes and their end (`program.rs`), what holds them (`sandbox.rs`), what fits them (`check.rs`). A server is offered
//! nothing in return: no files, no model, no questions to the user. The runtime has a thread of its own; who calls waits.
//!
//! Start with [`Session::start`], then [`Session::call`].

mod arguments;
mod check;
mod groups;
mod http;
mod lines;
mod link;
mod names;
mod program;
mod sandbox;
mod shown;

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(crate) use self::arguments::raw_object;
pub use self::check::{Checks, Fit};
pub use self::groups::Groups;
use self::link::{Link, Listed};
pub use self::shown::{Output, Part};
use crate::config::McpServer;
use crate::error::{Code, Error};

/// How often a wait looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long the runtime may take to end, once the servers have.
const RUNTIME_END: Duration = Duration::from_millis(200);

/// What servers find around them.
#[derive(Debug, Clone)]
pub struct Around {
    /// Variables of aimux's own, of which they get a few.
    pub variables: Vec<(String, String)>,
    /// Where aimux is run.
    pub folder: PathBuf,
    /// Folders that a sandbox hides: aimux's config, keys and state.
    pub hidden: Vec<PathBuf>,
    /// The home folder: nobody gets to write all of it because aimux is run there.
    pub home: Option<PathBuf>,
}

/// A tool that can be called.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The server that has it.
    pub server: String,
    /// Its name there.
    pub name: String,
    /// Its name in requests to a model: of 64 characters at most, and no other tool's.
    pub offered: String,
    /// What it does, in the server's words.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Box<RawValue>,
    /// The server, among the session's.
    at: usize,
}

impl Tool {
    /// `server.tool`, as people write it.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.server, self.name)
    }
}

/// How a call went.
#[derive(Debug)]
pub enum Called {
    /// The server answered, perhaps that the tool failed.
    Answered(Output),
    /// There is no answer, and why: a sentence for the model.
    Failed(String),
    /// Whoever waits wants no answer any more.
    Interrupted,
}

/// Whether whoever waits wants to go.
pub type IsInterrupted<'a> = &'a dyn Fn() -> bool;

/// The servers of one command, running. Dropped, they are ended, and all that they started.
pub struct Session {
    links: Vec<Link>,
    tools: Vec<Tool>,
    notes: Vec<String>,
    handle: Handle,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Session {
    /// Starts or reaches the servers, all at a time, and asks for their tools. `groups` gets the programs' process groups.
    ///
    /// # Errors
    /// When one does not start, or does not name its tools in time; `None` in place of a session: interrupted.
    pub fn start(
        servers: Vec<McpServer>,
        around: &Around,
        groups: &Groups,
        is_interrupted: IsInterrupted<'_>,
    ) -> Result<Option<Self>, Error> {
        let (handle, thread) = runtime()?;
        let mut session = Self { links: Vec::new(), tools: Vec::new(), notes: Vec::new(), handle, thread: Some(thread) };
        let mut starting = Vec::new();
        let mut sandboxes = sandbox::Available::default();
        for server in servers {
            let limit = server.start;
            let mut link = Link::new(server);
            let begun = {
                let _guard = session.handle.enter();
                link.begin(around, groups, &mut sandboxes, &mut session.notes)
            };
            let failed = begun.as_ref().err().map(|reason| link.failed(reason));
            session.links.push(link);
            match (begun, failed) {
                (Ok(begun), _) => starting.push((session.handle.spawn(begun), limit)),
                (Err(_), failed) => return Err(failed.unwrap_or_else(bug)),
            }
        }
        for (at, (task, limit)) in starting.into_iter().enumerate() {
            let waited = session.wait(limit, is_interrupted, task);
            let Some(link) = session.links.get_mut(at) else { continue };
            let listed = match waited {
                Waited::Done(Ok(Ok(listed))) => listed,
                Waited::Done(Ok(Err(reason))) => return Err(link.failed(&reason)),
                Waited::Done(Err(_)) => return Err(bug()),
                Waited::Late => return Err(link.failed(&format!("it did not name its tools within {} s (start_s)", limit.as_secs()))),
                Waited::Interrupted => return Ok(None),
            };
            let Listed { service, tools } = listed;
            session.tools.extend(link.take(service, tools, at));
        }
        names::tell_apart(&mut session.tools);
        Ok(Some(session))
    }

    /// What can be called.
    #[must_use]
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// What is to be said of the start: what holds no server, say.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Keeps the tools that are wanted.
    pub fn keep(&mut self, is_wanted: impl Fn(&Tool) -> bool) {
        self.tools.retain(|tool| is_wanted(tool));
    }

    /// Calls a tool with the JSON text of an object, and waits for what comes: as long as its server's config says.
    pub fn call(&self, tool: &Tool, arguments: &str, is_interrupted: IsInterrupted<'_>) -> Called {
        let Some(link) = self.links.get(tool.at) else { return Called::Failed("there is no such tool".to_owned()) };
        let pending = match link.call(&tool.name, arguments) {
            Ok(pending) => pending,
            Err(reason) => return Called::Failed(reason),
        };
        match self.wait(link.timeout(), is_interrupted, self.handle.spawn(pending.made())) {
            Waited::Done(Ok(Ok(result))) => Called::Answered(shown::output(result, link.output_bytes())),
            Waited::Done(Ok(Err(reason))) => Called::Failed(link.reason(&reason)),
            Waited::Done(Err(_)) => Called::Failed("the call broke".to_owned()),
            Waited::Late => Called::Failed(format!("no answer within {} s (timeout_s): the call was given up", link.timeout().as_secs())),
            Waited::Interrupted => Called::Interrupted,
        }
    }

    /// Waits for a task, which is ended where nobody waits any more.
    fn wait<T>(&self, limit: Duration, is_interrupted: IsInterrupted<'_>, mut task: tokio::task::JoinHandle<T>) -> Waited<T> {
        self.handle.block_on(async {
            let late = tokio::time::sleep(limit);
            tokio::pin!(late);
            let waited = loop {
                tokio::select! {
                    biased;
                    done = &mut task => return Waited::Done(done.map_err(|_| ())),
                    () = &mut late => break Waited::Late,
                    () = tokio::time::sleep(LOOK_EVERY) => if is_interrupted() { break Waited::Interrupted },
                }
            };
            task.abort();
            waited
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for link in &mut self.links {
            link.close();
        }
        program::end_all(self.links.iter_mut().filter_map(Link::program));
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(());
            // A thread that broke has told so itself.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("tools", &self.tools).finish_non_exhaustive()
    }
}

enum Waited<T> {
    Done(Result<T, ()>),
    Late,
    Interrupted,
}

type Thread = (oneshot::Sender<()>, JoinHandle<()>);

/// A runtime on a thread of its own: servers that ask something while a model answers are answered.
fn runtime() -> Result<(Handle, Thread), Error> {
    let failed = |error: std::io::Error| Error::new(Code::Bug, "no runtime for servers of tools").caused_by(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    let work = move || {
        // Whoever has let the sender go wants the same.
        let _ = runtime.block_on(stopped);
        runtime.shutdown_timeout(RUNTIME_END);
    };
    let thread = std::thread::Builder::new().name("mcp".to_owned()).spawn(work).map_err(failed)?;
    Ok((handle, (stop, thread)))
}

fn bug() -> Error {
    Error::new(Code::Bug, "a server of tools was lost while it started")
}
