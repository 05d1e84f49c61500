//! Writes a request for a Chat upstream, by the provider's quirks. What has no equivalent becomes a loss, or is refused
//! where the client would depend on it.
//!
//! Start with [`encode`]; messages are [`super::messages_out`]'s part, the records [`super::record`]'s.

use std::borrow::Cow;

use bytes::Bytes;

use super::messages_out::messages;
use super::record::{Body, StreamOptions};
use crate::chat::request::{Extra, Sampling};
use crate::chat::{ChatRequest, Loss, lose};
use crate::dialect::go_on::{self, GoOn, Way};
use crate::dialect::quirks::Prefill;
use crate::dialect::{Dialect, Quirks, ReplyMap, TranslateError, Upstream, history, names};
use crate::wire::json::{Members, count, says_something};
use crate::wire::{Text, read};

pub(super) type Result<T> = std::result::Result<T, TranslateError>;

/// The body for the upstream, and what its reply needs.
///
/// # Errors
/// When the client asks for what the target cannot do and would miss it.
pub(super) fn encode(request: &ChatRequest<'_>, upstream: &Upstream<'_>, losses: &mut Vec<Loss>) -> Result<(Bytes, ReplyMap)> {
    let ChatRequest {
        model: _, // the upstream's own name stands in its place
        system,
        turns,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_output_tokens,
        sampling,
        stop,
        output,
        thinking,
        user_id,
        service_tier,
        stream,
        stream_usage,
        extras,
        unread,
    } = request;
    unread.lose(losses);
    let turns = history::repair(turns, losses);
    let mut reply = ReplyMap::default();
    let mut body = Body { model: upstream.model, messages: messages(system, &turns, upstream, losses)?, ..Body::default() };
    let mut writer = Writer { upstream, quirks: upstream.quirks, losses, reply: &mut reply };
    writer.tools(&mut body, tools, tool_choice.as_ref())?;
    writer.parallel(&mut body, *parallel_tool_calls);
    writer.output(&mut body, output.as_ref());
    writer.limit(&mut body, *max_output_tokens);
    writer.sampling(&mut body, sampling, stop)?;
    writer.thinking(&mut body, thinking.as_ref(), tool_choice.as_ref());
    if *stream {
        writer.streaming(&mut body, *stream_usage);
    }
    writer.account(&mut body, user_id.as_ref(), service_tier.as_ref());
    let extras = writer.extras(extras)?;
    let mut out = serde_json::to_vec(&body).map_err(|error| TranslateError::new("", error.to_string()))?;
    append(&mut out, extras)?;
    Ok((out.into(), reply))
}

/// What has a request gone on with. Several choices, or log probabilities, are more than a text that another can go on with.
pub(super) fn go_on(body: &[u8], said: &str, upstream: &Upstream<'_>) -> Option<GoOn> {
    let members: Members<'_> = read::from_slice(body).ok()?;
    let is_plain = members.get("n").and_then(count).is_none_or(|n| n <= 1) && members.get("logprobs").is_none_or(|raw| raw.get() != "true");
    let prefill = |mark, echoes| Way::Prefill { mark: Some(mark), echoes };
    let way = match upstream.quirks.prefill {
        Prefill::Prefix if upstream.thinks != Some(true) => prefill("prefix", true),
        Prefill::Partial if upstream.thinks != Some(true) => prefill("partial", false),
        Prefill::Never | Prefill::Plain | Prefill::Prefix | Prefill::Partial => Way::Ask,
    };
    let edits = go_on::edits(body, said, way, &["max_tokens", "max_completion_tokens"], 0);
    edits.filter(|_| is_plain)
}

/// Whether a request asks for usage at the end of its stream.
pub(super) fn wants_usage(body: &[u8]) -> bool {
    let members: Option<Members<'_>> = read::from_slice(body).ok();
    let options = members.as_ref().and_then(|members| Members::of(members.get("stream_options")?));
    options.is_some_and(|options| options.get("include_usage").is_some_and(|raw| raw.get() == "true"))
}

