//! What is asked: the prompt, what stands beside it and how it is to be answered, as one canonical request.

use std::io::IsTerminal as _;

use super::args::RouteArgs;
use super::attach::{Attachment, too_long};
use super::continued::Before;
use super::extract::Which;
use super::fragment;
use super::options::Choice;
use super::schema::Schema;
use super::template::Template;
use crate::chat::ChatRequest;
use crate::chat::request::{Block, BlockKind, OutputFormat, Role, Turn};
use crate::cli::console;
use crate::config::Environment;
use crate::error::{Code, Error};
use crate::history;
use crate::provider::preset;
use crate::route::Table;

/// What stands beside the words of a prompt.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// What came through standard input; `None`: a person sits there.
    pub(super) piped: Option<Vec<u8>>,
    /// What was attached before.
    pub(super) attachments: Vec<Attachment>,
    /// What was put there as text before.
    pub(super) texts: Vec<String>,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Prompt {
    /// The model.
    pub(super) model: String,
    /// The form that the answer must have.
    pub(super) schema: Option<Schema>,
    /// The block of code that is wanted alone.
    pub(super) which: Option<Which>,
    system: Option<String>,
    attachments: Vec<Attachment>,
    texts: Vec<String>,
    choices: Vec<Choice>,
    /// The conversation that it goes on with.
    pub(super) before: Option<Before>,
    stream: bool,
}

impl Prompt {
    /// Reads it from the arguments, the template that they name and standard input, of `limit` bytes at most.
    pub(super) fn read(
        args: &RouteArgs,
        environment: &Environment,
        table: &Table,
        limit: usize,
        before: Option<Before>,
    ) -> Result<Self, Error> {
        let beside = Beside { piped: piped(limit)?, ..Beside::default() };
        let prompt = Self::of(args, environment, table, limit, before.as_ref(), beside)?;
        Ok(Self { before, ..prompt })
    }

    /// The same without a look at standard input. It knows model and system text of the conversation `before`, and does not
    /// go on with it yet.
    pub(super) fn of(
        args: &RouteArgs,
        environment: &Environment,
        table: &Table,
        limit: usize,
        before: Option<&Before>,
        beside: Beside,
    ) -> Result<Self, Error> {
        let Beside { mut piped, mut attachments, mut texts } = beside;
        let template = args.template.as_deref().map(|name| Template::load(name, environment)).transpose()?.unwrap_or_default();
        let options = template.options.iter().chain(&args.options);
        let choices = options.map(|text| Choice::parse(text)).collect::<Result<_, _>>()?;
        let schema = args.schema.as_deref().or(template.schema.as_deref()).map(Schema::read).transpose()?;
        for named in &args.attachments {
            attachments.push(Attachment::read(named, &mut piped, limit)?);
        }
        let piped = text_of(piped, &mut attachments, args.prompt.is_some())?;
        texts.extend(fragment::read(&args.fragments, limit)?);
        let said: Vec<String> = piped.into_iter().chain(args.prompt.clone()).filter(|text| !text.trim().is_empty()).collect();
        let mut system = args.system.clone();
        if args.template.is_some() {
            let (prompt, own) = template.filled(&said.join("\n\n"), &args.parameters)?;
            texts.extend(Some(prompt).filter(|text| !text.trim().is_empty()));
            system = system.or(own);
        } else {
            texts.extend(said);
        }
        if texts.is_empty() && attachments.is_empty() {
            return Err(Error::new(Code::Usage, "there is no PROMPT, and nothing on standard input").hint("try: aimux route \"hello\""));
        }
        let which = if args.extract { Some(Which::First) } else { args.extract_last.then_some(Which::Last) };
        let (model, told) = before.map_or((None, None), |before| (before.model(), before.system()));
        let model = args.model.clone().or(template.model.clone()).or(model.map(str::to_owned));
        system = system.or(told.map(str::to_owned));
        Ok(Self {
            model: model.unwrap_or_else(|| main_model(table)),
            schema,
            which: which.or(template.which()),
            system: system.filter(|text| !text.trim().is_empty()),
            attachments,
            texts,
            choices,
            before: None,
            stream: !args.no_stream,
        })
    }

    /// What is kept of it.
    pub(super) fn kept(&self) -> history::Exchange {
        let system = self.system.clone().unwrap_or_default();
        let attachments = self.attachments.iter().map(Attachment::kept).collect();
        history::Exchange { system, prompt: self.texts.join("\n\n"), attachments, ..history::Exchange::default() }
    }

