//! The faults of real servers and the demands of real providers, one by one: what a scripted upstream does wrong, and what
//! clients of both dialects make of it.
//!
//! `hear` asks through the program and reads the answer as strictly as a client's SDK; `sent` gives what the upstream got.
//! Each test names its pitfall. By file: `calls` 1 to 18, `ends` 19 to 26, `framing` 27 to 34, `usage` 35 to 39,
//! `reasoning` 40 to 50, `history` 51 to 60, `fields` 63 to 71, `errors` 72 to 75; `rows` has the tables of fields. Not here,
//! since no such dialect is spoken: 46, 54, 55, 61, 62 (Gemini, Bedrock). Elsewhere, beside what is here:
//!
//! | pitfall | test |
//! |---|---|
//! | 1 to 9, 12, 13, 32, 40 to 42 | `openai_chat::tests::every_providers_stream_is_understood`, and at every cut `every_split_of_a_stream_gives_the_same_answer` |
//! | 10 | `anthropic::tests::streams::interleaved_calls_come_out_one_after_the_other` |
//! | 22, 74 | `failures::a_death_after_content_is_an_error_and_never_a_polite_end` |
//! | 26, 37, 39 | `anthropic::tests::taps::faults_of_form_are_mended` |
//! | 27, in silence | `failures::silence_is_filled_with_what_counts_as_life` |
//! | 42 | `inline_think::tests::every_split_tells_the_same_apart` |
//! | 51, 52, 53 | `dialect::history::tests`, `anthropic::tests::requests::a_history_in_disorder_comes_out_legal` |
//! | 64 | `dialect::names::tests` |
//! | 70 | `same_dialect::headers_pass_and_credentials_do_not` |
//! | 72, 73 | `dialect::failure` tests, `failures::nonsense_from_a_provider_is_a_502_that_says_so` |

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::{Event, Whole};
use crate::replies::Speaks;
use crate::upstream::{Answer, Upstream};

mod calls;
mod ends;
mod errors;
mod fields;
mod framing;
mod history;
mod reasoning;
mod rows;
mod usage;

/// The clients, by the dialect that they speak.
const CLIENTS: [Speaks; 2] = [Speaks::Anthropic, Speaks::Chat];

/// A call as a client has it at the end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

/// What a client understood.
#[derive(Clone, Debug, Default)]
struct Said {
    text: String,
    thinking: String,
    signature: String,
    calls: Vec<Call>,
    /// The last reason to stop, empty for none.
    stop: String,
    stop_sequence: Option<String>,
    usage: Value,
    error: Value,
    /// Ends in the dialect's own way: `message_stop`, `[DONE]`.
    is_ended: bool,
}

impl Said {
    /// Name and arguments of each call.
    fn called(&self) -> Vec<(&str, &str)> {
        self.calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect()
    }

    /// The stop reason in OpenAI's words, so that both clients can be asked alike.
    fn word(&self) -> &str {
        match self.stop.as_str() {
            "end_turn" | "stop_sequence" => "stop",
            "max_tokens" | "model_context_window_exceeded" => "length",
            "tool_use" => "tool_calls",
            "refusal" => "content_filter",
            other => other,
        }
    }

    fn assert_ids_are_unique(&self) {
        for (at, call) in self.calls.iter().enumerate() {
            assert!(!call.id.is_empty() && self.calls[..at].iter().all(|other| other.id != call.id), "{self:?}");
        }
    }
}

/// The program before one upstream that is, by its quirks, the provider `preset` (empty for an unknown address).
fn gateway_for(preset: &str, speaks: Speaks, upstream: &Upstream) -> Gateway {
    let base = upstream.url() + if speaks == Speaks::Chat { "/v1" } else { "" };
    let preset = if preset.is_empty() { String::new() } else { format!("preset: {preset}, ") };
    Gateway::start(&format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  up0: {{ {preset}dialect: {}, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }} }}\nmodels:\n  \"*\": [up0/up-model]\n",
        speaks.dialect()
    ))
}

/// A short question with two tools, in a client's dialect.
fn ask(client: Speaks, is_stream: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"command": {"type": "string"}, "n": {"type": "integer"}}});
    let tools: Vec<Value> = ["run", "look"]
        .into_iter()
        .map(|name| match client {
            Speaks::Anthropic => json!({"name": name, "description": "a tool", "input_schema": schema}),
            Speaks::Chat => json!({"type": "function", "function": {"name": name, "description": "a tool", "parameters": schema}}),
        })
        .collect();
    let mut body =
        json!({"model": "m", "max_tokens": 4000, "stream": is_stream, "tools": tools, "messages": [{"role": "user", "content": "hi"}]});
    if client == Speaks::Chat && is_stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

