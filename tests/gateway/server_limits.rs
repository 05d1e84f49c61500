//! Every limit of `limits:` is met once, with a value so low that a test can. The list is the one in `docs/config.md`: a
//! limit without a case here fails.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{Gateway, TOKEN, config, until};
use crate::http::{self, Whole};
use crate::replies::{Speaks, text};
use crate::upstream::{Act, Answer, Upstream};

#[test]
fn every_limit_holds() {
    let page = include_str!("../../docs/config.md");
    let section = page.split("\n## ").find(|section| section.starts_with("`limits`")).expect("a section on limits");
    let limits: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(limits.len() >= 18, "{limits:?}");
    std::thread::scope(|scope| {
        for limit in limits {
            scope.spawn(move || meet(limit));
        }
    });
}

/// Meets the limit, and sees what comes of it.
fn meet(limit: &str) {
    match limit {
        "body_mb" => refused("body_mb: 1", &[b' '; (1 << 20) + 1], 413, "AIMUX-E0203"),
        "header_kb" => long_headers(),
        "json_depth" => refused("json_depth: 8", "[".repeat(9).as_bytes(), 400, "AIMUX-E0204"),
        "header_read_s" => slow_headers(),
        "body_read_s" => slow_body(),
        "connect_s" => slow_connection(),
        "first_byte_s" => given_up("first_byte_s: 1", true, |healthy| healthy.late(LONG)),
        "first_byte_whole_s" => given_up("first_byte_whole_s: 1", false, |healthy| healthy.late(LONG)),
        "first_content_s" => given_up("first_content_s: 1, first_byte_s: 1", true, pinging),
        "pace_bytes_per_s" | "pace_over_s" => {
            broken_off("pace_bytes_per_s: 100, pace_over_s: 1", trickling, ["pace_bytes_per_s", "AIMUX-E0504"]);
        }
        "stream_idle_s" => broken_off("stream_idle_s: 1", |healthy| healthy.pause(5, LONG), ["silent", "AIMUX-E0504"]),
        "keep_alive_s" => keep_alive(),
        "frame_mb" => broken_off("frame_mb: 1", |healthy| healthy.after(5, Act::Bytes(endless_line())), ["longer than", "AIMUX-E0506"]),
        "answer_mb" => large_answer(),
        "buffered_mb" => bodies_held(),
        "requests_in_flight" | "queue_wait_s" => queue(),
        "queue_length" => line(),
        "connections" => connections(),
        "drain_s" => drain(false),
        "drain_stream_s" => drain(true),
        other => panic!("nothing here meets limits.{other}"),
    }
}

#[test]
fn a_whole_request_has_a_deadline_however_busy_its_stream() {
    let meet = |speaks: Speaks, is_stream: bool| {
        let upstream = Upstream::start(move |seen, _| {
            let mut answer = speaks.answer(seen, &[text(&"a text in many pieces ".repeat(50))]);
            answer.acts = answer.acts.into_iter().flat_map(|act| [act, Act::Pause(Duration::from_millis(50))]).collect();
            if is_stream { answer } else { answer.late(LONG) }
        });
        let gateway = Gateway::start(&config(&[(speaks, &upstream)], "\"*\": [up0/m]", "retry: { deadline_s: 1 }"));
        let reply = gateway.messages(&ask(is_stream));
        if is_stream {
            assert_eq!(reply.events().last().unwrap().name, "error", "{}", reply.text());
            assert!(reply.text().contains("deadline_s (AIMUX-E0504)") && !reply.text().contains("message_stop"), "{}", reply.text());
        } else {
            assert_code(&reply, 504, "AIMUX-E0504");
        }
    };
    std::thread::scope(|scope| {
        for speaks in [Speaks::Anthropic, Speaks::Chat] {
            for is_stream in [false, true] {
                scope.spawn(move || meet(speaks, is_stream));
            }
        }
    });
}

/// Longer than any limit here.
const LONG: Duration = Duration::from_secs(30);

fn ask(is_stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]})
}

/// A gateway with these limits before an upstream that does to a healthy answer what the script says.
fn gateway(limits: &str, script: fn(Answer) -> Answer) -> Gateway {
    let upstream =
        Upstream::start(move |seen, _| script(Speaks::Anthropic.answer(seen, &[text("before the middle, and after the middle")])));
    let extra = format!("limits: {{ {limits} }}\nretry: {{ attempts_per_target: 1 }}");
    Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", &extra))
}

fn assert_code(reply: &Whole, status: u16, code: &str) {
    assert_eq!((reply.status, reply.header("x-aimux-error")), (status, Some(code)), "{}", reply.text());
}

fn refused(limits: &str, body: &[u8], status: u16, code: &str) {
    assert_code(&gateway(limits, |healthy| healthy).call("POST", "/v1/messages", body), status, code);
}

