//! The unmodified Claude Code and the SDKs of Anthropic and OpenAI, on upstreams of both dialects.

use std::fs::read_to_string;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::claude::{Claude, agent, calls_and_results, required, shell};
use crate::gateway::{Gateway, TOKEN, config};
use crate::replies::{SIGNATURE, Speaks, text, thinking, tool};
use crate::run::Home;
use crate::upstream::{Act, Answer, Upstream};

const DONE: &str = "ANSWER 4711 complete.";

/// A picture of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Makes a test for each dialect of the upstream.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod claude_on_anthropic { $(#[test] fn $name() { super::$name(crate::replies::Speaks::Anthropic); })* }
        mod claude_on_chat { $(#[test] fn $name() { super::$name(crate::replies::Speaks::Chat); })* }
    };
}

on_both! {
    a_plain_answer
    a_file_is_written_by_its_tool
    parallel_tools
    eight_rounds_of_tools
    thinking_comes_back
    an_image_arrives
    a_long_context_arrives_whole
    a_limit_is_waited_for
    an_overload_is_survived
    a_dead_first_provider_is_not_seen
    a_death_in_mid_text_never_looks_finished
    a_death_in_mid_tool_never_looks_finished
    thirty_seconds_of_silence_are_survived
    context_is_counted_without_a_paid_request
    a_refusal_is_shown_in_its_own_words
}

/// A server before one upstream, and Claude Code before the server.
fn pair(speaks: Speaks, upstream: &Upstream) -> (Gateway, Claude) {
    let gateway = Gateway::before(speaks, upstream);
    let claude = Claude::new(&gateway.url(), TOKEN);
    (gateway, claude)
}

fn a_plain_answer(speaks: Speaks) {
    let upstream = Upstream::start(agent(speaks, vec![vec![text(DONE)]]));
    let (_gateway, claude) = pair(speaks, &upstream);
    let ran = claude.ask("Please answer.");
    ran.assert_says(DONE);
    let usage = &ran.result["usage"];
    assert_eq!(usage["output_tokens"], 56, "{usage}");
    assert_eq!(usage["cache_read_input_tokens"], 789, "{usage}");
    let turn = &upstream.turns()[0];
    assert!(turn.body.len() > 20_000, "the body was cut");
    if speaks == Speaks::Anthropic {
        let body = turn.json();
        assert!(turn.path.contains("beta=true"), "{}", turn.path);
        assert!(turn.header("anthropic-beta").is_some_and(|betas| betas.contains("claude-code-20250219")));
        assert!(turn.header("x-claude-code-session-id").is_some());
        assert!(body["system"][0]["text"].as_str().is_some_and(|text| text.starts_with("x-anthropic-billing-header")));
        assert!(body["thinking"]["type"] == "adaptive" && body["context_management"].is_object() && body["output_config"].is_object());
        assert!(body["messages"].as_array().unwrap().iter().any(|message| message["role"] == "system"), "the system message in the middle");
    } else {
        assert!(turn.text().contains("Available agent types"), "the system message in the middle");
    }
}

fn a_file_is_written_by_its_tool(speaks: Speaks) {
    // The folder is known before the script is.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.txt").display().to_string();
    let steps = vec![
        vec![text("I write it."), tool("toolu_w", "Write", json!({"file_path": path, "content": "line \"one\" – äöü\n"}))],
        vec![tool("toolu_r", "Read", json!({"file_path": path}))],
        vec![text(DONE)],
    ];
    let upstream = Upstream::start(agent(speaks, steps));
    let (_gateway, mut claude) = pair(speaks, &upstream);
    claude.args = vec!["--add-dir".to_owned(), folder.path().display().to_string()];
    claude.ask("Write the file.").assert_says(DONE);
    assert_eq!(read_to_string(&path).unwrap(), "line \"one\" – äöü\n");
    let last = upstream.turns().pop().unwrap();
    assert_eq!(
        calls_and_results(&last),
        (vec!["toolu_w".to_owned(), "toolu_r".to_owned()], vec!["toolu_w".to_owned(), "toolu_r".to_owned()])
    );
    assert!(last.text().contains("line \\\"one\\\""), "the file's text came back");
}

