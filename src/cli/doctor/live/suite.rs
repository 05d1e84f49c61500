//! The checks, in their order. Each asks for one thing and says what it saw; after a plain answer that fails, nothing more is asked.
//!
//! A thing counts as missing when the provider says so in a refusal that names it, or answers well without it twice. Start with [`run`].

use serde_json::Value;

use super::ask::{Asker, Said, short, told};
use super::reply::{Reply, disorder};
use super::requests::{
    ANSWER_SCHEMA, BUDGET, CUT_AT, FOUND, OUTPUT_MAX, THINKING_MAX, TOO_MANY, TOOL, TOOL_SCHEMA, WORD, cached, document, instructed,
    question, results, said, structured, with_image, with_tool,
};
use super::verdict::{AGAIN, Check, Seen, Verdict, conclude};
use crate::chat::request::ThinkingMode;
use crate::chat::{ChatRequest, FailureKind, StopReason};
use crate::dialect::Dialect;
use crate::dialect::quirks::{ReasoningBack, Structured, ThinkingSwitch};
use crate::error::{Code, Error};
use crate::provider::measured::{IMAGES, STRUCTURED, THINKING, TOOLS};
use crate::provider::models::Known;
use crate::route::{Provider, Target};

/// What the checks ask at most: requests, tokens of input of each, tokens of output of each.
pub(super) const PLAN: [(u64, u64, u64); 3] = [(26, 700, OUTPUT_MAX), (3, 7500, OUTPUT_MAX), (3, 5500, THINKING_MAX)];

const COUNT: &str = "Count from 1 to 12 in digits, separated by commas. Write nothing else.";
const FRANCE: &str = "What is the capital of France? Answer in one word.";

/// Runs the checks. `tell` is called with the name of each before it begins.
///
/// # Errors
/// When our own requests are wrong.
pub(super) async fn run(asker: &mut Asker<'_>, mut tell: impl FnMut(&str)) -> Result<Vec<Check>, Error> {
    tell("answer");
    let plain = plain(asker).await;
    let is_fine = plain.verdict == Verdict::Supported;
    let mut checks = vec![plain];
    if !is_fine {
        checks.push(Check::new("rest", Verdict::NotApplicable, "nothing more was asked: a plain answer is what all else begins with"));
        return Ok(checks);
    }
    tell("stream");
    checks.extend(stream(asker).await);
    tell("system");
    checks.push(system(asker).await);
    tell("tools");
    checks.extend(tools(asker).await?);
    tell("thinking");
    checks.extend(thinking(asker).await);
    tell("images");
    checks.push(images(asker).await);
    tell("cache");
    checks.push(cache(asker).await?);
    tell("structured");
    checks.push(schema(asker).await?);
    tell("limits");
    checks.push(stop(asker).await);
    checks.push(cut(asker).await);
    tell("errors");
    checks.push(no_such_model(asker).await);
    checks.push(too_many_tokens(asker).await);
    checks.push(count(asker).await);
    Ok(checks)
}

/// A request for this target: one that may think is told not to, where it can be told, so that checks are quick and cheap.
fn brief<'a>(asker: &Asker<'_>, request: ChatRequest<'a>) -> ChatRequest<'a> {
    let thinking = (asker.target.info.reasoning == Some(true)).then_some(ThinkingMode::Disabled);
    ChatRequest { thinking, ..request }
}

/// Our target, its quirks or what is known of it changed.
fn changed(target: &Target, change: impl FnOnce(&mut Provider, &mut Known)) -> Target {
    let mut target = target.clone();
    let mut provider = (*target.provider).clone();
    change(&mut provider, &mut target.info);
    target.provider = std::sync::Arc::new(provider);
    target
}

/// Asks until it can be told, [`AGAIN`] times at most.
async fn told_by(
    asker: &mut Asker<'_>,
    check: &'static str,
    target: &Target,
    request: &ChatRequest<'_>,
    names: &[&str],
    judge: impl Fn(&Reply) -> Seen,
) -> (Check, Option<Reply>) {
    let mut last = (String::new(), None);
    for _ in 0..AGAIN {
        let (verdict, why, reply) = conclude(asker.ask_at(target, request).await, names, &judge);
        if let Some(verdict) = verdict {
            return (Check::new(check, verdict, why), reply);
        }
        last = (why, reply);
    }
    let (why, reply) = last;
    (Check::new(check, Verdict::Unsupported, format!("{why}, {AGAIN} times")), reply)
}

