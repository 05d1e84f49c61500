//! Chat Completions end to end: streams of real providers, every split of them, requests, answers, the relay.

use bytes::Bytes;

use super::CODEC;
use crate::chat::request::BlockKind;
use crate::chat::response::ResponseBlock;
use crate::chat::{ChatResponse, Citation, Event, Failure, FailureKind, Loss, Opaque, UrlCitation};
use crate::dialect::quirks::{ReasoningBack, Structured, ThinkingSwitch, ToolIds};
use crate::dialect::{Dialect, Quirks, ReplyMap, TranslateError, Upstream};
use crate::wire::sse::Splitter;

const THINKER: Quirks = Quirks { family: "zai", reasoning_back: ReasoningBack::ReasoningDetails, inline_think: true, ..Quirks::CHAT };

const STREAMS: [(&str, &[u8], &str); 11] = [
    (
        "plain",
        include_bytes!("../../../tests/fixtures/openai_chat/plain.sse"),
        "c1 m | text Grüße 🌍 \u{2028} end\n | End | in 60+40 out 7 think 3",
    ),
    ("azure", include_bytes!("../../../tests/fixtures/openai_chat/azure.sse"), "c2 gpt | text Hi | End | in 0+0 out 0 think 0"),
    (
        "openrouter",
        include_bytes!("../../../tests/fixtures/openai_chat/openrouter.sse"),
        "g1 x | thinking First I. [{\"index\":0,\"signature\":\"sig\",\"text\":\"First I.\",\"type\":\"reasoning.text\"}] | text Answer | End | in 5+0 out 6 think 0",
    ),
    (
        "ollama_two_calls",
        include_bytes!("../../../tests/fixtures/openai_chat/ollama_two_calls.sse"),
        "o q | call call_0 look {\"city\":\"Rome\",\"n\":12345678901234567890} | call call_1 look {\"city\":\"Rome\",\"n\":12345678901234567890} | ToolUse | in 0+0 out 0 think 0",
    ),
    (
        "wrong_index",
        include_bytes!("../../../tests/fixtures/openai_chat/wrong_index.sse"),
        "w q | call a one {\"x\":1} | call b two {\"y\":2} | ToolUse | in 0+0 out 0 think 0",
    ),
    (
        "late_names",
        include_bytes!("../../../tests/fixtures/openai_chat/late_names.sse"),
        "l q | call z late {\"a\":true} | call z_2 none {} | call call_2 twice {\"b\":2} | ToolUse | in 0+0 out 0 think 0",
    ),
    (
        "interleaved",
        include_bytes!("../../../tests/fixtures/openai_chat/interleaved.sse"),
        "i q | text Both. | call a one {\"x\":1} | call b two {\"y\":2} | Length | in 0+0 out 0 think 0",
    ),
    (
        "mistral_kimi",
        include_bytes!("../../../tests/fixtures/openai_chat/mistral_kimi.sse"),
        "k q | thinking hm  | text yes | End | in 5+4 out 2 think 0",
    ),
    (
        "both_reasonings",
        include_bytes!("../../../tests/fixtures/openai_chat/both_reasonings.sse"),
        "r q | thinking think  | text say! | End | in 3+0 out 4 think 0",
    ),
    (
        "inline_think",
        include_bytes!("../../../tests/fixtures/openai_chat/inline_think.sse"),
        "t q | thinking hm  | text yes <think> | End | in 0+0 out 0 think 0",
    ),
    (
        "web_search",
        include_bytes!("../../../tests/fixtures/openai_chat/web_search.sse"),
        "s q | text Grüße 🌍: Łódź is from 1423 ([a](https://a.example/1)), they say. \
         [https://early.example/ E - 0..5 zai;] [https://a.example/1 A - 27..53 zai;] [https://b.example/2 - Founded \"1423\" 0..7 zai;] \
         [file_citation] | End | in 0+0 out 0 think 0",
    ),
];

fn events(parts: &[&[u8]], map: &ReplyMap) -> Vec<Event> {
    let mut decoder = (CODEC.stream_decoder)(map, &THINKER);
    let (mut splitter, mut out) = (Splitter::new(1 << 20), Vec::new());
    for part in parts {
        splitter.push(part);
        while let Some(frame) = splitter.next_frame().expect("short") {
            decoder.frame(&frame, &mut out);
        }
    }
    if let Some(frame) = splitter.finish() {
        decoder.frame(&frame, &mut out);
    }
    decoder.end(&mut out);
    out
}

fn answer(stream: &[u8]) -> Result<ChatResponse, Failure> {
    ChatResponse::from_events(events(&[stream], &ReplyMap::default()))
}

/// A citation on one line.
fn cited(citation: &Citation) -> String {
    match citation {
        Citation::Url(UrlCitation { url, title, cited_text, span, opaque }) => {
            let or_none = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
            let span = span.as_ref().map_or("-".to_owned(), |span| format!("{span:?}"));
            let maker = opaque.as_ref().map_or("-".to_owned(), |opaque| format!("{};{}", opaque.family, opaque.state));
            format!("{url} {} {} {span} {maker}", or_none(title), or_none(cited_text))
        }
        Citation::Foreign(foreign) => foreign.kind.clone(),
    }
}

