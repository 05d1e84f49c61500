//! How much the model may think, and the limits that go with it: the budget within the output, no sampler beside it.
//!
//! Claude's own rules change with its version, which stands in the model's name; another server's model has none and gets
//! the oldest form. Sources: docs.anthropic.com, "Extended thinking", "Adaptive thinking", "Effort" (2026-06).

use super::history::{Message, PieceKind};
use super::lack::lacks;
use crate::chat::request::{Effort, Sampling, ThinkingMode};
use crate::chat::{Loss, lose};
use crate::dialect::{TranslateError, Upstream};
use crate::wire::object::Object;

/// What a model gives when nobody says how much.
const OUTPUT_DEFAULT: u64 = 32_000;
/// The least budget.
const BUDGET_MIN: u64 = 1024;

/// Thinking and the output limit, decided together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Thought {
    /// `max_tokens`.
    pub(super) max_tokens: u64,
    /// What is written.
    pub(super) mode: Mode,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
}

/// The forms of `thinking`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not written.
    #[default]
    Absent,
    /// `disabled`.
    Off,
    /// `enabled`, with a budget.
    Budget(u64),
    /// `adaptive`.
    Adaptive,
}

impl Thought {
    /// Whether the model thinks because it was told to.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.mode, Mode::Budget(_) | Mode::Adaptive)
    }
}

/// The version in a Claude's name: `claude-opus-4-8` is 4.8, `claude-3-5-sonnet-20241022` 3.5, `claude-sonnet-5` 5.0.
fn version(model: &str) -> Option<(u32, u32)> {
    let (_, name) = model.rsplit_once("claude")?;
    let mut numbers = name.split(['-', '.', '@', ':', '_']).skip_while(|part| part.parse::<u32>().is_err());
    let short = |part: Option<&str>| part.filter(|part| part.len() <= 2).and_then(|part| part.parse().ok());
    let major = short(numbers.next())?;
    Some((major, short(numbers.next()).unwrap_or(0)))
}

/// Whether the model takes no assistant turn at the end (Claude 4.6 and later).
pub(super) fn refuses_prefill(model: &str) -> bool {
    version(model).is_some_and(|version| version >= (4, 6))
}

/// Decides thinking and `max_tokens`, of which the client asked for `limit`. `is_forced`: an output schema forces a tool, which excludes thinking.
pub(super) fn plan(
    mode: Option<&ThinkingMode>,
    limit: Option<u64>,
    upstream: &Upstream<'_>,
    history: &[Message<'_>],
    is_forced: bool,
    losses: &mut Vec<Loss>,
) -> Thought {
    let output_max = upstream.output_max.unwrap_or(u64::MAX);
    let mut max_tokens = limit.unwrap_or_else(|| default_output(upstream)).max(1);
    if max_tokens > output_max {
        max_tokens = output_max;
        lose(losses, Loss::normalised("max_tokens"));
    }
    let thought = Thought { max_tokens, mode: Mode::Absent, effort: None };
    let Some(mode) = mode else { return thought };
    let is_always_on = upstream.quirks.thinking_always.iter().any(|prefix| upstream.model.starts_with(prefix));
    let wanted = match mode {
        ThinkingMode::Disabled | ThinkingMode::Effort(Effort::None) | ThinkingMode::Adaptive(Some(Effort::None)) => {
            if is_always_on {
                lose(losses, Loss::normalised("reasoning_effort"));
                return thought;
            }
            return Thought { mode: if upstream.thinks == Some(false) { Mode::Absent } else { Mode::Off }, ..thought };
        }
        ThinkingMode::Effort(effort) | ThinkingMode::Adaptive(Some(effort)) => Wanted { effort: *effort, budget: budget(*effort) },
        ThinkingMode::Adaptive(None) => Wanted { effort: Effort::High, budget: budget(Effort::High) },
        ThinkingMode::Budget(tokens) => Wanted { effort: effort_of(*tokens), budget: (*tokens).max(BUDGET_MIN) },
    };
    if upstream.thinks == Some(false) || is_forced || (is_unsigned_loop(history) && version(upstream.model).is_some_and(|v| v < (4, 6))) {
        lose(losses, Loss::dropped("reasoning_effort"));
        return thought;
    }
    if let Some(version) = version(upstream.model).filter(|version| *version >= (4, 6)) {
        return Thought { mode: Mode::Adaptive, effort: Some(effort_word(wanted.effort, version)), ..thought };
    }
    fit(thought, wanted.budget, limit.is_some(), output_max, losses)
}

struct Wanted {
    effort: Effort,
    budget: u64,
}

/// Brings the budget below `max_tokens`: raises a limit that was meant for the visible answer, else lowers the budget,
/// else does without thinking.
fn fit(thought: Thought, mut budget: u64, has_limit: bool, output_max: u64, losses: &mut Vec<Loss>) -> Thought {
    let mut max_tokens = thought.max_tokens;
    if budget >= max_tokens {
        lose(losses, Loss::normalised(if has_limit { "max_tokens" } else { "reasoning_effort" }));
        if has_limit {
            max_tokens = max_tokens.saturating_add(budget).min(output_max);
        }
        budget = budget.min(max_tokens.saturating_sub(1));
    }
    if budget < BUDGET_MIN {
        lose(losses, Loss::dropped("reasoning_effort"));
        return thought;
    }
    Thought { max_tokens, mode: Mode::Budget(budget), ..thought }
}

/// Whether the last assistant turn called tools without thinking of its own family before: Claude before 4.6 refuses to
/// think on after that.
fn is_unsigned_loop(history: &[Message<'_>]) -> bool {
    let Some(last) = history.iter().rfind(|message| !message.is_user) else { return false };
    let calls = last.pieces.iter().any(|piece| matches!(piece.kind, PieceKind::Call(_)));
    calls && !last.pieces.first().is_some_and(|piece| piece.kind.is_thinking())
}

fn default_output(upstream: &Upstream<'_>) -> u64 {
    let usual = match version(upstream.model) {
        Some((3, 0..=4)) => 4096,
        Some((3, 5..=6)) => 8192,
        _ => OUTPUT_DEFAULT,
    };
    upstream.output_max.map_or(usual, |most| most.min(OUTPUT_DEFAULT))
}

fn budget(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 4096,
        Effort::High => 16_384,
        Effort::XHigh | Effort::Max => 32_000,
    }
}

fn effort_of(tokens: u64) -> Effort {
    match tokens {
        0..=2048 => Effort::Low,
        2049..=8192 => Effort::Medium,
        8193..=24_576 => Effort::High,
        _ => Effort::XHigh,
    }
}

fn effort_word(effort: Effort, version: (u32, u32)) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh if version >= (4, 7) => "xhigh",
        Effort::XHigh => "high",
        Effort::Max => "max",
    }
}