/// What an answer without words tells.
fn wordless(reply: &Reply) -> Seen {
    if reply.is_cut() {
        Seen::Nothing(format!("it used up {OUTPUT_MAX} tokens before it answered"))
    } else {
        Seen::Wrong("the answer is empty".to_owned())
    }
}

async fn plain(asker: &mut Asker<'_>) -> Check {
    let request = brief(asker, question(FRANCE));
    let judge = |reply: &Reply| match reply.text().trim() {
        "" => wordless(reply),
        text if reply.usage.output.is_none() => Seen::Yes(format!("\"{}\"; it tells no usage", short(text))),
        text => Seen::Yes(format!("\"{}\"", short(text))),
    };
    match asker.ask(&request).await {
        Said::Refused(failure) => Check::new("answer", Verdict::Wrong, format!("it is refused: {}", told(&failure))),
        said => {
            let (verdict, why, _) = conclude(said, &[], judge);
            // Whatever the reason, nothing can be measured then.
            let verdict = verdict.unwrap_or(Verdict::Unknown);
            Check {
                level: if verdict == Verdict::Supported { verdict.level() } else { Verdict::Wrong.level() },
                ..Check::new("answer", verdict, why)
            }
        }
    }
}

async fn stream(asker: &mut Asker<'_>) -> Vec<Check> {
    let request = ChatRequest { stream: true, stream_usage: true, ..brief(asker, question(COUNT)) };
    let dialect = asker.target.endpoint().dialect;
    let judge = |reply: &Reply| {
        if !reply.content_type.contains("event-stream") {
            return Seen::No(format!("it is answered whole, as {:?}", short(&reply.content_type)));
        }
        match disorder(dialect, &reply.body) {
            Some(fault) => Seen::Wrong(fault),
            None if reply.text().trim().is_empty() => wordless(reply),
            None => Seen::Yes("events in their order, to the end".to_owned()),
        }
    };
    let target = asker.target.clone();
    let (mut check, reply) = told_by(asker, "stream", &target, &request, &["stream"], judge).await;
    // A JSON body where a stream was asked for is no stream, however it is read.
    if check.verdict == Verdict::Wrong && reply.is_none() {
        check.why = format!("no stream that can be read: {}", check.why);
    }
    let usage = match (&reply, check.verdict) {
        (Some(reply), Verdict::Supported) => match (reply.usage.input_total(), reply.usage.output) {
            (input @ 1.., Some(output @ 1..)) => Check::new("stream-usage", Verdict::Supported, format!("{input} tokens in, {output} out")),
            _ => {
                let why = "the stream does not tell what it used: costs and limits go by estimates";
                Check::new("stream-usage", Verdict::Unsupported, why)
            }
        },
        _ => Check::new("stream-usage", Verdict::NotApplicable, "there is no stream to read it from"),
    };
    vec![check, usage]
}

async fn system(asker: &mut Asker<'_>) -> Check {
    let instructions = format!("Whatever you are asked, answer with the single word {WORD}, in capitals, and nothing else.");
    let request = brief(asker, instructed(&instructions, FRANCE));
    let judge = |reply: &Reply| match reply.text() {
        text if text.to_uppercase().contains(WORD) => Seen::Yes("it is followed".to_owned()),
        text if text.trim().is_empty() => wordless(reply),
        text => Seen::No(format!("it is not followed: \"{}\"", short(&text))),
    };
    let target = asker.target.clone();
    told_by(asker, "system", &target, &request, &["system"], judge).await.0
}

/// Whether a call is of our tool and its arguments fit.
fn fits(name: &str, arguments: &str) -> Result<bool, Error> {
    let bug = |error: String| Error::new(Code::Bug, format!("the doctor's own schema is wrong: {error}"));
    let schema = serde_json::from_str::<Value>(TOOL_SCHEMA).map_err(|error| bug(error.to_string()))?;
    let validator = jsonschema::validator_for(&schema).map_err(|error| bug(error.to_string()))?;
    Ok(name == TOOL && serde_json::from_str(arguments).is_ok_and(|arguments| validator.is_valid(&arguments)))
}

