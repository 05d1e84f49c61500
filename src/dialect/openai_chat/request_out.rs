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
use crate::dialect::{Dialect, Quirks, ReplyMap, TranslateError, Upstream, history, names};
use crate::wire::json::says_something;

pub(super) type Result<T> = std::result::Result<T, TranslateError>;

/// The body for the upstream, and what its reply needs.
///
/// # Errors
/// When the client asks for what the target cannot do and would miss it.
pub(super) fn encode(request: &ChatRequest<'_>, upstream: &Upstream<'_>, losses: &mut Vec<Loss>) -> Result<(Bytes, ReplyMap)> {
    // Who writes each field; a new one stops the build until somebody does.
    let ChatRequest {
        model: _, // the upstream's own name stands in its place
        system: _,
        turns, // with `system`: messages_out
        tools: _,
        tool_choice: _,
        parallel_tool_calls: _, // tools_out
        max_output_tokens: _,
        sampling: _,
        stop: _,     // sampling
        output: _,   // tools_out
        thinking: _, // thinking_out
        user_id: _,
        service_tier: _,
        stream: _,
        stream_usage: _, // envelope
        extras: _,       // extras
        unread,
    } = request;
    unread.lose(losses);
    let turns = history::repair(turns, losses);
    let mut reply = ReplyMap::default();
    let mut body = Body { model: upstream.model, messages: messages(request, &turns, upstream, losses)?, ..Body::default() };
    let mut writer = Writer { request, upstream, quirks: upstream.quirks, losses, reply: &mut reply };
    writer.tools(&mut body)?;
    writer.output(&mut body)?;
    writer.sampling(&mut body)?;
    writer.thinking(&mut body);
    writer.envelope(&mut body);
    let extras = writer.extras()?;
    let mut out = serde_json::to_vec(&body).map_err(|error| TranslateError::new("", error.to_string()))?;
    append(&mut out, extras)?;
    Ok((out.into(), reply))
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
    pub(super) request: &'a ChatRequest<'a>,
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

    fn sampling(&mut self, body: &mut Body<'a>) -> Result<()> {
        let sampling = &self.request.sampling;
        let Sampling {
            temperature: _,
            top_p: _,
            presence_penalty: _,
            frequency_penalty: _,
            logit_bias: _, // sampler, drop_sampler
            top_k: _,
            seed: _,
            logprobs: _,
            top_logprobs: _,
            n: _,
        } = sampling;
        if sampling.n.is_some_and(|n| n > 1) {
            return Err(self.refusal("n", "more than one answer"));
        }
        if sampling.logprobs == Some(true) || sampling.top_logprobs.is_some_and(|n| n > 0) {
            return Err(self.refusal("logprobs", "a translated answer with log probabilities"));
        }
        let limit = self.request.max_output_tokens.map(|asked| match self.upstream.output_max {
            Some(max) if asked > max && max > 0 => {
                self.lose(Loss::normalised("max_tokens"));
                max
            }
            _ => asked,
        });
        if self.is_reasoning_model() {
            body.max_completion_tokens = limit;
            self.drop_sampler();
        } else {
            body.max_tokens = limit;
            self.sampler(body);
        }
        match (sampling.seed, self.quirks.seed) {
            (Some(_), None) => self.lose(Loss::dropped("seed")),
            (seed, Some("random_seed")) => body.random_seed = seed,
            (seed, _) => body.seed = seed,
        }
        match sampling.top_k {
            Some(_) if !self.quirks.top_k => self.lose(Loss::dropped("top_k")),
            top_k => body.top_k = top_k,
        }
        Ok(())
    }

    /// Reasoning models refuse these, whatever their value; temperature 1 and penalty 0 are what they do anyway.
    fn drop_sampler(&mut self) {
        let request = self.request;
        let sampling = &request.sampling;
        let is_not = |value: Option<f64>, usual: f64| value.is_some_and(|value| (value - usual).abs() > f64::EPSILON);
        for (is_lost, field) in [
            (is_not(sampling.temperature, 1.0), "temperature"),
            (is_not(sampling.top_p, 1.0), "top_p"),
            (is_not(sampling.presence_penalty, 0.0), "presence_penalty"),
            (is_not(sampling.frequency_penalty, 0.0), "frequency_penalty"),
            (sampling.logit_bias.is_some(), "logit_bias"),
            (request.stop.iter().any(|stop| !stop.is_empty()), "stop"),
        ] {
            if is_lost {
                self.lose(Loss::dropped(field));
            }
        }
    }

    fn sampler(&mut self, body: &mut Body<'a>) {
        let request = self.request;
        let sampling = &request.sampling;
        let (low, high) = self.quirks.temperature;
        body.temperature = sampling.temperature.map(|asked| asked.clamp(low, high));
        if body.temperature != sampling.temperature {
            self.lose(Loss::normalised("temperature"));
        }
        body.top_p = sampling.top_p;
        if self.quirks.penalties {
            body.presence_penalty = sampling.presence_penalty;
            body.frequency_penalty = sampling.frequency_penalty;
            body.logit_bias = sampling.logit_bias;
        } else if sampling.presence_penalty.or(sampling.frequency_penalty).is_some_and(|n| n != 0.0) || sampling.logit_bias.is_some() {
            self.lose(Loss::dropped("penalties"));
        }
        body.stop = request.stop.iter().filter(|stop| !stop.is_empty()).collect();
        if let Some(max) = self.quirks.stop_max.filter(|max| body.stop.len() > *max) {
            body.stop.truncate(max);
            self.lose(Loss::normalised("stop"));
        }
    }

    fn envelope(&mut self, body: &mut Body<'a>) {
        let request = self.request;
        body.stream = request.stream;
        if request.stream {
            body.stream_options = self.quirks.stream_options.then_some(StreamOptions { include_usage: true });
            body.tool_stream = (self.quirks.tool_stream && !body.tools.is_empty()).then_some(true);
            self.reply.hide_usage = self.is_chat_client() && !request.stream_usage;
        }
        if let Some(id) = &request.user_id {
            match self.quirks.user_max {
                Some(max) => body.user = Some(user(id.read(), max)),
                None => self.lose(Loss::dropped("user")),
            }
        }
        match &request.service_tier {
            Some(tier) if self.is_chat_client() => body.service_tier = Some(tier),
            Some(tier) if tier.read() != "auto" => self.lose(Loss::dropped("service_tier")),
            _ => {}
        }
    }

    /// The members of the client's own dialect that the upstream gets too: all of them, or none.
    fn extras(&mut self) -> Result<&'a [Extra<'a>]> {
        if self.is_chat_client() {
            return Ok(&self.request.extras);
        }
        for Extra { name, value } in &self.request.extras {
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
