//! Faults of an upstream with a healthy one behind it: whatever the first does before its content, no request is lost.
//!
//! [`fault`] is the table. Each fault meets each pairing of dialects, streamed and not, on a provider of its own, so that no
//! rest of one request hides the fault from the next.

use std::time::Duration;

use serde_json::json;

use crate::gateway::{Gateway, until};
use crate::http::Whole;
use crate::replies::{Speaks, text};
use crate::upstream::{Act, Answer, Outcome, Seen, Upstream};

pub(crate) const BOTH: [Speaks; 2] = [Speaks::Anthropic, Speaks::Chat];

/// What a faulty upstream can do. The first three need no upstream at all.
pub(crate) const FAULTS: [&str; 32] = [
    "refused connection",
    "unknown name",
    "no TLS",
    "hangs up",
    "hangs up in the head",
    "resets",
    "is silent",
    "speaks no HTTP",
    "redirect",
    "401",
    "402",
    "403",
    "404 model",
    "405",
    "408",
    "409",
    "429",
    "500",
    "502 in HTML",
    "503",
    "504",
    "529",
    "tool call failed",
    "error in a 200",
    "limit in a 200",
    "HTML in a 200",
    "empty 200",
    "200 cut short",
    "200 reset before content",
    "200 silent before content",
    "200 of another dialect",
    "200 compressed unasked",
];

/// The answer of an upstream with that fault.
pub(crate) fn fault(name: &str, speaks: Speaks, seen: &Seen) -> Answer {
    let healthy = || speaks.answer(seen, &[text("from the first")]);
    let other = if speaks == Speaks::Chat { Speaks::Anthropic } else { Speaks::Chat };
    // A stream is cut before its content, a whole answer in its middle.
    let cut = |act: Act| if seen.is_stream() { healthy().after(1, act) } else { half(healthy(), act) };
    match name {
        "hangs up" => Answer::dead(),
        "hangs up in the head" => Answer::raw("HTTP/1.1 200 OK\r\ncontent-ty"),
        "resets" => Answer { acts: vec![Act::Reset], ..Answer::raw("") },
        "is silent" => healthy().late(Duration::from_secs(20)),
        "speaks no HTTP" => Answer::raw("\x00\x01 what is this\r\n\r\n"),
        "redirect" => Answer::json(307, "{}").header("location", "http://127.0.0.1:1/v1/messages"),
        "404 model" => match speaks {
            Speaks::Anthropic => speaks.refusal(404, "model: one"),
            Speaks::Chat => Answer::json(404, r#"{"error":{"message":"The model does not exist","code":"model_not_found"}}"#),
        },
        "429" => speaks.refusal(429, "slow down").header("retry-after", "30"),
        "502 in HTML" => Answer::json(502, "<html><h1>502 Bad Gateway</h1></html>"),
        "tool call failed" => Answer::json(400, r#"{"error":{"message":"Failed to call a function","code":"tool_use_failed"}}"#),
        "error in a 200" => Answer { status: 200, ..speaks.refusal(500, "oops") },
        "limit in a 200" => Answer { status: 200, ..speaks.refusal(429, "slow down") },
        "HTML in a 200" => Answer::json(200, "<html>welcome</html>"),
        "empty 200" => Answer::json(200, ""),
        "200 cut short" => cut(Act::Cut),
        "200 reset before content" => cut(Act::Reset),
        "200 silent before content" => cut(Act::Pause(Duration::from_secs(20))),
        "200 of another dialect" => other.answer(seen, &[text("from the first")]),
        "200 compressed unasked" => Answer::json(200, "\u{1f}\u{8b}\u{8}nonsense").header("content-encoding", "gzip"),
        status => speaks.refusal(status.parse().unwrap_or_else(|_| panic!("no such fault: {status}")), "zebra"),
    }
}

/// A whole answer of which the second half never comes.
fn half(answer: Answer, act: Act) -> Answer {
    let Some(Act::Bytes(bytes)) = answer.acts.first() else { panic!("an answer without a body") };
    let mut head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", bytes.len()).into_bytes();
    head.extend_from_slice(&bytes[..bytes.len() / 2]);
    let mut answer = Answer::raw(head);
    answer.acts.push(act);
    answer
}

/// One request of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) fault: &'static str,
    pub(crate) upstream: Speaks,
    pub(crate) client: Speaks,
    pub(crate) is_stream: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for fault in FAULTS {
        for upstream in BOTH {
            for client in BOTH {
                cases.extend([false, true].map(|is_stream| Case { fault, upstream, client, is_stream }));
            }
        }
    }
    cases
}

#[test]
fn no_fault_before_content_loses_a_request_that_a_healthy_upstream_can_answer() {
    let scripts = BOTH.map(|speaks| {
        Upstream::start(move |seen, _| match seen.json()["model"].as_str().unwrap_or_default() {
            "healthy" => speaks.answer(seen, &[text("from the second")]),
            name => fault(&name.replace('_', " "), speaks, seen),
        })
    });
    let cases = cases();
    let gateway = Gateway::start(&config(&cases, &scripts));
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let index = cases.iter().position(|other| std::ptr::eq(other, case)).unwrap();
                    assert_answered(case, &ask(&gateway, case, &format!("case-{index}")));
                }
            });
        }
    });
    // Each fault that an upstream must be asked for was met.
    let asked: Vec<String> = scripts.iter().flat_map(Upstream::seen).map(|seen| seen.json()["model"].to_string()).collect();
    for fault in &FAULTS[3..] {
        assert!(asked.iter().any(|model| model.trim_matches('"').replace('_', " ") == *fault), "{fault} was never met");
    }
}

