//! `aimux route --explain`: where a request would go, why, and what it would cost. Nobody is called.
//!
//! A running server is asked by its control socket, because it knows what rests; else the config decides. A prompt is explained as it
//! would be asked, with all that stands beside it. Start with [`run`].

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::args::{RouteArgs, Speech};
use super::prompt::Prompt;
use super::way::Way;
use super::with_demo;
use crate::cli::known::{self, KnownServer};
use crate::cli::{CliError, output, terminal, wrap};
use crate::config::Environment;
use crate::dialect::Dialect;
use crate::error::{Code, Error};
use crate::route::Health;
use crate::route::trial::{Asked, Trial};
use crate::server::control;
use crate::wire::peek::{PeekError, peek};

/// The most bytes that are read of a request: what `limits.body_mb` is by default.
const REQUEST_MAX: u64 = 32 << 20;

/// Columns of what stands before each line.
const LABEL: usize = 9;

/// A request as it was captured.
#[derive(Deserialize)]
struct Capture<'a> {
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// A request that is asked about.
#[derive(Debug)]
struct Request {
    dialect: Dialect,
    headers: HeaderMap,
    body: Vec<u8>,
    /// The dialect that it really is in, where aimux does not serve it yet.
    foreign: Option<&'static str>,
}

/// Prints what would be done.
pub(crate) fn run(args: &RouteArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    if args.request.is_none() {
        return prompt(args, path, environment);
    }
    let server = known::find(path, environment)?;
    let request = request(args)?;
    let (trial, note) = match server.status.as_ref().filter(|_| !args.direct) {
        Some(status) => {
            (ask(&server, &request)?, format!("decided by the running server (pid {}), with all that it has learnt", status.pid))
        }
        None => {
            let asked = Asked { dialect: request.dialect, headers: &request.headers, body: &request.body };
            let trial = Trial::of(&server.table, &mut Health::default(), &asked, server.limits.json_depth, Instant::now())?;
            (trial, "decided by the config alone: what rests or is busy, only a running server knows".to_owned())
        }
    };
    let foreign = request.foreign.map(|name| format!("{name} is not served yet: told is what the facts that can be read lead to"));
    tell(args, trial, &[foreign, Some(note)], environment)
}

/// The same for a prompt.
fn prompt(args: &RouteArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let way = Way::find(args, path, environment).map_err(|error| with_demo(error, "route"))?;
    let prompt = Prompt::read(args, environment, way.table(), way.limits().body_bytes, None)?;
    let mut headers = args.headers.clone();
    headers.extend(args.client.as_deref().map(agent).transpose()?);
    let (trial, note) = way.explain(&prompt.request(), &headers, args.dialect.map(Speech::dialect))?;
    tell(args, trial, &[Some(note)], environment)
}

fn tell(args: &RouteArgs, trial: Trial, notes: &[Option<String>], environment: &Environment) -> Result<ExitCode, CliError> {
    if args.json {
        output::print(&output::json(&trial)?);
    } else {
        let notes = notes.iter().flatten().map(|note| format!("note     {note}\n"));
        let text = output::printable(&(trial.text(args.dry_run) + &notes.collect::<String>()));
        output::print(&wrap::hanging(&text, LABEL, terminal::edge(environment)));
    }
    Ok(trial.refused.map_or(ExitCode::SUCCESS, |refused| ExitCode::from(refused.exit)))
}

/// The header by which a program says its name.
fn agent(client: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let value = HeaderValue::try_from(format!("{client}/0")).map_err(|_| Error::new(Code::Usage, "--client is no program's name"))?;
    Ok((header::USER_AGENT, value))
}

fn ask(server: &KnownServer, request: &Request) -> Result<Trial, CliError> {
    Ok(control::explain(&server.socket, request.dialect, &request.headers, &request.body)?)
}

/// The request that the arguments are about.
fn request(args: &RouteArgs) -> Result<Request, Error> {
    let missing = || Error::new(Code::Usage, "a PROMPT or --request is missing");
    let mut request = read(args.request.as_deref().ok_or_else(missing)?)?;
    if let Some(speech) = args.dialect {
        (request.dialect, request.foreign) = (speech.dialect(), None);
    }
    if let Some(model) = &args.model {
        request.body = with_model(request.body, model)?;
    }
    if let Some(client) = &args.client {
        request.headers.extend([agent(client)?]);
    }
    request.headers.extend(args.headers.iter().cloned());
    Ok(request)
}

