//! What the commands of a chat do.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::command::help;
use super::{Chat, Then};
use crate::cli::route::attach::Attachment;
use crate::cli::route::fragment;
use crate::cli::route::prompt::main_model;
use crate::cli::usage::{counted, grouped};
use crate::cli::{logs, output, visible};
use crate::error::{Code, Error};
use crate::history::Exchange;
use crate::provider::models::usd;

/// What a chat took and cost.
#[derive(Debug, Default)]
pub(super) struct Spent {
    prompts: u64,
    input: u64,
    cached: u64,
    output: u64,
    micro_usd: u64,
    /// Prompts whose price is not known.
    unpriced: u64,
    /// What the last prompt and its answer took together, and who answered.
    last: Option<(u64, String)>,
}

impl Spent {
    pub(super) fn add(&mut self, exchange: &Exchange) {
        let usage = &exchange.usage;
        let output = usage.output.unwrap_or(0);
        self.prompts += 1;
        self.input = self.input.saturating_add(usage.input_total());
        self.cached = self.cached.saturating_add(usage.cache_read.unwrap_or(0));
        self.output = self.output.saturating_add(output);
        self.micro_usd = self.micro_usd.saturating_add(exchange.cost.unwrap_or(0));
        self.unpriced += u64::from(exchange.cost.is_none());
        if usage.input.is_some() {
            self.last = Some((usage.input_total().saturating_add(output), exchange.target()));
        }
    }

    fn text(&self) -> String {
        let cached = if self.cached > 0 { format!(" ({} of it from a cache)", grouped(self.cached)) } else { String::new() };
        let unpriced = match self.unpriced {
            0 => String::new(),
            count if count == self.prompts => "; its price is not known".to_owned(),
            count => format!("; the price of {count} of them is not known"),
        };
        let cost = if self.unpriced == self.prompts && self.prompts > 0 { "–".to_owned() } else { usd(self.micro_usd) };
        format!(
            "this chat  {}, {} tokens of input{cached}, {} of output: {cost}{unpriced}\n",
            counted(self.prompts, "prompt"),
            grouped(self.input),
            grouped(self.output)
        )
    }
}

impl Chat<'_> {
    /// Does what a command says.
    pub(super) fn obey(&mut self, name: &'static str, behind: &str) -> Result<Then, Error> {
        match name {
            "model" => self.choose(behind)?,
            "system" => self.instruct(behind),
            "attach" => self.attach_or_list(behind)?,
            "explain" => self.explain(behind)?,
            "cost" => output::error(&self.cost()),
            "save" => self.save(behind)?,
            "help" => output::error(&help()),
            _ => return Ok(Then::End),
        }
        Ok(Then::Next)
    }

    /// The model that the next prompt asks for.
    fn model(&self) -> String {
        let own = self.args.model.clone().or_else(|| self.before.model().map(str::to_owned));
        own.unwrap_or_else(|| main_model(self.way.table()))
    }

    /// The same, and where that leads.
    pub(super) fn model_told(&self) -> String {
        let model = self.model();
        match self.way.leads_to(&model, &self.args.headers) {
            Ok(target) if target == model => model,
            Ok(target) => format!("{model} ({target})"),
            Err(_) => model,
        }
    }

    fn choose(&mut self, name: &str) -> Result<(), Error> {
        if !name.is_empty() {
            self.way.leads_to(name, &self.args.headers)?;
            self.args.model = Some(name.to_owned());
        }
        self.tell(&format!("asks {}", self.model_told()));
        Ok(())
    }

    fn instruct(&mut self, text: &str) {
        match text {
            "" => {}
            // Empty, not none: what the conversation was told before would come back.
            "-" => self.args.system = Some(String::new()),
            text => self.args.system = Some(text.to_owned()),
        }
        let told = self.args.system.as_deref().or_else(|| self.before.system()).filter(|text| !text.trim().is_empty());
        self.tell(&told.map_or_else(|| "the model is told nothing before".to_owned(), |text| format!("the model is told before: {text}")));
    }

    fn attach_or_list(&mut self, named: &str) -> Result<(), Error> {
        match named {
            "" => {}
            "-" => (self.attachments, self.texts) = (Vec::new(), Vec::new()),
            named => self.attach(&rustyline::completion::unescape(named, Some('\\')))?,
        }
        let names: Vec<&str> =
            self.attachments.iter().map(Attachment::name).chain(self.texts.iter().map(|(name, _)| name.as_str())).collect();
        let list = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        self.tell(&format!("beside the next prompt stands {list}"));
        Ok(())
    }

    /// Puts a file beside the next prompt: what is text as text, all else as it is.
    pub(super) fn attach(&mut self, named: &str) -> Result<(), Error> {
        let limit = self.way.limits().body_bytes;
        let path = match (named.strip_prefix("~/"), self.environment.get("HOME")) {
            (Some(rest), Some(home)) => format!("{home}/{rest}"),
            _ => named.to_owned(),
        };
        match Attachment::read(&path, &mut None, limit) {
            Ok(attachment) => self.attachments.push(attachment),
            // A folder, a pattern, a text; where it is none of these the first refusal says why.
            Err(refused) => match fragment::read(std::slice::from_ref(&path), limit) {
                Ok(texts) => self.texts.extend(texts.into_iter().map(|text| (named.to_owned(), text))),
                Err(error) if error.code == Code::BodyTooLarge => return Err(error),
                Err(_) => return Err(refused),
            },
        }
        Ok(())
    }

    fn explain(&mut self, text: &str) -> Result<(), Error> {
        let mut prompt = self.prompt(if text.is_empty() { "(the next prompt)" } else { text })?;
        prompt.before = Some(std::mem::take(&mut self.before));
        let told = self.way.explain(&prompt.request(), &self.args.headers, None);
        self.before = prompt.before.take().unwrap_or_default();
        let (trial, note) = told?;
        output::error(&output::printable(&format!("{}note     {note}\n", trial.text(true))));
        Ok(())
    }

    fn cost(&self) -> String {
        let mut text = self.spent.text();
        if let Some((tokens, target)) = &self.spent.last {
            let window = match self.way.window(target) {
                Some(window) => format!(" of {} tokens ({} %)", grouped(window), tokens.saturating_mul(100) / window.max(1)),
                None => " tokens".to_owned(),
            };
            text += &format!("window     {}{window}, at {}\n", grouped(*tokens), visible::line(target));
        }
        text
    }

    fn save(&mut self, named: &str) -> Result<(), Error> {
        let exchanges: Vec<Exchange> = self.before.exchanges().cloned().collect();
        if named.is_empty() {
            return Err(Error::new(Code::Usage, "/save needs the name of a file").hint("/save talk.md"));
        }
        if exchanges.is_empty() {
            return Err(Error::new(Code::Usage, "there is no answer to save yet"));
        }
        let path = PathBuf::from(rustyline::completion::unescape(named, Some('\\')).as_ref());
        let text = logs::markdown(self.before.id.as_deref().unwrap_or("(not kept)"), &exchanges);
        let is_own = self.saved.as_ref() == Some(&path);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).mode(0o600);
        if is_own {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => {
                self.tell(&format!("saved {}", path.display()));
                self.saved = Some(path);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Error::new(Code::Usage, format!("{} is there already", path.display())).hint("name another file"))
            }
            Err(error) => Err(Error::new(Code::StateFolder, format!("{}: {error}", path.display())).caused_by(error)),
        }
    }
}