/// A provider and a model for each case, and the healthy ones.
pub(crate) fn config(cases: &[Case], scripts: &[Upstream; 2]) -> String {
    let url = |speaks: Speaks| match speaks {
        Speaks::Anthropic => scripts[0].url(),
        Speaks::Chat => scripts[1].url() + "/v1",
    };
    let provider = |name: &str, speaks: Speaks, url: &str| {
        let more = if url.contains("invalid") { ", plain_http: true" } else { "" };
        format!("  {name}: {{ dialect: {}, base_url: \"{url}\", key: {{ env: UPSTREAM_KEY }}{more} }}\n", speaks.dialect())
    };
    let mut providers = String::new();
    let mut models = String::new();
    for speaks in BOTH {
        providers += &provider(&format!("healthy-{}", speaks.dialect()), speaks, &url(speaks));
    }
    for (index, case) in cases.iter().enumerate() {
        let base = match case.fault {
            "refused connection" => "http://127.0.0.1:1".to_owned(),
            "unknown name" => "http://nowhere.invalid".to_owned(),
            "no TLS" => url(case.upstream).replace("http:", "https:"),
            _ => url(case.upstream),
        };
        providers += &provider(&format!("p{index}"), case.upstream, &base);
        let model = case.fault.replace(' ', "_");
        models += &format!("  case-{index}: [\"p{index}/{model}\", healthy-{}/healthy]\n", case.upstream.dialect());
    }
    let limits = "limits: { connect_s: 1, first_byte_s: 1, first_byte_whole_s: 1, stream_idle_s: 1 }";
    let server = "server: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }";
    format!("version: 1\n{server}\nproviders:\n{providers}models:\n{models}{limits}\n")
}

fn ask(gateway: &Gateway, case: &Case, model: &str) -> Whole {
    let body = json!({"model": model, "max_tokens": 9, "stream": case.is_stream, "messages": [{"role": "user", "content": "hi"}]});
    if case.client == Speaks::Anthropic { gateway.messages(&body) } else { gateway.chat(&body) }
}

fn assert_answered(case: &Case, reply: &Whole) {
    let text = reply.text();
    assert_eq!((reply.status, reply.is_complete), (200, true), "{case:?}: {text}");
    assert!(text.contains("from the") && !text.contains("from the first") && !text.contains("\"error\""), "{case:?}: {text}");
    assert!(reply.header("x-aimux-provider").is_some_and(|name| name.starts_with("healthy")), "{case:?}: {:?}", reply.headers);
    assert_eq!(reply.header("x-aimux-attempts"), Some("2"), "{case:?}");
    if case.is_stream {
        let events = reply.events();
        let last = events.last().unwrap();
        assert!(last.name == "message_stop" || last.data == "[DONE]", "{case:?}: {text}");
        assert!(events.iter().filter(|event| event.name == "message_start").count() <= 1, "{case:?}: {text}");
    }
}

#[test]
fn a_total_failure_costs_at_most_two_point_four_attempts_a_request() {
    let upstream = Upstream::start(|_, _| Speaks::Chat.refusal(500, "oops"));
    let pair = [(Speaks::Chat, &upstream), (Speaks::Chat, &upstream)];
    let gateway = Gateway::start(&crate::gateway::config(&pair, "\"*\": [up0/one, up1/two]", ""));
    let (threads, each) = (20, 5);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let reply =
                        gateway.messages(&json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}));
                    assert!(reply.status >= 429, "{}", reply.text());
                }
            });
        }
    });
    let attempts = upstream.seen().len();
    assert!(attempts * 10 <= threads * each * 24, "{attempts} attempts for {} requests", threads * each);
}

#[test]
fn clients_that_leave_leave_nothing_behind() {
    for speaks in BOTH {
        let upstream = Upstream::start(move |seen, _| match seen.json()["stream"].as_bool() {
            Some(true) => speaks.answer(seen, &[text("a long answer that goes on")]).pause(3, Duration::from_secs(30)),
            _ => speaks.answer(seen, &[text("fine")]),
        });
        let gateway = Gateway::before(speaks, &upstream);
        let body = |is_stream: bool| json!({"model": "claude-x", "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(gateway.messages(&body(false)).status, 200);
        let before = gateway.descriptors();
        let replies: Vec<_> = (0..40).map(|_| gateway.send("POST", "/v1/messages", body(true).to_string().as_bytes())).collect();
        assert!(before.is_none() || gateway.descriptors() > before);
        drop(replies);
        until("every upstream sees its client go", Duration::from_secs(1), || {
            upstream.seen().iter().filter(|seen| seen.outcome == Outcome::ClientGone).count() == 40
        });
        until("sockets are as before", Duration::from_secs(1), || gateway.descriptors() <= before);
        assert_eq!(gateway.messages(&body(false)).status, 200, "and it goes on");
    }
}
