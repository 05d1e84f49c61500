//! A program's standard input and output as the SDK's transport: a message is a line.
//!
//! Lines that are no message are skipped: many programs greet on their standard output. A line that is too long ends it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use super::arguments;

/// The longest message.
const LINE_MAX: usize = 16 << 20;

/// Why a program is not heard any more, where that is known.
pub(super) type Why = Arc<Mutex<Option<String>>>;

/// The transport.
pub(super) struct Lines {
    reader: BufReader<ChildStdout>,
    line: Vec<u8>,
    writer: Arc<tokio::sync::Mutex<Option<ChildStdin>>>,
    why: Why,
}

impl Lines {
    pub(super) fn new(input: ChildStdin, output: ChildStdout) -> (Self, Why) {
        let why = Why::default();
        let writer = Arc::new(tokio::sync::Mutex::new(Some(input)));
        (Self { reader: BufReader::new(output), line: Vec::new(), writer, why: Arc::clone(&why) }, why)
    }

    fn end(&self, reason: &str) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    /// Fills `line` with the next one; whether there is one. Dropped in its middle, it goes on where it was.
    async fn next_line(&mut self) -> bool {
        loop {
            let available = match self.reader.fill_buf().await {
                Ok([]) | Err(_) => return false,
                Ok(available) => available,
            };
            let end = memchr::memchr(b'\n', available);
            let taken = end.map_or(available.len(), |at| at + 1);
            self.line.extend_from_slice(available.get(..taken).unwrap_or_default());
            self.reader.consume(taken);
            if self.line.len() > LINE_MAX {
                self.end("it sent a message of more than 16 MiB");
                return false;
            }
            if end.is_some() {
                return true;
            }
        }
    }
}

impl Transport<RoleClient> for Lines {
    type Error = io::Error;

    fn send(&mut self, message: ClientJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (text, writer) = (arguments::written(&message), Arc::clone(&self.writer));
        async move {
            let mut text = text.map_err(io::Error::other)?;
            text.push('\n');
            let mut writer = writer.lock().await;
            let Some(writer) = writer.as_mut() else { return Err(io::ErrorKind::NotConnected.into()) };
            writer.write_all(text.as_bytes()).await?;
            writer.flush().await
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        while self.next_line().await {
            let line = std::mem::take(&mut self.line);
            match serde_json::from_slice(line.trim_ascii()) {
                Ok(message) => return Some(message),
                Err(error) if !line.trim_ascii().is_empty() => tracing::debug!(%error, "a line of a server of tools is no message"),
                Err(_) => {}
            }
        }
        None
    }

    async fn close(&mut self) -> io::Result<()> {
        *self.writer.lock().await = None;
        Ok(())
    }
}
