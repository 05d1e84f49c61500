//! What a request costs on its way through: `cargo bench --bench request`.
#![allow(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::time::Duration;

use aimux::chat::Usage;
use aimux::dialect::{Dialect, Quirks, Upstream, transcode};
use aimux::ledger::{Attempt, Entry, Ledger, Place, Settings};
use aimux::telemetry::{Asked, Counts, Exchange, Names};
use aimux::wire::{peek, prefix::Prefix};
use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// A body shaped like a coding agent's: instructions, tools with schemas, turns with text, calls and results.
fn body(turns: usize) -> Bytes {
    let line = r#"    let found = table.get(\"key\").unwrap_or_default();\n"#;
    let tools: Vec<String> = (0..20)
        .map(|n| {
            let about = "Reads a file from the disk and returns its lines, numbered. ".repeat(10);
            format!(
                r#"{{"name":"tool_{n}","description":"{about}","input_schema":{{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{{"path":{{"type":"string","description":"The path of the file, absolute"}},"limit":{{"type":"integer","minimum":1}}}},"required":["path"],"additionalProperties":false}}}}"#
            )
        })
        .collect();
    let mut messages = vec![r#"{"role":"user","content":[{"type":"text","text":"Mend the failing test, please."}]}"#.to_owned()];
    for n in 0..turns {
        messages.push(format!(
            r#"{{"role":"assistant","content":[{{"type":"thinking","thinking":"The file comes first.","signature":"EqoBCkgIARABGAIiQL8"}},{{"type":"text","text":"I look at the file."}},{{"type":"tool_use","id":"toolu_{n}","name":"tool_1","input":{{"path":"/src/main.rs","limit":200}}}}]}}"#
        ));
        messages.push(format!(
            r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_{n}","content":[{{"type":"text","text":"{}"}}]}}]}}"#,
            line.repeat(40)
        ));
    }
    let system = "You are a careful engineer. Say what you do, then do it.\\n".repeat(200);
    format!(
        r#"{{"model":"claude-opus-4-8","max_tokens":32000,"stream":true,"system":[{{"type":"text","text":"{system}","cache_control":{{"type":"ephemeral"}}}}],"tools":[{}],"messages":[{}]}}"#,
        tools.join(","),
        messages.join(",")
    )
    .into()
}

/// The bodies to measure: one of about 85 kB, one of about 233 kB.
const TURNS: [usize; 2] = [20, 78];

#[divan::bench(args = TURNS)]
fn peek_only(bencher: Bencher<'_, '_>, turns: usize) {
    let body = body(turns);
    bencher.counter(BytesCount::new(body.len())).bench(|| peek::peek(divan::black_box(&body), 128));
}

/// A request of a session: a hash of each block, which is made while the provider is waited for.
#[divan::bench(args = TURNS)]
fn hash_the_prefix(bencher: Bencher<'_, '_>, turns: usize) {
    let body = body(turns);
    bencher.counter(BytesCount::new(body.len())).bench(|| Prefix::of(divan::black_box(&body)));
}

/// The same of a session's next request: what it repeats is known by its bytes.
#[divan::bench(args = TURNS)]
fn hash_the_prefix_again(bencher: Bencher<'_, '_>, turns: usize) {
    let (body, before) = (body(turns), Prefix::of(&body(turns - 1)));
    bencher.counter(BytesCount::new(body.len())).bench(|| Prefix::after(divan::black_box(&body), &before));
}

/// An upstream that knows the models of its dialect.
fn upstream(quirks: &Quirks) -> Upstream<'_> {
    Upstream {
        provider: "upstream",
        model: "other-model",
        quirks,
        output_max: Some(64_000),
        sees_images: Some(true),
        thinks: Some(true),
        enforces_schemas: None,
        client: Dialect::AnthropicMessages,
    }
}

fn render(bencher: Bencher<'_, '_>, turns: usize, to: Dialect, quirks: &Quirks) {
    let body = body(turns);
    bencher.counter(BytesCount::new(body.len())).bench(|| {
        let found = peek::peek(divan::black_box(&body), 128).expect("a body");
        transcode::render(&body, &found, Dialect::AnthropicMessages, to, &upstream(quirks)).expect("a request")
    });
}

/// The same dialect: a look, and the model replaced.
#[divan::bench(args = TURNS)]
fn peek_and_splice(bencher: Bencher<'_, '_>, turns: usize) {
    render(bencher, turns, Dialect::AnthropicMessages, &Quirks::ANTHROPIC);
}

/// Another dialect: a look, then read and written anew.
#[divan::bench(args = TURNS)]
fn peek_and_translate(bencher: Bencher<'_, '_>, turns: usize) {
    render(bencher, turns, Dialect::OpenAiChat, &Quirks::CHAT);
}

const USAGE: Usage =
    Usage { input: Some(1234), cache_read: Some(789), cache_write: Some(12), cache_write_1h: None, output: Some(56), reasoning: None };

/// What `/metrics` costs a request that has ended.
#[divan::bench]
fn count_an_exchange(bencher: Bencher<'_, '_>) {
    let counts = Counts::default();
    let models = [("zai".to_owned(), ["glm-5.1".to_owned()].into())].into();
    counts.name(Names { models, routes: ["claude-*".to_owned()].into() });
    let target = ["zai", "glm-5.1"];
    bencher.bench(|| {
        counts.settle(divan::black_box(&Exchange {
            target: Some(target),
            route: "claude-*",
            status: 200,
            ending: "complete",
            code: None,
            usage: &USAGE,
            is_answered: true,
            is_estimated: false,
            cost: Some(8040),
            hedge: None,
            content_ms: Some(420),
            total_ms: 2100,
            losses: 0,
            cache_break: None,
        }));
        counts.asked(std::iter::once(divan::black_box(Asked { target, status: Some(200), cancelled: None })));
    });
}

/// What the ledger costs a thousand requests, the thread that writes and its file included.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn write_a_thousand_entries(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { enabled: true, place: Place::File(folder.path().join("ledger.sqlite")), keep_days: 90 };
    let ledger = Ledger::start(&settings).expect("a thread");
    assert!(ledger.flush(Duration::from_secs(10)));
    bencher.bench(|| {
        for _ in 0..1000 {
            ledger.put(Box::new(Entry {
                time_ms: 1_795_000_000_000,
                request_id: "req_0123456789abcdef01234567".to_owned(),
                dialect: "anthropic",
                program: "claude-code".to_owned(),
                role: "main",
                session: "01234567-89ab-cdef-0123-456789abcdef".to_owned(),
                asked: "claude-opus-4-8".to_owned(),
                route: "claude-*".to_owned(),
                stream: true,
                provider: "zai".to_owned(),
                model: "glm-5.1".to_owned(),
                key: "zai".to_owned(),
                status: 200,
                usage: USAGE,
                cost: Some(8040),
                content_ms: Some(420),
                total_ms: 2100,
                last: Some(Attempt::default()),
                ..Entry::default()
            }));
        }
        assert!(ledger.flush(Duration::from_secs(10)));
    });
}
