//! What is said when a call is over: its JSON, its exit code, and why it failed.

use std::process::ExitCode;

use serde::Serialize;

use super::tell::{Failed, Told, who_answers};
use super::tools::{JsonStep, Step};
use super::way::Way;
use crate::chat::request::Turn;
use crate::chat::response::ResponseBlock;
use crate::chat::{ChatResponse, FailureKind, Loss, StopReason, Usage};
use crate::cli::known::{SERVER, TOKEN};
use crate::cli::{CliError, output, visible};
use crate::error::{Code, Error};
use crate::history;
use crate::upstream::Refusal;
use crate::upstream::blocking::{Ended, Exchange};

/// A call that is over, however it was made. Start with [`Report::print`].
pub(super) struct Report {
    exchange: Exchange,
    told: Told,
    /// `provider/model`, where one answered or was asked last.
    target: Option<String>,
    attempts: u64,
    cost: Option<u64>,
    via: &'static str,
    error: Option<Error>,
    signal: Option<u8>,
    /// All of the answer that is to be printed has been.
    is_shown: bool,
    /// What tools did before it.
    steps: Vec<Step>,
    /// It ended between two answers.
    is_interrupted: bool,
}

/// The answer as `--json` prints it. Members are added, never renamed or left out.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    pub(super) answer: &'a str,
    reasoning: &'a str,
    /// Whether the answer is all there.
    complete: bool,
    /// `end`, `length`, `stop_sequence`, `context_full`, `tool_use`, `refusal` or `paused`.
    stop: Option<&'static str>,
    pub(super) target: Option<&'a str>,
    asked: &'a str,
    route: &'a str,
    pub(super) usage: JsonUsage,
    pub(super) cost_micro_usd: Option<u64>,
    attempts: u64,
    failed: Vec<JsonFailed<'a>>,
    losses: Vec<String>,
    pub(super) first_content_ms: Option<u64>,
    pub(super) total_ms: u64,
    /// `server`, `direct` or `demo`.
    via: &'static str,
    request_id: &'a str,
    /// What tools did before the answer.
    steps: Vec<JsonStep<'a>>,
    pub(super) error: Option<JsonError>,
}

#[derive(Serialize)]
pub(super) struct JsonUsage {
    input_tokens: Option<u64>,
    /// Part of the input, as the next: 0 where the provider does not say.
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    pub(super) output_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    /// Whether some of it is an estimate.
    estimated: bool,
}

#[derive(Serialize)]
struct JsonFailed<'a> {
    target: &'a str,
    code: Option<String>,
    status: Option<u16>,
    message: &'a str,
}

#[derive(Serialize)]
pub(super) struct JsonError {
    pub(super) code: String,
    pub(super) message: String,
    hint: String,
}

impl Report {
    pub(super) fn new(exchange: Exchange, told: Told, way: &Way, signal: Option<u8>) -> Self {
        let entry = &exchange.entry;
        let header = |name: &str| exchange.headers.get(name).and_then(|value| value.to_str().ok());
        let (target, attempts) = if way.is_served() {
            (who_answers(&exchange.headers), header("x-aimux-attempts").and_then(|text| text.parse().ok()).unwrap_or(1))
        } else {
            let target = (!entry.provider.is_empty()).then(|| format!("{}/{}", entry.provider, entry.model));
            (target, entry.earlier.len() as u64 + u64::from(entry.last.is_some()))
        };
        let cost = if way.is_served() { target.as_deref().and_then(|target| way.cost(target, &entry.usage)) } else { entry.cost };
        let error = match &exchange.ended {
            Ended::Failed(refusal) => Some(error(refusal, &exchange)),
            Ended::Whole | Ended::Interrupted | Ended::Unread => None,
        };
        Self {
            target,
            attempts,
            cost,
            via: way.word(),
            error,
            signal,
            is_shown: true,
            steps: Vec::new(),
            is_interrupted: false,
            exchange,
            told,
        }
    }

    /// The exit code, where it failed or was ended.
    pub(super) fn exit(&self) -> Option<u8> {
        match (&self.error, &self.exchange.ended) {
            (Some(error), _) => Some(error.code.row().exit),
            (None, _) if self.is_interrupted => Some(self.signal.unwrap_or(130)),
            (None, Ended::Interrupted) => Some(self.signal.unwrap_or(130)),
            (None, Ended::Whole | Ended::Failed(_) | Ended::Unread) => None,
        }
    }

    /// Whether the provider found the request too long for its window.
    pub(super) fn is_too_long(&self) -> bool {
        matches!(&self.exchange.ended, Ended::Failed(refusal) if refusal.failure.kind == FailureKind::ContextLength)
    }

