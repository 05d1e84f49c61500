//! What a request is: the facts that rules, policies and the choice of a target go by.
//!
//! They are read from members and headers that clients send; nothing is guessed from the words of a prompt. Who sends what
//! was seen on the wire: Claude Code 2.1.197, Codex 0.169, opencode 1.18.33, gemini-cli 0.61. Start with [`Facts::of`].

use std::borrow::Cow;
use std::ops::Range;

use http::header::{self, HeaderMap, HeaderName};
use serde::Deserialize;

use super::estimate;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::wire::Text;
use crate::wire::peek::{Peek, PeekError, peek};

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The client's dialect.
    pub dialect: Dialect,
    /// The program that asks, by its `user-agent`; `None` where it does not say.
    pub client: Option<Cow<'static, str>>,
    /// What it asks for in its own work.
    pub role: Role,
    /// What tells the role.
    pub role_by: Evidence,
    /// The model asked for, as it was written.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Tools, the provider's own among them.
    pub tools: u64,
    /// Whether one of them is a search of the web by the provider.
    pub web_search: bool,
    /// Images in the whole conversation.
    pub images: u64,
    /// Images since the user last spoke.
    pub images_now: u64,
    /// Documents, PDF and the like, in the whole conversation.
    pub documents: u64,
    /// Documents since the user last spoke.
    pub documents_now: u64,
    /// Tokens of input, estimated.
    pub input_tokens: u64,
    /// The most tokens of output asked for; 0: it does not say.
    pub output_tokens: u64,
    /// Whether the model is to think.
    pub thinking: bool,
    /// Whether an answer by a schema, or in JSON, is asked for.
    pub structured: bool,
    /// Answers in the conversation so far.
    pub turns: u64,
    /// The session's id.
    pub session: Option<String>,
    /// The id of the agent within it; `None` for the main one.
    pub agent: Option<String>,
    /// The project, by the client's `x-aimux-project`.
    pub project: Option<String>,
}

/// What tells a request's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// The client says it, by `x-aimux-role`.
    Header,
    /// The agent's id in a header.
    AgentId,
    /// A search of the web is its only tool.
    SearchAlone,
    /// A schema and no tools, from Claude Code: its title.
    Title,
    /// One token of output and no tools, from Claude Code: its way to count.
    Count,
    /// No tools, from opencode: its title.
    NoTools,
    /// A program of which it is known how its other requests look.
    Program,
    /// Nothing: the program is not known.
    #[default]
    Nothing,
}

impl Evidence {
    /// The same in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Header => "x-aimux-role says so",
            Self::AgentId => "x-claude-code-agent-id is there",
            Self::SearchAlone => "a search of the web is its only tool",
            Self::Title => "a schema and no tools, as in Claude Code's titles",
            Self::Count => "one token of output and no tools, as Claude Code counts",
            Self::NoTools => "no tools, as in opencode's titles",
            Self::Program => "nothing marks it, and this program marks its other requests",
            Self::Nothing => "nothing says otherwise",
        }
    }
}

/// What a request is for, in the client's own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// The conversation with the user; also whatever nothing else is known of.
    #[default]
    Main,
    /// What the program asks for by itself: titles, counts of tokens.
    Background,
    /// An agent that another one sent out.
    Subagent,
    /// Planning. No client tells it by a member of its own: it is known by `x-aimux-role` alone.
    Plan,
    /// A search of the web and nothing else.
    WebSearch,
}

impl Role {
    /// Every role, with its word.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Main, "main"),
        (Self::Background, "background"),
        (Self::Subagent, "subagent"),
        (Self::Plan, "plan"),
        (Self::WebSearch, "web_search"),
    ];

    /// The word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(role, _)| *role == self).map_or("main", |(_, name)| name)
    }

    /// The role of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(role, _)| *role)
    }
}

