//! Rules: what a request is decides who answers, and the client is told which rule it was.

use serde_json::{Value, json};

use crate::gateway::{Gateway, TOKEN, config};
use crate::http::{self, Whole};
use crate::replies::{Speaks, text};
use crate::upstream::Upstream;

const RULES: &str = "routes:
  - { name: background, when: { role: background }, use: [up1/small] }
  - { name: acme, when: { project: acme-*, tools: \">0\" }, use: [up1/acme] }
  - { name: long, when: { input_tokens: \">1k\" }, use: main }
";

fn ask(gateway: &Gateway, headers: &[(&str, &str)], body: &Value) -> Whole {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [&[("authorization", bearer.as_str()), ("content-type", "application/json")], headers].concat();
    http::send(gateway.port, "POST", "/v1/messages?beta=true", &headers, body.to_string().as_bytes()).whole()
}

fn question(more: &Value) -> Value {
    let mut body = json!({"model": "main", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_request_goes_where_the_first_rule_that_fits_says() {
    let upstreams = [0, 1].map(|_| Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("hi")])));
    let both = [(Speaks::Anthropic, &upstreams[0]), (Speaks::Anthropic, &upstreams[1])];
    let gateway = Gateway::start_with(&config(&both, "main: [up0/large]", RULES), &[("AIMUX_LOG", "info,aimux::route=debug".as_ref())]);
    let title = question(&json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}}));
    let tools = question(&json!({"tools": [{"name": "a", "input_schema": {"type": "object"}}]}));
    let long = question(&json!({"system": "x".repeat(9000)}));
    let claude = ("user-agent", "claude-cli/2.1.197 (external, sdk-cli)");
    let acme = ("x-aimux-project", "acme-web");
    for (headers, body, route, model) in [
        (&[claude][..], &title, "background", "small"),
        (&[], &title, "main", "large"),
        (&[acme], &tools, "acme", "acme"),
        (&[acme], &question(&json!({})), "main", "large"),
        (&[("x-aimux-project", "other")], &tools, "main", "large"),
        (&[], &long, "long", "large"),
    ] {
        let reply = ask(&gateway, headers, body);
        let told = (reply.header("x-aimux-route"), reply.header("x-aimux-model"));
        assert_eq!((reply.status, told), (200, (Some(route), Some(model))), "{headers:?} {body}\n{}", gateway.log());
    }
    let seen: Vec<_> = upstreams.iter().flat_map(|upstream| upstream.seen()).collect();
    assert!(seen.iter().all(|seen| seen.header("x-aimux-project").is_none()), "a client's words to aimux stay here");
    let log = gateway.log();
    assert!(log.contains("route=background why=rule") && log.contains("route=main why=entry"), "{log}");
    assert!(log.contains("not background: role is main, not background"), "{log}");
}
