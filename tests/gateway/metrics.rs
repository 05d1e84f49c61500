//! `GET /metrics`: known traffic gives exact counts, in a form that every scraper reads.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::exposition::Exposition;
use crate::gateway::{Gateway, TOKEN, aimux, until};
use crate::http;
use crate::replies::{Speaks, text};
use crate::upstream::{Answer, Upstream};

const OPUS: &str = "claude-opus-4-8";

fn ask(model: &str, stream: bool) -> Value {
    json!({"model": model, "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

fn config(anthropic: &Upstream, other: &Upstream) -> String {
    format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  \
         anthropic: {{ base_url: \"{}\", key: {{ env: UPSTREAM_KEY }} }}\n  \
         other: {{ dialect: openai-chat, base_url: \"{}/v1\", key: {{ env: UPSTREAM_KEY }} }}\n\
         models:\n  \"claude-*\": [anthropic/{OPUS}, other/plain]\n  'a\"b\\c': other/plain\nretry: {{ attempts_per_target: 1 }}\n\
         breaker: {{ failures: 1, rest_s: 60 }}\n",
        anthropic.url(),
        other.url()
    )
}

/// The page, once so many requests have ended.
fn scraped(gateway: &Gateway, ended: f64) -> Exposition {
    let mut page = None;
    until("the requests have ended", Duration::from_secs(10), || {
        let reply = gateway.call("GET", "/metrics", b"");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
        let read = Exposition::read(&reply.text());
        let is_all = read.sum("aimux_endings_total") >= ended;
        page = Some(read);
        is_all
    });
    let page = page.unwrap();
    assert_eq!(page.sum("aimux_endings_total"), ended);
    page
}

#[test]
fn known_traffic_gives_exact_counts() {
    let anthropic = Upstream::start(|seen, count| match count {
        3 => Speaks::Anthropic.refusal(529, "overloaded"),
        _ => Speaks::Anthropic.answer(seen, &[text("fine")]),
    });
    let other = Upstream::start(|seen, _| match seen.json()["model"].as_str() {
        Some("broken") => Answer::dead(),
        _ => Speaks::Chat.answer(seen, &[text("fine")]),
    });
    let gateway = Gateway::start(&config(&anthropic, &other));
    assert_eq!(gateway.messages(&ask(OPUS, true)).status, 200);
    assert_eq!(gateway.messages(&ask(OPUS, false)).status, 200);
    assert_eq!(gateway.chat(&ask(OPUS, true)).status, 200);
    assert_eq!(gateway.messages(&ask(OPUS, true)).status, 200, "a failover");
    assert_eq!(gateway.chat(&ask("a\"b\\c", false)).status, 200);
    assert_eq!(gateway.chat(&ask("other/never-heard-of", false)).status, 200);
    assert_eq!(gateway.chat(&ask("other/broken", false)).status, 502);
    assert_eq!(gateway.messages(&ask("nothing", false)).status, 404);
    assert_eq!(http::send(gateway.port, "POST", "/v1/messages", &[], b"{}").whole().status, 401);

    let page = scraped(&gateway, 7.0);
    let requests = |provider, model, route, status| {
        page.value("aimux_requests_total", &[("provider", provider), ("model", model), ("route", route), ("status", status)])
    };
    assert_eq!(requests("anthropic", OPUS, "claude-*", "2xx"), 3.0);
    assert_eq!(requests("other", "plain", "claude-*", "2xx"), 1.0);
    assert_eq!(requests("other", "plain", "a\"b\\c", "2xx"), 1.0);
    assert_eq!(requests("other", "other", "direct", "2xx"), 1.0);
    assert_eq!(requests("other", "other", "direct", "5xx"), 1.0);
    assert_eq!((page.sum("aimux_requests_total"), page.count("aimux_requests_total")), (7.0, 5));
    let ending = |ending| page.value("aimux_endings_total", &[("ending", ending)]);
    assert_eq!([ending("complete"), ending("failed"), ending("client_gone")], [6.0, 1.0, 0.0]);
    let error = |code| page.value("aimux_errors_total", &[("code", code)]);
    assert_eq!([error("E0505"), error("E0202"), error("E0301")], [1.0, 1.0, 1.0]);
    assert_eq!(page.sum("aimux_errors_total"), 3.0);
    let attempts =
        |provider, model, status| page.value("aimux_attempts_total", &[("provider", provider), ("model", model), ("status", status)]);
    assert_eq!([attempts("anthropic", OPUS, "2xx"), attempts("anthropic", OPUS, "5xx")], [3.0, 1.0]);
    assert_eq!([attempts("other", "plain", "2xx"), attempts("other", "other", "2xx"), attempts("other", "other", "none")], [2.0, 1.0, 1.0]);
    assert_eq!(page.value("aimux_failovers_total", &[("provider", "anthropic"), ("model", OPUS)]), 1.0);
    assert_eq!(page.sum("aimux_failovers_total"), 1.0);
    let tokens = |provider, model, kind| page.value("aimux_tokens_total", &[("provider", provider), ("model", model), ("kind", kind)]);
    let kinds = |provider, model| ["input", "output", "cache_read", "cache_write"].map(|kind| tokens(provider, model, kind));
    assert_eq!(kinds("anthropic", OPUS), [3.0 * 1234.0, 3.0 * 56.0, 3.0 * 789.0, 3.0 * 12.0]);
    assert_eq!(kinds("other", "plain"), [2.0 * 445.0, 2.0 * 56.0, 2.0 * 789.0, 0.0]);
    assert_eq!(page.value("aimux_cost_dollars_total", &[("provider", "anthropic"), ("model", OPUS)]), 0.024120);
    assert_eq!(page.value("aimux_unpriced_requests_total", &[("provider", "other"), ("model", "plain")]), 2.0);
    assert_eq!(page.sum("aimux_estimated_requests_total"), 0.0);
    let of = [("gen_ai_operation_name", "chat"), ("gen_ai_provider_name", "anthropic"), ("gen_ai_request_model", OPUS)];
    assert_eq!(page.value("gen_ai_client_operation_duration_seconds_count", &of), 3.0);
    assert_eq!(page.value("gen_ai_client_operation_time_to_first_chunk_seconds_count", &of), 2.0, "streams alone");
    let usage = |kind| page.value("gen_ai_client_token_usage_sum", &[&of[..], &[("gen_ai_token_type", kind)]].concat());
    assert_eq!([usage("input"), usage("output")], [3.0 * 2035.0, 3.0 * 56.0]);
    assert_eq!(page.sum("gen_ai_client_token_usage_count"), 12.0, "six answers, input and output");
    assert_eq!(page.value("aimux_breaker_open", &[("provider", "anthropic"), ("model", OPUS)]), 1.0);
    assert_eq!(page.sum("aimux_breaker_open"), 2.0);
    assert!(
        (50.0..=60.0)
            .contains(&page.value("aimux_rest_seconds", &[("provider", "anthropic"), ("model", OPUS), ("key", ""), ("why", "breaker")]))
    );
    assert_eq!(page.sum("aimux_upstream_connections_total"), 9.0, "eight attempts; a reused connection that died got a fresh one");
    assert!(page.value("aimux_upstream_connections_total", &[("connection", "reused")]) >= 4.0);
    assert_eq!((page.value("aimux_requests_in_flight", &[]), page.value("aimux_oldest_request_seconds", &[])), (0.0, 0.0));
    until("the ledger has them", Duration::from_secs(5), || scraped(&gateway, 7.0).value("aimux_ledger_written_total", &[]) == 7.0);
    assert_eq!(page.value("aimux_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    for metric in aimux::telemetry::metrics::Metric::ALL {
        assert!(page.has(metric.row().name), "{} is told of, be it with no sample", metric.row().name);
    }
    if cfg!(target_os = "linux") {
        let process = |name: &str| page.value(name, &[]);
        assert!(process("process_resident_memory_bytes") > 1e6 && process("process_threads") >= 2.0 && process("aimux_tasks") >= 1.0);
        let fds = gateway.descriptors().unwrap() as f64;
        assert!((process("process_open_fds") - fds).abs() < 8.0, "{} and {fds}", process("process_open_fds"));
    }
}

#[test]
fn what_is_in_flight_is_seen_and_how_old_it_is() {
    let slow = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("some words")]).pause(4, Duration::from_secs(30)));
    let gateway = Gateway::before(Speaks::Anthropic, &slow);
    let mut reply = gateway.send("POST", "/v1/messages", ask("m", true).to_string().as_bytes());
    assert!(reply.piece().is_some());
    std::thread::sleep(Duration::from_millis(300));
    let page = scraped(&gateway, 0.0);
    let value = |name: &str| page.value(name, &[]);
    assert_eq!((value("aimux_requests_in_flight"), value("aimux_streams_in_flight")), (1.0, 1.0));
    assert!((0.3..20.0).contains(&value("aimux_oldest_request_seconds")), "{}", value("aimux_oldest_request_seconds"));
    assert!(value("aimux_client_connections") >= 2.0);
    drop(reply);
    let page = scraped(&gateway, 1.0);
    assert_eq!(page.value("aimux_endings_total", &[("ending", "client_gone")]), 1.0);
    until("its place is free", Duration::from_secs(5), || scraped(&gateway, 1.0).value("aimux_requests_in_flight", &[]) == 0.0);
    assert_eq!(scraped(&gateway, 1.0).value("aimux_oldest_request_seconds", &[]), 0.0);
}

#[test]
fn metrics_need_the_token_and_know_get_alone() {
    let gateway = Gateway::before(Speaks::Chat, &Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("x")])));
    let none = http::send(gateway.port, "GET", "/metrics", &[], b"").whole();
    assert_eq!(none.status, 401);
    assert!(!none.text().contains("aimux_requests_total"));
    assert_eq!(gateway.call("POST", "/metrics", b"").status, 405);
    let token = format!("Bearer {TOKEN}");
    let foreign = [("authorization", token.as_str()), ("host", "evil.example")];
    assert_eq!(http::send(gateway.port, "GET", "/metrics", &foreign, b"").whole().status, 421);
}

