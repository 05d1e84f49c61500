//! A request of the ledger that a search found, for people and for programs.

use clap::builder::styling::{Effects, Style};
use serde::Serialize;

use super::{age, cost, json};
use crate::cli::visible;
use crate::date;
use crate::ledger::{EarlierTarget, Request, has_term};

/// What was found, on a terminal.
pub(super) const FOUND: Style = Style::new().effects(Effects::BOLD);

/// A request, as `--json` prints it. Members are added, never renamed or left out; docs/logs.md has them.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    kind: &'static str,
    time: String,
    request_id: &'a str,
    session: &'a str,
    agent: &'a str,
    project: &'a str,
    program: &'a str,
    dialect: &'a str,
    role: &'a str,
    asked: &'a str,
    target: &'a str,
    route: &'a str,
    key: &'a str,
    status: u64,
    code: Option<&'a str>,
    ending: &'a str,
    earlier: Vec<Earlier<'a>>,
    usage: json::Used,
    cost_micro_usd: Option<u64>,
    first_content_ms: Option<u64>,
    total_ms: u64,
}

#[derive(Serialize)]
struct Earlier<'a> {
    target: &'a str,
    key: &'a str,
    code: Option<&'a str>,
}

pub(super) fn shown(request: &Request) -> Shown<'_> {
    Shown {
        kind: "request",
        time: date::rfc3339(request.time_ms / 1000),
        request_id: &request.request_id,
        session: &request.session,
        agent: &request.agent,
        project: &request.project,
        program: &request.program,
        dialect: &request.dialect,
        role: &request.role,
        asked: &request.asked,
        target: &request.target,
        route: &request.route,
        key: &request.key,
        status: request.status,
        code: known(&request.code),
        ending: &request.ending,
        earlier: request.earlier.iter().map(|one| Earlier { target: &one.target, key: &one.key, code: known(&one.code) }).collect(),
        usage: json::used(&request.usage, request.is_estimated),
        cost_micro_usd: request.cost,
        first_content_ms: request.content_ms,
        total_ms: request.total_ms,
    }
}

fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A few lines; what has one of the terms in it is bold.
pub(super) fn block(request: &Request, terms: &[(String, bool)]) -> String {
    let told = |text: &str| {
        let shown = visible::line(text);
        if terms.iter().any(|term| has_term(text, term)) { format!("{FOUND}{shown}{FOUND:#}") } else { shown.into_owned() }
    };
    let who = match (request.target.as_str(), request.asked.as_str()) {
        ("", asked) => format!("{} (nobody was asked)", told(asked)),
        (target, asked) if asked.is_empty() || asked == target => told(target),
        (target, asked) => format!("{} for {}", told(target), told(asked)),
    };
    let spent = request.cost.map_or_else(String::new, |spent| format!(", {}", cost(spent, 0, 1)));
    let (age, status) = (age(request.time_ms), told(&request.status.to_string()));
    let code = known(&request.code).map_or_else(String::new, |code| format!(" {}", told(code)));
    let mut text = format!("request  {age}  {who}{spent}, {status}{code}\n");
    let Request { request_id, session, agent, project, program, dialect, role, route, key, ending, .. } = request;
    let words = [
        ("id", request_id),
        ("session", session),
        ("agent", agent),
        ("project", project),
        ("client", if program.is_empty() { dialect } else { program }),
        ("role", role),
        ("route", route),
        ("key", key),
        ("ended", ending),
    ];
    let words = words.into_iter().filter(|(_, value)| !value.is_empty() && value.as_str() != "complete");
    let words: Vec<String> = words.map(|(name, value)| format!("{name} {}", told(value))).collect();
    text += &format!("    {}\n", words.join(", "));
    for EarlierTarget { target, code, .. } in &request.earlier {
        text += &format!("    before: {}, {}\n", told(target), known(code).map_or_else(|| "cancelled".to_owned(), told));
    }
    text
}
