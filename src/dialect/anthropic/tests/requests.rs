//! Requests read from a client and written for an upstream.

use serde_json::{Value, json};

use super::{upstream, upstream_of};
use crate::chat::request::{
    Arguments, Block, BlockKind, ChatRequest, Effort, OutputFormat, Role, Thinking, ThinkingMode, Tool, ToolCall, ToolChoice, ToolKind,
    ToolResult, Turn,
};
use crate::chat::{Loss, Opaque};
use crate::dialect::quirks::Structured;
use crate::dialect::{Quirks, ReplyMap, TranslateError};

fn path_of(body: &str) -> String {
    (super::super::CODEC.decode_request)(body.as_bytes()).expect_err(body).path.into_owned()
}

#[test]
fn a_coding_agents_request_is_read_whole() {
    let body = include_str!("../../../../tests/fixtures/anthropic/agent_request.json");
    let request = (super::super::CODEC.decode_request)(body.as_bytes()).expect("legal");
    assert_eq!(request.model, "claude-opus-4-8");
    assert_eq!(request.system.len(), 2);
    assert!(request.system[1].cache.is_some());
    assert!(request.stream);
    assert_eq!(request.thinking, Some(ThinkingMode::Adaptive(Some(Effort::High))));
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::System, Role::Assistant, Role::User]);
    // The empty text block, a keep-alive of ours coming back, is gone.
    let [thinking, call] = request.turns[2].blocks.as_slice() else { panic!("{:?}", request.turns[2]) };
    assert!(matches!(&thinking.kind, BlockKind::Thinking(thinking) if thinking.opaque == Some(Opaque::new("zai", "s"))));
    assert!(
        matches!(&call.kind, BlockKind::ToolCall(ToolCall { arguments: Arguments::Object(raw), .. }) if raw.get().contains("9007199254740993"))
    );
    let kinds: Vec<bool> = request.turns[3].blocks.iter().map(|block| matches!(block.kind, BlockKind::ToolResult(_))).collect();
    assert_eq!(kinds, [true, false]);
    assert!(request.user_id.as_ref().is_some_and(|user| user.read().contains("device_id")));
    let extras: Vec<&str> = request.extras.iter().map(|extra| extra.name.as_ref()).collect();
    assert_eq!(extras, ["context_management"]);
}

#[test]
fn faults_are_named_by_their_path() {
    for (body, path) in [
        ("[]", ""),
        ("{", ""),
        ("null", ""),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"messages":[]}"#, "messages"),
        (r#"{"messages":"x"}"#, "messages"),
        (r#"{"messages":[{"role":"robot","content":"x"}]}"#, "messages.0.role"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages.0.content"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages.0.content.0.text"),
        (r#"{"messages":[{"role":"user","content":[{"type":"hologram"}]}]}"#, "messages.0.content.0.type"),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64"}}]}]}"#,
            "messages.0.content.0.source.media_type",
        ),
        (r#"{"messages":[{"role":"user","content":"x"}],"tools":[{}]}"#, "tools.0.name"),
        (r#"{"messages":[{"role":"user","content":"x"}],"max_tokens":-1}"#, "max_tokens"),
        (r#"{"messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"maybe"}}"#, "tool_choice.type"),
    ] {
        assert_eq!(path_of(body), path, "{body}");
    }
}

fn turn<'a>(role: Role, blocks: Vec<BlockKind<'a>>) -> Turn<'a> {
    Turn { role, name: None, blocks: blocks.into_iter().map(Block::from).collect() }
}

fn text(text: &str) -> BlockKind<'_> {
    BlockKind::Text(text.into())
}

fn call<'a>(id: &'a str, arguments: &'a str) -> BlockKind<'a> {
    BlockKind::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: Arguments::Encoded(arguments.into()), opaque: None })
}

fn result<'a>(id: &'a str, said: &'a str) -> BlockKind<'a> {
    BlockKind::ToolResult(ToolResult { call_id: id.into(), content: vec![text(said).into()], is_error: false })
}

fn user<'a>() -> Turn<'a> {
    turn(Role::User, vec![text("hi")])
}

fn tool(name: &str) -> Tool<'_> {
    Tool { kind: ToolKind::Function { name: name.into(), description: None, parameters: None, strict: None }, cache: None }
}

fn encode(request: &ChatRequest<'_>, model: &str, quirks: &Quirks) -> Result<(Value, ReplyMap, Vec<String>), TranslateError> {
    let mut losses: Vec<Loss> = Vec::new();
    let upstream = if model.is_empty() { upstream(quirks) } else { upstream_of(model, quirks) };
    let (body, reply) = (super::super::CODEC.encode_request)(request, &upstream, &mut losses)?;
    let body = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)));
    Ok((body, reply, losses.iter().map(ToString::to_string).collect()))
}