const AGENT: HeaderName = HeaderName::from_static("x-claude-code-agent-id");
const PROJECT: HeaderName = HeaderName::from_static("x-aimux-project");
const ROLE: HeaderName = HeaderName::from_static("x-aimux-role");
/// Where clients put the session: Claude Code, opencode, Codex.
const SESSIONS: [HeaderName; 3] =
    [HeaderName::from_static("x-claude-code-session-id"), HeaderName::from_static("x-session-id"), HeaderName::from_static("session-id")];
/// The longest id that is taken from a client.
const ID_MAX: usize = 128;

const CLAUDE_CODE: &str = "claude-code";
const OPENCODE: &str = "opencode";
/// How the `user-agent` of known programs begins.
const PROGRAMS: [(&str, &str); 6] = [
    ("claude-cli/", CLAUDE_CODE),
    ("claude-code/", CLAUDE_CODE),
    ("codex", "codex"),
    ("opencode/", OPENCODE),
    ("GeminiCLI", "gemini-cli"),
    ("aider", "aider"),
];

impl Facts {
    /// The look into a body and the facts of its request. `depth_max` bounds the nesting.
    ///
    /// # Errors
    /// When the body is no request.
    pub fn read(dialect: Dialect, body: &[u8], headers: &HeaderMap, depth_max: usize) -> Result<(Peek, Self), Error> {
        let seen = peek(body, depth_max).map_err(|error| {
            let code = if matches!(error, PeekError::TooDeep(_)) { Code::TooDeep } else { Code::BadRequest };
            Error::new(code, error.to_string())
        })?;
        let facts = Self::of(dialect, &seen, body, headers);
        Ok((seen, facts))
    }

    /// The facts of a request: what was seen in its body, the body itself and its headers.
    #[must_use]
    pub fn of(dialect: Dialect, peek: &Peek, body: &[u8], headers: &HeaderMap) -> Self {
        let client = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).and_then(program);
        let agent = id(headers, &AGENT);
        let told = headers.get(&ROLE).and_then(|role| Role::from_name(role.to_str().ok()?));
        let (role, role_by) = told.map_or_else(|| self::role(client.as_deref(), agent.is_some(), peek), |role| (role, Evidence::Header));
        Self {
            role,
            role_by,
            dialect,
            client,
            model: peek.model.clone(),
            stream: peek.stream,
            tools: peek.tools as u64,
            web_search: peek.web_search,
            images: peek.images as u64,
            images_now: peek.images_now as u64,
            documents: peek.documents as u64,
            documents_now: peek.documents_now as u64,
            input_tokens: estimate::input_tokens(body.len(), peek.base64_bytes, peek.images),
            output_tokens: peek.output_tokens.unwrap_or(0),
            thinking: peek.thinking,
            structured: peek.structured,
            turns: peek.turns as u64,
            session: session(peek, body, headers),
            agent,
            project: id(headers, &PROJECT),
        }
    }
}

impl Default for Facts {
    /// A request that asks for nothing in particular.
    fn default() -> Self {
        Self::of(Dialect::AnthropicMessages, &Peek::default(), &[], &HeaderMap::new())
    }
}

/// The program of a `user-agent`: a known one's name, else its first product, in lower case.
fn program(agent: &str) -> Option<Cow<'static, str>> {
    if let Some((_, name)) = PROGRAMS.iter().find(|(start, _)| agent.starts_with(start)) {
        return Some(Cow::Borrowed(name));
    }
    let product = agent.split(['/', ' ']).next().filter(|product| (1..=ID_MAX).contains(&product.len()))?;
    Some(Cow::Owned(product.to_ascii_lowercase()))
}

/// What the request is for. A count of one output token is Claude Code's way to count tokens; its title has a schema and no
/// tools, and so far nothing else has. opencode's only request without tools is its title.
fn role(client: Option<&str>, has_agent: bool, peek: &Peek) -> (Role, Evidence) {
    if peek.web_search && peek.tools == 1 {
        return (Role::WebSearch, Evidence::SearchAlone);
    }
    if has_agent {
        return (Role::Subagent, Evidence::AgentId);
    }
    let without_tools = peek.tools == 0;
    match client {
        Some(CLAUDE_CODE) if without_tools && peek.structured => (Role::Background, Evidence::Title),
        Some(CLAUDE_CODE) if without_tools && peek.output_tokens == Some(1) => (Role::Background, Evidence::Count),
        Some(OPENCODE) if without_tools => (Role::Background, Evidence::NoTools),
        Some(CLAUDE_CODE | OPENCODE) => (Role::Main, Evidence::Program),
        _ => (Role::Main, Evidence::Nothing),
    }
}

