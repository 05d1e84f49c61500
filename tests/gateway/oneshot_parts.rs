//! What `aimux route` puts beside a prompt, and makes of an answer: attachments, fragments, options, schemas, blocks of code,
//! comparisons, templates, a limit of cost.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::BOTH;
use crate::gateway::{Gateway, config};
use crate::oneshot::{before, feed, home, run, said, saying, stderr, stdout};
use crate::replies::{Speaks, text};
use crate::upstream::{Answer, Upstream};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const PDF: &[u8] = b"%PDF-1.7\n1 0 obj";
const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";

fn with_files(home: &Path) {
    for (name, bytes) in
        [("cat.png", PNG), ("paper.pdf", PDF), ("note.wav", WAV), ("odd.bin", &b"\0\x01\x02"[..]), ("words.txt", b"text\n")]
    {
        std::fs::write(home.join(name), bytes).unwrap();
    }
}

/// An answer of some hundred tokens that no schema fits.
const NO_JSON: &str = include_str!("../fixtures/markdown/review.md");

/// The last request's messages.
fn messages(upstream: &Upstream) -> String {
    upstream.seen().pop().unwrap().json()["messages"].to_string()
}

#[test]
fn attachments_of_each_kind_reach_each_dialect() {
    for speaks in BOTH {
        let upstream = saying(speaks, "a cat");
        let home = before(speaks, &upstream);
        with_files(home.path());
        let is_chat = speaks == Speaks::Chat;
        for (file, words) in [
            ("cat.png", if is_chat { "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==" } else { "\"media_type\":\"image/png\"" }),
            ("paper.pdf", if is_chat { "data:application/pdf;base64,JVBERi0xLjcKMSAwIG9iag==" } else { "\"title\":\"paper.pdf\"" }),
        ] {
            assert_eq!(said(home.path(), &["what is it", "-a", file]), "a cat\n");
            let sent = messages(&upstream);
            assert!(sent.contains(words) && sent.contains("what is it"), "{file}: {sent}");
            let piped = std::fs::read(home.path().join(file)).unwrap();
            for args in [&["what is it", "-a", "-"][..], &["what is it"]] {
                let output = feed(home.path(), args, &piped);
                assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
                assert!(messages(&upstream).contains(words.split("\"title\"").next().unwrap()));
            }
        }
        let output = run(home.path(), &["listen", "-a", "note.wav"]);
        if is_chat {
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert!(messages(&upstream).contains("\"format\":\"wav\""), "{}", messages(&upstream));
        } else {
            assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
            assert!(stderr(&output).contains("audio"), "{}", stderr(&output));
        }
    }
}