fn plain(request: &ChatRequest<'_>) -> Value {
    encode(request, "", &Quirks::ANTHROPIC).expect("legal").0
}

#[test]
fn a_history_in_disorder_comes_out_legal() {
    let request = ChatRequest {
        turns: vec![
            user(),
            turn(Role::Assistant, vec![text("  "), call("a", ""), call("a", "{\"n\":9007199254740993}"), call("b", "broken")]),
            turn(Role::User, vec![text("after"), result("a", "one")]),
            turn(Role::User, vec![result("a", "two"), result("gone", "lost")]),
            turn(Role::System, vec![text("note")]),
            turn(Role::Assistant, vec![call("c", "\"{\\\"x\\\":1}\"")]),
        ],
        ..ChatRequest::default()
    };
    let body = plain(&request);
    assert_eq!(
        body["messages"],
        json!([
            {"role":"user","content":"hi"},
            {"role":"assistant","content":[
                {"type":"tool_use","id":"a","name":"f","input":{}},
                {"type":"tool_use","id":"a_2","name":"f","input":{"n":9_007_199_254_740_993_u64}},
                {"type":"tool_use","id":"b","name":"f","input":{"_raw":"broken"}},
            ]},
            {"role":"user","content":[
                {"type":"tool_result","tool_use_id":"a","content":"one"},
                {"type":"tool_result","tool_use_id":"a_2","content":"two"},
                {"type":"tool_result","tool_use_id":"b","content":"[no result: interrupted]","is_error":true},
                {"type":"text","text":"after"},
                {"type":"text","text":"[result of an earlier tool call] lost"},
                {"type":"text","text":"<system-reminder>\nnote\n</system-reminder>"},
            ]},
            {"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{"x":1}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"[no result: interrupted]","is_error":true}]},
        ])
    );
}

#[test]
fn a_prefill_is_trimmed_and_continued_where_it_is_refused() {
    let request = ChatRequest { turns: vec![user(), turn(Role::Assistant, vec![text("so \n")])], ..ChatRequest::default() };
    assert_eq!(plain(&request)["messages"][1], json!({"role":"assistant","content":"so"}));
    let (body, _, losses) = encode(&request, "claude-opus-4-8", &Quirks::ANTHROPIC).expect("legal");
    assert_eq!(body["messages"][2]["role"], "user");
    assert_eq!(losses, ["messages;emulated"]);
}

#[test]
fn names_are_shortened_everywhere_and_can_be_restored() {
    let long = "mcp.server/".repeat(20);
    let request = ChatRequest {
        turns: vec![user()],
        tools: vec![tool(&long), tool("ok")],
        tool_choice: Some(ToolChoice::Named(long.as_str().into())),
        ..ChatRequest::default()
    };
    let (body, reply, _) = encode(&request, "", &Quirks::ANTHROPIC).expect("legal");
    let short = body["tools"][0]["name"].as_str().expect("a name");
    assert!(short.len() <= 128 && short.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{short}");
    assert_eq!(body["tool_choice"], json!({"type":"tool","name":short}));
    assert_eq!(reply.original_name(short), long);
    assert_eq!(reply.names.len(), 1);
}

#[test]
fn tool_choice_keeps_to_the_rules() {
    let with = |choice, parallel, tools: Vec<Tool<'static>>| {
        let request =
            ChatRequest { turns: vec![user()], tools, tool_choice: choice, parallel_tool_calls: parallel, ..ChatRequest::default() };
        encode(&request, "", &Quirks::ANTHROPIC).map(|(body, ..)| body["tool_choice"].clone())
    };
    assert_eq!(with(None, Some(false), vec![tool("f")]), Ok(json!({"type":"auto","disable_parallel_tool_use":true})));
    assert_eq!(with(Some(ToolChoice::None), Some(false), vec![tool("f")]), Ok(json!({"type":"none"})));
    assert_eq!(with(Some(ToolChoice::Any), None, vec![tool("f")]), Ok(json!({"type":"any"})));
    assert_eq!(with(Some(ToolChoice::Any), Some(false), vec![]), Ok(Value::Null));
    assert_eq!(
        with(Some(ToolChoice::Named("g".into())), None, vec![tool("f")]).map_err(|error| error.path.into_owned()),
        Err("tool_choice".to_owned())
    );
}

#[test]
fn thinking_keeps_its_budget_below_the_output() {
    let with = |mode, max, model: &str| {
        let mut request = ChatRequest { turns: vec![user()], thinking: Some(mode), max_output_tokens: max, ..ChatRequest::default() };
        request.sampling.temperature = Some(0.5);
        request.tools = vec![tool("f")];
        request.tool_choice = Some(ToolChoice::Any);
        encode(&request, model, &Quirks::ANTHROPIC).expect("legal").0
    };
    let body = with(ThinkingMode::Effort(Effort::Medium), Some(500), "claude-sonnet-4-5");
    assert_eq!((&body["thinking"], &body["max_tokens"]), (&json!({"type":"enabled","budget_tokens":4096}), &json!(4596)));
    assert_eq!((&body["temperature"], &body["tool_choice"]), (&Value::Null, &json!({"type":"auto"})));
    let body = with(ThinkingMode::Budget(10), None, "glm-5");
    assert_eq!((&body["thinking"], &body["max_tokens"]), (&json!({"type":"enabled","budget_tokens":1024}), &json!(32000)));
    let body = with(ThinkingMode::Effort(Effort::Low), Some(500), "claude-opus-4-8");
    assert_eq!(
        (&body["thinking"], &body["output_config"], &body["max_tokens"]),
        (&json!({"type":"adaptive"}), &json!({"effort":"low"}), &json!(500))
    );
    let body = with(ThinkingMode::Effort(Effort::None), Some(500), "m");
    assert_eq!((&body["thinking"], &body["temperature"]), (&json!({"type":"disabled"}), &json!(0.5)));
}

#[test]
fn only_the_own_familys_thinking_goes_back() {
    let thought = |family: &str, state: &str| {
        let opaque = Some(Opaque::new(family, state));
        BlockKind::Thinking(Thinking { text: "hm".into(), opaque, is_redacted: false })
    };
    let quirks = Quirks { family: "anthropic", ..Quirks::ANTHROPIC };
    let request = ChatRequest {
        turns: vec![
            user(),
            turn(Role::Assistant, vec![thought("anthropic", "sig"), thought("zai", "x"), thought("anthropic", ""), text("so")]),
            user(),
        ],
        ..ChatRequest::default()
    };
    let (body, _, losses) = encode(&request, "", &quirks).expect("legal");
    assert_eq!(body["messages"][1]["content"], json!([{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"text","text":"so"}]));
    assert_eq!(losses, ["messages[].content[].thinking;dropped"]);
}

#[test]
fn an_output_schema_is_a_format_or_a_forced_tool() {
    let schema: Box<serde_json::value::RawValue> = serde_json::from_str(r#"{"type":"object","properties":{"a":{}}}"#).expect("JSON");
    let output = Some(OutputFormat::JsonSchema { name: Some("my answer".into()), description: None, schema: &schema, strict: None });
    let request = ChatRequest { turns: vec![user()], output, ..ChatRequest::default() };
    let (body, reply, _) = encode(&request, "", &Quirks::ANTHROPIC).expect("legal");
    let name = reply.schema_tool.expect("a tool");
    assert_eq!(body["tool_choice"], json!({"type":"tool","name":name}));
    assert_eq!(body["tools"][0]["input_schema"]["properties"], json!({"a":{}}));
    let native = Quirks { structured: Structured::Native, ..Quirks::ANTHROPIC };
    let (body, reply, _) = encode(&request, "", &native).expect("legal");
    assert_eq!(body["output_config"]["format"]["type"], "json_schema");
    assert!(reply.schema_tool.is_none() && body["tools"].is_null());
    let json = ChatRequest { turns: vec![user()], output: Some(OutputFormat::JsonObject), ..ChatRequest::default() };
    assert!(plain(&json)["system"].as_str().is_some_and(|system| system.contains("JSON")));
}

#[test]
fn limits_are_met_and_losses_named() {
    let mark: Box<serde_json::value::RawValue> = serde_json::from_str(r#"{"type":"ephemeral"}"#).expect("JSON");
    let mut request =
        ChatRequest { turns: (0..6).map(|_| user()).collect(), user_id: Some("a@b.example".into()), ..ChatRequest::default() };
    for turn in &mut request.turns {
        turn.blocks[0].cache = Some(&mark);
    }
    request.sampling.temperature = Some(1.7);
    request.sampling.seed = Some(1);
    request.stop = vec!["\n".into(), "END".into()];
    let (body, _, losses) = encode(&request, "", &Quirks::ANTHROPIC).expect("legal");
    assert_eq!(body.to_string().matches("cache_control").count(), 4);
    assert!(body["messages"][0]["content"][5]["cache_control"].is_object());
    assert_eq!(body["metadata"]["user_id"].as_str().map(str::len), Some(64));
    assert_eq!((&body["temperature"], &body["stop_sequences"]), (&json!(1), &json!(["END"])));
    assert_eq!(losses, ["cache_control;normalised", "temperature;normalised", "seed;dropped", "stop;normalised"]);
    for (path, change) in [("n", 0), ("logprobs", 1)] {
        let mut request = ChatRequest { turns: vec![user()], ..ChatRequest::default() };
        if change == 0 {
            request.sampling.n = Some(2)
        } else {
            request.sampling.logprobs = Some(true)
        }
        assert_eq!(encode(&request, "", &Quirks::ANTHROPIC).map(|_| ()).map_err(|error| error.path.into_owned()), Err(path.to_owned()));
    }
}