/// A header's value, if it may be an id.
fn id(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).and_then(sane)
}

fn sane(id: &str) -> Option<String> {
    (1..=ID_MAX).contains(&id.len()).then(|| id.to_owned())
}

/// The session: a header's, else the key of the prompt cache, else the one within `metadata.user_id`.
fn session(peek: &Peek, body: &[u8], headers: &HeaderMap) -> Option<String> {
    SESSIONS
        .iter()
        .find_map(|name| id(headers, name))
        .or_else(|| sane(&text(body, peek.cache_key_at.as_ref())?))
        .or_else(|| user_session(&text(body, peek.user_id_at.as_ref())?))
}

fn text<'a>(body: &'a [u8], at: Option<&Range<usize>>) -> Option<String> {
    serde_json::from_slice::<Text<'a>>(body.get(at?.clone())?).ok().map(|text| text.read().into_owned())
}

/// Claude Code's `user_id` is JSON with a `session_id`; before 2.1 it was `user_…_account_…_session_…`.
fn user_session(user: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow)]
        session_id: Option<Cow<'a, str>>,
    }
    match serde_json::from_str::<User<'_>>(user) {
        Ok(user) => sane(&user.session_id?),
        Err(_) => sane(user.rsplit_once("_session_")?.1),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn facts(dialect: Dialect, headers: &[(&str, &str)], body: &str) -> Facts {
        let seen = peek(body.as_bytes(), 64).unwrap();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        Facts::of(dialect, &seen, body.as_bytes(), &headers.collect::<HeaderMap>())
    }

    const CLAUDE: (&str, &str) = ("user-agent", "claude-cli/2.1.197 (external, sdk-cli)");
    const SESSION: (&str, &str) = ("x-claude-code-session-id", "f699842a-6aa6-479d-833a-fa879c23d484");
    const AGENT: (&str, &str) = ("x-claude-code-agent-id", "a3a09c33a2f5b95c4");
    const OPENCODE: (&str, &str) = ("user-agent", "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14");

    const TOOLS: &str = r#""tools":[{"name":"Bash","input_schema":{"type":"object"}},{"name":"Read","input_schema":{}}]"#;

    /// Claude Code's bodies, as far as they tell them apart.
    fn claude(rest: &str) -> String {
        format!(
            r#"{{"model":"claude-opus-4-8","messages":[{{"role":"user","content":[{{"type":"text","text":"hi"}}]}}],"max_tokens":64000,{rest}}}"#
        )
    }

    #[test]
    fn each_kind_of_request_that_clients_send_has_its_role() {
        let main = claude(&format!(r#"{TOOLS},"thinking":{{"type":"adaptive"}},"output_config":{{"effort":"high"}},"stream":true"#));
        let title = claude(
            r#""tools":[],"thinking":{"type":"disabled"},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{}}}"#,
        );
        let search = claude(
            r#""tools":[{"type":"web_search_20250305","name":"web_search","max_uses":8}],"tool_choice":{"type":"tool","name":"web_search"}"#,
        );
        let count = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1}"#;
        let chat = |tools: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{tools}}}"#);
        for (headers, body, role) in [
            (&[CLAUDE, SESSION][..], main.as_str(), Role::Main),
            (&[CLAUDE, SESSION], &title, Role::Background),
            (&[CLAUDE, SESSION, AGENT], &main, Role::Subagent),
            (&[CLAUDE, SESSION], &search, Role::WebSearch),
            (&[CLAUDE, SESSION, AGENT], &search, Role::WebSearch),
            (&[CLAUDE, SESSION], count, Role::Background),
            // The same from a program that nothing is known of is the user's own.
            (&[], count, Role::Main),
            (&[], &title, Role::Main),
            (&[CLAUDE], &claude(r#""thinking":{"type":"disabled"}"#), Role::Main),
            (&[OPENCODE], &chat(""), Role::Background),
            (&[OPENCODE], &chat(r#","tools":[{"type":"function","function":{"name":"bash"}}]"#), Role::Main),
            (&[CLAUDE, SESSION, ("x-aimux-role", "plan")], &main, Role::Plan),
            (&[CLAUDE, ("x-aimux-role", "emperor")], &title, Role::Background),
        ] {
            assert_eq!(facts(Dialect::AnthropicMessages, headers, body).role, role, "{headers:?} {body}");
        }
        for (role, name) in Role::ALL {
            assert_eq!((Role::from_name(name), role.name()), (Some(role), name));
        }
    }

    #[test]
    fn the_facts_of_claude_codes_main_request_are_its_members() {
        let body = claude(&format!(r#"{TOOLS},"thinking":{{"type":"adaptive"}},"stream":true"#));
        let found = facts(Dialect::AnthropicMessages, &[CLAUDE, SESSION, AGENT, ("x-aimux-project", "acme")], &body);
        assert_eq!(found.client.as_deref(), Some("claude-code"));
        assert_eq!((found.tools, found.output_tokens, found.turns, found.images), (2, 64000, 0, 0));
        assert!(found.stream && found.thinking && !found.structured && !found.web_search);
        assert_eq!(found.session.as_deref(), Some(SESSION.1));
        assert_eq!((found.agent.as_deref(), found.project.as_deref()), (Some(AGENT.1), Some("acme")));
        assert_eq!(found.input_tokens, estimate::input_tokens(body.len(), 0, 0));
    }

    #[test]
    fn programs_are_known_by_their_user_agent() {
        for (agent, program) in [
            ("claude-cli/2.1.197 (external, sdk-cli)", Some("claude-code")),
            ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb (codex_exec; 0.169.0)", Some("codex")),
            ("opencode/1.18.33 ai-sdk/provider-utils/4.0.23", Some("opencode")),
            ("GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux; x64; terminal)", Some("gemini-cli")),
            ("Anthropic/Python 0.94.0", Some("anthropic")),
            ("curl/8", Some("curl")),
            ("", None),
            (" x", None),
        ] {
            let found = facts(Dialect::OpenAiChat, &[("user-agent", agent)], r#"{"model":"m"}"#);
            assert_eq!(found.client.as_deref(), program, "{agent}");
        }
        let long = "x".repeat(9000);
        assert_eq!(facts(Dialect::OpenAiChat, &[("user-agent", &long)], r#"{"model":"m"}"#).client, None);
    }

    #[test]
    fn a_session_is_found_wherever_clients_put_it() {
        let user = |text: &str| format!(r#"{{"model":"m","metadata":{{"user_id":{}}}}}"#, serde_json::json!(text));
        let json = user(r#"{"device_id":"d","account_uuid":"","session_id":"s-1"}"#);
        let cache_key = r#"{"model":"m","prompt_cache_key":"c\u002d1","metadata":{"user_id":"user_a_session_s-2"}}"#;
        for (headers, body, session) in [
            (&[("x-session-id", "ses_1")][..], "{\"model\":\"m\"}", Some("ses_1")),
            (&[("session-id", "01a1")], cache_key, Some("01a1")),
            (&[SESSION, ("x-session-id", "other")], cache_key, Some(SESSION.1)),
            (&[], cache_key, Some("c-1")),
            (&[], &json, Some("s-1")),
            (&[], &user("user_0123_account__session_s-2"), Some("s-2")),
            (&[], &user("somebody"), None),
            (&[], r#"{"model":"m","metadata":{"user_id":7}}"#, None),
            (&[], r#"{"model":"m","prompt_cache_key":""}"#, None),
            (&[("x-session-id", "")], "{\"model\":\"m\"}", None),
        ] {
            assert_eq!(facts(Dialect::OpenAiChat, headers, body).session.as_deref(), session, "{headers:?} {body}");
        }
    }
}
