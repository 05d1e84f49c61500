//! `aimux doctor --live`: providers that do all, some or none of what they are asked for, and what routing makes of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY, aimux, config};
use crate::replies::{SIGNATURE, Speaks, text, thinking, tool};
use crate::upstream::{Act, Answer, Seen, Upstream};

const BOTH: [Speaks; 2] = [Speaks::Anthropic, Speaks::Chat];

/// An answer of a model that does all that it is asked.
fn able(speaks: Speaks, seen: &Seen) -> Answer {
    let body = seen.text();
    let has = |part: &str| body.contains(part);
    if seen.path.contains("count_tokens") {
        return Answer::json(200, r#"{"input_tokens":12}"#);
    }
    if has("aimux-asks-for-no-such-model") {
        return speaks.refusal(404, "the model aimux-asks-for-no-such-model does not exist");
    }
    if has("100000000") {
        return speaks.refusal(400, "max_tokens: 100000000 > 64000, which is the maximum");
    }
    let city = |city: &str| json!({"city": city, "unit": "celsius"});
    if has("PINEAPPLE") {
        return speaks.answer(seen, &[text("PINEAPPLE")]);
    }
    if has("code word that the tool gave") {
        return speaks.answer(seen, &[text("The word is MAGPIE.")]);
    }
    if has("Paris and in Tokyo") {
        return speaks.answer(seen, &[tool("call_a1", "get_weather", city("Paris")), tool("call_a2", "get_weather", city("Tokyo"))]);
    }
    if has("weather in Paris") {
        return speaks.answer(seen, &[tool("call_a1", "get_weather", city("Paris"))]);
    }
    if has("how many fell ill") {
        let is_back = has(SIGNATURE) || speaks == Speaks::Chat;
        return if is_back { speaks.answer(seen, &[text("9")]) } else { speaks.refusal(400, "thinking: its signature is missing") };
    }
    if has("sheep") {
        return speaks.answer(seen, &[thinking("Nine are left."), text("18")]);
    }
    if has("colour is this picture") {
        return speaks.answer(seen, &[text("Red.")]);
    }
    if has("colour of grass") {
        return speaks.answer(seen, &[text(r#"{"colour":"green","count":1}"#)]);
    }
    if has("from 1 to 300") {
        let mut answer = speaks.answer(seen, &[text("one\ntwo\nthree")]);
        for act in &mut answer.acts {
            if let Act::Bytes(bytes) = act {
                let said = String::from_utf8(bytes.clone()).unwrap();
                *bytes = said.replace("\"end_turn\"", "\"max_tokens\"").replace("\"stop\"", "\"length\"").into_bytes();
            }
        }
        return answer;
    }
    if has("\"7\"") {
        return speaks.answer(seen, &[text("1,2,3,4,5,6,")]);
    }
    if has("from 1 to 12") {
        return speaks.answer(seen, &[text("1,2,3,4,5,6,7,8,9,10,11,12")]);
    }
    speaks.answer(seen, &[text("Paris")])
}

/// What the doctor told.
struct Told {
    json: Value,
    words: String,
    exit: Option<i32>,
}

impl Told {
    /// Verdict and reason of a check of the only target.
    fn check(&self, name: &str) -> (&str, &str) {
        let checks = self.json["targets"][0]["checks"].as_array().unwrap_or_else(|| panic!("{}", self.words));
        let check = checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {:#}", self.json));
        (check["verdict"].as_str().unwrap(), check["why"].as_str().unwrap())
    }

    fn verdict(&self, name: &str) -> &str {
        self.check(name).0
    }
}

fn doctor(home: &Path, args: &[&str]) -> Told {
    let path = home.join("aimux.yaml");
    let mut command = aimux(home);
    command.args(["doctor", "--json", "--config", path.to_str().unwrap()]).args(args);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    Told { json: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), words, exit: output.status.code() }
}

/// A home with one provider, and what the doctor tells of it.
fn measured(speaks: Speaks, script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> (tempfile::TempDir, Told) {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(script);
    std::fs::write(home.path().join("aimux.yaml"), config(&[(speaks, &upstream)], "", "")).unwrap();
    let told = doctor(home.path(), &["--live", "up0/m", "--yes", "--timeout", "3s"]);
    (home, told)
}

fn store(home: &Path) -> PathBuf {
    home.join(".local/state/aimux/measured.json")
}

/// What is kept of an ability of the only target; `None`: nothing.
fn kept(home: &Path, ability: &str) -> Option<bool> {
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(store(home)).ok()?).unwrap();
    let findings = kept["targets"][0]["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["ability"] == ability).map(|finding| finding["supported"].as_bool().unwrap())
}

#[test]
fn a_provider_that_does_all_is_told_and_kept() {
    for speaks in BOTH {
        let (home, told) = measured(speaks, move |seen, _| able(speaks, seen));
        assert_eq!(told.exit, Some(0), "{:#}{}", told.json, told.words);
        for name in [
            "answer",
            "stream",
            "stream-usage",
            "system",
            "tools",
            "tool-result",
            "parallel-tools",
            "thinking",
            "images",
            "cache",
            "structured",
            "stop",
            "max-tokens",
            "unknown-model",
            "too-many-tokens",
        ] {
            assert_eq!(told.verdict(name), "supported", "{name}: {:?}", told.check(name));
            assert_eq!(kept(home.path(), name), Some(true), "{name}");
        }
        let of_dialect = if speaks == Speaks::Anthropic { "supported" } else { "not_applicable" };
        assert_eq!((told.verdict("count-tokens"), told.verdict("thinking-back")), (of_dialect, of_dialect));
        assert!(told.words.contains("up0/m (") && told.words.contains("32 requests at most"), "{}", told.words);
        let text = std::fs::read_to_string(store(home.path())).unwrap();
        assert!(
            text.lines().count() > 20 && text.contains("\"version\": 1") && text.contains("\"aimux\": \""),
            "people can read it: {text}"
        );
        assert!(!text.contains(KEY) && !told.words.contains(KEY));
        let mode = std::os::unix::fs::PermissionsExt::mode(&store(home.path()).metadata().unwrap().permissions()) & 0o777;
        assert_eq!(mode, 0o600);
    }
}

#[test]
fn what_a_provider_lacks_is_told_in_its_own_way() {
    for speaks in BOTH {
        let (home, one_call) = measured(speaks, move |seen, _| match seen.text() {
            body if body.contains("Paris and in Tokyo") && !body.contains("code word") => {
                speaks.answer(seen, &[tool("call_a1", "get_weather", json!({"city": "Paris", "unit": "celsius"}))])
            }
            _ => able(speaks, seen),
        });
        assert_eq!(one_call.check("parallel-tools"), ("unsupported", "1 call in one answer, 2 times"));
        assert_eq!((one_call.verdict("tools"), kept(home.path(), "parallel-tools"), one_call.exit), ("supported", Some(false), Some(1)));

        let (home, toolless) =
            measured(speaks, move |seen, _| if seen.has_tools() { speaks.answer(seen, &[text("It rains.")]) } else { able(speaks, seen) });
        assert_eq!(toolless.check("tools"), ("unsupported", "it called no tool: \"It rains.\", 2 times"));
        assert_eq!((toolless.verdict("parallel-tools"), kept(home.path(), "tools")), ("not_applicable", Some(false)));

        let (home, blind) = measured(speaks, move |seen, _| match seen.text().contains("image") {
            true => speaks.refusal(400, &format!("this model takes no image input, {KEY}")),
            false => able(speaks, seen),
        });
        assert_eq!(blind.check("images"), ("unsupported", "400: this model takes no image input, [redacted]"));
        assert_eq!(kept(home.path(), "images"), Some(false));

        // The same refusal in other words says nothing of images.
        let (home, vague) =
            measured(
                speaks,
                move |seen, _| if seen.text().contains("image") { speaks.refusal(400, "bad request") } else { able(speaks, seen) },
            );
        assert_eq!((vague.verdict("images"), kept(home.path(), "images")), ("unknown", None));
    }
}

#[test]
fn a_stream_without_usage_is_told() {
    for speaks in BOTH {
        let (home, told) = measured(speaks, move |seen, _| {
            let mut answer = able(speaks, seen);
            if seen.is_stream() {
                for act in &mut answer.acts {
                    if let Act::Bytes(bytes) = act {
                        *bytes = String::from_utf8(bytes.clone()).unwrap().replace("\"usage\"", "\"unused\"").into_bytes();
                    }
                }
            }
            answer
        });
        assert_eq!((told.verdict("stream"), told.verdict("stream-usage")), ("supported", "unsupported"), "{:#}", told.json);
        assert_eq!(kept(home.path(), "stream-usage"), Some(false));
    }
}

#[test]
fn a_provider_that_lies_is_wrong_and_nothing_is_kept() {
    for speaks in BOTH {
        let (home, told) = measured(speaks, move |_, _| Answer { status: 200, ..speaks.refusal(400, "no such thing") });
        assert_eq!(told.exit, Some(2), "{}", told.words);
        assert_eq!(told.check("answer"), ("wrong", "status 200 with an error in it: no such thing"));
        assert_eq!(told.verdict("rest"), "not_applicable");
        assert!(!store(home.path()).exists(), "nothing could be told");

        // One that lies only of a model that is not there.
        let (_, told) = measured(speaks, move |seen, _| match seen.text().contains("aimux-asks-for-no-such-model") {
            true => speaks.answer(seen, &[text("Paris")]),
            false => able(speaks, seen),
        });
        assert_eq!((told.verdict("unknown-model"), told.exit), ("wrong", Some(2)));
    }
}

#[test]
fn limits_overloads_and_silence_say_nothing_of_a_model() {
    for speaks in BOTH {
        for (status, words) in [
            (429, "too many images and tools"),
            (529, "overloaded"),
            (500, "tool failure"),
            (500, "the model `tools-and-image` does not exist"),
        ] {
            let is_hit = |seen: &Seen| seen.has_tools() || seen.text().contains("image");
            let (home, told) =
                measured(speaks, move |seen, _| if is_hit(seen) { speaks.refusal(status, words) } else { able(speaks, seen) });
            assert_eq!((told.verdict("tools"), told.verdict("images"), told.exit), ("unknown", "unknown", Some(1)), "{:#}", told.json);
            assert_eq!((kept(home.path(), "tools"), kept(home.path(), "images")), (None, None));
            assert_eq!(kept(home.path(), "structured"), Some(true), "what was told for certain is kept all the same");
        }
        let (home, told) = measured(speaks, move |seen, _| if seen.has_tools() { Answer::dead() } else { able(speaks, seen) });
        assert_eq!((told.verdict("tools"), kept(home.path(), "tools")), ("unknown", None), "{:#}", told.json);
    }
}

#[test]
fn a_limit_that_is_over_soon_is_waited_for() {
    let limited = std::sync::atomic::AtomicBool::new(false);
    let (_, told) = measured(Speaks::Chat, move |seen, _| {
        let is_first = seen.has_tools() && !limited.swap(true, std::sync::atomic::Ordering::Relaxed);
        if is_first { Speaks::Chat.refusal(429, "slow down").header("retry-after", "1") } else { able(Speaks::Chat, seen) }
    });
    assert_eq!((told.verdict("tools"), told.exit), ("supported", Some(0)), "{:#}", told.json);
}

#[test]
fn a_provider_that_hangs_ends_the_suite_in_bounded_time() {
    let home = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|seen, _| {
        let answer = able(Speaks::Anthropic, seen);
        if seen.text().contains("PINEAPPLE") || seen.has_tools() { answer.late(Duration::from_secs(60)) } else { answer }
    });
    std::fs::write(home.path().join("aimux.yaml"), config(&[(Speaks::Anthropic, &upstream)], "", "")).unwrap();
    let began = Instant::now();
    let told = doctor(home.path(), &["--live", "up0/m", "--yes", "--timeout", "300ms"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(told.verdict("system"), "unknown", "{:#}", told.json);
    assert!(told.check("images").1.contains("2 requests in a row came to nothing"), "{:#}", told.json);
    assert_eq!((kept(home.path(), "stream"), kept(home.path(), "system"), kept(home.path(), "images")), (Some(true), None, None));
    assert!(upstream.seen().len() <= 6, "{}", upstream.seen().len());
}

#[test]
fn nothing_is_spent_that_was_not_allowed_and_a_name_must_lead_somewhere() {
    let upstream = Upstream::start(|seen, _| able(Speaks::Chat, seen));
    let home = tempfile::tempdir().unwrap();
    let text = config(&[(Speaks::Chat, &upstream)], "", "");
    std::fs::write(home.path().join("aimux.yaml"), &text).unwrap();
    let unasked = doctor(home.path(), &["--live", "up0/m"]);
    assert_eq!(unasked.exit, Some(75), "{}", unasked.words);
    assert!(unasked.words.contains("its price is not known") && unasked.words.contains("no terminal to ask on"), "{}", unasked.words);
    let priced = text.replace("UPSTREAM_KEY } }", "UPSTREAM_KEY }, models: { m: { price_input: 10, price_output: 50 } } }");
    std::fs::write(home.path().join("aimux.yaml"), priced).unwrap();
    let dear = doctor(home.path(), &["--live", "up0/m", "--max-cost", "0.5"]);
    assert!(dear.exit == Some(75) && dear.words.contains("it may cost $"), "{}", dear.words);
    for (name, words) in [("m", "provider/model"), ("up7/m", "provider/model")] {
        let lost = doctor(home.path(), &["--live", name, "--yes"]);
        assert!(lost.exit == Some(64) && lost.words.contains(words), "{:?} {}", lost.exit, lost.words);
    }
    assert!(upstream.seen().is_empty(), "nothing was asked");
    // What the answers cost is told: each has 1234 tokens of input and 56 of output.
    let told = doctor(home.path(), &["--live", "up0/m", "--max-cost", "100"]);
    assert!(told.json["targets"][0]["micro_usd"].as_u64().unwrap() > 50_000, "{:#}", told.json);
}

/// A request with an image.
fn with_image(model: &str) -> Value {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    json!({"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}]})
}

fn provider_of(gateway: &Gateway, body: &Value) -> (u16, String, String) {
    let whole = gateway.messages(body);
    let header = |name: &str| whole.headers.iter().find(|(known, _)| known == name).map_or_else(String::new, |(_, value)| value.clone());
    (whole.status, header("x-aimux-provider"), String::from_utf8_lossy(&whole.body).into_owned())
}

#[test]
fn a_running_server_routes_by_what_was_measured_and_the_config_goes_before_it() {
    let blind = Upstream::start(|seen, _| match seen.text().contains("image") && seen.text().contains("colour") {
        true => Speaks::Chat.refusal(400, "image input is not supported"),
        false => able(Speaks::Chat, seen),
    });
    let sees = Upstream::start(|seen, _| able(Speaks::Anthropic, seen));
    let models = "\"any\": [up0/m, up1/m]\n  only: [up0/m]";
    let text = config(&[(Speaks::Chat, &blind), (Speaks::Anthropic, &sees)], models, "");
    let mut gateway = Gateway::start(&text);
    assert_eq!(provider_of(&gateway, &with_image("any")).1, "up0", "nothing is known yet");
    let told = doctor(&gateway.home(), &["--live", "up0/m", "up1/m", "--yes"]);
    assert_eq!(told.json["targets"].as_array().unwrap().len(), 2, "{}", told.words);
    let end = Instant::now() + Duration::from_secs(20);
    while provider_of(&gateway, &with_image("any")).1 != "up1" {
        assert!(Instant::now() < end, "the server takes it on: {}", gateway.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let (status, _, words) = provider_of(&gateway, &with_image("only"));
    assert!(status == 400 && words.contains("up0/m sees no images (measured 2"), "{status} {words}");
    let told = gateway.call("POST", "/api/explain", with_image("any").to_string().as_bytes());
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    let targets = told["decision"]["targets"].as_array().unwrap_or_else(|| panic!("{told:#}"));
    assert!(targets[0]["why"].as_str().unwrap().starts_with("it sees no images (measured 2"), "{told:#}");
    assert!(targets[1]["state"].as_str().unwrap().contains("; images measured 2"), "{told:#}");
    // At the next start, too; then the config says that it sees.
    gateway.restart(|_| {});
    assert_eq!(provider_of(&gateway, &with_image("any")).1, "up1");
    let knows_better = text.replacen("UPSTREAM_KEY } }", "UPSTREAM_KEY }, models: { m: { images: true } } }", 1);
    gateway.restart(|home| std::fs::write(home.join("aimux.yaml"), knows_better).unwrap());
    assert_eq!(provider_of(&gateway, &with_image("any")).1, "up0");
    let path = gateway.home().join("aimux.yaml");
    let card = aimux(&gateway.home()).args(["models", "up0/m", "--config", path.to_str().unwrap()]).output().unwrap();
    let card = String::from_utf8(card.stdout).unwrap();
    for line in [
        "said by   the config, then what was measured",
        "not images, 2",
        ": 400: image input is not supported",
        "the config decides on images",
    ] {
        assert!(card.contains(line), "{line}: {card}");
    }
}

#[test]
fn a_store_that_cannot_be_read_keeps_nobody_from_serving() {
    let upstream = Upstream::start(|seen, _| able(Speaks::Chat, seen));
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(store(home.path()).parent().unwrap()).unwrap();
    std::fs::write(store(home.path()), "{\"version\": 9}").unwrap();
    let gateway = Gateway::start_in(home, &config(&[(Speaks::Chat, &upstream)], "any: [up0/m]", ""), &[]);
    assert_eq!(provider_of(&gateway, &with_image("any")).1, "up0");
    assert!(gateway.log().contains("measured.json"), "{}", gateway.log());
    let told = doctor(&gateway.home(), &["--offline"]);
    let findings = told.json["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["check"] == "measured" && finding["level"] == "warning"), "{:#}", told.json);
}

#[test]
fn people_are_told_with_a_mark_for_each_check() {
    let upstream = Upstream::start(|seen, _| match seen.text().contains("image") {
        true => Speaks::Chat.refusal(400, "no \u{1b}[31mimage input\nhere"),
        false if seen.has_tools() => Speaks::Chat.refusal(503, "busy"),
        false if seen.text().contains("no-such-model") => Speaks::Chat.answer(seen, &[text("Paris")]),
        false => able(Speaks::Chat, seen),
    });
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("aimux.yaml"), config(&[(Speaks::Chat, &upstream)], "", "")).unwrap();
    let mut command = aimux(home.path());
    command.args(["doctor", "--live", "up0/m", "--yes", "--config", "aimux.yaml"]).current_dir(home.path()).env("LANG", "C.UTF-8");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    for line in [
        "up0/m (openai-chat, http://127.0.0.1:",
        "\n  ✓ answer          \"Paris\"\n",
        "\n  ! tools           not known: 503: busy\n",
        "\n  – tool-result     without a call",
        "\n  ! images          not supported: 400: no ",
        "\n  ✗ unknown-model   wrong: a model that nobody has is answered",
        "\n  – count-tokens    its dialect has no count\n",
        " requests, its price is not known\n",
        "measured.json, which routing goes by",
    ] {
        assert!(told.contains(line), "{line:?}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "nothing that a terminal obeys: {told:?}");
    let kept = std::fs::read_to_string(store(home.path())).unwrap();
    assert!(!kept.contains("\\u001b") && kept.contains("image input here"), "{kept}");
}
