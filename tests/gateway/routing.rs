//! Rules: what a request is decides who answers, and the client is told which rule it was.

use serde_json::{Value, json};

use crate::gateway::{Gateway, TOKEN, aimux, config};
use crate::http::{self, Whole};
use crate::replies::{Speaks, text};
use crate::upstream::{Answer, Upstream};

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

/// A provider that knows of its models what `facts` says.
fn provider(name: &str, speaks: Speaks, upstream: &Upstream, facts: &str) -> String {
    let base = upstream.url() + if speaks == Speaks::Chat { "/v1" } else { "" };
    format!(
        "  {name}: {{ dialect: {}, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }}, models: {{ m: {{ {facts} }} }} }}\n",
        speaks.dialect()
    )
}

const SERVER: &str = "version: 1\nserver: { listen: \"127.0.0.1:0\", token: { env: AIMUX_CLIENT_TOKEN } }\nproviders:\n";

fn upstream(speaks: Speaks) -> Upstream {
    Upstream::start(move |seen, _| speaks.answer(seen, &[text("hi")]))
}

fn image() -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}})
}

#[test]
fn a_target_that_lacks_what_is_needed_makes_way_and_an_old_image_is_no_need() {
    let (blind, seeing) = (upstream(Speaks::Chat), upstream(Speaks::Chat));
    let config = SERVER.to_owned()
        + &provider("blind", Speaks::Chat, &blind, "images: false, tools: true, context: 2000")
        + &provider("seeing", Speaks::Chat, &seeing, "images: true, tools: false")
        + "models: { both: [blind/m, seeing/m], blind: blind/m }\n";
    let gateway = Gateway::start(&config);
    let asked = |model: &str, messages: Value| gateway.messages(&json!({"model": model, "max_tokens": 9, "messages": messages}));
    let shown = json!([{"role": "user", "content": [{"type": "text", "text": "what is it?"}, image()]}]);
    assert_eq!(asked("both", shown.clone()).header("x-aimux-provider"), Some("seeing"));
    assert_eq!(asked("both", json!([{"role": "user", "content": "hi"}])).header("x-aimux-provider"), Some("blind"));

    let answered = json!([shown[0], {"role": "assistant", "content": "a cat"}, {"role": "user", "content": "thanks"}]);
    let old = asked("both", answered);
    assert_eq!((old.status, old.header("x-aimux-provider")), (200, Some("blind")), "{}", old.text());
    assert!(old.header("x-aimux-loss").is_some_and(|loss| loss.contains("image")), "{:?}", old.headers);
    assert!(blind.seen().last().unwrap().text().contains("[image left out"));

    let before = blind.seen().len();
    let refused = asked("blind", shown);
    assert_eq!((refused.status, refused.header("x-aimux-error")), (400, Some("AIMUX-E0210")));
    let sentence = "no target of \"blind\" can do what the request needs: blind/m sees no images";
    assert_eq!(refused.json()["error"]["message"], sentence);

    let long = asked("blind", json!([{"role": "user", "content": "x".repeat(9600)}]));
    let message = long.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("prompt is too long: ") && message.ends_with(" tokens > 2000 maximum"), "{message}");
    assert_eq!(blind.seen().len(), before, "nothing was sent");
    let chat = gateway.chat(&json!({"model": "blind", "messages": [{"role": "user", "content": "x".repeat(9600)}]}));
    assert_eq!((chat.status, chat.json()["error"]["code"].as_str()), (400, Some("context_length_exceeded")));
    // A count is never refused: it would be asked for again as a paid request.
    let body = json!({"model": "blind", "messages": [{"role": "user", "content": "x".repeat(9600)}]});
    let count = gateway.call("POST", "/v1/messages/count_tokens", body.to_string().as_bytes());
    assert_eq!((count.status, count.header("x-aimux-estimate")), (200, Some("true")));
}