/// The answer on one line; generated ids lose their random part.
fn sketch(response: &ChatResponse) -> String {
    let mut parts = vec![format!("{} {}", response.id.as_deref().unwrap_or("-"), response.model.as_deref().unwrap_or("-"))];
    for block in &response.blocks {
        parts.push(match block {
            ResponseBlock::Text { text, citations } => {
                citations.iter().fold(format!("text {text}"), |line, citation| format!("{line} [{}]", cited(citation)))
            }
            ResponseBlock::Thinking { text, opaque } => {
                format!("thinking {text} {}", opaque.as_ref().map(|opaque| opaque.state.as_str()).unwrap_or("unsigned"))
            }
            ResponseBlock::RedactedThinking(_) => "redacted".to_owned(),
            ResponseBlock::ToolCall { id, name, arguments } => {
                let id = match id.strip_prefix("call_").and_then(|rest| rest.split_once('_')) {
                    Some((_, nth)) => format!("call_{nth}"),
                    None => id.clone(),
                };
                format!("call {id} {name} {arguments}")
            }
        });
    }
    let n = |n: Option<u64>| n.unwrap_or(0);
    let usage = response.usage;
    parts.push(format!("{:?}", response.stop.expect("a finish")));
    parts.push(format!("in {}+{} out {} think {}", n(usage.input), n(usage.cache_read), n(usage.output), n(usage.reasoning)));
    parts.join(" | ")
}

#[test]
fn every_providers_stream_is_understood() {
    for (name, stream, expected) in STREAMS {
        let whole = answer(stream).expect(name);
        assert_eq!(sketch(&whole), expected, "{name}");
    }
}

#[test]
fn every_split_of_a_stream_gives_the_same_answer() {
    for (name, stream, expected) in STREAMS {
        for at in 0..stream.len() {
            let (a, b) = stream.split_at(at);
            let whole = ChatResponse::from_events(events(&[a, b], &ReplyMap::default())).expect(name);
            assert_eq!(sketch(&whole), expected, "{name} cut at {at}");
        }
    }
}

#[test]
fn decoders_keep_their_promises_to_the_last_byte() {
    for (name, stream, _) in STREAMS {
        for at in 0..=stream.len() {
            let events = events(&[&stream[..at]], &ReplyMap::default());
            let mut open = Vec::new();
            let mut next = 0;
            let mut is_over = false;
            for (nth, event) in events.iter().enumerate() {
                assert!(!is_over, "{name} {at}: something after the end");
                assert_eq!(matches!(event, Event::Start { .. }), nth == 0 && !matches!(event, Event::Failed(_)), "{name} {at}");
                match event {
                    Event::BlockStart { index, .. } => {
                        assert_eq!(*index, next, "{name} {at}");
                        next += 1;
                        open.push(*index);
                    }
                    Event::Delta { index, .. } => assert!(open.contains(index), "{name} {at}"),
                    Event::BlockStop { index } => {
                        assert!(open.contains(index), "{name} {at}");
                        open.retain(|one| one != index);
                    }
                    Event::Finish { .. } => assert!(open.is_empty(), "{name} {at}"),
                    Event::End | Event::Failed(_) => is_over = true,
                    _ => {}
                }
            }
            assert!(is_over, "{name} {at}: no end");
        }
    }
}

#[test]
fn a_stream_without_an_end_is_a_failure_and_a_sentinel_is_an_end() {
    let text = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    assert_eq!(answer(text.as_bytes()).expect_err("broken off").kind, FailureKind::Server);
    assert!(answer(format!("{text}data: [DONE]\n\n").as_bytes()).is_ok());
    let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"weird\"}]}\n\n";
    assert!(answer(format!("{text}{finish}").as_bytes()).is_ok());
}

#[test]
fn errors_inside_a_stream_are_failures() {
    for (stream, status) in [
        ("data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n", 429),
        ("data: {\"error\":\"m\"}\n\ndata: [DONE]\n\n", 502),
        ("event: error\ndata: {\"message\":\"m\",\"code\":503}\n\n", 503),
        (
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\",\"error\":{\"message\":\"m\",\"code\":502}}]}\n\n",
            502,
        ),
        ("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"network_error\"}]}\n\n", 502),
        ("{\"error\":{\"message\":\"m\",\"type\":\"rate_limit_error\"}}", 429),
        ("data: {\"choices\":null,\"base_resp\":{\"status_code\":1002,\"status_msg\":\"m\"}}\n\n", 502),
        ("<html><title>Bad Gateway</title></html>\n", 502),
        ("data: not json\n\n", 502),
        ("", 502),
    ] {
        assert_eq!(answer(stream.as_bytes()).expect_err(stream).status, status, "{stream}");
    }
}

#[test]
fn a_whole_answer_in_place_of_a_stream_is_read() {
    let body =
        b"\n\n  {\"id\":\"x\",\"model\":\"m\",\n\n\"choices\":[{\"index\":0,\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}";
    assert_eq!(sketch(&answer(body).expect("an answer")), "x m | text hi | End | in 0+0 out 0 think 0");
}