/// Adds members to a written object.
fn append(out: &mut Vec<u8>, extras: &[Extra<'_>]) -> Result<()> {
    for Extra { name, value } in extras {
        out.pop();
        out.push(b',');
        serde_json::to_writer(&mut *out, name).map_err(|error| TranslateError::new(name.clone().into_owned(), error.to_string()))?;
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
        out.push(b'}');
    }
    Ok(())
}

/// Whether the model, with or without its maker in front, begins with one of the prefixes.
pub(super) fn is_one_of(model: &str, prefixes: &[&str]) -> bool {
    let bare = model.rsplit('/').next().unwrap_or(model);
    prefixes.iter().any(|prefix| bare.starts_with(prefix) || model.starts_with(prefix))
}

pub(super) struct Writer<'a, 'w> {
    pub(super) upstream: &'a Upstream<'a>,
    pub(super) quirks: &'a Quirks,
    pub(super) losses: &'w mut Vec<Loss>,
    pub(super) reply: &'w mut ReplyMap,
}

impl<'a> Writer<'a, '_> {
    pub(super) fn lose(&mut self, loss: Loss) {
        lose(self.losses, loss);
    }

    pub(super) fn refusal(&self, path: impl Into<Cow<'static, str>>, what: &str) -> TranslateError {
        TranslateError::new(path, format!("{what} has no equivalent at provider {}", self.upstream.provider))
    }

    pub(super) fn is_chat_client(&self) -> bool {
        self.upstream.client == Dialect::OpenAiChat
    }

    pub(super) fn is_reasoning_model(&self) -> bool {
        is_one_of(self.upstream.model, self.quirks.reasoning_models)
    }

    fn limit(&mut self, body: &mut Body<'a>, asked: Option<u64>) {
        let limit = asked.map(|asked| match self.upstream.output_max {
            Some(max) if asked > max && max > 0 => {
                self.lose(Loss::normalised("max_tokens"));
                max
            }
            _ => asked,
        });
        if self.is_reasoning_model() {
            body.max_completion_tokens = limit;
        } else {
            body.max_tokens = limit;
        }
    }

    fn sampling(&mut self, body: &mut Body<'a>, sampling: &'a Sampling<'a>, stop: &'a [Text<'a>]) -> Result<()> {
        let Sampling { temperature, top_p, top_k, seed, presence_penalty, frequency_penalty, logit_bias, logprobs, top_logprobs, n } =
            *sampling;
        if n.is_some_and(|n| n > 1) {
            return Err(self.refusal("n", "more than one answer"));
        }
        if logprobs == Some(true) || top_logprobs.is_some_and(|n| n > 0) {
            return Err(self.refusal("logprobs", "a translated answer with log probabilities"));
        }
        let stop: Vec<&'a Text<'a>> = stop.iter().filter(|stop| !stop.is_empty()).collect();
        if self.is_reasoning_model() {
            // They refuse these, whatever their value; temperature 1 and penalty 0 are what they do anyway.
            let is_not = |value: Option<f64>, usual: f64| value.is_some_and(|value| (value - usual).abs() > f64::EPSILON);
            self.lose_where(is_not(temperature, 1.0), "temperature");
            self.lose_where(is_not(top_p, 1.0), "top_p");
            self.lose_where(is_not(presence_penalty, 0.0), "presence_penalty");
            self.lose_where(is_not(frequency_penalty, 0.0), "frequency_penalty");
            self.lose_where(logit_bias.is_some(), "logit_bias");
            self.lose_where(!stop.is_empty(), "stop");
        } else {
            self.temperature(body, temperature);
            body.top_p = top_p;
            if self.quirks.penalties {
                (body.presence_penalty, body.frequency_penalty, body.logit_bias) = (presence_penalty, frequency_penalty, logit_bias);
            } else {
                let is_one_set = presence_penalty.or(frequency_penalty).is_some_and(|n| n != 0.0) || logit_bias.is_some();
                self.lose_where(is_one_set, "penalties");
            }
            self.stop(body, stop);
        }
        match self.quirks.seed {
            None => self.lose_where(seed.is_some(), "seed"),
            Some("random_seed") => body.random_seed = seed,
            Some(_) => body.seed = seed,
        }
        if self.quirks.top_k {
            body.top_k = top_k;
        } else {
            self.lose_where(top_k.is_some(), "top_k");
        }
        Ok(())
    }

    fn lose_where(&mut self, is_lost: bool, field: &'static str) {
        if is_lost {
            self.lose(Loss::dropped(field));
        }
    }

    fn temperature(&mut self, body: &mut Body<'a>, asked: Option<f64>) {
        let (low, high) = self.quirks.temperature;
        body.temperature = asked.map(|asked| asked.clamp(low, high));
        if body.temperature != asked {
            self.lose(Loss::normalised("temperature"));
        }
    }

    fn stop(&mut self, body: &mut Body<'a>, mut stop: Vec<&'a Text<'a>>) {
        if let Some(max) = self.quirks.stop_max.filter(|max| stop.len() > *max) {
            stop.truncate(max);
            self.lose(Loss::normalised("stop"));
        }
        body.stop = stop;
    }

    fn streaming(&mut self, body: &mut Body<'a>, wants_usage: bool) {
        body.stream = true;
        body.stream_options = self.quirks.stream_options.then_some(StreamOptions { include_usage: true });
        body.tool_stream = (self.quirks.tool_stream && !body.tools.is_empty()).then_some(true);
        self.reply.hide_usage = self.is_chat_client() && !wants_usage;
    }

    /// Who asks, and on which terms.
    fn account(&mut self, body: &mut Body<'a>, user_id: Option<&'a Text<'a>>, service_tier: Option<&'a Text<'a>>) {
        if let Some(id) = user_id {
            match self.quirks.user_max {
                Some(max) => body.user = Some(user(id.read(), max)),
                None => self.lose(Loss::dropped("user")),
            }
        }
        match service_tier {
            Some(tier) if self.is_chat_client() => body.service_tier = Some(tier),
            Some(tier) if tier.read() != "auto" => self.lose(Loss::dropped("service_tier")),
            _ => {}
        }
    }

    /// The members of the client's own dialect that the upstream gets too: all of them, or none.
    fn extras(&mut self, extras: &'a [Extra<'a>]) -> Result<&'a [Extra<'a>]> {
        if self.is_chat_client() {
            return Ok(extras);
        }
        for Extra { name, value } in extras {
            match &**name {
                _ if !says_something(value) => {}
                "container" | "mcp_servers" => return Err(self.refusal(name.clone().into_owned(), &format!("{name:?}"))),
                _ => self.lose(Loss::dropped(name.clone().into_owned())),
            }
        }
        Ok(&[])
    }
}

/// An id within the limit and without a mail address: else its hash.
fn user(id: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if id.chars().count() <= max && !id.contains('@') { id } else { Cow::Owned(names::hash(&id, max.min(64))) }
}