fn read(path: &Path) -> Result<Request, Error> {
    let unreadable = |error: std::io::Error| Error::new(Code::Usage, format!("{}: {error}", path.display())).caused_by(error);
    let mut bytes = Vec::new();
    let length = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(REQUEST_MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).map_err(unreadable)?.take(REQUEST_MAX + 1).read_to_end(&mut bytes)
    };
    if length.map_err(unreadable)? as u64 > REQUEST_MAX {
        return Err(Error::new(Code::BodyTooLarge, format!("{} is longer than {REQUEST_MAX} bytes", path.display())));
    }
    let Ok(capture) = serde_json::from_slice::<Capture<'_>>(&bytes) else {
        return Ok(Request { dialect: Dialect::AnthropicMessages, headers: HeaderMap::new(), body: bytes, foreign: None });
    };
    captured(&capture)
}

/// The request of a capture. What a proxy would not pass on is left out, the credentials above all.
fn captured(capture: &Capture<'_>) -> Result<Request, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &capture.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(value))
            && !LEFT_OUT.contains(&name)
        {
            headers.append(name, value);
        }
    }
    let body = capture.body.get().as_bytes().to_vec();
    let path = capture.target.split('?').next().unwrap_or_default();
    let (dialect, foreign) = if path.ends_with("/messages") || path.ends_with("/messages/count_tokens") {
        (Dialect::AnthropicMessages, None)
    } else if path.ends_with("/chat/completions") {
        (Dialect::OpenAiChat, None)
    } else if path.ends_with("/responses") {
        (Dialect::OpenAiChat, Some("OpenAI Responses"))
    } else if let Some((_, name)) = path.split_once("/models/") {
        let name = name.split(':').next().unwrap_or_default();
        return Ok(Request { dialect: Dialect::OpenAiChat, headers, body: with_model(body, name)?, foreign: Some("Gemini") });
    } else {
        return Err(Error::new(Code::NoSuchRoute, format!("the capture's target is \"{path}\", which no client asks")));
    };
    Ok(Request { dialect, headers, body, foreign })
}

/// Headers of a capture that are about its own connection, or secret.
const LEFT_OUT: [HeaderName; 11] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::AUTHORIZATION,
    header::COOKIE,
    header::ORIGIN,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    header::EXPECT,
];

/// The body with another model in it, or with one at all.
fn with_model(mut body: Vec<u8>, model: &str) -> Result<Vec<u8>, Error> {
    let token = serde_json::Value::from(model).to_string();
    match peek(&body, 512) {
        Ok(seen) => drop(body.splice(seen.model_at, token.into_bytes())),
        Err(PeekError::Member(_)) => {
            let open = body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
            let is_empty = body.iter().skip(open).find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
            let comma = if is_empty { "" } else { "," };
            drop(body.splice(open..open, format!("\"model\":{token}{comma}").into_bytes()));
        }
        Err(error) => return Err(Error::new(Code::BadRequest, error.to_string())),
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model_of(body: &[u8]) -> String {
        peek(body, 64).unwrap().model
    }

    #[test]
    fn a_model_is_put_into_any_body() {
        for body in [r#"{"model":"a","x":[1]}"#, r#"{"x":[1]}"#, "{}", " { } ", r#"{"x":"\"model\":\"a\""}"#] {
            let changed = with_model(body.as_bytes().to_vec(), "b\"\n").unwrap();
            assert_eq!(model_of(&changed), "b\"\n", "{body}");
        }
        assert_eq!(with_model(b"[]".to_vec(), "b").unwrap_err().code, Code::BadRequest);
        assert_eq!(with_model(b"{".to_vec(), "b").unwrap_err().code, Code::BadRequest);
    }

    #[test]
    fn a_capture_tells_its_dialect_by_its_path_and_keeps_no_credential() {
        for (target, body, dialect, foreign, model) in [
            ("/v1/messages?beta=true", r#"{"model":"a"}"#, Dialect::AnthropicMessages, None, "a"),
            ("/v1/chat/completions", r#"{"model":"a"}"#, Dialect::OpenAiChat, None, "a"),
            ("/v1/responses", r#"{"model":"a","input":[]}"#, Dialect::OpenAiChat, Some("OpenAI Responses"), "a"),
            ("/v1beta/models/g-2:streamGenerateContent?alt=sse", r#"{"contents":[]}"#, Dialect::OpenAiChat, Some("Gemini"), "g-2"),
        ] {
            let text = format!(
                r#"{{"target":"{target}","headers":[["Authorization","Bearer x"],["X-Api-Key","x"],["user-agent","codex/1"]],"body":{body}}}"#
            );
            let request = captured(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!((request.dialect, request.foreign, model_of(&request.body).as_str()), (dialect, foreign, model), "{target}");
            assert_eq!(request.headers.len(), 1, "{:?}", request.headers);
        }
        let strange = Capture { target: "/x".into(), headers: Vec::new(), body: RawValue::NULL };
        assert!(captured(&strange).is_err());
    }
}