/// Headers over the limit, somewhat or far, get an answer with its code in the client's dialect; the latter end the connection.
fn long_headers() {
    let gateway = gateway("header_kb: 8", |healthy| healthy);
    for length in [8 << 10, 64 << 10] {
        for (path, kind) in [("/v1/messages", json!("error")), ("/v1/chat/completions?x=1", Value::Null), ("/v1/models", Value::Null)] {
            let reply = http::send(gateway.port, "POST", path, &[("x-long", &"x".repeat(length))], b"").whole();
            assert_code(&reply, 431, "AIMUX-E0209");
            let body = reply.json();
            assert_eq!((&body["type"], reply.is_complete), (&kind, true), "{length} {body}");
            assert!(body["error"]["message"].as_str().unwrap().contains("8192") && reply.header("x-request-id").is_some(), "{body}");
        }
    }
    until("all are in the log", LONG, || gateway.log().matches("AIMUX-E0209").count() == 6);
}

/// A connection on which this much of a request was sent.
fn begun(gateway: &Gateway, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn slow_headers() {
    let gateway = gateway("header_read_s: 1", |healthy| healthy);
    let mut stream = begun(&gateway, "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n");
    let mut answer = Vec::new();
    // An answer would be as good; what counts is the end.
    stream.read_to_end(&mut answer).unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
}

fn slow_body() {
    let gateway = gateway("body_read_s: 1", |healthy| healthy);
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\ncontent-length: 9\r\n\r\n");
    assert_code(&http::read_head(begun(&gateway, &head), "POST", Instant::now()).whole(), 408, "AIMUX-E0208");
}

/// A port that takes connections and never says a word of TLS.
fn slow_connection() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://{}", silent.local_addr().unwrap());
    let provider = format!("up0: {{ dialect: anthropic, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }} }}");
    let server = "server: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }";
    let rest = "models: { \"*\": [up0/m] }\nlimits: { connect_s: 1 }\nretry: { attempts_per_target: 1 }";
    let gateway = Gateway::start(&format!("version: 1\n{server}\nproviders: {{ {provider} }}\n{rest}\n"));
    let reply = gateway.messages(&ask(false));
    assert_code(&reply, 504, "AIMUX-E0504");
    assert!(reply.text().contains("connect_s"), "{}", reply.text());
}

fn given_up(limits: &str, is_stream: bool, script: fn(Answer) -> Answer) {
    assert_code(&gateway(limits, script).messages(&ask(is_stream)), 504, "AIMUX-E0504");
}

fn broken_off(limits: &str, script: fn(Answer) -> Answer, words: [&str; 2]) {
    let gateway = gateway(limits, script);
    for reply in [gateway.messages(&ask(true)), gateway.chat(&ask(true))] {
        let last = reply.events().pop().unwrap();
        let message = last.data["error"]["message"].as_str().unwrap_or_default();
        assert!(words.iter().all(|word| message.contains(word)), "{}", reply.text());
        assert!(!reply.text().contains("message_stop") && !reply.text().contains("[DONE]"), "{}", reply.text());
    }
}

/// A stream that is never silent and never brings content.
fn pinging(healthy: Answer) -> Answer {
    let ping = || [Act::Bytes(b"event: ping\ndata: {\"type\":\"ping\"}\n\n".to_vec()), Act::Pause(Duration::from_millis(200))];
    Answer { acts: healthy.acts.into_iter().take(1).chain((0..100).flat_map(|_| ping())).collect(), ..healthy }
}

/// A stream that drips after its content has begun.
fn trickling(healthy: Answer) -> Answer {
    let drip = || [Act::Bytes(b":\n".to_vec()), Act::Pause(Duration::from_millis(100))];
    Answer { acts: healthy.acts.into_iter().take(5).chain((0..100).flat_map(|_| drip())).collect(), ..healthy }
}

/// An event of more than a mebibyte, without an end.
fn endless_line() -> Vec<u8> {
    [b"data: ".as_slice(), &[b'x'; (1 << 20) + 1]].concat()
}

fn keep_alive() {
    let reply = gateway("keep_alive_s: 1", |healthy| healthy.pause(5, Duration::from_millis(1500))).messages(&ask(true));
    assert!(reply.events().iter().any(|event| event.data["delta"]["text"] == ""), "{}", reply.text());
}

fn large_answer() {
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text(&"x".repeat(1 << 20))]));
    let extra = "limits: { answer_mb: 1 }\nretry: { attempts_per_target: 1 }";
    let gateway = Gateway::start(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", extra));
    for reply in [gateway.messages(&ask(false)), gateway.chat(&ask(false))] {
        assert_code(&reply, 502, "AIMUX-E0505");
        assert!(reply.text().contains("too large"), "{}", reply.text());
    }
}

