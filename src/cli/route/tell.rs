//! Who watches a call: passes the answer to its sink, keeps it, and tells of failovers.

use http::HeaderMap;

use super::sink::Sink;
use super::spinner::Spinner;
use crate::chat::{Delta, Event, StopReason};
use crate::cli::{output, visible};
use crate::error::Code;
use crate::route::Target;
use crate::upstream::Refusal;
use crate::upstream::blocking::{Gone, Watcher};

/// Watches one call.
pub(super) struct Tell {
    sink: Box<dyn Sink>,
    spinner: Option<Spinner>,
    /// An aimux answers: what it asked before stands in its headers.
    is_served: bool,
    /// What failed and was not told yet: there may be nobody left to ask.
    untold: Option<String>,
    /// Each event is kept: what is said will be told to a model again.
    keeps_all: bool,
    told: Told,
}

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The answer's text.
    pub(super) text: String,
    /// What the model thought aloud.
    pub(super) reasoning: String,
    /// The answer step by step, where it is kept.
    pub(super) events: Vec<Event>,
    /// Why it ended; `None`: it did not.
    pub(super) stop: Option<StopReason>,
    /// The model, in the words of who answered.
    pub(super) model: Option<String>,
    /// The attempts that failed.
    pub(super) failed: Vec<Failed>,
    /// Standard output cannot be written, and not because nobody reads.
    pub(super) unwritten: Option<std::io::Error>,
}

/// An attempt that failed.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    /// `provider/model`.
    pub(super) target: String,
    pub(super) code: Option<Code>,
    pub(super) status: Option<u16>,
    pub(super) message: String,
}

impl Tell {
    pub(super) fn new(sink: Box<dyn Sink>, is_served: bool) -> Self {
        Self { sink, spinner: Spinner::new(), is_served, untold: None, keeps_all: false, told: Told::default() }
    }

    /// Keeps the whole answer, calls and thinking with their marks.
    pub(super) fn keeping(self, keeps_all: bool) -> Self {
        Self { keeps_all, ..self }
    }

    /// Ends the output; gives what was said.
    pub(super) fn end(mut self) -> Told {
        self.spinner = None;
        let ended = self.sink.end();
        self.note(ended);
        self.told
    }

    fn note(&mut self, written: std::io::Result<()>) -> bool {
        match written {
            Ok(()) => true,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::BrokenPipe {
                    self.told.unwritten = Some(error);
                }
                false
            }
        }
    }

    fn say(&self, line: &str) {
        let write = || output::error(&format!("aimux: {}\n", visible::line(line)));
        match &self.spinner {
            Some(spinner) => spinner.above(write),
            None => write(),
        }
    }
}

impl Watcher for Tell {
    fn asks(&mut self, target: &Target) {
        let who = format!("{}/{}", target.provider.name, target.model);
        if let Some(failed) = self.untold.take() {
            self.say(&format!("{failed}; {who} is asked"));
        }
        if let Some(spinner) = &self.spinner {
            spinner.say(if self.is_served { &target.model } else { &who });
        }
    }

    fn failed(&mut self, target: &Target, refusal: &Refusal) {
        let message = &refusal.failure.message;
        self.untold = Some(format!("{}/{}: {message} [{}]", target.provider.name, target.model, refusal.code));
        if !self.is_served {
            self.told.failed.push(Failed {
                target: format!("{}/{}", target.provider.name, target.model),
                code: Some(refusal.code),
                status: Some(refusal.failure.status),
                message: message.clone(),
            });
        }
    }

    fn begins(&mut self, _: &Target, headers: &HeaderMap) {
        if self.is_served {
            self.told.failed = failed_before(headers);
            let who = who_answers(headers);
            for failed in self.told.failed.clone() {
                let code = failed.code.map_or_else(String::new, |code| format!(" [{code}]"));
                self.say(&format!("{}: {}{code}; {} is asked", failed.target, failed.message, who.as_deref().unwrap_or("another")));
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Gone> {
        if self.keeps_all {
            self.told.events.push(event.clone());
        }
        let written = match event {
            Event::Start { model, .. } => {
                self.told.model = model;
                return Ok(());
            }
            Event::Delta { delta: Delta::Text(piece), .. } => {
                self.spinner = None;
                self.told.text.push_str(&piece);
                self.sink.text(&piece)
            }
            Event::Delta { delta: Delta::Thinking(piece), .. } => {
                if self.sink.shows_reasoning() {
                    self.spinner = None;
                } else if let Some(spinner) = &self.spinner {
                    spinner.say("thinks");
                }
                self.told.reasoning.push_str(&piece);
                self.sink.reasoning(&piece)
            }
            Event::Finish { reason, .. } => {
                self.told.stop = Some(reason);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.note(written) { Ok(()) } else { Err(Gone) }
    }
}

/// The target that a server says has answered.
pub(crate) fn who_answers(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    Some(format!("{}/{}", text("x-aimux-provider")?, text("x-aimux-model")?))
}

/// The attempts that a server says have failed before.
fn failed_before(headers: &HeaderMap) -> Vec<Failed> {
    let Some(text) = headers.get("x-aimux-failed").and_then(|value| value.to_str().ok()) else { return Vec::new() };
    let each = text.split(", ").filter_map(|item| {
        let mut parts = item.split(';');
        let (target, status, code) = (parts.next()?, parts.next()?, parts.next()?);
        let code = Code::ALL.iter().copied().find(|known| known.to_string() == code);
        let status = status.parse().ok().filter(|status| *status > 0);
        let message = code.map_or("it failed", |code| code.row().title).to_owned();
        Some(Failed { target: target.to_owned(), code, status, message })
    });
    each.collect()
}