fn parallel_tools(speaks: Speaks) {
    let folder = tempfile::tempdir().unwrap();
    let calls = (0..3).map(|n| shell(&format!("toolu_{n}"), folder.path(), &format!("p{n}"), &format!("par{n}"))).collect();
    let upstream = Upstream::start(agent(speaks, vec![calls, vec![text(DONE)]]));
    let (_gateway, claude) = pair(speaks, &upstream);
    claude.ask("Three at once.").assert_says(DONE);
    for n in 0..3 {
        assert_eq!(read_to_string(folder.path().join(format!("p{n}"))).unwrap(), format!("par{n}"));
    }
    let last = upstream.turns().pop().unwrap();
    let (calls, mut results) = calls_and_results(&last);
    assert_eq!(calls, ["toolu_0", "toolu_1", "toolu_2"]);
    results.sort();
    assert_eq!(results, calls);
}

fn eight_rounds_of_tools(speaks: Speaks) {
    let folder = tempfile::tempdir().unwrap();
    let mut steps: Vec<_> = (0..8).map(|n| vec![shell(&format!("toolu_{n}"), folder.path(), "log", &format!("r{n};"))]).collect();
    steps.push(vec![text(DONE)]);
    let upstream = Upstream::start(agent(speaks, steps));
    let (_gateway, claude) = pair(speaks, &upstream);
    claude.ask("Eight rounds.").assert_says(DONE);
    assert_eq!(read_to_string(folder.path().join("log")).unwrap(), "r0;r1;r2;r3;r4;r5;r6;r7;");
    let (calls, results) = calls_and_results(&upstream.turns().pop().unwrap());
    assert_eq!((calls.len(), &calls), (8, &results));
}

fn thinking_comes_back(speaks: Speaks) {
    let folder = tempfile::tempdir().unwrap();
    let first = vec![thinking("Let me think about it."), shell("toolu_t", folder.path(), "t", "thought")];
    let upstream = Upstream::start(agent(speaks, vec![first, vec![text(DONE)]]));
    let gateway = Gateway::start(&config(&[(speaks, &upstream)], "\"*\": [up0/claude-opus-4-8]", ""));
    let claude = Claude::new(&gateway.url(), TOKEN);
    claude.ask("Think first.").assert_says(DONE);
    let last = upstream.turns().pop().unwrap();
    if speaks == Speaks::Anthropic {
        assert!(last.text().contains(SIGNATURE), "the signature is lost: {}", last.json()["messages"]);
    } else {
        assert!(!last.text().contains("\"signature\""), "a foreign upstream got an envelope: {}", last.text());
    }
    assert_eq!(calls_and_results(&last).1, ["toolu_t"]);
}

fn an_image_arrives(speaks: Speaks) {
    let upstream = Upstream::start(agent(speaks, vec![vec![text(DONE)]]));
    let (_gateway, claude) = pair(speaks, &upstream);
    claude.show("What is this?", PNG).assert_says(DONE);
    let body = upstream.turns()[0].text();
    let whole = if speaks == Speaks::Anthropic { "\"media_type\":\"image/png\"" } else { "data:image/png;base64," };
    assert!(body.contains(whole), "no image upstream");
}

fn a_long_context_arrives_whole(speaks: Speaks) {
    let long: String = (0..2400).map(|n| format!("row {n:05} the quick brown fox jumps over {} lazy dogs\n", n * 7919 % 10007)).collect();
    assert!(long.len() > 125_000);
    let upstream = Upstream::start(agent(speaks, vec![vec![text(DONE)]]));
    let (_gateway, claude) = pair(speaks, &upstream);
    claude.ask(&format!("{long}\nPlease answer.")).assert_says(DONE);
    let turn = &upstream.turns()[0];
    assert!(turn.body.len() > 150_000, "{} bytes", turn.body.len());
    let escaped = serde_json::to_string(long.trim_end()).unwrap();
    assert!(turn.text().contains(escaped.trim_matches('"')), "the prompt did not arrive whole");
}