#[test]
fn whole_answers_are_read_and_disguised_errors_refused() {
    let read = |body: &str| (CODEC.decode_response)(body.as_bytes(), &ReplyMap::default(), &THINKER);
    let body = r#"  {"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning":"hm",
        "tool_calls":[{"id":"","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":null}}"#;
    assert_eq!(sketch(&read(body).expect("an answer")), "x m | thinking hm  | call call_0 f {} | ToolUse | in 3+0 out 2 think 0");
    for bad in ["", "<html>", "{}", r#"{"choices":null}"#, r#"{"choices":[]}"#, r#"{"error":"x","choices":[]}"#] {
        assert_eq!(read(bad).expect_err(bad).status, 502, "{bad}");
    }
}

#[test]
fn names_are_mapped_back_and_a_schema_tool_is_text() {
    let stream = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"short\",\"arguments\":\"{}\"}},\
        {\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"output\",\"arguments\":\"{\\\"x\\\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n";
    let map = ReplyMap {
        names: vec![("short".into(), "a very long name".into())],
        schema_tool: Some("output".into()),
        single_tool_call: false,
        text_tools: Vec::new(),
        ..ReplyMap::default()
    };
    let whole = ChatResponse::from_events(events(&[stream], &map)).expect("an answer");
    assert_eq!(sketch(&whole), "- - | call a a very long name {} | text {\"x\":1} | ToolUse | in 0+0 out 0 think 0");
    let single = ReplyMap { single_tool_call: true, ..map };
    let whole = ChatResponse::from_events(events(&[stream], &single)).expect("an answer");
    assert_eq!(whole.blocks.len(), 1);
}

fn upstream<'a>(quirks: &'a Quirks, client: Dialect) -> Upstream<'a> {
    Upstream { provider: "p", model: "up", quirks, output_max: None, sees_images: None, thinks: Some(true), enforces_schemas: None, client }
}

fn rewritten(request: &str, quirks: &Quirks, client: Dialect) -> Result<(serde_json::Value, Vec<String>, ReplyMap), TranslateError> {
    let request = (CODEC.decode_request)(request.as_bytes())?;
    let mut losses: Vec<Loss> = Vec::new();
    let (body, map) = (CODEC.encode_request)(&request, &upstream(quirks, client), &mut losses)?;
    Ok((serde_json::from_slice(&body).expect("JSON"), losses.iter().map(Loss::to_string).collect(), map))
}

fn messages(list: &str, quirks: &Quirks) -> serde_json::Value {
    let request = format!(r#"{{"model":"m","messages":{list}}}"#);
    rewritten(&request, quirks, Dialect::AnthropicMessages).expect("a request").0["messages"].take()
}

#[test]
fn a_conversation_comes_through_unchanged() {
    let list = r#"[{"role":"system","content":"S"},{"role":"user","content":"q \ud83d\ude00 \u2028"},
        {"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"n\":12345678901234567890}"}}]},
        {"role":"tool","tool_call_id":"a","content":"r"},{"role":"system","content":"note"},{"role":"user","content":[{"type":"text","text":"see"},
        {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}]}]"#;
    let expected: serde_json::Value = serde_json::from_str(list).expect("JSON");
    assert_eq!(messages(list, &Quirks::CHAT), expected);
}

#[test]
fn broken_histories_are_repaired_and_silence_is_filled() {
    let list = r#"[{"role":"tool","tool_call_id":"gone","content":"old"},
        {"role":"assistant","tool_calls":[{"id":"a.b","function":{"name":"f","arguments":{"x":1}}},{"id":"c","function":{"name":"g"}}]},
        {"role":"user","content":"wait"},{"role":"tool","tool_call_id":"a.b","content":""}]"#;
    let sent = messages(list, &Quirks { tool_ids: ToolIds::Nine, user_after_tool: false, ..Quirks::CHAT });
    assert_eq!(sent[0]["content"], "[result of an earlier tool call] old");
    let (first, second) = (&sent[1]["tool_calls"][0], &sent[1]["tool_calls"][1]);
    assert_eq!((&first["function"]["arguments"], &second["function"]["arguments"]), (&"{\"x\":1}".into(), &"{}".into()));
    assert_eq!(first["id"].as_str().map(str::len), Some(9));
    assert_eq!((&sent[2]["tool_call_id"], &sent[2]["content"]), (&first["id"], &"(no output)".into()));
    assert_eq!(sent[3]["content"], "[tool error] [no result: interrupted]");
    assert_eq!(sent[4]["role"], "assistant");
    assert_eq!(sent[5]["content"], "wait");
}

#[test]
fn limits_of_reasoning_models_are_kept() {
    let quirks = Quirks { reasoning_models: &["gpt-5"], thinking_switch: ThinkingSwitch::Effort("minimal"), ..Quirks::CHAT };
    let request = r#"{"model":"m","messages":[{"role":"user","content":"q"}],"max_tokens":9,"temperature":0.5,"stop":"x","thinking":{"type":"enabled","budget_tokens":4000}}"#;
    let request = (CODEC.decode_request)(request.as_bytes()).expect("a request");
    let mut losses = Vec::new();
    let target = Upstream { model: "openai/gpt-5.1", ..upstream(&quirks, Dialect::AnthropicMessages) };
    let (body, _) = (CODEC.encode_request)(&request, &target, &mut losses).expect("a body");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["max_completion_tokens"], 9);
    assert_eq!(body["reasoning_effort"], "medium");
    assert!(body.get("max_tokens").is_none() && body.get("temperature").is_none() && body.get("stop").is_none());
    assert_eq!(losses.iter().map(Loss::to_string).collect::<Vec<_>>(), ["temperature;dropped", "stop;dropped"]);
}