    /// Folds as many of the oldest exchanges as must be for the rest to fit.
    pub(super) fn fold(&mut self, fits: impl Fn(&ChatRequest<'_>) -> bool) {
        let count = self.before.as_ref().map_or(0, Before::count);
        let mut fits_with = |folded: usize| {
            if let Some(before) = &mut self.before {
                before.fold(folded);
            }
            fits(&self.request())
        };
        if count == 0 || fits_with(0) {
            return;
        }
        // The more are folded the shorter it is; where nothing helps, all are, and the decision says what it lacks.
        let (mut too_few, mut enough) = (0, count);
        while enough - too_few > 1 {
            let middle = usize::midpoint(too_few, enough);
            if fits_with(middle) { enough = middle } else { too_few = middle }
        }
        fits_with(enough);
        self.before.iter().for_each(Before::tell);
    }

    /// Folds half of the exchanges that are left, at least one: the provider's window is smaller than it was believed. Whether
    /// there was one.
    pub(super) fn fold_more(&mut self) -> bool {
        let Some(before) = self.before.as_mut().filter(|before| before.left() > 0) else { return false };
        before.fold(before.count() - before.left() / 2);
        before.tell();
        true
    }

    /// What is attached.
    pub(super) fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// The same as every dialect can say it.
    pub(super) fn request(&self) -> ChatRequest<'_> {
        let texts = self.texts.iter().map(|piece| text(piece));
        let left_over = self.before.as_ref().and_then(Before::left_over);
        let blocks = left_over.into_iter().chain(self.attachments.iter().map(Attachment::block)).chain(texts).collect();
        let before = self.before.iter().flat_map(Before::turns);
        let now = Turn { role: Role::User, name: None, blocks };
        let mut request = ChatRequest {
            model: self.model.as_str().into(),
            system: self.system.as_deref().map(text).into_iter().collect(),
            turns: before.chain([now]).collect(),
            stream: self.stream,
            stream_usage: true,
            output: self.schema.as_ref().map(|schema| OutputFormat::JsonSchema {
                name: Some("answer".into()),
                description: None,
                schema: &schema.raw,
                strict: schema.is_strict.then_some(true),
            }),
            ..ChatRequest::default()
        };
        self.choices.iter().for_each(|choice| choice.apply(&mut request));
        request
    }

    /// The same, for another model.
    pub(super) fn request_of<'a>(&'a self, model: &'a str) -> ChatRequest<'a> {
        ChatRequest { model: model.into(), ..self.request() }
    }

    /// What follows on an answer that did not fit: the answer, and why.
    pub(super) fn repair<'a>(answer: &str, faults: &str) -> [Turn<'a>; 2] {
        let said = |role: Role, text: String| Turn { role, name: None, blocks: vec![BlockKind::Text(text.into()).into()] };
        let answer = if answer.trim().is_empty() { "(nothing)" } else { answer };
        let wish = format!("That does not fit the JSON Schema: {faults}. Answer again, with the JSON alone.");
        [said(Role::Assistant, answer.to_owned()), said(Role::User, wish)]
    }
}

/// What is piped, as text; what can be attached to a prompt is attached. Of what reads as text only a PDF is none.
fn text_of(piped: Option<Vec<u8>>, attachments: &mut Vec<Attachment>, has_prompt: bool) -> Result<Option<String>, Error> {
    let Some(bytes) = piped else { return Ok(None) };
    let is_text = std::str::from_utf8(&bytes).is_ok() && !bytes.starts_with(b"%PDF-");
    let attachment = if is_text || !has_prompt { None } else { Attachment::of(&bytes, "standard input") };
    if let Some(attachment) = attachment {
        attachments.push(attachment);
        return Ok(None);
    }
    let no_text = || Error::new(Code::Usage, "standard input is no text").hint("attach it with `-a -`");
    String::from_utf8(bytes).map(Some).map_err(|_| no_text())
}

/// What comes through a pipe; `None`: a person sits there.
fn piped(limit: usize) -> Result<Option<Vec<u8>>, Error> {
    if std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| Error::new(Code::Usage, format!("standard input cannot be read: {error}")).caused_by(error);
    console::piped(limit).map_err(unreadable)?.map(Some).ok_or_else(|| too_long("standard input", limit))
}

fn text(text: &str) -> Block<'_> {
    BlockKind::Text(text.into()).into()
}

/// What a prompt without a model is put to: the entry `default` of the config, else the first provider's main model.
pub(super) fn main_model(table: &Table) -> String {
    if table.models.iter().any(|entry| entry.name.text() == "default") {
        return "default".to_owned();
    }
    let main = |name: &str| preset(name).map(|preset| preset.main).filter(|main| !main.is_empty());
    let mut places = table.providers.iter().filter_map(|provider| {
        let model = provider.models.first().map(String::as_str).or_else(|| main(provider.catalog)).or_else(|| main(&provider.name))?;
        Some(format!("{}/{model}", provider.name))
    });
    places.next().unwrap_or_else(|| "default".to_owned())
}