#[test]
fn names_that_clients_make_up_make_no_series() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("x")]));
    let gateway = Gateway::start(&crate::gateway::config(&[(Speaks::Chat, &upstream)], "m: [up0/up-model]", ""));
    for number in 0..40 {
        assert_eq!(gateway.chat(&ask(&format!("up0/strange-{number}"), false)).status, 200);
        assert_eq!(gateway.chat(&ask("m", false)).status, 200);
    }
    let page = scraped(&gateway, 80.0);
    assert_eq!((page.sum("aimux_requests_total"), page.count("aimux_requests_total")), (80.0, 2));
}

#[test]
fn a_reload_keeps_the_counts_and_takes_the_new_names() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("x")]));
    let text = |model: &str| crate::gateway::config(&[(Speaks::Chat, &upstream)], &format!("\"*\": [up0/{model}]"), "");
    let gateway = Gateway::start(&text("one"));
    gateway.chat(&ask("m", false));
    std::fs::write(gateway.home().join("aimux.yaml"), text("two")).unwrap();
    let reload = aimux(&gateway.home()).args(["config", "reload", "--config"]).arg(gateway.home().join("aimux.yaml")).output().unwrap();
    assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
    gateway.chat(&ask("m", false));
    let page = scraped(&gateway, 2.0);
    for model in ["one", "two"] {
        let labels = [("provider", "up0"), ("model", model), ("route", "*"), ("status", "2xx")];
        assert_eq!(page.value("aimux_requests_total", &labels), 1.0, "{model}");
    }
}

#[test]
fn promtool_finds_nothing_where_it_is_installed() {
    let gateway = Gateway::before(Speaks::Chat, &Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("x")])));
    gateway.chat(&ask("m", true));
    scraped(&gateway, 1.0);
    let page = gateway.call("GET", "/metrics", b"").text();
    let promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = promtool else {
        println!("promtool is not installed; `exposition` has read the page instead");
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