#[test]
fn tools_fit_the_target() {
    let long = "x".repeat(80);
    let request = format!(
        r#"{{"model":"m","messages":[],"stream":true,"tools":[{{"type":"function","function":{{"name":"{long}","strict":true}}}},
        {{"type":"function","function":{{"name":"b","parameters":{{"type":"object"}}}}}}],"tool_choice":{{"type":"function","function":{{"name":"{long}"}}}},"parallel_tool_calls":false}}"#
    );
    let quirks = Quirks { tool_choice_object: false, parallel_tool_calls: false, ..Quirks::CHAT };
    let (body, losses, map) = rewritten(&request, &quirks, Dialect::AnthropicMessages).expect("a request");
    assert_eq!(body["tools"].as_array().map(Vec::len), Some(1));
    let name = body["tools"][0]["function"]["name"].as_str().expect("a name");
    assert_eq!((name.len(), map.original_name(name)), (64, &*long));
    assert_eq!(body["tools"][0]["function"]["parameters"], serde_json::json!({"type": "object", "properties": {}}));
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(body["stream_options"]["include_usage"], true);
    assert!(map.single_tool_call && !map.hide_usage);
    assert_eq!(losses, ["tools[].strict;dropped", "tool_choice;emulated", "parallel_tool_calls;emulated"]);
}