fn a_limit_is_waited_for(speaks: Speaks) {
    let well = agent(speaks, vec![vec![text(DONE)]]);
    let upstream = Upstream::start(move |seen, before| match before {
        0 if seen.has_tools() => speaks.refusal(429, "slow down").header("retry-after", "3"),
        _ => well(seen, before),
    });
    let (_gateway, claude) = pair(speaks, &upstream);
    claude.ask("Please answer.").assert_says(DONE);
    assert_eq!(upstream.turns().len(), 2);
}

fn an_overload_is_survived(speaks: Speaks) {
    let well = agent(speaks, vec![vec![text(DONE)]]);
    let upstream = Upstream::start(move |seen, before| match before {
        0..3 if seen.has_tools() => speaks.refusal(529, "overloaded"),
        _ => well(seen, before),
    });
    let (_gateway, claude) = pair(speaks, &upstream);
    claude.ask("Please answer.").assert_says(DONE);
    assert_eq!(upstream.turns().len(), 4);
}

fn a_dead_first_provider_is_not_seen(speaks: Speaks) {
    let dead = Upstream::start(|_, _| Answer::dead());
    let upstream = Upstream::start(agent(speaks, vec![vec![text(DONE)]]));
    let gateway = Gateway::start(&config(&[(Speaks::Chat, &dead), (speaks, &upstream)], "\"*\": [up0/m, up1/m]", ""));
    let claude = Claude::new(&gateway.url(), TOKEN);
    claude.ask("Please answer.").assert_says(DONE);
    assert!(!dead.seen().is_empty());
    assert_eq!(upstream.turns().len(), 1);
}

fn a_death_in_mid_text_never_looks_finished(speaks: Speaks) {
    let long: String = (0..60).map(|n| format!("w{n:03} ")).collect::<String>() + DONE;
    let well = agent(speaks, vec![vec![text(&long)]]);
    let upstream = Upstream::start(move |seen, before| match before {
        0 if seen.has_tools() => well(seen, before).after(9, Act::Cut),
        _ => well(seen, before),
    });
    let (_gateway, claude) = pair(speaks, &upstream);
    let ran = claude.ask("A long answer.");
    assert!(ran.is_error || ran.text.contains(DONE), "a cut answer is shown as finished: {}", ran.output);
}

fn a_death_in_mid_tool_never_looks_finished(speaks: Speaks) {
    for act in [Act::Cut, Act::Bytes(b": a polite end\n\n".to_vec())] {
        let folder = tempfile::tempdir().unwrap();
        let well = agent(speaks, vec![vec![text("One tool."), shell("toolu_m", folder.path(), "m", "alpha")], vec![text(DONE)]]);
        let count = if speaks == Speaks::Anthropic { 8 } else { 5 };
        let upstream = Upstream::start(move |seen, before| match before {
            0 if seen.has_tools() => well(seen, before).after(count, act.clone()),
            _ => well(seen, before),
        });
        let (_gateway, claude) = pair(speaks, &upstream);
        let ran = claude.ask("One tool.");
        let written = read_to_string(folder.path().join("m")).unwrap_or_default();
        assert!(["", "alpha"].contains(&written.as_str()), "the tool ran more than once: {written}");
        assert!(ran.is_error || (ran.text.contains(DONE) && written == "alpha"), "the lost call looks finished: {}", ran.output);
    }
}

fn thirty_seconds_of_silence_are_survived(speaks: Speaks) {
    let well = agent(speaks, vec![vec![text(&format!("Some text before the silence. {DONE}"))]]);
    let upstream = Upstream::start(move |seen, before| {
        let answer = well(seen, before);
        if seen.has_tools() { answer.pause(4, Duration::from_secs(30)) } else { answer }
    });
    let gateway = Gateway::start(&config(&[(speaks, &upstream)], "\"*\": [up0/m]", "limits: { keep_alive_s: 2 }"));
    let claude = Claude::new(&gateway.url(), TOKEN);
    let ran = claude.ask("Take your time.");
    ran.assert_says(&format!("Some text before the silence. {DONE}"));
    assert!(ran.took > Duration::from_secs(30) && upstream.turns().len() == 1, "{:?}, {} turns", ran.took, upstream.turns().len());
}

