//! The one table of errors: every code with its HTTP status, exit code, who may retry, cause and remedy.
//!
//! `docs/error-codes.md` is generated from it. Codes are never reused. A message holds no key, prompt, body or path
//! outside the config.

use std::fmt;

/// What to do about a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// A retry mends nothing.
    Never,
    /// aimux may try another target before the first content.
    NextTarget,
    /// The client may, later.
    Later,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The client's request.
    Client,
    /// A provider.
    Upstream,
    /// aimux or its set-up.
    Aimux,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// `E0101`, without the `AIMUX-` in front.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// HTTP status, 0 where no client is answered.
    pub status: u16,
    /// Exit code of a command that fails with it.
    pub exit: u8,
    /// Who may retry.
    pub retry: Retry,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub action: &'static str,
}

macro_rules! codes {
    ($($variant:ident: $id:literal, $status:literal, $exit:literal, $retry:ident, $title:literal, $cause:literal, $action:literal;)*) => {
        /// The codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(
            #[doc = $title]
            $variant,
        )* }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code's row.
            #[must_use]
            pub fn row(self) -> Row {
                match self { $(Self::$variant => Row {
                    id: $id, title: $title, status: $status, exit: $exit, retry: Retry::$retry, cause: $cause, action: $action,
                },)* }
            }
        }
    };
}