#[test]
fn what_a_target_lacks_is_refused_by_name() {
    let blind = Quirks { images: false, ..Quirks::CHAT };
    let image = r#"{"type":"image_url","image_url":{"url":"https://x/y.png"}}"#;
    let new = format!(r#"{{"messages":[{{"role":"user","content":[{image}]}}]}}"#);
    let error = rewritten(&new, &blind, Dialect::AnthropicMessages).expect_err("no images");
    assert!(error.to_string().contains("provider p"), "{error}");
    let old = format!(
        r#"{{"messages":[{{"role":"user","content":[{image}]}},{{"role":"assistant","content":"ok"}},{{"role":"user","content":"x"}}]}}"#
    );
    let (body, losses, _) = rewritten(&old, &blind, Dialect::AnthropicMessages).expect("a request");
    assert_eq!(body["messages"][0]["content"], "[image left out: the model does not see images]");
    assert_eq!(losses, ["messages[].content[].image;dropped"]);
    for (extra, path) in [
        (r#""tools":[{"type":"web_search"}]"#, "tools.0.type"),
        (r#""mcp_servers":[{"url":"x"}]"#, "mcp_servers"),
        (r#""n":2"#, "n"),
        (r#""logprobs":true"#, "logprobs"),
        (r#""tool_choice":{"type":"function","function":{"name":"x"}}"#, "tool_choice"),
    ] {
        let request = format!(r#"{{"messages":[],{extra}}}"#);
        assert_eq!(rewritten(&request, &Quirks::CHAT, Dialect::AnthropicMessages).expect_err(extra).path, path);
    }
}

#[test]
fn faulty_requests_are_refused_with_their_path() {
    for (body, path) in [
        ("", ""),
        ("[]", ""),
        ("{}", "messages"),
        (r#"{"messages":{}}"#, "messages"),
        (r#"{"messages":[1]}"#, "messages.0"),
        (r#"{"messages":[{"role":"bot","content":"x"}]}"#, "messages.0.role"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages.0.content.0.text"),
        (r#"{"messages":[{"role":"user","content":[{"type":"video"}]}]}"#, "messages.0.content.0.type"),
        (r#"{"messages":[],"temperature":"hot"}"#, "temperature"),
        (r#"{"messages":[],"tools":[{"type":"function","function":{}}]}"#, "tools.0.function.name"),
    ] {
        assert_eq!((CODEC.decode_request)(body.as_bytes()).expect_err(body).path, path, "{body}");
    }
}

#[test]
fn a_schema_is_asked_for_natively_or_by_a_forced_tool() {
    let request = r#"{"messages":[],"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","properties":{},"additionalProperties":false}}}}"#;
    let (body, ..) = rewritten(request, &Quirks::CHAT, Dialect::AnthropicMessages).expect("a request");
    assert_eq!(body["response_format"]["json_schema"]["name"], "output");
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    let forced = Quirks { structured: Structured::ForcedTool, ..Quirks::CHAT };
    let (body, _, map) = rewritten(request, &forced, Dialect::AnthropicMessages).expect("a request");
    assert_eq!(body["tool_choice"]["function"]["name"], "output");
    assert_eq!(map.schema_tool.as_deref(), Some("output"));
}

fn written(events: Vec<Event>, map: &ReplyMap) -> String {
    let mut encoder = (CODEC.stream_encoder)(map);
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut out, &mut Vec::new());
    }
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn streams_that_are_written_read_the_same() {
    for (name, stream, expected) in STREAMS {
        let text = written(events(&[stream], &ReplyMap::default()), &ReplyMap::default());
        assert!(text.ends_with("data: [DONE]\n\n"), "{name}");
        let quirks = Quirks { family: "zai", ..Quirks::CHAT };
        let mut decoder = (CODEC.stream_decoder)(&ReplyMap::default(), &quirks);
        let (mut splitter, mut out) = (Splitter::new(1 << 20), Vec::new());
        splitter.push(text.as_bytes());
        while let Some(frame) = splitter.next_frame().expect("short") {
            decoder.frame(&frame, &mut out);
        }
        let again = sketch(&ChatResponse::from_events(out).expect(name));
        // A state of our own comes back in the client's request, not in the answer.
        let expected = if name == "openrouter" { expected.split('[').next().unwrap().to_owned() } else { expected.to_owned() };
        assert!(again.starts_with(expected.split(" | in ").next().unwrap()), "{name}: {again}");
    }
}

#[test]
fn a_written_stream_keeps_the_grammar() {
    let map = ReplyMap { model: "alias".into(), id: "chatcmpl-1".into(), ..ReplyMap::default() };
    let opaque = Opaque::new("anthropic", "sig");
    let whole = ChatResponse {
        id: None,
        model: Some("up".into()),
        blocks: vec![
            ResponseBlock::Thinking { text: "hm".into(), opaque: Some(opaque.clone()) },
            ResponseBlock::text("a\"b"),
            ResponseBlock::ToolCall { id: "c".into(), name: "f".into(), arguments: String::new() },
        ],
        stop: Some(crate::chat::StopReason::ToolUse),
        ..ChatResponse::default()
    };
    let created = super::now().to_string();
    let text = written(whole.clone().into_events(), &map).replace(&created, "T");
    let head = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":T,"model":"alias","choices":["#;
    let chunk =
        |delta: &str, finish: &str| format!("{head}{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n");
    let expected = [
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk(r#"{"reasoning_content":"hm"}"#, "null"),
        chunk(
            &format!(r#"{{"reasoning_details":[{{"type":"reasoning.encrypted","data":"{}","index":0,"length":2}}]}}"#, opaque.seal()),
            "null",
        ),
        chunk(r#"{"content":"a\"b"}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, "null"),
        chunk("{}", "\"tool_calls\""),
    ];
    assert!(text.starts_with(&expected.concat()), "{text}");
    assert!(text.contains(r#""choices":[],"usage":{"prompt_tokens":0,"#) && text.ends_with("data: [DONE]\n\n"), "{text}");
    let hidden = written(whole.into_events(), &ReplyMap { hide_usage: true, ..map });
    assert!(!hidden.contains("\"usage\""));
}

#[test]
fn thinking_state_survives_a_chat_client() {
    let blocks = vec![
        ResponseBlock::Thinking { text: "für".into(), opaque: Some(Opaque::new("anthropic", "one")) },
        ResponseBlock::RedactedThinking(Opaque::new("anthropic", "two")),
        ResponseBlock::Thinking { text: "rest".into(), opaque: Some(Opaque::new("anthropic", "three")) },
        ResponseBlock::text("ok"),
    ];
    let response = ChatResponse { blocks, ..ChatResponse::default() };
    let body = (CODEC.encode_response)(&response, &ReplyMap::default(), &mut Vec::new());
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let request = serde_json::json!({"model": "m", "messages": [body["choices"][0]["message"]]}).to_string();
    let request = (CODEC.decode_request)(request.as_bytes()).expect("a request");
    let states: Vec<(String, String, bool)> = request.turns[0]
        .blocks
        .iter()
        .filter_map(|block| match &block.kind {
            crate::chat::request::BlockKind::Thinking(thinking) => {
                Some((thinking.text.read().into_owned(), thinking.opaque.clone()?.state, thinking.is_redacted))
            }
            _ => None,
        })
        .collect();
    let expected = [("für", "one", false), ("", "two", true), ("rest", "three", false)];
    assert_eq!(states, expected.map(|(text, state, hidden)| (text.to_owned(), state.to_owned(), hidden)));
}

#[test]
fn a_failed_stream_ends_with_an_error_and_no_sentinel() {
    let failure = Failure::new(FailureKind::RateLimit, "slow down");
    let text = written(vec![Event::Start { id: None, model: None }, Event::Failed(failure), Event::End], &ReplyMap::default());
    let last = text.trim_end().rsplit("data: ").next().expect("an event");
    assert_eq!(last, r#"{"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}"#);
}

fn tapped(parts: &[&[u8]]) -> (Vec<u8>, crate::dialect::Progress) {
    let mut tap = (CODEC.tap)(&ReplyMap::default(), &Quirks::CHAT, 1 << 20);
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&tap.push(Bytes::copy_from_slice(part)));
    }
    out.extend_from_slice(&tap.end());
    (out, tap.progress().clone())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_healthy_stream_passes_unchanged_however_it_is_cut() {
    let stream = STREAMS[0].1;
    let mut tap = (CODEC.tap)(&ReplyMap::default(), &Quirks::CHAT, 1 << 20);
    let chunk = Bytes::from_static(stream);
    assert_eq!(tap.push(chunk.clone()).as_ptr(), chunk.as_ptr(), "copied");
    for at in 0..stream.len() {
        let (a, b) = stream.split_at(at);
        let (out, progress) = tapped(&[a, b]);
        assert_eq!(text(&out), text(stream), "cut at {at}");
        assert!(progress.content && progress.finished && progress.failure.is_none());
        assert_eq!(progress.usage.input, Some(60));
    }
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(text(&tapped(&single).0), text(stream));
}

#[test]
fn faults_of_a_stream_are_mended_on_the_way() {
    let say = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
    let finish = |word: &str| format!("data: {{\"id\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":{word}}}]}}\n\n");
    let done = "data: [DONE]\n\n";
    let stop = finish("\"stop\"");
    for (sent, got) in [
        (format!("{say}{stop}"), format!("{say}{stop}{done}")),
        (format!(": PROCESSING\n\n{say}{stop}: x\n\n{done}"), format!("{say}{stop}{done}")),
        (format!("{say}{}{done}", finish("\"eos\"")), format!("{say}{stop}{done}")),
        (format!("{say}{}{stop}{done}", finish("\"\"")), format!("{say}{}{stop}{done}", finish("null"))),
        (format!("{say}{stop}{done}{say}{done}"), format!("{say}{stop}{done}")),
        (format!("{say}{stop}data: [DONE]"), format!("{say}{stop}{done}")),
    ] {
        for at in 0..sent.len() {
            let (a, b) = sent.as_bytes().split_at(at);
            assert_eq!(text(&tapped(&[a, b]).0), got, "cut at {at}");
        }
    }
}

#[test]
fn a_broken_stream_ends_in_an_error_event() {
    let say = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    for tail in [
        "",
        "data: {\"id\":\"x\",\"cho",
        "data: {\"error\":{\"message\":\"m\",\"code\":500}}\n\ndata: [DONE]\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n",
    ] {
        let (out, progress) = tapped(&[say.as_bytes(), tail.as_bytes()]);
        let out = text(&out);
        assert!(out.starts_with(say) && out.contains("{\"error\":{\"message\":") && !out.contains("[DONE]"), "{out}");
        assert!(progress.failure.is_some(), "{tail}");
    }
}

#[test]
fn a_stream_that_we_began_keeps_our_id() {
    let mut tap = (CODEC.tap)(&ReplyMap::default(), &Quirks::CHAT, 1 << 20);
    let start = text(&tap.early_start());
    let id = start.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id").to_owned();
    assert!(start.contains(r#""delta":{"role":"assistant","content":""}"#));
    assert!(text(&tap.keep_alive()).contains(&id));
    let out = text(&tap.push(Bytes::from_static(STREAMS[0].1)));
    assert!(!out.contains("\"role\"") && !out.contains("\"c1\"") && out.contains(&id), "{out}");
    assert!(out.ends_with("data: [DONE]\n\n"));
    assert!(tap.end().is_empty() && tap.keep_alive().is_empty());
}

#[test]
fn a_whole_answer_is_relayed_as_a_stream() {
    let (out, progress) =
        tapped(&[b"{\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}"]);
    let out = text(&out);
    assert!(out.contains(r#""delta":{"content":"hi"}"#) && out.ends_with("data: [DONE]\n\n"), "{out}");
    assert!(progress.finished);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), at in 0usize..4000, pick in 0usize..10) {
        let mut stream = STREAMS[pick].1.to_vec();
        let at = at % stream.len();
        stream.splice(at..at, noise.iter().copied());
        let decoded = events(&[&stream], &ReplyMap::default());
        proptest::prop_assert!(matches!(decoded.last(), Some(Event::End | Event::Failed(_))));
        let (_, progress) = tapped(&[&stream[..at], &stream[at..]]);
        proptest::prop_assert!(progress.finished || progress.failure.is_some());
        let _ = (CODEC.decode_response)(&stream, &ReplyMap::default(), &THINKER);
        let _ = (CODEC.decode_request)(&stream);
    }
}

#[test]
fn neighbouring_answers_are_one_turn() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"assistant","content":"wait"},{"role":"tool","tool_call_id":"a","content":"1"}]}"#;
    let request = (CODEC.decode_request)(body.as_bytes()).expect("a request");
    let sizes: Vec<usize> = request.turns.iter().map(|turn| turn.blocks.len()).collect();
    assert_eq!(sizes, [1, 2, 1]);
}

#[test]
fn a_chunk_of_our_own_names_the_model_that_was_asked_for_and_the_replys_id() {
    let map = ReplyMap { model: "gpt \"asked\"".to_owned(), id: "abc".to_owned(), ..ReplyMap::default() };
    let mut tap = (CODEC.tap)(&map, &Quirks::CHAT, 1 << 20);
    let start = text(&tap.early_start());
    assert!(start.contains(r#""id":"chatcmpl-abc""#) && start.contains(r#""model":"gpt \"asked\"""#), "{start}");
}

#[test]
fn a_translated_reply_has_our_id_whatever_the_upstream_calls_it() {
    // Some servers give every answer the same id, and clients join what has one id.
    let map = ReplyMap { model: "m".to_owned(), id: "abc".to_owned(), ..ReplyMap::default() };
    let start = Event::Start { id: Some("msg_1".to_owned()), model: None };
    assert!(written(vec![start], &map).contains(r#""id":"chatcmpl-abc""#));
    let response = ChatResponse { id: Some("msg_1".to_owned()), ..ChatResponse::default() };
    assert!(text(&(CODEC.encode_response)(&response, &map, &mut Vec::new())).contains(r#""id":"chatcmpl-abc""#));
    let whole = (crate::dialect::anthropic::CODEC.encode_response)(&response, &map, &mut Vec::new());
    assert!(text(&whole).contains(r#""id":"msg_abc""#));
}

/// The assistant message that a client puts together from a stream.
fn gathered(stream: &str) -> serde_json::Value {
    let (mut content, mut reasoning) = (String::new(), String::new());
    let (mut details, mut calls): (Vec<serde_json::Value>, Vec<serde_json::Value>) = (Vec::new(), Vec::new());
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") {
        let chunk: serde_json::Value = serde_json::from_str(data).expect("JSON");
        let delta = &chunk["choices"][0]["delta"];
        content += delta["content"].as_str().unwrap_or_default();
        reasoning += delta["reasoning_content"].as_str().unwrap_or_default();
        details.extend(delta["reasoning_details"].as_array().cloned().unwrap_or_default());
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            if piece["id"].is_string() {
                calls.push(piece.clone());
            } else if let Some(call) = calls.last_mut() {
                let whole = format!(
                    "{}{}",
                    call["function"]["arguments"].as_str().unwrap_or_default(),
                    piece["function"]["arguments"].as_str().unwrap_or_default()
                );
                call["function"]["arguments"] = whole.into();
            }
        }
    }
    serde_json::json!({"role": "assistant", "content": content, "reasoning_content": reasoning, "reasoning_details": details, "tool_calls": calls})
}

#[test]
fn interleaved_thinking_keeps_its_place_through_a_chat_client() {
    let thinking = |text: &str, state: &str| ResponseBlock::Thinking { text: text.into(), opaque: Some(Opaque::new("anthropic", state)) };
    let call = |id: &str| ResponseBlock::ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() };
    let blocks = vec![
        thinking("one", "1"),
        ResponseBlock::text("für"),
        thinking("two", "2"),
        ResponseBlock::text("dich"),
        call("a"),
        ResponseBlock::RedactedThinking(Opaque::new("anthropic", "3")),
        call("b"),
        thinking("four", "4"),
    ];
    let response = ChatResponse { blocks, ..ChatResponse::default() };
    let whole: serde_json::Value =
        serde_json::from_slice(&(CODEC.encode_response)(&response, &ReplyMap::default(), &mut Vec::new())).expect("JSON");
    let streamed = gathered(&written(response.into_events(), &ReplyMap::default()));
    for message in [&whole["choices"][0]["message"], &streamed] {
        let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": "q"}, message]}).to_string();
        let request = (CODEC.decode_request)(body.as_bytes()).expect("a request");
        let order: Vec<String> = request.turns[1]
            .blocks
            .iter()
            .map(|block| match &block.kind {
                BlockKind::Text(text) => text.read().into_owned(),
                BlockKind::Thinking(thinking) => format!("({})", thinking.opaque.as_ref().expect("signed").state),
                BlockKind::ToolCall(call) => format!("call {}", call.id),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(order, ["(1)", "für", "(2)", "dich", "call a", "(3)", "call b", "(4)"], "{message}");
    }
}

#[test]
fn what_a_messages_request_says_beside_its_blocks_is_named_as_lost() {
    let body = r#"{"model":"m","max_tokens":9,"tools":[{"name":"f","input_schema":{"type":"object"},"input_examples":[{}],"defer_loading":true}],"messages":[
        {"role":"user","content":[{"type":"document","title":"T","context":"C","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"D"}},
            {"type":"document","title":"T2","source":{"type":"base64","media_type":"text/plain","data":"RA=="}}]},
        {"role":"assistant","content":[{"type":"text","text":"see","citations":[{"type":"char_location"}]}]},
        {"role":"user","content":"go on"}]}"#;
    let request = (crate::dialect::anthropic::CODEC.decode_request)(body.as_bytes()).expect("a request");
    let mut losses = Vec::new();
    let (sent, _) = (CODEC.encode_request)(&request, &upstream(&Quirks::CHAT, Dialect::AnthropicMessages), &mut losses).expect("a body");
    let sent: serde_json::Value = serde_json::from_slice(&sent).expect("JSON");
    assert_eq!(sent["messages"][0]["content"][0]["text"], "T\n\nC\n\nD");
    assert_eq!(sent["messages"][0]["content"][1]["text"], "T2\n\nD");
    let mut losses: Vec<String> = losses.iter().map(ToString::to_string).collect();
    losses.sort();
    assert_eq!(losses, ["messages[].content[].citations;dropped", "tools[].defer_loading;dropped", "tools[].input_examples;dropped"]);
}

const FRAGMENTS: &str = concat!(
    r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"get_","arguments":""}}]}}]}"#,
    "\n\n",
    r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"weat"}}]}}]}"#,
    "\n\n",
    r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"her","arguments":"{\"x\""}}]}}]}"#,
    "\n\n",
    r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
    "\n\n",
    r#"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
    "\n\ndata: [DONE]\n\n",
);