#[test]
fn a_policy_is_asked_before_anything_is_sent_and_names_itself() {
    let (eu, cn) = (upstream(Speaks::Anthropic), upstream(Speaks::Anthropic));
    let place = |name: &str, upstream: &Upstream, more: &str| {
        let base = upstream.url();
        format!("  {name}: {{ dialect: anthropic, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }}, {more} }}\n")
    };
    let config = SERVER.to_owned()
        + &place("cn", &cn, "region: cn, data: [public]")
        + &place("eu", &eu, "region: eu, data: [public, internal], models: { m: { price_output: 3 } }")
        + "models: { both: [cn/m, eu/m], cn: cn/m }
policies:
  - { name: no-cn-for-acme, when: { project: acme-* }, deny: { region: cn } }
  - { name: internal, when: { project: \"*-internal\" }, allow: { data: internal } }
  - { name: cheap, when: { role: background }, allow: { price_output_max: 2.0 } }
";
    let gateway = Gateway::start(&config);
    let asked = |model: &str, project: &str, role: &str| {
        let body = json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        ask(&gateway, &[("x-aimux-project", project), ("x-aimux-role", role)], &body)
    };
    assert_eq!(asked("both", "other", "main").header("x-aimux-provider"), Some("cn"));
    assert_eq!(asked("both", "acme-web", "main").header("x-aimux-provider"), Some("eu"));
    assert_eq!(asked("both", "x-internal", "main").header("x-aimux-provider"), Some("eu"));
    let before = (cn.seen().len(), eu.seen().len());
    for (model, project, role, policies) in [
        ("cn", "acme-web", "main", &["cn/m is denied by the policy \"no-cn-for-acme\""][..]),
        ("cn/anything", "acme-web", "main", &["no-cn-for-acme"]),
        ("cn", "x-internal", "main", &["internal"]),
        ("both", "other", "background", &["cn/m is denied by the policy \"cheap\", its price of output not being known", "eu/m is denied"]),
    ] {
        let reply = asked(model, project, role);
        assert_eq!((reply.status, reply.header("x-aimux-error")), (403, Some("AIMUX-E0304")), "{model} {project}");
        let body = reply.json();
        assert_eq!(body["error"]["type"], "permission_error");
        let message = body["error"]["message"].as_str().unwrap();
        assert!(policies.iter().all(|policy| message.contains(policy)), "{message}");
    }
    // A count sends the whole prompt too.
    let body = json!({"model": "cn", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("x-aimux-project", "acme-web")];
    let count = http::send(gateway.port, "POST", "/v1/messages/count_tokens", &headers, body.as_bytes()).whole();
    assert_eq!((count.status, count.header("x-aimux-estimate")), (200, Some("true")));
    assert_eq!((cn.seen().len(), eu.seen().len()), before, "nothing was sent");
}

#[test]
fn an_explanation_is_the_running_servers_own_and_calls_nobody() {
    let first = Upstream::start(|_, _| Answer::json(401, r#"{"type":"error","error":{"type":"authentication_error","message":"no"}}"#));
    let second = upstream(Speaks::Anthropic);
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &first), (Speaks::Anthropic, &second)], "main: [up0/a, up1/b]", RULES));
    assert_eq!(gateway.messages(&question(&json!({}))).header("x-aimux-provider"), Some("up1"));
    let before = (first.seen().len(), second.seen().len());

    let body = question(&json!({})).to_string();
    let told = gateway.call("POST", "/api/explain", body.as_bytes());
    assert_eq!(told.status, 200, "{}", told.text());
    let decision = &told.json()["decision"];
    assert_eq!((&decision["route"], &decision["by"]), (&json!("main"), &json!("entry")));
    assert!(decision["targets"][0]["state"].as_str().unwrap().starts_with("its keys rest for"), "{decision}");
    assert_eq!(
        told.json()["estimate"]["targets"][1],
        json!({"target": "up1/b", "input_micro_usd": null, "output_tokens_max": 9, "most_micro_usd": null})
    );

    let explained = |args: &[&str]| {
        let config = gateway.home().join("aimux.yaml");
        let args = [&["--config", config.to_str().unwrap(), "route", "--explain", "hello", "-m", "main"], args].concat();
        let output = aimux(&gateway.home()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let ours = explained(&[]);
    assert!(ours.contains("up0/a: its keys rest for") && ours.contains(&format!("the running server (pid {})", gateway.pid())), "{ours}");
    assert!(explained(&["--direct"]).contains("up0/a: ready"));
    assert!(explained(&["--header", "x-aimux-role: background"]).contains("decided  by rule background"), "headers count");
    assert_eq!((first.seen().len(), second.seen().len()), before, "nobody was called");

    assert_eq!(gateway.call("POST", "/api/explain?dialect=gemini", body.as_bytes()).status, 400);
    assert_eq!(gateway.call("POST", "/api/explain", b"[]").header("x-aimux-error"), Some("AIMUX-E0201"));
    assert_eq!(gateway.call("GET", "/api/explain", b"").status, 405);
    assert_eq!(http::send(gateway.port, "POST", "/api/explain", &[], body.as_bytes()).whole().status, 401, "a token is asked for");
}