fn call(gateway: &Gateway, client: Speaks, body: &Value) -> Whole {
    match client {
        Speaks::Anthropic => gateway.messages(body),
        Speaks::Chat => gateway.chat(body),
    }
}

/// What a client hears of a streamed answer.
fn hear(client: Speaks, speaks: Speaks, frames: impl IntoIterator<Item = String>) -> Said {
    hear_answer("", client, speaks, &Answer::stream(frames))
}

/// What a client hears of any answer to a stream request, from a provider of this preset.
fn hear_answer(preset: &str, client: Speaks, speaks: Speaks, answer: &Answer) -> Said {
    let script = answer.clone();
    let upstream = Upstream::start(move |_, _| script.clone());
    let gateway = gateway_for(preset, speaks, &upstream);
    let reply = call(&gateway, client, &ask(client, true));
    if reply.status == 200 { read_stream(client, &reply) } else { Said { error: reply.json(), ..Said::default() } }
}

/// What a client reads of a whole answer.
fn read(client: Speaks, speaks: Speaks, body: &Value) -> Value {
    let body = body.to_string();
    let upstream = Upstream::start(move |_, _| Answer::json(200, body.clone()));
    let gateway = gateway_for("", speaks, &upstream);
    let reply = call(&gateway, client, &ask(client, false));
    let mut answer = reply.json();
    answer["status"] = reply.status.into();
    answer
}

/// What an upstream of this preset is sent, and the reply's `x-aimux-loss`. The answer is a short text.
fn sent(preset: &str, client: Speaks, speaks: Speaks, body: &Value) -> (Value, String) {
    let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &[crate::replies::text("fine")]));
    let gateway = gateway_for(preset, speaks, &upstream);
    let reply = call(&gateway, client, body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let losses = reply.header("x-aimux-loss").unwrap_or_default().to_owned();
    (upstream.only().json(), losses)
}