#[test]
fn a_tools_name_in_fragments_is_joined() {
    let map = ReplyMap { tools: vec!["get_weather".to_owned()], ..ReplyMap::default() };
    for map in [map, ReplyMap::default()] {
        let whole = ChatResponse::from_events(events(&[FRAGMENTS.as_bytes()], &map)).expect("an answer");
        assert!(sketch(&whole).contains("call a get_weather {\"x\":1}"), "{}", sketch(&whole));
    }
}

#[test]
fn a_relayed_tools_name_in_fragments_arrives_whole_and_once() {
    let frames: Vec<&str> = FRAGMENTS.split_inclusive("\n\n").collect();
    let joined = frames[0].replace("get_", "get_weather");
    let expected = format!("{joined}{}{}", frames[2].replace("\"her\"", "null"), frames[3..].concat());
    for at in 0..FRAGMENTS.len() {
        let (a, b) = FRAGMENTS.as_bytes().split_at(at);
        assert_eq!(text(&tapped(&[a, b]).0), expected, "cut at {at}");
    }
    // Another call, the finish, an end and a failure set the name free as well.
    let other = frames[0].replace("\"index\":0,\"id\":\"a\"", "\"index\":1,\"id\":\"b\"");
    let sent = [frames[0], frames[1], &other, frames[4], frames[5]].concat();
    let expected = [&frames[0].replace("get_", "get_weat"), other.as_str(), frames[4], frames[5]].concat();
    assert_eq!(text(&tapped(&[sent.as_bytes()]).0), expected);
    let (broken, progress) = tapped(&[frames[0].as_bytes(), frames[1].as_bytes()]);
    assert!(text(&broken).starts_with(&frames[0].replace("get_", "get_weat")) && progress.failure.is_some(), "{}", text(&broken));
}