    /// Whether Ctrl-C or a signal ended it.
    pub(super) fn is_interrupted(&self) -> bool {
        matches!(self.exchange.ended, Ended::Interrupted)
    }

    /// Whether nobody reads any more.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self.exchange.ended, Ended::Unread)
    }

    /// The answer's text, where all of it is there.
    pub(super) fn whole(&self) -> Option<&str> {
        matches!(self.exchange.ended, Ended::Whole).then_some(self.told.text.as_str())
    }

    /// Puts another text in its place, which is printed at the end.
    pub(super) fn show(&mut self, text: String) {
        self.told.text = text;
        self.is_shown = false;
    }

    /// The answer is there and is none: it is an error all the same.
    pub(super) fn fail(&mut self, error: Error) {
        self.error = Some(error);
        self.is_shown = true;
    }

    /// It came after another one of the same request, which was paid for too.
    pub(super) fn after(mut self, first: Self) -> Self {
        let add = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
        let (usage, former) = (&mut self.exchange.entry.usage, &first.exchange.entry.usage);
        usage.input = add(usage.input, former.input);
        usage.output = add(usage.output, former.output);
        usage.cache_read = usage.cache_read.map(|tokens| tokens.saturating_add(former.cache_read.unwrap_or(0))).or(former.cache_read);
        usage.cache_write = usage.cache_write.map(|tokens| tokens.saturating_add(former.cache_write.unwrap_or(0))).or(former.cache_write);
        usage.reasoning = usage.reasoning.map(|tokens| tokens.saturating_add(former.reasoning.unwrap_or(0))).or(former.reasoning);
        self.cost = add(self.cost, first.cost);
        self.attempts += first.attempts;
        self.steps.splice(0..0, first.steps);
        self.told.failed.splice(0..0, first.told.failed);
        self.exchange.entry.total_ms = self.exchange.entry.total_ms.saturating_add(first.exchange.entry.total_ms);
        self
    }

    /// What it says where it calls tools, whole; `None`: it calls none, or was not heard to its end.
    pub(super) fn calls(&mut self) -> Option<Vec<ResponseBlock>> {
        self.whole()?;
        let events = std::mem::take(&mut self.told.events);
        let blocks = ChatResponse::from_events(events).ok()?.blocks;
        let has_calls = blocks.iter().any(|block| matches!(block, ResponseBlock::ToolCall { .. }));
        (has_calls && self.told.stop != Some(StopReason::Refusal)).then_some(blocks)
    }

    /// What tools did before it, as a model is told.
    pub(super) fn turns_before(&self) -> impl Iterator<Item = Turn<'_>> {
        self.steps.iter().flat_map(Step::turns)
    }

    /// The id of the last request.
    pub(super) fn request_id(&self) -> String {
        self.exchange.entry.request_id.clone()
    }

    /// The same as [`Self::after`], of an answer that goes on where the first called tools: content came with that.
    pub(super) fn going_on(self, first: Self) -> Self {
        let (content_ms, is_shown) = (first.exchange.entry.content_ms, first.is_shown);
        let mut report = self.after(first);
        report.exchange.entry.content_ms = content_ms.or(report.exchange.entry.content_ms);
        report.is_shown &= is_shown;
        report
    }

    /// It was ended while a tool was asked about or at work.
    pub(super) fn interrupted(&mut self) {
        self.is_interrupted = true;
    }

    /// What tools did before it, which took its time as well.
    pub(super) fn made(&mut self, steps: Vec<Step>) {
        let waited = u64::try_from(steps.iter().map(Step::waited).sum::<std::time::Duration>().as_millis()).unwrap_or(u64::MAX);
        self.exchange.entry.total_ms = self.exchange.entry.total_ms.saturating_add(waited);
        self.steps = steps;
    }

    /// The exchange to be kept: what was asked, with what came of it.
    pub(super) fn kept(&self, asked: history::Exchange) -> history::Exchange {
        let Json { answer, reasoning, complete, route, first_content_ms, total_ms, request_id, steps, .. } = self.json();
        // What cannot be written is not missed: the answer is.
        let steps = if steps.is_empty() { String::new() } else { serde_json::to_string(&steps).unwrap_or_default() };
        let entry = &self.exchange.entry;
        let (provider, model) = self.target.as_deref().and_then(|target| target.split_once('/')).unwrap_or_default();
        let ending = match (complete, answer.is_empty() && reasoning.is_empty() && self.error.is_some()) {
            (true, _) => history::Ending::Whole,
            (false, false) => history::Ending::Partial,
            (false, true) => history::Ending::Failed,
        };
        history::Exchange {
            time_ms: entry.time_ms,
            request_id: request_id.to_owned(),
            answer: answer.to_owned(),
            reasoning: reasoning.to_owned(),
            asked: entry.asked.clone(),
            provider: provider.to_owned(),
            model: model.to_owned(),
            route: route.to_owned(),
            steps,
            ending,
            code: self.error.as_ref().map(|error| error.code.row().id.to_owned()),
            attempts: self.attempts,
            usage: entry.usage,
            is_estimated: entry.is_estimated,
            cost: self.cost,
            content_ms: first_content_ms,
            total_ms,
            ..asked
        }
    }

    /// Prints what is left to print; gives the exit code.
    pub(super) fn print(mut self, as_json: bool) -> Result<ExitCode, CliError> {
        if let Some(error) = self.told.unwritten.take() {
            let message = format!("standard output cannot be written: {error}");
            return Err(Error::new(Code::StateFolder, message).hint("is the disk full?").into());
        }
        if as_json {
            output::print(&output::json(&self.json())?);
        } else if !self.is_shown {
            let end = if self.told.text.ends_with('\n') { "" } else { "\n" };
            output::print(&format!("{}{end}", visible::prose(&self.told.text.replace("\r\n", "\n"))));
        }
        match (&self.exchange.ended, self.error) {
            (_, Some(error)) => Err(error.into()),
            (_, None) if self.is_interrupted => Ok(ExitCode::from(self.signal.unwrap_or(130))),
            (Ended::Interrupted, None) => Ok(ExitCode::from(self.signal.unwrap_or(130))),
            // Nobody reads any more, as `head` does: that is no failure.
            (Ended::Whole | Ended::Failed(_) | Ended::Unread, None) => Ok(ExitCode::SUCCESS),
        }
    }

    pub(super) fn json(&self) -> Json<'_> {
        let entry = &self.exchange.entry;
        let Usage { input, cache_read, cache_write, cache_write_1h: _, output, reasoning } = entry.usage;
        let header = |name: &str| self.exchange.headers.get(name).and_then(|value| value.to_str().ok());
        let route = if entry.route.is_empty() { header("x-aimux-route").unwrap_or_default() } else { &entry.route };
        let mut losses: Vec<String> = self.exchange.losses.iter().map(Loss::to_string).collect();
        losses.extend(header("x-aimux-loss").into_iter().flat_map(|text| text.split(", ")).map(str::to_owned));
        Json {
            answer: &self.told.text,
            reasoning: &self.told.reasoning,
            complete: matches!(self.exchange.ended, Ended::Whole) && !self.is_interrupted,
            stop: self.told.stop.map(stop_word),
            target: self.target.as_deref(),
            asked: &entry.asked,
            route,
            usage: JsonUsage {
                input_tokens: input,
                cache_read_tokens: cache_read.unwrap_or(0),
                cache_write_tokens: cache_write.unwrap_or(0),
                output_tokens: output,
                reasoning_tokens: reasoning,
                estimated: entry.is_estimated,
            },
            cost_micro_usd: self.cost,
            attempts: self.attempts,
            failed: self.told.failed.iter().map(json_failed).collect(),
            losses,
            first_content_ms: entry.content_ms,
            total_ms: entry.total_ms,
            via: self.via,
            request_id: &entry.request_id,
            steps: self.steps.iter().map(Step::json).collect(),
            error: self.error.as_ref().map(|error| JsonError {
                code: error.code.to_string(),
                message: error.message.clone(),
                hint: error.advice(),
            }),
        }
    }
}