/// The refusal that a request gets before any upstream is asked.
fn refused(preset: &str, client: Speaks, speaks: Speaks, body: &Value) -> String {
    let upstream = Upstream::start(|_, _| Answer::dead());
    let gateway = gateway_for(preset, speaks, &upstream);
    let reply = call(&gateway, client, body);
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(upstream.seen().is_empty(), "a refusal costs no request");
    reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// Reads a stream as strictly as the client's SDK does.
fn read_stream(client: Speaks, reply: &Whole) -> Said {
    assert!(reply.is_complete, "{}", reply.text());
    for line in reply.text().split('\n') {
        assert!(["", "event: ", "data: "].iter().any(|field| line.starts_with(field)) && !line.starts_with(':'), "{line:?}");
    }
    match client {
        Speaks::Anthropic => read_messages(&reply.events()),
        Speaks::Chat => read_chat(&reply.events()),
    }
}

fn read_messages(events: &[Event]) -> Said {
    let mut said = Said::default();
    let (mut open, mut next) = (None::<Value>, 0);
    for (at, event) in events.iter().enumerate() {
        let data = &event.data;
        assert!(!said.is_ended && said.error.is_null(), "something follows the end: {events:?}");
        assert_eq!(data["type"], event.name.as_str(), "{data}");
        assert_eq!(event.name == "message_start", at == 0 && event.name != "error", "{events:?}");
        let delta = |member: &str| data["delta"][member].as_str().unwrap_or_else(|| panic!("no {member}: {data}")).to_owned();
        match event.name.as_str() {
            "message_start" => {
                assert!(data["message"]["usage"]["input_tokens"].is_u64() && data["message"]["usage"]["output_tokens"].is_u64(), "{data}");
                assert!(data["message"]["id"].as_str().is_some_and(|id| !id.is_empty()), "{data}");
                said.usage = data["message"]["usage"].clone();
            }
            "content_block_start" => {
                assert_eq!((&open, &data["index"]), (&None, &json!(next)), "one block at a time");
                let block = data["content_block"].clone();
                if block["type"] == "tool_use" {
                    assert_eq!(block["input"], json!({}), "{data}");
                    let name = |member: &str| {
                        block[member].as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{data}")).to_owned()
                    };
                    said.calls.push(Call { id: name("id"), name: name("name"), arguments: String::new() });
                }
                open = Some(block["type"].clone());
                next += 1;
            }
            "content_block_delta" => {
                assert_eq!(data["index"], json!(next - 1), "a delta of a block that is not open");
                let kind = open.as_ref().and_then(Value::as_str).expect("an open block");
                match (delta("type").as_str(), kind) {
                    ("text_delta", "text") => said.text += &delta("text"),
                    ("thinking_delta", "thinking") => said.thinking += &delta("thinking"),
                    ("signature_delta", "thinking") => said.signature += &delta("signature"),
                    ("input_json_delta", "tool_use") => said.calls.last_mut().unwrap().arguments += &delta("partial_json"),
                    other => panic!("{other:?}: {data}"),
                }
            }
            "content_block_stop" => assert!(open.take().is_some() && data["index"] == json!(next - 1), "{data}"),
            "message_delta" => {
                assert_eq!(open, None);
                said.stop = delta("stop_reason");
                said.stop_sequence = data["delta"]["stop_sequence"].as_str().map(str::to_owned);
                assert!(data["usage"]["output_tokens"].is_u64(), "{data}");
                for (name, value) in data["usage"].as_object().unwrap() {
                    said.usage[name] = value.clone();
                }
            }
            "message_stop" => said.is_ended = true,
            "error" => said.error = data["error"].clone(),
            "ping" => {}
            other => panic!("unknown event {other}"),
        }
    }
    assert_eq!(said.is_ended, said.error.is_null(), "neither an end nor an error: {events:?}");
    assert!(!said.is_ended || !said.stop.is_empty(), "{events:?}");
    said
}

fn read_chat(events: &[Event]) -> Said {
    let mut said = Said::default();
    for Event { data, name } in events {
        assert!(!said.is_ended && said.error.is_null(), "something follows the end: {events:?}");
        assert!(name.is_empty() || data.get("error").is_some(), "{events:?}");
        if data == "[DONE]" {
            said.is_ended = true;
            continue;
        }
        assert!(data.is_object(), "{data}");
        if let Some(error) = data.get("error").filter(|error| !error.is_null()) {
            said.error = error.clone();
            continue;
        }
        if data["usage"].is_object() {
            said.usage = data["usage"].clone();
        }
        let choice = &data["choices"][0];
        let delta = &choice["delta"];
        said.text += delta["content"].as_str().unwrap_or_default();
        said.thinking += delta["reasoning_content"].as_str().or(delta["reasoning"].as_str()).unwrap_or_default();
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            // The stream helpers of OpenAI's SDKs put pieces together by this number alone.
            let index = usize::try_from(piece["index"].as_u64().unwrap_or_else(|| panic!("a piece without index: {data}"))).unwrap();
            if index == said.calls.len() {
                said.calls.push(Call::default());
            }
            let call = said.calls.get_mut(index).unwrap_or_else(|| panic!("a gap before index {index}: {events:?}"));
            let text = |value: &Value| match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => panic!("not a string: {other}"),
            };
            // As the stream helper of openai-python does, which joins every string.
            call.id += &text(&piece["id"]);
            call.name += &text(&piece["function"]["name"]);
            call.arguments += &text(&piece["function"]["arguments"]);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            said.stop = reason.to_owned();
        }
    }
    assert_eq!(said.is_ended, said.error.is_null(), "neither an end nor an error: {events:?}");
    said
}

/// A chunk of a Chat stream.
fn chunk(choice: &Value) -> String {
    format!("data: {}\n\n", json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}))
}

/// A chunk that says something.
fn delta(delta: Value) -> String {
    chunk(&json!({"index": 0, "delta": delta, "finish_reason": null}))
}

/// A chunk that ends the answer.
fn finish(word: &str) -> String {
    chunk(&json!({"index": 0, "delta": {}, "finish_reason": word}))
}

/// The sentinel.
fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}

/// A whole Chat stream of these deltas.
fn chat(deltas: impl IntoIterator<Item = Value>, word: &str) -> Vec<String> {
    let mut frames: Vec<String> = deltas.into_iter().map(delta).collect();
    frames.extend([finish(word), done()]);
    frames
}

/// A chunk of pieces of calls.
fn pieces(list: Value) -> Value {
    json!({"tool_calls": list})
}

/// An event of a Messages stream.
fn event(data: Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}