#[test]
fn the_frames_of_healthy_calls_leave_as_they_came() {
    let name = r#"data:{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"look","arguments":""}}]}}]}"#;
    let arguments = r#"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#;
    let second = name.replace("\"index\":0,\"id\":\"a\"", "\"index\":1,\"id\":\"b\"");
    let finish = r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
    let stream = [name, arguments, &second, finish, "data: [DONE]", ""].join("\n\n");
    for at in 0..stream.len() {
        let (a, b) = stream.as_bytes().split_at(at);
        assert_eq!(text(&tapped(&[a, b]).0), stream, "cut at {at}");
    }
    // The name of a declared tool leaves at once, unless another's goes on with it.
    for (tools, leaves) in [(vec!["look", "lo"], true), (vec!["lo", "look", "look_up"], false), (vec!["other"], false)] {
        let map = ReplyMap { tools: tools.into_iter().map(str::to_owned).collect(), ..ReplyMap::default() };
        let mut tap = (CODEC.tap)(&map, &Quirks::CHAT, 1 << 20);
        let named = Bytes::from(format!("{name}\n\n"));
        assert_eq!(tap.push(named.clone()), if leaves { named } else { Bytes::new() });
    }
    // Silence sets a name free: it is whole, and the client may show it.
    let mut tap = (CODEC.tap)(&ReplyMap::default(), &Quirks::CHAT, 1 << 20);
    assert!(tap.push(Bytes::from(format!("{name}\n\n"))).is_empty() && tap.progress().content);
    assert_eq!(text(&tap.keep_alive()), format!("{name}\n\n"));
    assert_eq!(text(&tap.push(Bytes::from(format!("{arguments}\n\n")))), format!("{arguments}\n\n"));
}