/// Writes `thinking` and `output_config`.
pub(super) fn write(body: &mut Object<'_>, thought: &Thought, schema: Option<&str>) {
    match thought.mode {
        Mode::Absent => {}
        Mode::Off => {
            body.raw("thinking", r#"{"type":"disabled"}"#);
        }
        Mode::Adaptive => {
            body.raw("thinking", r#"{"type":"adaptive"}"#);
        }
        Mode::Budget(tokens) => {
            body.json("thinking", format_args!(r#"{{"type":"enabled","budget_tokens":{tokens}}}"#));
        }
    }
    if thought.effort.is_none() && schema.is_none() {
        return;
    }
    let mut config = Object::open(body.key("output_config"));
    if let Some(effort) = thought.effort {
        config.str("effort", effort);
    }
    if let Some(schema) = schema {
        let mut format = Object::open(config.key("format"));
        format.str("type", "json_schema").raw("schema", schema);
        format.close();
    }
    config.close();
}

/// Writes what the target takes of the sampler's settings.
///
/// # Errors
/// When more is asked for than one answer of words.
pub(super) fn write_sampling(
    body: &mut Object<'_>,
    sampling: &Sampling<'_>,
    upstream: &Upstream<'_>,
    thought: &Thought,
    losses: &mut Vec<Loss>,
) -> Result<(), TranslateError> {
    let Sampling { temperature, top_p, top_k, seed, presence_penalty, frequency_penalty, logit_bias, logprobs, top_logprobs, n } = sampling;
    if n.is_some_and(|n| n > 1) {
        return Err(lacks("n", "second answer", upstream));
    }
    if *logprobs == Some(true) || top_logprobs.is_some_and(|n| n > 0) {
        return Err(lacks("logprobs", "log probabilities", upstream));
    }
    let version = version(upstream.model);
    // Claude 4.7 and later refuse every setting but the default.
    let is_fixed = version.is_some_and(|version| version >= (4, 7))
        || upstream.quirks.reasoning_models.iter().any(|prefix| upstream.model.starts_with(prefix));
    let mut has_temperature = false;
    if let Some(temperature) = *temperature {
        let (low, high) = upstream.quirks.temperature;
        let clamped = temperature.clamp(low, high.max(low));
        let is_default = (clamped - 1.0).abs() < f64::EPSILON;
        if (is_fixed || thought.is_on()) && !is_default {
            lose(losses, Loss::dropped("temperature"));
        } else if !is_fixed {
            if (clamped - temperature).abs() > f64::EPSILON {
                lose(losses, Loss::normalised("temperature"));
            }
            has_temperature = true;
            body.json("temperature", clamped);
        }
    }
    if let Some(top_p) = *top_p {
        // Claude 4.1 and later take one of the two.
        let excludes = has_temperature && version.is_some_and(|version| version >= (4, 1));
        let is_out_of_range = thought.is_on() && !(0.95..=1.0).contains(&top_p);
        if is_fixed || excludes || is_out_of_range {
            lose(losses, Loss::dropped("top_p"));
        } else {
            body.json("top_p", top_p);
        }
    }
    if let Some(top_k) = *top_k {
        if is_fixed || thought.is_on() || !upstream.quirks.top_k {
            lose(losses, Loss::dropped("top_k"));
        } else {
            body.json("top_k", top_k);
        }
    }
    let is_set = |value: &Option<f64>| value.is_some_and(|value| value != 0.0);
    for (name, is_set) in [
        ("seed", seed.is_some()),
        ("presence_penalty", is_set(presence_penalty)),
        ("frequency_penalty", is_set(frequency_penalty)),
        ("logit_bias", logit_bias.is_some_and(|bias| bias.get() != "{}")),
    ] {
        if is_set {
            lose(losses, Loss::dropped(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_name() {
        for (model, expected) in [
            ("claude-opus-4-8", Some((4, 8))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-3-5-sonnet-20241022", Some((3, 5))),
            ("claude-haiku-4-5-20251001", Some((4, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("anthropic/claude-opus-4.6", Some((4, 6))),
            ("claude-instant", None),
            ("glm-5.1", None),
        ] {
            assert_eq!(version(model), expected, "{model}");
        }
    }
}