codes! {
    Usage: "E0101", 0, 64, Never, "wrong usage", "A command was given arguments that it does not know or that contradict each other.", "Read the command's --help.";
    ConfigInvalid: "E0102", 0, 78, Never, "the config has errors", "The config file does not pass the validator.", "Mend what `aimux config validate` prints.";
    ConfigMissing: "E0103", 0, 78, Never, "no config and no keys", "There is no config file, no key file and no provider's variable in the environment.", "Add a key with `aimux keys add anthropic`, set a provider's variable, or try `aimux serve --demo`.";
    ConfigUnreadable: "E0104", 0, 78, Never, "the config cannot be read", "The config file is missing, unreadable, too large or writable by everybody.", "Check the path and its permissions.";
    AddressInUse: "E0105", 0, 69, Never, "the address is in use", "Another process listens on the address.", "Stop the process that the message names, or choose another address with --listen.";
    CannotBind: "E0106", 0, 69, Never, "the address cannot be bound", "The system refuses the listening address.", "Choose another address with --listen or server.listen.";
    KeyUnavailable: "E0107", 0, 78, Never, "a provider's key is missing", "The config names a key file or variable that does not exist or cannot be opened.", "Add it with `aimux keys add NAME` or set the variable.";
    Permission: "E0108", 0, 77, Never, "a file's permissions are unsafe", "A key, identity or token file is readable by others, belongs to another user or is a symlink.", "chmod 600 the file, or remove it and make it again.";
    ClientMissing: "E0109", 0, 69, Never, "the client program was not found", "`aimux run` could not start the program.", "Install it, or add its folder to PATH.";
    LoginFailed: "E0180", 0, 77, Never, "the login did not succeed", "A login in the browser was refused, took too long, or its code could not be exchanged for a key. Nothing was changed.", "Log in again; `--no-browser` is for machines whose browser cannot come back.";
    ServiceManager: "E0181", 0, 69, Never, "the service manager failed", "systemctl or launchctl is not there, or refused what `aimux service` asked of it.", "Read its words. Where no service manager runs, start the server with `aimux serve`.";
    BadRequest: "E0201", 400, 65, Never, "the request cannot be read", "The body is not the JSON that the dialect asks for.", "Mend the field that the message names.";
    UnknownModel: "E0202", 404, 65, Never, "unknown model", "No model entry, provider/model name or preset matches the model asked for.", "Ask GET /v1/models, or add it under models in the config.";
    BodyTooLarge: "E0203", 413, 65, Never, "the body is too large", "The request is longer than limits.body_mb.", "Send less, or raise the limit.";
    TooDeep: "E0204", 400, 65, Never, "the body is nested too deep", "The JSON is nested deeper than limits.json_depth.", "Send flatter JSON, or raise the limit.";
    Unsupported: "E0205", 400, 65, Never, "the target cannot do what is asked", "A field has no equivalent at the provider that would answer.", "Leave the field out, or route the model to a provider that has it.";
    NoSuchRoute: "E0206", 404, 65, Never, "no such address", "aimux does not serve the path.", "Check the base URL: Anthropic clients take it without /v1, OpenAI clients with it.";
    MethodNotAllowed: "E0207", 405, 65, Never, "the method is not allowed", "The path is served, but not with this method.", "Use the method that the Allow header names.";
    BodyTimeout: "E0208", 408, 65, Never, "the body did not come in time", "The request's body took longer than limits.body_read_s.", "Send it faster, or raise the limit.";
    HeadersTooLarge: "E0209", 431, 65, Never, "the headers are too large", "The request's headers are longer than limits.header_kb.", "Send fewer headers.";
    NoneCan: "E0210", 400, 65, Never, "no target can do what is asked", "Every target of the route lacks something that the request needs: tools, images, documents, or room for its input.", "Add a target that can, or correct what is known of the model under providers.NAME.models.";
    PromptTooLong: "E0211", 400, 65, Never, "the prompt is too long", "The input, by estimate, is longer than the window of every target.", "Compact the conversation, or add a target with a larger window.";
    Unauthorized: "E0301", 401, 77, Never, "the client token is missing or wrong", "The request carries no aimux token, or another one.", "Set it from `aimux env`.";
    HostRefused: "E0302", 421, 77, Never, "the Host is not ours", "The Host header names no address that this server is known by: a web page may be behind it.", "Use the address that serve prints, or add the name to server.hosts.";
    OriginRefused: "E0303", 403, 77, Never, "a foreign Origin", "A browser sent the request from another site.", "Call aimux from a program, not from a web page.";
    Denied: "E0304", 403, 77, Never, "a policy denies it", "The config's policies let no target of the route answer this request. Nothing was sent.", "Ask for another model, or change the policy that the message names.";
    TooManyInFlight: "E0401", 429, 75, Later, "a provider's limit is reached", "The provider's own limits in the config leave no room for the request.", "Wait, or raise the provider's limits.";
    OverBudget: "E0402", 402, 75, Never, "it may cost too much", "The request may cost more than was allowed for it, or the price of one of its targets is not known. Nothing was sent.", "Allow more, ask for less output, or name a cheaper model.";
    UpstreamRejected: "E0501", 400, 69, Never, "the provider refused the request", "The provider answered that the request is wrong.", "Read its words: they are relayed.";
    UpstreamFailed: "E0502", 502, 69, NextTarget, "the provider failed", "The provider answered with an error or could not be reached, and no target was left.", "Try again, or add a second target to the model.";
    UpstreamLimited: "E0503", 429, 75, Later, "all targets rest", "Every target of the model is limited or resting.", "Wait as long as Retry-After says.";
    UpstreamTimeout: "E0504", 504, 75, NextTarget, "the provider took too long", "No answer came within the limits.", "Try again, or raise limits.first_byte_s.";
    UpstreamBroken: "E0505", 502, 69, NextTarget, "the provider's answer broke off", "The stream ended without a terminal event.", "Try again.";
    UpstreamNonsense: "E0506", 502, 69, NextTarget, "the provider's answer makes no sense", "The answer is not what the dialect says.", "Check base_url and dialect of the provider.";
    UpstreamAuth: "E0507", 401, 77, NextTarget, "the provider refused the key", "The provider does not accept the key that aimux holds for it.", "Replace it with `aimux keys rotate NAME`.";
    UpstreamTls: "E0508", 502, 69, NextTarget, "no trusted connection to the provider", "TLS failed: the certificate is not trusted, is for another name or has expired, or the port speaks no TLS.", "Check base_url; for a CA of your own set SSL_CERT_FILE.";
    TokenExpired: "E0509", 401, 77, NextTarget, "the key cannot be refreshed", "The key expires, and its provider's login does not give the next one, or what it gave cannot be kept.", "Log in again with `aimux keys rotate NAME --login`; the message says more.";
    KeyStore: "E0601", 0, 74, Never, "the key store failed", "A key file could not be read, opened or written.", "Read the message; `aimux keys list` shows the files.";
    StateFolder: "E0602", 0, 74, Never, "the state folder failed", "A file in the config or state folder could not be written.", "Check the folder's owner, permissions and free space.";
    AuditLog: "E0603", 0, 74, Never, "the audit log failed", "The audit log could not be written, or is not as it was written. What it must tell of was not done.", "Check the state folder's permissions and free space; `aimux keys audit verify` names the line.";
    Ledger: "E0604", 0, 74, Never, "the ledger failed", "What usage and cost are kept in could not be written or read: of a file, the disk is full, another process holds it, or it is damaged; a database is away, slow or refuses. Requests are served all the same.", "Read the reason; a damaged file is moved away, and the next write begins a new one.";
    IdentityLocked: "E0605", 0, 74, Never, "the identity is locked", "The identity is protected by a passphrase that the running server was not given: it was exchanged since the server's start.", "Run `aimux config reload` on a terminal: it asks for the passphrase and hands it over; or restart the server.";
    History: "E0606", 0, 74, Never, "the conversations failed", "What `aimux route`'s conversations are kept in could not be written or read: of a file, the disk is full, another process holds it, or it is damaged; a database is away, slow or refuses. An answer is printed all the same.", "Read the reason; a damaged file is moved away, and the next conversation begins a new one.";
    Overloaded: "E0701", 529, 75, Later, "aimux is at its limit", "As many requests are in flight as limits.requests_in_flight allows.", "Wait a moment, or raise the limit.";
    Draining: "E0702", 503, 75, Later, "aimux is stopping", "The server drains and takes no new request.", "Send it again to the next instance.";
    ToolServer: "E0801", 0, 69, Never, "a server of tools failed", "A server of `mcp` could not be started or reached, or did not name its tools in time.", "Read the reason, which ends with what the server said; try its command by hand.";
    ToolSteps: "E0802", 0, 75, Never, "too many steps with tools", "The model called tools once more after as many steps as --steps allows. What was called until then was done.", "Allow more with --steps, or ask for less at a time.";
    Bug: "E0901", 500, 70, Never, "a bug in aimux", "A panic or a broken invariant.", "Please report it with the request id.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AIMUX-{}", self.row().id)
    }
}