async fn tools(asker: &mut Asker<'_>) -> Result<Vec<Check>, Error> {
    const NAMES: &[&str] = &["tool", "function"];
    let request = brief(asker, with_tool("What is the weather in Paris, in celsius? Use the tool.")?);
    fits(TOOL, "{}")?;
    let judge = |reply: &Reply| match reply.calls().as_slice() {
        [] if reply.is_cut() => wordless(reply),
        [] => Seen::No(format!("it called no tool: \"{}\"", short(&reply.text()))),
        [(_, name, arguments), ..] if fits(name, arguments).unwrap_or(false) => {
            Seen::Yes(format!("called {name} with {}", short(arguments)))
        }
        [(_, name, arguments), ..] => Seen::Wrong(format!("its call does not fit the tool: {} with {}", short(name), short(arguments))),
    };
    let target = asker.target.clone();
    let (called, reply) = told_by(asker, TOOLS, &target, &request, NAMES, judge).await;
    let Some(reply) = reply.filter(|_| called.verdict == Verdict::Supported) else {
        let none = |check| Check::new(check, Verdict::NotApplicable, "without a call there is nothing to look at");
        return Ok(vec![called, none("tool-result"), none("parallel-tools")]);
    };
    let ids: Vec<&str> = reply.calls().iter().map(|(id, ..)| *id).collect();
    let mut back = request.clone();
    back.turns.extend([reply.turn(), results(ids.into_iter())]);
    back.turns.push(said("Tell me the code word that the tool gave."));
    let judge = |reply: &Reply| match reply.text() {
        text if text.to_uppercase().contains(FOUND) => Seen::Yes("it answered from the result".to_owned()),
        text if text.trim().is_empty() && reply.calls().is_empty() => wordless(reply),
        text => Seen::No(format!("it did not answer from the result: \"{}\"", short(&text))),
    };
    let (result, _) = told_by(asker, "tool-result", &target, &back, NAMES, judge).await;
    let both = "What is the weather in Paris and in Tokyo, in celsius? Call the tool for both cities at once, in one answer.";
    let request = ChatRequest { parallel_tool_calls: Some(true), ..brief(asker, with_tool(both)?) };
    let judge = |reply: &Reply| match reply.calls().as_slice() {
        calls @ [_, _, ..] if calls.iter().all(|(_, name, arguments)| fits(name, arguments).unwrap_or(false)) => {
            Seen::Yes(format!("{} calls in one answer", calls.len()))
        }
        [_, _, ..] => Seen::Wrong("its calls do not fit the tool".to_owned()),
        _ if reply.is_cut() => wordless(reply),
        calls => Seen::No(format!("{} call{} in one answer", calls.len(), if calls.len() == 1 { "" } else { "s" })),
    };
    let (parallel, _) = told_by(asker, "parallel-tools", &target, &request, &["parallel"], judge).await;
    Ok(vec![called, result, parallel])
}

async fn thinking(asker: &mut Asker<'_>) -> Vec<Check> {
    const NAMES: &[&str] = &["thinking", "reasoning"];
    let quirks = asker.target.endpoint().quirks.clone();
    let is_chat = asker.target.endpoint().dialect == Dialect::OpenAiChat;
    let puzzle = "A farmer has 17 sheep; all but 9 run away, then he buys twice as many as are left, and a third of all fall ill. \
        How many are well? Think about it, then answer with the number.";
    let request = ChatRequest { max_output_tokens: Some(THINKING_MAX), thinking: Some(ThinkingMode::Budget(BUDGET)), ..question(puzzle) };
    // Asked for whatever the table says of the model.
    let target = changed(asker.target, |_, info| info.reasoning = Some(true));
    let judge = |reply: &Reply| {
        if reply.has_thought() {
            Seen::Yes(if reply.is_signed() { "it thought, and signed it" } else { "it thought" }.to_owned())
        } else {
            Seen::No("it answered without thinking".to_owned())
        }
    };
    let (mut check, reply) = told_by(asker, THINKING, &target, &request, NAMES, judge).await;
    let is_switched = !(is_chat && quirks.thinking_switch == ThinkingSwitch::None);
    if check.verdict == Verdict::Unsupported && !is_switched && reply.is_some() {
        check = Check::new(THINKING, Verdict::NotApplicable, "it does not think by itself, and aimux knows no switch of this provider's");
    }
    let none = |why: &str| Check::new("thinking-back", Verdict::NotApplicable, why);
    let back = match reply.filter(|_| check.verdict == Verdict::Supported) {
        None => none("there is no thinking to send back"),
        Some(_) if is_chat && quirks.reasoning_back == ReasoningBack::Never => none("aimux sends this provider no thinking back"),
        Some(reply) if !is_chat && !reply.is_signed() => none("its thinking has no signature"),
        Some(reply) => {
            let mut again = request.clone();
            again.turns.extend([reply.turn(), said("And how many fell ill? Answer with the number.")]);
            let taken = |_: &Reply| Seen::Yes("it takes its own thinking back".to_owned());
            let (verdict, why, _) = conclude(asker.ask_at(&target, &again).await, &["thinking", "reasoning", "signature"], taken);
            match verdict.unwrap_or(Verdict::Unknown) {
                Verdict::Unsupported => Check::new("thinking-back", Verdict::Wrong, format!("it refuses its own thinking: {why}")),
                verdict => Check::new("thinking-back", verdict, why),
            }
        }
    };
    vec![check, back]
}

