//! `aimux bench` against providers whose times are known, through a server that runs.

use std::time::Duration;

use serde_json::Value;

use crate::gateway::{Gateway, aimux, config};
use crate::replies::{self, Speaks};
use crate::upstream::Upstream;

/// A bench of `up0/m` through the running gateway: its report, its words on standard error, its exit code.
fn bench(gateway: &Gateway, args: &[&str]) -> (Value, String, Option<i32>) {
    let path = gateway.home().join("aimux.yaml");
    let mut command = aimux(&gateway.home());
    command.args(["bench", "up0/m", "--json", "--config", path.to_str().unwrap()]).args(args);
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (told, String::from_utf8(output.stderr).unwrap(), output.status.code())
}

fn p50(side: &Value, figure: &str) -> f64 {
    side[figure]["ranks"][0].as_f64().unwrap_or_else(|| panic!("{figure} of {side}"))
}

#[test]
fn waits_of_a_known_provider_are_told_as_they_are() {
    let upstream = Upstream::start(|request, _| {
        let answer = Speaks::Anthropic.answer(request, &[replies::text("one two three")]);
        // 50 ms to the head, 100 ms more before what follows the third frame.
        answer.late(Duration::from_millis(50)).pause(3, Duration::from_millis(100))
    });
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "", ""));
    let (told, words, exit) = bench(&gateway, &["-n", "6", "--yes"]);
    assert_eq!(exit, Some(0), "{words}");
    assert!(words.contains("up0/m: 14 requests of about") && words.contains("its price is not known"), "{words}");
    let sides = told["targets"][0]["sides"].as_array().unwrap();
    for side in sides {
        assert!((150.0..400.0).contains(&p50(side, "total")), "{side}");
        assert!((50.0..400.0).contains(&p50(side, "ttft")), "{side}");
    }
    assert!((50.0..130.0).contains(&p50(&sides[0], "ttfb")), "{}", sides[0]);
    let added = &told["targets"][0]["overhead"][2]["added_ms"];
    assert!(added["estimate"].as_f64().unwrap().abs() < 60.0, "{added}");
}

#[test]
fn errors_are_told_by_code_and_a_way_without_an_answer_fails() {
    let upstream = Upstream::start(|_, _| Speaks::Anthropic.refusal(400, "no"));
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "", ""));
    let (told, words, exit) = bench(&gateway, &["-n", "3", "--yes"]);
    assert_eq!(exit, Some(69), "{words}");
    let errors = |side: usize| told["targets"][0]["sides"][side]["errors"][0].clone();
    assert_eq!(errors(0), serde_json::json!(["HTTP 400", 3]), "{told}");
    assert!(errors(1)[0].as_str().unwrap().starts_with("HTTP 400"), "{told}");
}

#[test]
fn nothing_is_spent_that_was_not_allowed() {
    let upstream = Upstream::start(|request, _| Speaks::Anthropic.answer(request, &[replies::text("hi")]));
    let unpriced = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "", ""));
    let (_, words, exit) = bench(&unpriced, &["-n", "2"]);
    assert_eq!(exit, Some(75), "{words}");
    assert!(words.contains("its price is not known") && words.contains("there is no terminal to ask on"), "{words}");
    assert!(upstream.seen().is_empty(), "nothing was asked");
}

#[test]
fn a_stall_is_in_the_open_loops_figures_for_all_that_were_due() {
    let upstream = Upstream::start(|request, before| {
        let answer = Speaks::Anthropic.answer(request, &[replies::text("hi")]);
        // One request stalls; the others go on at once.
        if before == 5 { answer.late(Duration::from_millis(700)) } else { answer }
    });
    let gateway = Gateway::start(&config(&[(Speaks::Anthropic, &upstream)], "", ""));
    let (told, words, exit) = bench(&gateway, &["-n", "20", "--rate", "20", "--via", "direct", "--yes"]);
    assert_eq!(exit, Some(0), "{words}");
    let side = &told["targets"][0]["sides"][0];
    assert!(side["total"]["max"].as_f64().unwrap() >= 690.0 && p50(side, "total") < 300.0, "{side}");
    assert!(told["targets"][0]["load"].as_str().unwrap().contains("20 a second"), "{told}");
}

#[test]
fn a_run_ends_before_it_passes_what_was_allowed() {
    let upstream = Upstream::start(|request, _| Speaks::Anthropic.answer(request, &[replies::text("hi")]));
    let priced = config(&[(Speaks::Anthropic, &upstream)], "", "")
        .replace("UPSTREAM_KEY } }", "UPSTREAM_KEY }, models: { m: { price_input: 1000, price_output: 1000 } } }");
    let gateway = Gateway::start(&priced);
    // By estimate an answer costs 15 cents at most; in truth each takes 1,234 tokens of input, which cost more than a dollar.
    let (told, words, exit) = bench(&gateway, &["-n", "10", "--via", "direct", "--max-cost", "3", "--max-tokens", "100"]);
    assert_eq!(exit, Some(0), "{words}");
    let (cut, spent) = (told["targets"][0]["cut"].as_str().unwrap_or_default(), upstream.seen().len());
    assert!(cut.contains("allowed") || cut.contains("cost") || cut.contains("spent"), "{cut:?} {told}");
    assert!((2..=5).contains(&spent), "{spent} requests");
}
