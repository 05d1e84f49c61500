//! The probe against a server of a few lines, which answers once and keeps what it was asked.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;
use crate::dialect::Quirks;
use crate::provider::{Auth, table::PRESETS};

const KEY: &str = "sk-0123456789/abcdef";

/// Answers one request with `answer`, or never where it is empty; gives back the request's head.
fn server(answer: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        if answer.is_empty() {
            // Until the client has had enough.
            let _ = stream.read(&mut byte);
        }
        String::from_utf8(head).unwrap()
    });
    (address, asked)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn provider(dialect: Dialect, auth: Auth, base_url: String, check: Check) -> Provider {
    let quirks = if dialect == Dialect::OpenAiChat { Quirks::CHAT } else { Quirks::ANTHROPIC };
    let headers = vec![("x-team".to_owned(), "blue".to_owned())];
    Provider { headers, ..Provider::new("p", vec![Endpoint { dialect, base_url, auth, quirks, check }]) }
}

fn chat(base_url: String) -> Provider {
    provider(Dialect::OpenAiChat, Auth::Bearer, base_url, Check::usual(Dialect::OpenAiChat))
}

fn secret() -> Secret {
    Secret::new(KEY.to_owned())
}

fn answered(answer: String) -> Probed {
    let (address, asked) = server(answer);
    let probed = Prober::new().probe(&chat(format!("{address}/v1")), &secret());
    asked.join().unwrap();
    probed
}