/// Of two bodies that are too much together the second is refused, and taken when the first has gone.
fn bodies_held() {
    let upstream = Upstream::start(|seen, before| {
        let healthy = Speaks::Anthropic.answer(seen, &[text("fine")]);
        if before == 0 { healthy.late(LONG) } else { healthy }
    });
    let limits = "limits: { body_mb: 1, buffered_mb: 1 }";
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", limits));
    let long = json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "x".repeat(600 << 10)}]}).to_string();
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\ncontent-length: {}\r\n\r\n", long.len());
    let first = begun(&gateway, &(head + &long));
    until("the first is under way", LONG, || !upstream.seen().is_empty());
    let reply = gateway.call("POST", "/v1/messages", long.as_bytes());
    assert_code(&reply, 529, "AIMUX-E0701");
    assert!(reply.text().contains("buffered_mb"), "{}", reply.text());
    drop(first);
    until("the second is taken", LONG, || gateway.call("POST", "/v1/messages", long.as_bytes()).status == 200);
}

/// A request over the limit waits for a place, and is refused when none gets free.
fn queue() {
    for (pause, status) in [(300, 200), (2500, 529)] {
        let upstream = Upstream::start(move |seen, _| {
            Speaks::Anthropic.answer(seen, &[text("before the middle, and after")]).pause(5, Duration::from_millis(pause))
        });
        let limits = "limits: { requests_in_flight: 1, queue_wait_s: 1 }";
        let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", limits));
        let mut first = gateway.send("POST", "/v1/messages", ask(true).to_string().as_bytes());
        assert!(first.piece().is_some());
        let reading = std::thread::spawn(move || first.whole());
        let asked = Instant::now();
        let reply = gateway.messages(&ask(true));
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert!(reading.join().unwrap().text().contains("message_stop"));
    }
}

/// Of two requests for the one place of a provider the first waits for it, and the second finds the line too long.
fn line() {
    let upstream = Upstream::start(|seen, before| {
        let healthy = Speaks::Anthropic.answer(seen, &[text("fine")]);
        if before == 0 { healthy.late(Duration::from_millis(1500)) } else { healthy }
    });
    let text = config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", "limits: { queue_length: 1, queue_wait_s: 20 }");
    let gateway = Gateway::start(&text.replace("key: {", "limits: { concurrent: 1 }, key: {"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| gateway.messages(&ask(false)));
        until("the first is under way", LONG, || !upstream.seen().is_empty());
        let second = scope.spawn(|| gateway.messages(&ask(false)));
        std::thread::sleep(Duration::from_millis(500));
        assert_code(&gateway.messages(&ask(false)), 429, "AIMUX-E0401");
        assert_eq!([first, second].map(|thread| thread.join().unwrap().status), [200, 200]);
    });
}

/// A connection too many is taken when another one ends.
fn connections() {
    let gateway = gateway("connections: 1", |healthy| healthy);
    let get = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (mut first, mut second) = (begun(&gateway, get), begun(&gateway, get));
    assert!(first.read(&mut [0; 1024]).unwrap() > 0);
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(second.read(&mut [0; 1024]).is_err(), "the second was answered beside the first");
    drop(first);
    second.set_read_timeout(Some(LONG)).unwrap();
    assert!(second.read(&mut [0; 1024]).unwrap() > 0);
}

/// What does not end in the time that a stop leaves it is cut, never with a polite end, and the exit code says so.
fn drain(is_stream: bool) {
    let limits = if is_stream { "drain_s: 0, drain_stream_s: 1" } else { "drain_s: 1, drain_stream_s: 30" };
    let upstream = Upstream::start(move |seen, _| {
        let healthy = Speaks::Anthropic.answer(seen, &[text("before the middle, and after the middle")]);
        if is_stream { healthy.pause(5, LONG) } else { healthy.late(LONG) }
    });
    let mut gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/m]", &format!("limits: {{ {limits} }}")));
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\n");
    let body = ask(is_stream).to_string();
    let mut stream = begun(&gateway, &format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
    let mut seen = vec![0; 65536];
    if is_stream {
        assert!(stream.read(&mut seen).unwrap() > 0);
    } else {
        until("the request is under way", LONG, || !upstream.seen().is_empty());
    }
    let stopped = Instant::now();
    gateway.terminate();
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(143));
    assert!(stopped.elapsed() > Duration::from_millis(900), "{:?}", stopped.elapsed());
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut rest);
    let rest = String::from_utf8_lossy(&rest);
    assert!(!rest.contains("message_stop") && !rest.starts_with("HTTP/1.1 200"), "{rest}");
}