/// The table as a page of Markdown, `docs/error-codes.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(concat!(
        "# Error codes\n\n",
        "Generated from `src/error.rs`. The same code stands in the answer, the log and the message of a command.\n\n",
        "HTTP is the status of the answer, exit that of the command; retry says who may try again: nobody, aimux with the next target, or the client later.\n",
        "A provider's own status is relayed as it came. 529 is for Anthropic clients; others read 503. An answer has the code in `x-aimux-error`.\n\n",
        "| code | what | HTTP | exit | retry | why | what to do |\n|---|---|---|---|---|---|---|\n",
    ));
    for code in Code::ALL {
        let row = code.row();
        let status = if row.status == 0 { "–".to_owned() } else { row.status.to_string() };
        let retry = match row.retry {
            Retry::Never => "nobody",
            Retry::NextTarget => "aimux",
            Retry::Later => "the client",
        };
        page += &format!("| {code} | {} | {status} | {} | {retry} | {} | {} |\n", row.title, row.exit, row.cause, row.action);
    }
    page
}

/// An error of aimux's own, with its code.
#[derive(Debug)]
pub struct Error {
    /// The code; it fixes status, exit code and retry class.
    pub code: Code,
    /// Whose fault it is.
    pub origin: Origin,
    /// A lower-case sentence that names the thing and its value. Safe to show to a client.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The cause, for the log only.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the code's usual origin.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let origin = match code.row().id.as_bytes().get(1..3) {
            Some(b"02" | b"03") => Origin::Client,
            Some(b"05") => Origin::Upstream,
            _ => Origin::Aimux,
        };
        Self { code, origin, message: message.into(), hint: None, source: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What to do: the hint, else the table's action, as a message begins and ends.
    #[must_use]
    pub fn advice(&self) -> String {
        self.hint.clone().unwrap_or_else(|| {
            let mut chars = self.code.row().action.trim_end_matches('.').chars();
            chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
        })
    }

    /// The same with its cause.
    #[must_use]
    pub fn caused_by(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_rise() {
        let ids: Vec<&str> = Code::ALL.iter().map(|code| code.row().id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    }
}