#[test]
fn each_dialect_is_asked_at_its_own_place_with_its_own_header() {
    let (chat, messages) = (Dialect::OpenAiChat, Dialect::AnthropicMessages);
    for (dialect, auth, base, check, line, header) in [
        (chat, Auth::Bearer, "/api/v1", Check::usual(chat), "GET /api/v1/models?team=1 HTTP/1.1", format!("authorization: Bearer {KEY}")),
        (messages, Auth::XApiKey, "", Check::usual(messages), "GET /v1/models?team=1 HTTP/1.1", format!("x-api-key: {KEY}")),
        (chat, Auth::Bearer, "/api/v1", Check::AtHost("/key"), "GET /key?team=1 HTTP/1.1", format!("authorization: Bearer {KEY}")),
    ] {
        let (address, asked) = server(http("200 OK", "", r#"{"data":[]}"#));
        let provider = Provider { query: "team=1".to_owned(), ..provider(dialect, auth, format!("{address}{base}"), check) };
        assert_eq!(Prober::new().probe(&provider, &secret()), Probed::Good);
        let asked = asked.join().unwrap();
        let headers: Vec<&str> = asked.lines().collect();
        assert_eq!(headers[0], line);
        assert!(headers.contains(&header.as_str()) && headers.contains(&"x-team: blue"), "{asked}");
        assert_eq!(asked.contains("anthropic-version:"), dialect == messages, "{asked}");
    }
}

#[test]
fn each_answer_has_its_meaning() {
    let refused = |status, message: &str| Probed::Refused { status, message: message.to_owned() };
    let error = |message: &str| format!(r#"{{"error":{{"message":"{message}"}}}}"#);
    assert_eq!(answered(http("401 Unauthorized", "", &error("no such key"))), refused(401, "no such key"));
    assert_eq!(answered(http("403 Forbidden", "", &error("not from here"))), refused(403, "not from here"));
    assert_eq!(answered(http("402 Payment Required", "", &error("no credit"))), refused(402, "no credit"));
    assert_eq!(answered(http("400 Bad Request", "", &error("Incorrect API key provided"))), refused(401, "Incorrect API key provided"));
    let in_disguise = r#"{"base_resp":{"status_code":1004,"status_msg":"invalid api key"}}"#;
    assert_eq!(answered(http("200 OK", "", in_disguise)), refused(401, "invalid api key"));
    let scope = error("You have insufficient permissions for this operation. Missing scopes: api.model.read.");
    assert_eq!(answered(http("403 Forbidden", "", &scope)), Probed::Good);
    let limited = Probed::RateLimited { retry_after: Some("7".to_owned()) };
    assert_eq!(answered(http("429 Too Many Requests", "retry-after: 7\r\n", &error("slow down"))), limited);
    assert_eq!(answered(http("200 OK", "", &format!(r#"{{"data":["{}"]}}"#, "x".repeat(100_000)))), Probed::Good);
}

#[test]
fn what_tells_nothing_is_unreachable_with_a_reason() {
    for (answer, reason) in [
        (http("404 Not Found", "", ""), "/v1/models is not there (404)"),
        (http("503 Service Unavailable", "", "down"), "/v1/models is answered with 503: down"),
        (http("200 OK", "", "<html><title>Log in</title></html>"), "a web page: Log in"),
        (http("302 Found", "location: http://127.0.0.1:1/steal\r\n", ""), "302, a redirect, which is not followed"),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), "not HTTP"),
        (String::new(), "took too long"),
    ] {
        let Probed::Unreachable { reason: told } = answered(answer) else { panic!("{reason}") };
        assert!(told.contains(reason), "{told}");
    }
    let Probed::Unreachable { reason } = Prober::new().probe(&chat("http://127.0.0.1:1/v1".to_owned()), &secret()) else {
        panic!("nobody is there")
    };
    assert!(reason.contains("127.0.0.1:1 cannot be talked to"), "{reason}");
}

#[test]
fn a_port_without_tls_is_told_with_advice() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap());
    let Probed::Unreachable { reason } = Prober::new().probe(&chat(address), &secret()) else { panic!("that is no TLS") };
    assert!(reason.contains("TLS with") && reason.contains("speak"), "{reason}");
}

#[test]
fn an_echo_of_the_key_is_cut_out_whatever_its_form() {
    let echoes = [
        http("401 Unauthorized", "", &format!(r#"{{"error":{{"message":"bad key {KEY}!"}}}}"#)),
        http("401 Unauthorized", "", &format!(r#"{{"error":{{"message":"bad key {}!"}}}}"#, KEY.replace('/', "\\/"))),
        http("401 Unauthorized", "", &format!("bad key {KEY}!")),
        http("500 Internal Server Error", "", &format!("{}{KEY}", "x".repeat(MESSAGE_MAX - 50))),
        http("429 Too Many Requests", &format!("retry-after: {KEY}\r\n"), ""),
    ];
    for answer in echoes {
        let probed = answered(answer);
        let told = format!("{probed:?}");
        assert!(!told.contains("sk-") && told.contains("[redacted]"), "{told}");
    }
}

#[test]
fn every_preset_has_a_place_to_ask() {
    for preset in PRESETS {
        for row in preset.endpoints {
            let base_url = row.base_url.to_owned();
            let endpoint = Endpoint { dialect: row.dialect, base_url, auth: row.auth, quirks: row.quirks.clone(), check: row.check };
            let uri = address(&endpoint, "").unwrap();
            assert_eq!(uri.host(), Uri::try_from(row.base_url).unwrap().host(), "{}", preset.name);
            assert!(uri.path().len() > 1 && !uri.path().contains("//"), "{uri}");
        }
    }
    let place = |name: &str| {
        let row = &crate::provider::preset(name).unwrap().endpoints[0];
        let base_url = row.base_url.to_owned();
        let endpoint = Endpoint { dialect: row.dialect, base_url, auth: row.auth, quirks: row.quirks.clone(), check: row.check };
        address(&endpoint, "").unwrap().to_string()
    };
    assert_eq!(place("openrouter"), "https://openrouter.ai/api/v1/key");
    assert_eq!(place("synthetic"), "https://api.synthetic.new/v2/quotas");
    assert_eq!(place("anthropic"), "https://api.anthropic.com/v1/models");
    assert_eq!(place("openai"), "https://api.openai.com/v1/models");
}