fn json_failed(failed: &Failed) -> JsonFailed<'_> {
    let Failed { target, code, status, message } = failed;
    JsonFailed { target, code: code.map(|code| code.to_string()), status: *status, message }
}

fn stop_word(stop: StopReason) -> &'static str {
    match stop {
        StopReason::End => "end",
        StopReason::StopSequence => "stop_sequence",
        StopReason::Length => "length",
        StopReason::ContextFull => "context_full",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal => "refusal",
        StopReason::Paused => "paused",
    }
}

/// Why there is no answer. A server's own code stands in its header or, where a stream had begun, behind its words.
fn error(refusal: &Refusal, exchange: &Exchange) -> Error {
    let message = &refusal.failure.message;
    let refused = format!("provider \"{SERVER}\" refused the key \"{TOKEN}\": ");
    let message = message.strip_prefix(&refused).unwrap_or(message);
    let in_header = exchange.headers.get("x-aimux-error").and_then(|value| value.to_str().ok());
    let behind = message.rsplit_once("(AIMUX-").map(|(_, code)| code.trim_end_matches(')'));
    let of_word = |word: &str| Code::ALL.iter().copied().find(|code| code.row().id == word.trim_start_matches("AIMUX-"));
    let code = in_header.and_then(of_word).or_else(|| behind.and_then(of_word)).unwrap_or(refusal.code);
    let message = message.trim_end_matches(&format!("({code})")).trim_end();
    Error::new(code, message)
}