async fn images(asker: &mut Asker<'_>) -> Check {
    if !asker.target.endpoint().quirks.images {
        return Check::new(IMAGES, Verdict::NotApplicable, "aimux sends this provider none");
    }
    let request = brief(asker, with_image("Which colour is this picture? Answer in one word; if you see no picture, say so."));
    // Sent whatever the table says of the model.
    let target = changed(asker.target, |_, info| info.images = None);
    let judge = |reply: &Reply| match reply.text().to_lowercase() {
        text if ["red", "crimson", "scarlet"].iter().any(|word| text.contains(word)) => {
            Seen::Yes("it saw what was in the picture".to_owned())
        }
        text if text.trim().is_empty() => wordless(reply),
        text => Seen::No(format!("it did not see a red square: \"{}\"", short(&text))),
    };
    told_by(asker, IMAGES, &target, &request, &["image", "vision", "multimodal", "multi-modal", "modalit"], judge).await.0
}

async fn cache(asker: &mut Asker<'_>) -> Result<Check, Error> {
    let document = document();
    let request = brief(asker, cached(&document, "Say in five words what the text is about.")?);
    let (mut written, mut why) = (0, String::new());
    for turn in 0..=AGAIN {
        let reply = match asker.ask(&request).await {
            Said::Answer(reply) => reply,
            said => {
                let (verdict, why, _) = conclude(said, &["cache"], |_| Seen::Nothing(String::new()));
                return Ok(Check::new("cache", verdict.unwrap_or(Verdict::Unknown), why));
            }
        };
        let read = reply.usage.cache_read.unwrap_or(0);
        if turn > 0 && read > 0 {
            return Ok(Check::new("cache", Verdict::Supported, format!("request {} read {read} tokens from it", turn + 1)));
        }
        written = written.max(reply.usage.cache_write.unwrap_or(0));
        why = format!("{} requests of {} tokens each read nothing from it", turn + 1, reply.usage.input_total());
    }
    Ok(if written > 0 {
        Check::new("cache", Verdict::Wrong, format!("{written} tokens were written, and paid for; {why}"))
    } else {
        Check::new("cache", Verdict::Unsupported, why)
    })
}

async fn schema(asker: &mut Asker<'_>) -> Result<Check, Error> {
    let bug = |error: String| Error::new(Code::Bug, format!("the doctor's own schema is wrong: {error}"));
    let schema = serde_json::from_str::<Value>(ANSWER_SCHEMA).map_err(|error| bug(error.to_string()))?;
    let validator = jsonschema::validator_for(&schema).map_err(|error| bug(error.to_string()))?;
    let request = brief(asker, structured("Describe the colour of grass in one plain English sentence, without any JSON.")?);
    // The dialect's own way, for that is how clients of the dialect ask; a forced tool is aimux's.
    let at = asker.target.endpoint;
    let target = changed(asker.target, |provider, info| {
        info.structured = Some(true);
        if let Some(endpoint) = provider.endpoints.get_mut(at) {
            endpoint.quirks.structured = Structured::Native;
        }
    });
    let judge = |reply: &Reply| {
        let text = reply.text();
        if serde_json::from_str(&text).is_ok_and(|value| validator.is_valid(&value)) {
            return Seen::Yes("the answer fits the schema, against the prompt".to_owned());
        }
        if reply.is_cut() || text.trim().is_empty() {
            wordless(reply)
        } else {
            Seen::No(format!("the answer does not fit: \"{}\"", short(&text)))
        }
    };
    let names = &["schema", "response_format", "output_config", "output_format", "structured", "json"];
    Ok(told_by(asker, STRUCTURED, &target, &request, names, judge).await.0)
}

