//! Sessions stay with their targets, and each prompt cache that is missed is counted once, with its cause: against providers that
//! really keep caches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::caching::{self, Fault, Session, World};
use crate::gateway::{Gateway, TOKEN, aimux, config, until};
use crate::http::{self, Whole};
use crate::replies::Speaks;
use crate::upstream::Upstream;

/// Three providers that keep caches, known together.
fn providers() -> (Arc<Mutex<World>>, [Upstream; 3]) {
    let world = Arc::<Mutex<World>>::default();
    let upstreams = ["up0", "up1", "up2"].map(|name| caching::start(name, &world));
    (world, upstreams)
}

/// A config with the three, at one price.
fn three(upstreams: &[Upstream; 3], models: &str, extra: &str) -> String {
    let all = upstreams.each_ref().map(|upstream| (Speaks::Anthropic, upstream));
    let price =
        "models: { up-model: { context: 200000, price_input: 5, price_output: 25, price_cache_read: 0.5, price_cache_write: 6.25 } }";
    config(&all, models, extra).replace("key: { env: UPSTREAM_KEY } }", &format!("key: {{ env: UPSTREAM_KEY }}, {price} }}"))
}

const IN_ORDER: &str = "\"claude-*\": [up0/up-model, up1/up-model, up2/up-model]";
const IN_TURN: &str = "\"claude-*\": { use: [up0/up-model, up1/up-model, up2/up-model], strategy: round_robin }";

/// Sends a session's next request, as Claude Code would.
fn send(gateway: &Gateway, session: &Session, body: &Value) -> Whole {
    let token = format!("Bearer {TOKEN}");
    let mut headers = vec![
        ("authorization", token.as_str()),
        ("anthropic-version", "2023-06-01"),
        ("user-agent", "claude-cli/2.1.197 (external, cli)"),
        ("x-claude-code-session-id", session.id.as_str()),
    ];
    headers.extend(session.agent.map(|agent| ("x-claude-code-agent-id", agent)));
    http::send(gateway.port, "POST", "/v1/messages", &headers, body.to_string().as_bytes()).whole()
}

/// One turn of a session: gives who answered, and what became of the session.
fn turn(gateway: &Gateway, session: &mut Session, words: &str, stream: bool) -> [String; 2] {
    session.says(words);
    let answer = send(gateway, session, &session.body(stream));
    assert_eq!(answer.status, 200, "{}", answer.text());
    session.hears();
    ["x-aimux-provider", "x-aimux-session"].map(|name| answer.header(name).unwrap_or_default().to_owned())
}

/// The ledger's breaks: line of a session, cause, detail, tokens, cost.
fn breaks(gateway: &Gateway, requests: i64) -> Vec<(String, String, String, u64, u64)> {
    let path = gateway.home().join(".local/state/aimux/ledger.sqlite");
    let mut found = Vec::new();
    until("every request is in the ledger", Duration::from_secs(10), || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let Ok(connection) = rusqlite::Connection::open_with_flags(&path, flags) else { return false };
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        if connection.query_row("SELECT count(*) FROM requests", [], |row| row.get::<_, i64>(0)).unwrap_or(0) < requests {
            return false;
        }
        let sql = "SELECT session || ' ' || agent || iif(role = 'background', ' aside', ' main'), break_cause, break_detail, break_tokens,
            break_cost FROM requests WHERE break_cause IS NOT NULL ORDER BY id";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)? as u64, row.get::<_, i64>(4)? as u64)));
        found = rows.unwrap().map(Result::unwrap).collect();
        true
    });
    found
}