#[test]
fn attachments_go_through_a_server_too_and_may_be_fetched_by_their_address() {
    let upstream = Upstream::start(|seen, _| match seen.path.as_str() {
        "/cat.png" => Answer::raw([b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", PNG].concat()),
        "/gone.png" => Answer::json(404, "{}"),
        _ => Speaks::Chat.answer(seen, &[text("a cat")]),
    });
    let gateway = Gateway::before(Speaks::Chat, &upstream);
    let home = gateway.home();
    let path = home.join("aimux.yaml");
    let ask = |url: String| run(&home, &["what", "-a", &url, "--config", path.to_str().unwrap()]);
    let output = ask(upstream.url() + "/cat.png");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "a cat\n"), "{}", stderr(&output));
    assert!(messages(&upstream).contains("data:image/png;base64,"), "{}", messages(&upstream));
    let output = ask(upstream.url() + "/gone.png");
    assert!(output.status.code() == Some(64) && stderr(&output).contains("404"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_attached_is_told_and_nothing_is_sent() {
    let upstream = saying(Speaks::Chat, "no");
    let home = home(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", "limits: { body_mb: 1 }"));
    with_files(home.path());
    std::fs::write(home.path().join("big.png"), [PNG, &vec![0; 1 << 20]].concat()).unwrap();
    for (args, code, words) in [
        (&["x", "-a", "odd.bin"][..], 64, "PNG, JPEG"),
        (&["x", "-a", "words.txt"], 64, "`-f`"),
        (&["x", "-a", "absent.png"], 64, "absent.png"),
        (&["x", "-a", "-"], 64, "nothing on it"),
        (&["x", "-a", "big.png"], 65, "AIMUX-E0203"),
        (&["x", "-a", "http://127.0.0.1:1/a.png"], 64, "cannot be attached"),
        (&["x", "-f", "odd.bin"], 64, "no text"),
        (&["x", "-f", "absent/*"], 64, "no such file"),
        (&["x", "-f", "big.png"], 65, "AIMUX-E0203"),
        (&["x", "-o", "temprature=1"], 64, "did you mean temperature?"),
        (&["x", "--schema", "age nit"], 64, "did you mean int?"),
        (&["x", "--compare", "a"], 64, "2 to 8"),
        (&["x", "-t", "absent"], 64, "--save NAME"),
        (&["--save", "empty"], 64, "nothing to save"),
        (&["x", "--save", "../up"], 64, "no name"),
    ] {
        let output = run(home.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words) && output.stdout.is_empty(), "{args:?}: {}", stderr(&output));
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn fragments_say_which_file_they_are_and_options_have_their_members() {
    let upstream = saying(Speaks::Chat, "fine");
    let home = before(Speaks::Chat, &upstream);
    std::fs::create_dir_all(home.path().join("src/deep")).unwrap();
    for (name, words) in [("src/a.rs", "fn a() {}"), ("src/deep/b.rs", "fn b() {}"), ("notes.md", "a note")] {
        std::fs::write(home.path().join(name), words).unwrap();
    }
    let args = ["review", "-f", "src/**/*.rs", "-f", "notes.md", "-o", "temperature=0.3", "-o", "max_tokens=77", "-o", "stop=END"];
    assert_eq!(said(home.path(), &args), "fine\n");
    let sent = messages(&upstream);
    for part in ["<file name=\\\"src/a.rs\\\">\\nfn a() {}\\n</file>", "src/deep/b.rs", "<file name=\\\"notes.md\\\">\\na note"] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    assert!(sent.find("a note") < sent.find("review"), "{sent}");
    let body = upstream.only().json();
    assert_eq!((&body["temperature"], &body["max_tokens"], &body["stop"]), (&json!(0.3), &json!(77), &json!(["END"])));
}

#[test]
fn a_schema_that_the_model_breaks_once_is_asked_for_again() {
    for speaks in BOTH {
        for (first, second, code) in [
            (r#"{"name":"Ada","age":36}"#, "", 0),
            ("Sure! Here it is.", r#"{"name":"Ada","age":36}"#, 0),
            (r#"{"name":"Ada","age":"old"}"#, "```json\n{\"name\":\"Ada\",\"age\":36}\n```", 0),
            ("no", "no again", 69),
        ] {
            let upstream = Upstream::start(move |seen, index| speaks.answer(seen, &[text(if index == 0 { first } else { second })]));
            let home = before(speaks, &upstream);
            let output = run(home.path(), &["who", "--schema", "name, age int"]);
            assert_eq!(output.status.code(), Some(code), "{first}: {}", stderr(&output));
            let seen = upstream.seen();
            let is_again = !second.is_empty();
            assert_eq!(seen.len(), 1 + usize::from(is_again), "{first}");
            assert_eq!(stderr(&output).contains("asked for once more"), is_again, "{}", stderr(&output));
            if is_again {
                let sent = seen[1].json()["messages"].to_string();
                assert!(sent.contains("does not fit the JSON Schema") && sent.contains("\"assistant\""), "{sent}");
            }
            if code == 0 {
                let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(printed, json!({"name": "Ada", "age": 36}));
            } else {
                assert!(output.stdout.is_empty() && stderr(&output).contains("AIMUX-E0506"), "{}", stderr(&output));
            }
        }
    }
}

#[test]
fn a_repair_that_goes_elsewhere_finds_its_key_open() {
    let first = saying(Speaks::Chat, NO_JSON);
    let second = saying(Speaks::Chat, r#"{"name":"Ada"}"#);
    let rule = "routes:\n  - { name: long, when: { input_tokens: \">400\" }, use: [up1/m] }";
    let home = home(&config(&[(Speaks::Chat, &first), (Speaks::Chat, &second)], "default: [up0/m]", rule));
    let output = run(home.path(), &["who", "--schema", "name"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "{\"name\":\"Ada\"}\n"), "{}", stderr(&output));
    assert_eq!((first.seen().len(), second.only().header("authorization")), (1, Some(format!("Bearer {}", crate::gateway::KEY).as_str())));
}

#[test]
fn what_stands_beside_a_prompt_is_explained_too() {
    let upstream = saying(Speaks::Chat, "no");
    let routes = "routes:\n  - { name: seeing, when: { images: true }, use: [up0/eyes] }\n  - { name: long, when: { input_tokens: \">3000\" }, use: [up0/large] }";
    let home = home(&config(&[(Speaks::Chat, &upstream)], "default: [up0/m]", routes));
    with_files(home.path());
    std::fs::write(home.path().join("long.txt"), "word ".repeat(8000)).unwrap();
    std::fs::create_dir_all(home.path().join(".config/aimux/templates")).unwrap();
    std::fs::write(home.path().join(".config/aimux/templates/other.yaml"), "model: up0/templated\nprompt: Say $input\n").unwrap();
    let long = "word ".repeat(8000);
    for (args, words) in [
        (&["x"][..], "1 up0/m: ready"),
        (&["x", "-a", "cat.png"], "1 up0/eyes: ready"),
        (&["x", "-f", "long.txt"], "1 up0/large: ready"),
        (&["x", "-s", &long], "1 up0/large: ready"),
        (&["x", "-t", "other"], "1 up0/templated: ready"),
        (&["x", "-o", "max_tokens=77"], "output_tokens 77"),
        (&["x", "-o", "temprature=1"], "did you mean temperature?"),
    ] {
        let output = run(home.path(), &[&["--explain"], args].concat());
        let told = stdout(&output) + &stderr(&output);
        assert!(told.contains(words), "{words}: {told}");
    }
    let output = feed(home.path(), &["--explain", "x"], long.as_bytes());
    assert!(stdout(&output).contains("1 up0/large: ready"), "{}", stdout(&output));
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_schema_may_be_a_file_and_its_repair_is_counted() {
    let upstream = Upstream::start(|seen, index| Speaks::Chat.answer(seen, &[text(if index == 0 { "[]" } else { "[1]" })]));
    let home = before(Speaks::Chat, &upstream);
    std::fs::write(home.path().join("s.json"), r#"{"type":"array","items":{"type":"integer"},"minItems":1}"#).unwrap();
    let output = run(home.path(), &["x", "--schema", "s.json", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert_eq!((&answer["answer"], &answer["attempts"]), (&json!("[1]"), &json!(2)), "{answer}");
    let first = upstream.seen()[0].json();
    assert_eq!(first["response_format"]["json_schema"]["schema"]["minItems"], 1, "{first}");
}

#[test]
fn the_demo_fills_a_schema() {
    let home = tempfile::tempdir().unwrap();
    let person: Value = serde_json::from_str(&said(home.path(), &["--demo", "a person", "--schema", "name, age int"])).unwrap();
    assert!(person["name"].is_string() && person["age"].is_i64(), "{person}");
}

#[test]
fn a_block_of_code_is_printed_alone() {
    let upstream = saying(Speaks::Chat, "First:\n```sh\nls\n```\nthen\n```\npwd\u{1b}\n```\n");
    let home = before(Speaks::Chat, &upstream);
    assert_eq!(said(home.path(), &["x", "-x"]), "ls\n");
    assert_eq!(said(home.path(), &["x", "--xl"]), "pwd\\u{1b}\n");
    let json: Value = serde_json::from_str(&said(home.path(), &["x", "--extract-last", "--json"])).unwrap();
    assert_eq!(json["answer"], "pwd\u{1b}\n");
}

/// A provider whose model has a price.
fn priced(upstream: &Upstream) -> String {
    let models = "models: { m: { price_input: 1, price_output: 10, output_max: 1000 } }";
    config(&[(Speaks::Chat, upstream)], "\"*\": [up0/m]", "")
        .replace("key: { env: UPSTREAM_KEY } }", &format!("key: {{ env: UPSTREAM_KEY }}, {models} }}"))
}

#[test]
fn what_may_cost_too_much_is_refused_with_the_estimate() {
    let upstream = saying(Speaks::Chat, "fine");
    let home = home(&priced(&upstream));
    let output = run(home.path(), &["hi", "--max-cost", "0.005"]);
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("AIMUX-E0402") && told.contains("$0.0100") && told.contains("--max-cost $0.0050"), "{told}");
    let most = told.split("max_tokens=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(upstream.seen().is_empty());
    assert_eq!(said(home.path(), &["hi", "--max-cost", "0.005", "-o", &format!("max_tokens={most}")]), "fine\n");
    assert_eq!(said(home.path(), &["hi", "--max-cost", "0.02"]), "fine\n");
    let json: Value = serde_json::from_str(&said(home.path(), &["hi", "--json"])).unwrap();
    assert!(json["cost_micro_usd"].as_u64().is_some_and(|cost| cost > 0), "{json}");
    let unpriced = before(Speaks::Chat, &upstream);
    let output = run(unpriced.path(), &["hi", "--max-cost", "1"]);
    assert!(output.status.code() == Some(75) && stderr(&output).contains("not known"), "{}", stderr(&output));
}

#[test]
fn models_are_compared_at_once_in_a_table() {
    let upstream = Upstream::start(|seen, _| match seen.json()["model"].as_str().unwrap_or_default() {
        "slow-a" => Speaks::Chat.answer(seen, &[text("from a")]).late(Duration::from_secs(1)),
        "slow-b" => Speaks::Chat.answer(seen, &[text("from b\u{1b}[31m")]).late(Duration::from_secs(1)),
        _ => Speaks::Chat.refusal(400, "no"),
    });
    let home = home(&config(&[(Speaks::Chat, &upstream)], "a: [up0/slow-a]\n  b: [up0/slow-b]\n  c: [up0/broken]", ""));
    let begun = Instant::now();
    let output = run(home.path(), &["hi", "--compare", "a,b", "-n"]);
    let took = begun.elapsed();
    let seen = upstream.seen();
    let apart = seen[0].began.max(seen[1].began) - seen[0].began.min(seen[1].began);
    assert!(apart < Duration::from_millis(900), "they are asked at once: {apart:?} of {took:?}");
    let out = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        out.starts_with("── a ──\n\nfrom a\n\n── b ──\n\nfrom b\\u{1b}[31m\n\nMODEL  ANSWERED BY  FIRST TOKEN  TOKENS/S  TOKENS  COST\n"),
        "{out}"
    );
    assert!(out.lines().nth(9).unwrap().starts_with("a      up0/slow-a        1."), "{out}");
    let output = run(home.path(), &["hi", "--compare", "a,c", "--json"]);
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["answers"][0]["answer"], &json["answers"][1]["error"]["code"]), (&json!("from a"), &json!("AIMUX-E0501")));
}

#[test]
fn a_prompt_is_kept_and_used_with_its_variables() {
    let upstream = saying(Speaks::Chat, "fine");
    let home = before(Speaks::Chat, &upstream);
    let save = ["Translate to $lang: $input", "-s", "be $tone", "-o", "temperature=0.1", "-p", "tone=brief", "-m", "kept", "--save", "tr"];
    let output = run(home.path(), &save);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains(".config/aimux/templates/tr.yaml") && upstream.seen().is_empty());
    let output = feed(home.path(), &["-t", "tr", "-p", "lang=French"], b"good morning");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "fine\n"), "{}", stderr(&output));
    let body = upstream.only().json();
    assert!(
        body["messages"].to_string().contains("Translate to French: good morning") && body["messages"].to_string().contains("be brief"),
        "{body}"
    );
    assert_eq!(body["temperature"], 0.1);
    for (args, words) in [(&["x", "-t", "tr"][..], "$lang has no value"), (&["x", "-t", "tt"], "did you mean tr?")] {
        let output = run(home.path(), args);
        assert!(output.status.code() == Some(64) && stderr(&output).contains(words), "{}", stderr(&output));
    }
    std::fs::write(home.path().join(".config/aimux/templates/bad.yaml"), "promt: x\n").unwrap();
    let output = run(home.path(), &["x", "-t", "bad"]);
    assert!(output.status.code() == Some(64) && stderr(&output).contains("promt"), "{}", stderr(&output));
}