async fn stop(asker: &mut Asker<'_>) -> Check {
    let request = ChatRequest { stop: vec!["7".into()], ..brief(asker, question(COUNT)) };
    let judge = |reply: &Reply| {
        let text = reply.text();
        if text.contains('7') {
            Seen::No(format!("it went on: \"{}\"", short(&text)))
        } else if text.contains('6') {
            Seen::Yes(format!("it ended at it{}", if reply.reason == Some(StopReason::StopSequence) { ", and says so" } else { "" }))
        } else {
            Seen::Nothing(format!("it did not count: \"{}\"", short(&text)))
        }
    };
    let target = asker.target.clone();
    told_by(asker, "stop", &target, &request, &["stop"], judge).await.0
}

async fn cut(asker: &mut Asker<'_>) -> Check {
    let request = brief(asker, question("Count from 1 to 300 in words, one number a line. Leave none out."));
    let request = ChatRequest { max_output_tokens: Some(CUT_AT), ..request };
    let judge = |reply: &Reply| match reply.usage.output {
        _ if reply.is_cut() => Seen::Yes(format!("it ended at {CUT_AT} tokens, and says so")),
        Some(output) if output > 4 * CUT_AT => Seen::No(format!("{output} tokens where {CUT_AT} were allowed")),
        _ => Seen::No(format!("it ended, and does not say that the limit was met: {:?}", reply.reason)),
    };
    let target = asker.target.clone();
    told_by(asker, "max-tokens", &target, &request, &["max_tokens", "max_completion_tokens"], judge).await.0
}

async fn no_such_model(asker: &mut Asker<'_>) -> Check {
    let target = Target { model: "aimux-asks-for-no-such-model".to_owned(), ..asker.target.clone() };
    let name = "unknown-model";
    match asker.ask_at(&target, &question(FRANCE)).await {
        Said::Refused(failure) if failure.kind == FailureKind::NotFound => Check::new(name, Verdict::Supported, told(&failure)),
        Said::Refused(failure) => {
            let why = format!("{}; it does not say that the model is what is wrong, so requests go to no other target", told(&failure));
            Check::new(name, Verdict::Unsupported, why)
        }
        Said::Answer(reply) => {
            Check::new(name, Verdict::Wrong, format!("a model that nobody has is answered: \"{}\"", short(&reply.text())))
        }
        Said::Broken(why) => Check::new(name, Verdict::Wrong, why),
        Said::Nothing(why) => Check::new(name, Verdict::Unknown, why),
    }
}

async fn too_many_tokens(asker: &mut Asker<'_>) -> Check {
    let request = brief(asker, ChatRequest { max_output_tokens: Some(TOO_MANY), ..question(FRANCE) });
    // Else the encoder would lower it.
    let target = changed(asker.target, |_, info| info.output_max = None);
    let name = "too-many-tokens";
    match asker.ask_at(&target, &request).await {
        Said::Refused(failure)
            if matches!(failure.kind, FailureKind::InvalidRequest | FailureKind::ContextLength | FailureKind::TooLarge) =>
        {
            Check::new(name, Verdict::Supported, told(&failure))
        }
        Said::Refused(failure) => Check::new(name, Verdict::Wrong, format!("refused as what it is not: {}", told(&failure))),
        Said::Answer(_) => Check::new(name, Verdict::Unsupported, "it takes any limit without a word"),
        Said::Broken(why) => Check::new(name, Verdict::Wrong, why),
        Said::Nothing(why) => Check::new(name, Verdict::Unknown, why),
    }
}

async fn count(asker: &mut Asker<'_>) -> Check {
    let name = "count-tokens";
    match asker.count(FRANCE).await {
        None => Check::new(name, Verdict::NotApplicable, "its dialect has no count"),
        Some(Err(why)) => Check::new(name, Verdict::Unknown, why),
        Some(Ok((status, body))) => {
            let counted = serde_json::from_slice::<Value>(&body).ok().and_then(|body| body["input_tokens"].as_u64());
            match (status, counted) {
                (200, Some(tokens @ 1..200)) => Check::new(name, Verdict::Supported, format!("{tokens} tokens")),
                (200, _) => Check::new(name, Verdict::Wrong, "status 200 without a count"),
                (400 | 404 | 405 | 501, _) => Check::new(name, Verdict::Unsupported, format!("status {status}; aimux estimates then")),
                _ => Check::new(name, Verdict::Unknown, format!("status {status}")),
            }
        }
    }
}