/// What `aimux COMMAND --json` says.
fn told(gateway: &Gateway, command: &[&str]) -> Value {
    let path = gateway.home().join("aimux.yaml");
    let output = aimux(&gateway.home()).args(command).args(["--json", "--config", path.to_str().unwrap()]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn in_sixty_turns_over_three_providers_each_missed_cache_is_counted_and_explained() {
    let (world, upstreams) = providers();
    let gateway = Gateway::start(&three(&upstreams, IN_ORDER, "retry: { attempts_per_target: 1 }"));
    let (mut main, mut other) = (Session::new("session-1", None), Session::new("session-2", None));
    let mut agent = Session::new("session-1", Some("agent-7"));
    let fault = |name: &str, fault| {
        world.lock().unwrap().faults.insert(name.to_owned(), fault);
    };
    let mut requests = 0;
    // What the turns of the main session must have lost their cache by.
    let mut causes: Vec<(usize, String, String)> = Vec::new();
    for count in 0..60 {
        match count {
            10 => fault("up0", Fault::Status(529)),
            20 => fault("up1", Fault::Status(502)),
            25 => ["up0", "up1"].into_iter().for_each(|name| fault(name, Fault::Status(500))),
            30 => main.messages[4]["content"][0]["text"] = json!("what was said is said otherwise"),
            35 => main.tools[0]["description"] = json!("Reads any file".repeat(40)),
            40 => main.system[1] += " And now for something else.",
            45 => drop(world.lock().unwrap().evict.insert("up2".to_owned())),
            48 => main.is_marked = false,
            49 => main.is_marked = true,
            53 => fault("up2", Fault::Cut),
            57 => fault("up2", Fault::Status(503)),
            _ => {}
        }
        main.says(&format!("turn {count} of the main session"));
        let before = world.lock().unwrap().broken.len();
        let body = main.body(count % 3 != 1);
        let answer = send(&gateway, &main, &body);
        requests += 1;
        assert_eq!(answer.status, 200, "{count}: {}", answer.text());
        if count == 53 {
            assert!(answer.text().contains("event: error"), "{}", answer.text());
            // Claude Code asks once more, without a stream.
            assert_eq!(send(&gateway, &main, &main.body(false)).status, 200);
            requests += 1;
        }
        main.hears();
        if world.lock().unwrap().broken.len() > before {
            causes.push((
                count,
                answer.header("x-aimux-provider").unwrap().to_owned(),
                answer.header("x-aimux-session").unwrap().to_owned(),
            ));
        }
        // Others go on at the same time.
        if count % 4 == 0 {
            turn(&gateway, &mut other, &format!("turn {count} of the other"), true);
            requests += 1;
        }
        if (20..30).contains(&count) {
            turn(&gateway, &mut agent, &format!("turn {count} of the agent"), true);
            requests += 1;
        }
        if count % 15 == 0 {
            let format = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
            let title = json!({"model": "claude-x", "max_tokens": 9, "output_config": format, "messages": [{"role": "user", "content": "a title"}]});
            assert_eq!(send(&gateway, &main, &title).status, 200);
            requests += 1;
        }
    }
    let found = breaks(&gateway, requests);
    let world = world.lock().unwrap();
    let seen: Vec<(String, u64)> = found.iter().map(|(line, _, _, tokens, _)| (line.clone(), *tokens)).collect();
    assert_eq!(seen, world.broken, "what was counted is what the providers saw");
    let explained: Vec<[&str; 2]> = found
        .iter()
        .filter(|(line, ..)| line == "session-1  main")
        .map(|(_, cause, detail, ..)| [cause.as_str(), detail.as_str()])
        .collect();
    assert_eq!(
        explained,
        [
            ["moved", "moved from up0/up-model: it failed"],
            ["moved", "moved from up1/up-model: it failed"],
            ["moved", "moved from up0/up-model: it failed"],
            ["messages", "messages[4] changed"],
            ["tools", "tools changed"],
            ["system", "system[1] changed"],
            ["dropped", "dropped by the provider"],
            ["markers", "cache_control is gone or too far on"],
            ["moved", "moved from up2/up-model: it failed"],
        ],
        "{causes:?}"
    );
    // Who is not to blame loses nothing: the others only where the provider forgot, or failed.
    assert!(
        found.iter().filter(|(line, ..)| line != "session-1  main").all(|(_, cause, ..)| cause == "dropped" || cause == "moved"),
        "{found:?}"
    );
    assert!(found.iter().all(|(.., tokens, cost)| *cost <= (tokens * 23).div_ceil(4) && *cost >= tokens * 4), "{found:?}");
    let [tokens, cost] = [3, 4].map(|at| found.iter().map(|(_, _, _, tokens, cost)| if at == 3 { *tokens } else { *cost }).sum::<u64>());
    let usage = told(&gateway, &["usage"]);
    let total = &usage["total"];
    assert_eq!([&total["cache_breaks"], &total["cache_break_tokens"], &total["cache_break_micro_usd"]], [found.len() as u64, tokens, cost]);
    let mut by_cause = BTreeMap::<&str, u64>::new();
    found.iter().for_each(|(_, cause, ..)| *by_cause.entry(cause).or_default() += 1);
    for one in usage["cache_breaks"].as_array().unwrap() {
        assert_eq!(by_cause.remove(one["cause"].as_str().unwrap()), one["requests"].as_u64(), "{usage}");
    }
    assert!(by_cause.is_empty(), "{by_cause:?}");
    let page = gateway.call("GET", "/metrics", b"").text();
    let counted: u64 = page
        .lines()
        .filter(|line| line.starts_with("aimux_cache_breaks_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(counted, found.len() as u64, "{page}");
    assert_eq!(gateway.log().matches("prompt cache was missed").count(), found.len());
}

#[test]
fn a_session_keeps_its_target_though_targets_take_turns_and_others_do_not_follow() {
    let (world, upstreams) = providers();
    let gateway = Gateway::start(&three(&upstreams, IN_TURN, ""));
    let mut sessions: Vec<Session> = (0..6).map(|n| Session::new(&format!("session-{n}"), None)).collect();
    let mut places: Vec<String> = Vec::new();
    for session in &mut sessions {
        let [place, verdict] = turn(&gateway, session, "hello", true);
        assert_eq!(verdict, "new");
        places.push(place);
    }
    for place in ["up0", "up1", "up2"] {
        assert_eq!(places.iter().filter(|other| *other == place).count(), 2, "{places:?}");
    }
    for round in 0..4 {
        for (session, place) in sessions.iter_mut().zip(&places) {
            assert_eq!(turn(&gateway, session, "more", round % 2 == 0), [place.clone(), "kept".to_owned()]);
        }
    }
    assert_eq!(world.lock().unwrap().broken, []);
    assert_eq!(breaks(&gateway, 30), []);
    // Without a session the targets go on to take turns.
    let mut anonymous = BTreeMap::<String, u32>::new();
    for _ in 0..6 {
        let answer = gateway.messages(&json!({"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}));
        assert_eq!(answer.header("x-aimux-session"), None);
        *anonymous.entry(answer.header("x-aimux-provider").unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(anonymous.into_values().collect::<Vec<_>>(), [2, 2, 2]);
}

#[test]
fn a_subagent_has_a_place_of_its_own_and_does_not_move_the_main_session() {
    let (world, upstreams) = providers();
    let gateway = Gateway::start(&three(&upstreams, IN_ORDER, "retry: { attempts_per_target: 1 }"));
    let (mut main, mut agent) = (Session::new("session-1", None), Session::new("session-1", Some("agent-1")));
    assert_eq!(turn(&gateway, &mut main, "hello", true), ["up0", "new"]);
    world.lock().unwrap().faults.insert("up0".to_owned(), Fault::Status(529));
    assert_eq!(turn(&gateway, &mut agent, "look", true), ["up1", "new"]);
    assert_eq!(turn(&gateway, &mut main, "more", true), ["up0", "kept"]);
    assert_eq!(turn(&gateway, &mut agent, "look again", true), ["up1", "kept"]);
    world.lock().unwrap().faults.insert("up0".to_owned(), Fault::Status(529));
    assert_eq!(turn(&gateway, &mut main, "and more", true), ["up1", "moved (failed)"]);
    assert_eq!(turn(&gateway, &mut main, "and on", true), ["up1", "kept"], "after a failure it stays with the new one");
}

#[test]
fn a_restart_keeps_where_sessions_are_and_what_they_left() {
    let (world, upstreams) = providers();
    let mut gateway = Gateway::start(&three(&upstreams, IN_ORDER, "retry: { attempts_per_target: 1 }"));
    let mut main = Session::new("session-of-mine", None);
    world.lock().unwrap().faults.insert("up0".to_owned(), Fault::Status(529));
    assert_eq!(turn(&gateway, &mut main, "hello", true), ["up1", "new"]);
    assert_eq!(turn(&gateway, &mut main, "more", true), ["up1", "kept"]);
    gateway.restart(|home| {
        let state = home.join(".local/state/aimux");
        let file = std::fs::read_dir(state)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("health-"));
        let text = std::fs::read_to_string(file.unwrap()).unwrap();
        assert!(text.contains("\"sessions\":[{") && !text.contains("session-of-mine"), "{text}");
    });
    main.messages[0]["content"][0]["text"] = json!("what was said first is said otherwise");
    assert_eq!(turn(&gateway, &mut main, "still there?", true), ["up1", "kept"]);
    let found = breaks(&gateway, 3);
    assert_eq!((found.len(), found[0].2.as_str()), (1, "messages[0] changed"), "{found:?}");
    let status = told(&gateway, &["status"]);
    let session = &status["sessions"]["last"][0];
    assert_eq!(
        [&session["target"], &session["requests"], &session["window"]],
        [&json!("up1/up-model"), &json!(3), &json!(200_000)],
        "{status}"
    );
    assert!(session["used_tokens"].as_u64().unwrap() > 1000 && session["cached_tokens"].as_u64().unwrap() > 1000, "{status}");
    assert_eq!(session["is_estimated"], false);
}

#[test]
fn a_cache_that_was_not_asked_for_in_time_is_told_as_such() {
    let (world, upstreams) = providers();
    let mut gateway = Gateway::start(&three(&upstreams, IN_ORDER, ""));
    let mut main = Session::new("session-1", None);
    assert_eq!(turn(&gateway, &mut main, "hello", true), ["up0", "new"]);
    assert_eq!(turn(&gateway, &mut main, "more", true), ["up0", "kept"]);
    // Nobody waits for five minutes here: what is known of the session is made older while nobody looks.
    gateway.restart(|home| {
        let path = crate::survival::memory(home);
        let mut known: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let ago = &mut known["sessions"][0]["left"]["ago_ms"];
        assert!(ago.is_u64(), "{known}");
        *ago = json!(300_000);
        std::fs::write(&path, known.to_string()).unwrap();
        world.lock().unwrap().evict.insert("up0".to_owned());
    });
    assert_eq!(turn(&gateway, &mut main, "after lunch", true), ["up0", "kept"]);
    let found = breaks(&gateway, 3);
    assert_eq!((found.len(), found[0].1.as_str(), found[0].2.as_str()), (1, "idle", "idle for 5 min"), "{found:?}");
    assert_eq!(world.lock().unwrap().broken, [(found[0].0.clone(), found[0].3)]);
}

#[test]
fn another_key_has_another_cache() {
    let (world, upstreams) = providers();
    let config = three(&upstreams, "\"claude-*\": [up0/up-model]", "");
    let config = config.replacen("key: { env: UPSTREAM_KEY }", "keys: [{ env: UPSTREAM_KEY }, { env: OTHER_KEY }]", 1);
    let gateway = Gateway::start_with(&config, &[("OTHER_KEY", "sk-another-key-of-the-test".as_ref())]);
    let mut main = Session::new("session-1", None);
    assert_eq!(turn(&gateway, &mut main, "hello", true), ["up0", "new"]);
    assert_eq!(turn(&gateway, &mut main, "more", true), ["up0", "kept"]);
    world.lock().unwrap().faults.insert("up0".to_owned(), Fault::Status(429));
    for words in ["and more", "and on"] {
        assert_eq!(turn(&gateway, &mut main, words, true), ["up0", "kept"]);
    }
    let found = breaks(&gateway, 4);
    assert_eq!((found.len(), found[0].1.as_str(), found[0].2.as_str()), (1, "key", "another key than UPSTREAM_KEY"), "{found:?}");
    assert_eq!(world.lock().unwrap().broken, [(found[0].0.clone(), found[0].3)], "it stays with the other one");
}

#[test]
fn sessions_do_not_stay_where_the_config_says_so() {
    let (_, upstreams) = providers();
    let gateway = Gateway::start(&three(&upstreams, IN_TURN, "sticky: { enabled: false }"));
    let mut main = Session::new("session-1", None);
    let places: Vec<[String; 2]> = (0..3).map(|_| turn(&gateway, &mut main, "hello", true)).collect();
    let mut names: Vec<&str> = places.iter().map(|[place, _]| place.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["up0", "up1", "up2"]);
    assert!(places.iter().all(|[_, verdict]| verdict.is_empty()));
}

#[test]
fn a_rule_may_let_its_sessions_go() {
    let (_, upstreams) = providers();
    let rule =
        "routes: [{ name: loose, when: { project: loose }, use: [up0/up-model, up1/up-model], strategy: round_robin, stick: false }]";
    let gateway = Gateway::start(&three(&upstreams, IN_ORDER, rule));
    let mut session = Session::new("session-1", None);
    session.says("hello");
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str()), ("x-session-id", "session-1"), ("x-aimux-project", "loose")];
    let answers =
        [0, 1].map(|_| http::send(gateway.port, "POST", "/v1/messages", &headers, session.body(true).to_string().as_bytes()).whole());
    assert_ne!(answers[0].header("x-aimux-provider"), answers[1].header("x-aimux-provider"));
    assert_eq!(answers[1].header("x-aimux-session"), None);
}

#[test]
fn no_more_sessions_are_remembered_than_the_config_says() {
    let (_, upstreams) = providers();
    let gateway = Gateway::start(&three(&upstreams, IN_TURN, "sticky: { sessions_max: 4 }"));
    for count in 0..12 {
        turn(&gateway, &mut Session::new(&format!("session-{count}"), None), "hello", false);
    }
    let status = told(&gateway, &["status"]);
    assert!((1..=4).contains(&status["sessions"]["count"].as_u64().unwrap()), "{status}");
}