fn context_is_counted_without_a_paid_request(speaks: Speaks) {
    let upstream = Upstream::start(move |seen, _| {
        if seen.path.contains("count_tokens") { Answer::json(200, r#"{"input_tokens":321}"#) } else { speaks.answer(seen, &[text(DONE)]) }
    });
    let (_gateway, claude) = pair(speaks, &upstream);
    let ran = claude.ask("/context");
    assert!(!ran.is_error && ran.text.contains("Context Usage"), "{}", ran.output);
    let paid: Vec<String> = upstream.seen().into_iter().map(|seen| seen.path).filter(|path| !path.contains("count_tokens")).collect();
    assert!(paid.is_empty(), "{paid:?}");
}

fn a_refusal_is_shown_in_its_own_words(speaks: Speaks) {
    let upstream = Upstream::start(move |_, _| speaks.refusal(400, "zebra refusal"));
    let (_gateway, claude) = pair(speaks, &upstream);
    let ran = claude.ask("Please answer.");
    assert!(ran.is_error && ran.text.contains("zebra refusal"), "{}", ran.output);
    assert!(upstream.turns().len() <= 2, "{} requests", upstream.turns().len());
}

/// Claude Code drops thinking whose answer names another model than the one that it asked for.
#[test]
fn claude_sends_thinking_back_though_an_alias_serves() {
    for (preset, speaks) in [("anthropic", Speaks::Anthropic), ("deepseek", Speaks::Chat)] {
        let folder = tempfile::tempdir().unwrap();
        let first = vec![thinking("Let me think about it."), shell("toolu_t", folder.path(), "t", "thought")];
        let upstream = Upstream::start(agent(speaks, vec![first, vec![text(DONE)]]));
        let providers = format!("providers:\n  up0: {{ preset: {preset}, ");
        let config = config(&[(speaks, &upstream)], "\"claude-opus-4-8\": [up0/claude-opus-4-1]", "");
        let gateway = Gateway::start(&config.replace("providers:\n  up0: { ", &providers));
        Claude::new(&gateway.url(), TOKEN).ask("Think first.").assert_says(DONE);
        let last = upstream.turns().pop().unwrap().json();
        assert_eq!(last["model"], "claude-opus-4-1");
        let turn = last["messages"].as_array().unwrap().iter().find(|message| message["role"] == "assistant").unwrap();
        if speaks == Speaks::Anthropic {
            let block = json!({"type": "thinking", "thinking": "Let me think about it.", "signature": SIGNATURE});
            assert_eq!(turn["content"][0], block, "{turn}");
        } else {
            assert_eq!(turn["reasoning_content"], "Let me think about it.", "{turn}");
        }
    }
}

#[test]
fn claude_finds_the_models() {
    let upstream = Upstream::start(agent(Speaks::Chat, vec![vec![text(DONE)]]));
    let models = "claude-fancy-name: [up0/a]\n  \"*\": [up0/b]";
    let gateway = Gateway::start(&config(&[(Speaks::Chat, &upstream)], models, ""));
    let claude = Claude::new(&gateway.url(), TOKEN).env("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1");
    claude.ask("Please answer.").assert_says(DONE);
    let cached = read_to_string(claude.home().join(".claude/cache/gateway-models.json")).unwrap_or_default();
    assert!(cached.contains("claude-fancy-name"), "{cached}");
}

#[test]
fn claude_talks_to_the_demo() {
    let gateway = Gateway::demo();
    let token = gateway.greeting.iter().find_map(|line| line.strip_prefix("export ANTHROPIC_AUTH_TOKEN=")).expect("a token is printed");
    let ran = Claude::new(&gateway.url(), token).ask("hello");
    assert!(!ran.is_error && !ran.text.is_empty(), "{}", ran.output);
}

/// Runs an SDK's program with one job as its argument; gives what the SDK understood.
fn sdk(language: &str, kind: &str, job: &str, url: &str) -> Value {
    let program = |name: &str| format!("{}/tests/gateway/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut command = match language {
        "python" => {
            let mut command = Command::new(required("AIMUX_TEST_PY"));
            command.arg(program("sdk.py"));
            command
        }
        _ => {
            let mut command = Command::new("node");
            command.arg(program("sdk.mjs")).arg(required("AIMUX_TEST_JS"));
            command
        }
    };
    let output = command.args([kind, job, url, TOKEN]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(stdout.trim()).unwrap_or_else(|_| panic!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// The programs of docs/getting-started.md, against the demo.
#[test]
fn the_programs_of_the_page_for_beginners_get_an_answer() {
    let page = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/getting-started.md")).unwrap();
    let demo = Gateway::demo();
    let token = demo.greeting.iter().find_map(|line| line.strip_prefix("export ANTHROPIC_AUTH_TOKEN=")).unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(format!("{}/node_modules", required("AIMUX_TEST_JS")), folder.path().join("node_modules")).unwrap();
    let mut count = 0;
    for (language, name, program) in [("python", "program.py", required("AIMUX_TEST_PY")), ("js", "program.mjs", "node".to_owned())] {
        for block in page.split(&format!("```{language}\n")).skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let path = folder.path().join(name);
            std::fs::write(&path, block).unwrap();
            let mut command = Command::new(&program);
            command.arg(&path).env("ANTHROPIC_BASE_URL", demo.url()).env("ANTHROPIC_AUTH_TOKEN", &token).env_remove("ANTHROPIC_API_KEY");
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && said.contains("You said: hello"),
                "{block}{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            count += 1;
        }
    }
    assert_eq!(count, 4);
}

/// An answer of two halves, said by two upstreams.
fn sdk_takes_two_halves_for_one(language: &str, kind: &str) {
    for (one, other) in [(Speaks::Anthropic, Speaks::Chat), (Speaks::Chat, Speaks::Anthropic)] {
        let pause = Duration::from_millis(60);
        let dies = Upstream::start(move |seen, _| {
            let answer = one.answer(seen, &[text("ANSWER 4711 is nearly complete, and now it dies")]);
            answer.after(if one == Speaks::Anthropic { 6 } else { 4 }, Act::Cut).pause(4, pause)
        });
        // It repeats all that it knows of.
        let goes = Upstream::start(move |seen, _| other.answer(seen, &[text("ANSWER 4711 is nearly complete, and now it is.")]));
        let models = "test-model: { use: [up0/m, up1/m], continue: text }";
        let gateway = Gateway::start(&config(&[(one, &dies), (other, &goes)], models, ""));
        let got = sdk(language, kind, "stream", &gateway.url());
        assert_eq!(got["final"], "ANSWER 4711 is nearly complete, and now it is.", "{language} {kind}: {got}\n{}", gateway.log());
        assert!(got["error"].is_null(), "{language} {kind}: {got}");
        assert_eq!((dies.seen().len(), goes.seen().len()), (1, 1), "{language} {kind}");
    }
}

/// Each SDK on each dialect: whole, streamed, two tools, a limit, a broken stream, the models.
fn sdk_does_everything(language: &str, kind: &str) {
    for speaks in [Speaks::Anthropic, Speaks::Chat] {
        let tools = [text("Two."), tool("call_1", "note", json!({"text": "ä\"1\""})), tool("call_2", "note", json!({"text": "two"}))];
        let upstream = Upstream::start(agent(speaks, vec![tools.to_vec(), vec![text(DONE)]]));
        let gateway = Gateway::start(&config(&[(speaks, &upstream)], "test-model: [up0/m]", ""));
        let what = |job: &str| format!("{language} {kind} {job} on {speaks:?}");
        for job in ["whole", "stream"] {
            let got = sdk(language, kind, job, &gateway.url());
            assert_eq!(got["final"], DONE, "{}: {got}", what(job));
            assert_eq!(got["notes"], json!(["ä\"1\"", "two"]), "{}: {got}", what(job));
            assert_eq!(got["output_tokens"], 56, "{}: {got}", what(job));
            let (calls, results) = calls_and_results(&upstream.turns().pop().unwrap());
            assert_eq!((calls, results), (vec!["call_1".into(), "call_2".into()], vec!["call_1".into(), "call_2".into()]), "{}", what(job));
        }
        let got = sdk(language, kind, "models", &gateway.url());
        assert!(got["models"].as_array().is_some_and(|models| models.contains(&json!("test-model"))), "{}: {got}", what("models"));

        let limited = Upstream::start(move |_, _| speaks.refusal(429, "zebra limit").header("retry-after", "30"));
        let gateway = Gateway::start(&config(&[(speaks, &limited)], "test-model: [up0/m]", ""));
        let got = sdk(language, kind, "stream", &gateway.url());
        assert!(got["error"].as_str().is_some_and(|error| error.contains("zebra limit")), "{}: {got}", what("limit"));
        assert_eq!(got["status"], 429, "{}: {got}", what("limit"));

        for act in [Act::Cut, Act::Bytes(b": a polite end\n\n".to_vec())] {
            let broken =
                Upstream::start(move |seen, _| speaks.answer(seen, &[text("a text that is cut in the middle")]).after(4, act.clone()));
            let gateway = Gateway::start(&config(&[(speaks, &broken)], "test-model: [up0/m]", ""));
            let got = sdk(language, kind, "stream", &gateway.url());
            assert!(got["error"].is_string(), "{}: a cut answer looks finished: {got}", what("broken"));
        }
    }
}

#[test]
fn the_anthropic_sdk_for_python() {
    sdk_does_everything("python", "anthropic");
    sdk_takes_two_halves_for_one("python", "anthropic");
}

#[test]
fn the_openai_sdk_for_python() {
    sdk_does_everything("python", "openai");
    sdk_takes_two_halves_for_one("python", "openai");
}

#[test]
fn the_anthropic_sdk_for_javascript() {
    sdk_does_everything("javascript", "anthropic");
    sdk_takes_two_halves_for_one("javascript", "anthropic");
}

#[test]
fn the_openai_sdk_for_javascript() {
    sdk_does_everything("javascript", "openai");
    sdk_takes_two_halves_for_one("javascript", "openai");
}

/// A user who has other plans in every place where Claude Code looks still gets answers from `aimux run claude`.
#[test]
fn claude_is_run_with_a_server_on_demand() {
    let upstream = Upstream::start(agent(Speaks::Chat, vec![vec![text(DONE)]]));
    let home = Home::new(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/m]", ""));
    let program = std::path::PathBuf::from(required("AIMUX_TEST_CLAUDE"));
    let mut claude =
        Claude::new("http://127.0.0.1:9", "of-another").env("ANTHROPIC_API_KEY", "sk-of-the-user").env("CLAUDE_CODE_USE_BEDROCK", "1");
    let elsewhere =
        json!({"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "sk-x", "CLAUDE_CODE_USE_VERTEX": "1"}});
    std::fs::create_dir_all(claude.home().join(".claude")).unwrap();
    std::fs::write(claude.home().join(".claude/settings.json"), elsewhere.to_string()).unwrap();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let command = |more: &[&str]| home.aimux(&[&["run", "claude", "--", "-p", "--output-format", "json"], more].concat());
    for (name, value) in command(&[]).get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?))) {
        claude.env.push((name.to_owned(), if name == "PATH" { path.clone() } else { value.to_owned() }));
    }
    claude.finish(command(&[]), "Please answer.").assert_says(DONE);
    assert!(upstream.turns()[0].body.len() > 20_000, "the whole of Claude Code's request");
    let refused = claude.finish(command(&["--resume", "no-such-session"]), "Please answer.");
    assert!(refused.output.starts_with("exit status: 1"), "its exit code is passed on: {}", refused.output);
    claude.finish(command(&[]), "Please answer again.").assert_says(DONE);
}

/// opencode asks by the provider that it is told of, streamed, with its own tools beside the prompt.
#[test]
fn opencode_is_run_with_a_server_on_demand() {
    let upstream = Upstream::start(agent(Speaks::Anthropic, vec![vec![text(DONE)]]));
    let home = Home::new(&config(&[(Speaks::Anthropic, &upstream)], "helper: [up0/m]", ""));
    let program = std::path::PathBuf::from(required("AIMUX_TEST_OPENCODE"));
    let folder = home.path().join("project");
    std::fs::create_dir(&folder).unwrap();
    let mut command = home.aimux(&["run", "opencode", "--", "run", "--model", "aimux/helper", "Please answer."]);
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = command.env("PATH", path).current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(DONE), "{output:?}");
    let turns = upstream.turns();
    assert!(turns.iter().any(|seen| seen.json()["tools"].as_array().is_some_and(|tools| tools.len() > 3)), "its tools arrive");
    assert!(turns.iter().all(|seen| seen.json()["model"] == "m"));
}

/// A server of tools that others made, before a model that makes one call.
fn with_a_real_server(
    name: &'static str,
    input: serde_json::Value,
    mcp: &str,
    folder: &std::path::Path,
) -> (Upstream, std::process::Output) {
    let upstream = Upstream::start(move |seen, _| match seen.json()["messages"].to_string().contains("tool_result") {
        true => Speaks::Anthropic.answer(seen, &[text("done")]),
        false => Speaks::Anthropic.answer(seen, &[tool("toolu_1", name, input.clone())]),
    });
    let config = crate::gateway::config(&[(Speaks::Anthropic, &upstream)], "\"*\": [up0/up-model]", mcp);
    let home = crate::oneshot::home(&config);
    let output = crate::oneshot::route(home.path(), &["hi", "--tool", "real", "--yes", "real"]).current_dir(folder).output().unwrap();
    (upstream, output)
}

fn script_of(server: &str) -> String {
    format!("{}/node_modules/@modelcontextprotocol/{server}/dist/index.js", required("AIMUX_TEST_MCP"))
}

#[test]
fn the_filesystem_server_reads_in_every_sandbox_and_writes_where_it_may() {
    let script = script_of("server-filesystem");
    for sandbox in ["sandbox: off", "sandbox: {}", "sandbox: { by: bubblewrap }", "sandbox: { by: landlock }"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "a note of ours\n").unwrap();
        let mcp = format!("mcp:\n  real: {{ command: node, args: [\"{script}\", \".\"], {sandbox} }}\n");
        let (upstream, output) = with_a_real_server("read_text_file", serde_json::json!({"path": "notes.txt"}), &mcp, folder.path());
        assert_eq!(output.status.code(), Some(0), "{sandbox}: {}", crate::oneshot::stderr(&output));
        assert!(crate::oneshot::stderr(&output).contains("real.read_text_file"), "{}", crate::oneshot::stderr(&output));
        assert!(upstream.seen().pop().unwrap().text().contains("a note of ours"), "{sandbox}: {}", upstream.seen().pop().unwrap().text());
        let written = serde_json::json!({"path": "new.txt", "content": "written"});
        let (upstream, output) = with_a_real_server("write_file", written, &mcp, folder.path());
        let told = upstream.seen().pop().unwrap().text();
        assert_eq!(output.status.code(), Some(0), "{sandbox}: {}", crate::oneshot::stderr(&output));
        assert_eq!(std::fs::read_to_string(folder.path().join("new.txt")).unwrap_or_default(), "written", "{sandbox}: {told}");
    }
}

#[test]
fn the_everything_server_answers_over_http_and_as_a_program() {
    let script = script_of("server-everything");
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = std::process::Command::new("node");
    server.args([&script, "streamableHttp"]).env("PORT", port.to_string());
    let mut server = server.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    crate::gateway::until("the server listens", std::time::Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let afar = format!("mcp:\n  real: {{ url: \"http://127.0.0.1:{port}/mcp\" }}\n");
    let here = format!("mcp:\n  real: {{ command: node, args: [\"{script}\"] }}\n");
    let answers =
        [afar, here].map(|mcp| with_a_real_server("echo", serde_json::json!({"message": "hello out there"}), &mcp, folder.path()));
    let _ = server.kill();
    let _ = server.wait();
    for (upstream, output) in answers {
        assert_eq!(output.status.code(), Some(0), "{}", crate::oneshot::stderr(&output));
        let told = upstream.seen().pop().unwrap().text();
        assert!(told.contains("Echo: hello out there"), "{told} {}", crate::oneshot::stderr(&output));
    }
}
