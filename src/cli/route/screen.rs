//! An answer that a person reads: Markdown set while it comes, reasoning dimmed before it.
//!
//! In a pipe, and with `--raw`, the answer is what the model sent ([`Raw`]); only `--color always` sets Markdown there.

use std::io;

use super::args::{Reasoning, RouteArgs};
use super::sink::{Raw, Sink};
use crate::cli::markdown::{Live, Look, Markdown, Tone};
use crate::cli::output;
use crate::cli::terminal::{self, Colour};
use crate::config::Environment;

/// Where the answer of these arguments goes.
pub(super) fn sink(args: &RouteArgs, environment: &Environment) -> Box<dyn Sink> {
    let Some(look) = look(args, environment) else {
        return Box::new(if args.reasoning == Some(Reasoning::Show) { Raw::with_reasoning() } else { Raw::default() });
    };
    let has_reasoning = args.reasoning != Some(Reasoning::Hide);
    Box::new(Screen {
        look,
        is_watched: terminal::is_able(environment),
        has_reasoning,
        environment: environment.clone(),
        part: None,
        is_begun: false,
    })
}

/// How an answer looks to a person; `None`: it stays as the model sent it.
pub(super) fn look(args: &RouteArgs, environment: &Environment) -> Option<Look> {
    let is_set = output::is_terminal() || args.color == Colour::Always;
    (is_set && !args.raw).then(|| terminal::look(args.color, environment))
}

/// An answer on a terminal.
struct Screen {
    look: Look,
    /// The terminal can show what waits, and take it away.
    is_watched: bool,
    has_reasoning: bool,
    environment: Environment,
    /// What is being said.
    part: Option<(Tone, Part)>,
    is_begun: bool,
}

/// One text while it comes.
enum Part {
    Live(Live),
    /// On what cannot go back.
    Settled(Markdown),
}

impl Part {
    fn push(&mut self, piece: &str) -> String {
        match self {
            Self::Live(text) => text.push(piece),
            Self::Settled(text) => text.push(piece),
        }
    }

    fn finish(&mut self) -> String {
        match self {
            Self::Live(text) => text.finish(),
            Self::Settled(text) => text.finish(),
        }
    }

    fn resize(&mut self, width: usize) {
        match self {
            Self::Live(text) => text.resize(width),
            Self::Settled(text) => text.resize(width),
        }
    }
}

impl Screen {
    fn say(&mut self, tone: Tone, piece: &str) -> io::Result<()> {
        let mut out = String::new();
        if self.part.as_ref().is_none_or(|(now, _)| *now != tone) {
            if piece.trim().is_empty() {
                return Ok(());
            }
            out += &self.close();
            if self.is_begun {
                out.push('\n');
            }
        }
        self.is_begun = true;
        let (look, is_watched) = (self.look, self.is_watched);
        let (_, part) = self.part.get_or_insert_with(|| {
            let part = if is_watched { Part::Live(Live::new(look, tone)) } else { Part::Settled(Markdown::new(look, tone)) };
            (tone, part)
        });
        // The window may have become another while the answer comes.
        part.resize(terminal::width(&self.environment));
        out += &part.push(piece);
        if out.is_empty() { Ok(()) } else { output::styled(&out) }
    }

    fn close(&mut self) -> String {
        self.part.take().map(|(_, mut part)| part.finish()).unwrap_or_default()
    }
}

impl Sink for Screen {
    fn text(&mut self, piece: &str) -> io::Result<()> {
        self.say(Tone::Normal, piece)
    }

    fn reasoning(&mut self, piece: &str) -> io::Result<()> {
        if self.has_reasoning { self.say(Tone::Dim, piece) } else { Ok(()) }
    }

    fn shows_reasoning(&self) -> bool {
        self.has_reasoning
    }

    fn end(&mut self) -> io::Result<()> {
        let out = self.close();
        if out.is_empty() { Ok(()) } else { output::styled(&out) }
    }
}
