//! Who may ask, what may be asked, and what is refused before any provider hears of it.

use serde_json::{Value, json};

use crate::gateway::{Gateway, TOKEN, config};
use crate::http::{self, Whole};
use crate::replies::{Speaks, text};
use crate::upstream::{Answer, Upstream};

fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("fine")]));
    let models = "\"claude-*\": [up0/claude-opus-4-8]\n  fast: [up0/claude-haiku-4-5]";
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], models, "limits: { body_mb: 1, json_depth: 32 }"));
    (upstream, gateway)
}

fn body() -> Vec<u8> {
    json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).to_string().into_bytes()
}

fn assert_error(reply: &Whole, path: &str, status: u16) {
    assert_eq!(reply.status, status, "{path}: {}", reply.text());
    let body = reply.json();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty(), "{path}: {body}");
    assert_eq!(body["type"] == "error", path.starts_with("/v1/messages"), "each dialect has its own shape: {body}");
    assert!(reply.header("x-request-id").is_some());
}

#[test]
fn a_missing_or_wrong_token_is_401_in_the_clients_dialect() {
    let (upstream, gateway) = gateway();
    for path in ["/v1/messages", "/v1/messages/count_tokens", "/v1/chat/completions"] {
        for headers in
            [vec![], vec![("authorization", "Bearer wrong")], vec![("x-api-key", "wrong")], vec![("authorization", "Basic eA==")]]
        {
            assert_error(&http::send(gateway.port, "POST", path, &headers, &body()).whole(), path, 401);
        }
        // A token that only begins like ours.
        let longer = format!("Bearer {TOKEN}x");
        assert_error(&http::send(gateway.port, "POST", path, &[("authorization", &longer)], &body()).whole(), path, 401);
    }
    assert_eq!(http::send(gateway.port, "GET", "/v1/models", &[], b"").whole().status, 401);
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_token_is_taken_as_a_bearer_and_as_an_api_key() {
    let (_upstream, gateway) = gateway();
    let bearer = format!("Bearer {TOKEN}");
    for header in [("authorization", bearer.as_str()), ("x-api-key", TOKEN)] {
        assert_eq!(http::send(gateway.port, "POST", "/v1/messages", &[header], &body()).whole().status, 200, "{}", header.0);
    }
}

#[test]
fn a_web_page_is_refused_even_with_the_token() {
    let (upstream, gateway) = gateway();
    let token = ("x-api-key", TOKEN);
    for (header, status) in [
        (("host", "evil.example"), 421),
        (("host", "127.0.0.1.evil.example"), 421),
        (("origin", "https://evil.example"), 403),
        (("origin", "null"), 403),
    ] {
        let reply = http::send(gateway.port, "POST", "/v1/messages", &[token, header], &body()).whole();
        assert_error(&reply, "/v1/messages", status);
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(http::send(gateway.port, "POST", "/v1/messages", &[token, ("host", "localhost")], &body()).whole().status, 200);
}

#[test]
fn a_body_over_the_limit_is_413() {
    let (upstream, gateway) = gateway();
    let long = json!({"model": "claude-x", "messages": [{"role": "user", "content": "x".repeat(1 << 20)}]}).to_string();
    for path in ["/v1/messages", "/v1/chat/completions"] {
        assert_error(&gateway.call("POST", path, long.as_bytes()), path, 413);
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_body_that_is_no_request_is_400() {
    let (upstream, gateway) = gateway();
    let deep = format!("{{\"model\":\"claude-x\",\"messages\":{}{}}}", "[".repeat(100), "]".repeat(100));
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"model\":7}",
        "{\"model\":\"claude-x\",\"model\":\"claude-y\",\"messages\":[]}",
        "{\"model\":\"claude-x\"} trailing",
        "{\"model\":\"claude-\u{0}\"}",
        &deep,
    ] {
        for path in ["/v1/messages", "/v1/chat/completions"] {
            assert_error(&gateway.call("POST", path, bad.as_bytes()), path, 400);
        }
    }
    assert_error(&gateway.call("POST", "/v1/messages", b"{\"model\":\"\xff\"}"), "/v1/messages", 400);
    assert!(upstream.seen().is_empty());
}

#[test]
fn an_unknown_model_is_404_with_the_nearest_name() {
    let (upstream, gateway) = gateway();
    for (model, near) in [("fsat", "fast"), ("fasst", "fast")] {
        for path in ["/v1/messages", "/v1/chat/completions"] {
            let reply = gateway.call("POST", path, json!({"model": model, "messages": []}).to_string().as_bytes());
            assert_error(&reply, path, 404);
            let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(model) && message.contains(near), "{message}");
        }
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn unknown_addresses_and_methods_are_told_apart() {
    let (_upstream, gateway) = gateway();
    assert_eq!(gateway.call("POST", "/v1/nothing", b"{}").status, 404);
    let reply = gateway.call("GET", "/v1/messages", b"");
    assert_eq!(reply.status, 405);
    assert!(reply.header("allow").is_some_and(|allow| allow.contains("POST")));
}

#[test]
fn probes_need_no_token() {
    let (_upstream, gateway) = gateway();
    for path in ["/livez", "/readyz", "/health"] {
        let reply = http::send(gateway.port, "GET", path, &[("host", "probe.example")], b"").whole();
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.text().contains("up0"), "no details: {}", reply.text());
    }
    assert_eq!(http::send(gateway.port, "HEAD", "/", &[], b"").whole().status, 200);
    assert_eq!(http::send(gateway.port, "HEAD", "/api/hello", &[], b"").whole().status, 200);
    assert_eq!(http::send(gateway.port, "GET", "/api/hello", &[], b"").whole().status, 200);
}

#[test]
fn the_list_of_models_serves_both_dialects() {
    let (_upstream, gateway) = gateway();
    let reply = gateway.call("GET", "/v1/models?limit=1000", b"");
    let list = reply.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"fast"), "{ids:?}");
    assert!(ids.iter().all(|id| !id.contains('*')), "a glob is no model: {ids:?}");
    assert!(list["has_more"] == false, "{list}");
    let token = [("x-api-key", TOKEN)];
    let list = http::send(gateway.port, "GET", "/v1/models", &token, b"").whole().json();
    assert_eq!(list["object"], "list", "{list}");
    assert_eq!(gateway.call("GET", "/v1/models/fast", b"").json()["id"], "fast");
    assert_eq!(gateway.call("GET", "/v1/models/none", b"").status, 404);
}

#[test]
fn a_request_id_is_kept_when_sane() {
    let (_upstream, gateway) = gateway();
    let with = |id: &str| {
        let reply = http::send(gateway.port, "POST", "/v1/messages", &[("x-api-key", TOKEN), ("x-request-id", id)], &body()).whole();
        reply.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(with("mine-1"), "mine-1");
    assert_ne!(with("<script>"), "<script>");
}

#[test]
fn random_bytes_get_an_answer_and_never_end_the_server() {
    let (_upstream, gateway) = gateway();
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let template = json!({"model": "claude-x", "max_tokens": 9, "tools": [{"name": "a"}], "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]});
    for round in 0..200 {
        let mut bytes = template.to_string().into_bytes();
        for _ in 0..=round % 5 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (seed >> 33) as usize % bytes.len();
            bytes[place] = (seed >> 24) as u8;
        }
        let status = gateway.call("POST", ["/v1/messages", "/v1/chat/completions"][round % 2], &bytes).status;
        assert!(status == 200 || (400..500).contains(&status), "round {round}: {status} for {:?}", String::from_utf8_lossy(&bytes));
    }
    let fine: Value = gateway.call("POST", "/v1/messages", &body()).json();
    assert_eq!(fine["type"], "message");
}

#[test]
fn an_upstreams_redirect_is_not_followed() {
    let other = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("stolen")]));
    let to = other.url() + "/v1/messages";
    let upstream = Upstream::start(move |_, _| Answer::json(307, "{}").header("location", &to));
    let gateway = Gateway::before(Speaks::Anthropic, &upstream);
    assert!(gateway.call("POST", "/v1/messages", &body()).status >= 400);
    assert!(other.seen().is_empty(), "the key went to an address of the upstream's choice");
}