#[test]
fn members_that_nobody_reads_are_named_as_lost() {
    let losses = |from: &crate::dialect::Codec, to: &crate::dialect::Codec, client, quirks: &Quirks, body: &str| {
        let request = (from.decode_request)(body.as_bytes()).expect("a request");
        let mut losses = Vec::new();
        (to.encode_request)(&request, &upstream(quirks, client), &mut losses).expect("a body");
        losses.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let anthropic = &crate::dialect::anthropic::CODEC;
    let calls = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"go","odd":null,"strange":1}]},
        {"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{},"caller":{"type":"direct"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"x","new":[1]}]}]}]}"#;
    let lost = ["strange", "caller", "content[].new"].map(|name| format!("messages[].content[].{name};dropped"));
    assert_eq!(losses(anthropic, &CODEC, Dialect::AnthropicMessages, &Quirks::CHAT, calls), lost);
    let chat = r#"{"model":"m","messages":[{"role":"user","content":"hi","name":"ann"},
        {"role":"assistant","content":"see","refusal":null,"annotations":[{"type":"url_citation"}],"audio":{"id":"a"},"tool_calls":[]},
        {"role":"user","content":"go"}]}"#;
    let lost = ["audio", "name", "annotations"].map(|name| format!("messages[].{name};dropped"));
    assert_eq!(losses(&CODEC, anthropic, Dialect::OpenAiChat, &Quirks::ANTHROPIC, chat), lost);
}
