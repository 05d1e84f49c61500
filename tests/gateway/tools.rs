//! `aimux route --tool`: a scripted model calls tools of a server that is a small shell script, well-behaved or not.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::BOTH;
use crate::gateway::{Gateway, KEY, config, until};
use crate::oneshot::{home, route, run, said, stderr, stdout};
use crate::replies::{Block, Speaks, text, tool};
use crate::terminal::Terminal;
use crate::upstream::{Answer, Seen, Upstream};

/// A server of tools: each line on its input is a message. It writes what it gets into `got` of its folder.
pub(crate) const SERVER: &str = r#"
echo "hello, this is no message"
while IFS= read -r line; do
  printf '%s\n' "$line" >> got
  id=${line#*'"id":'}; id=${id%%[,\}]*}
  say() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  schema='"inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}'
  case $line in
    *'"method":"initialize"'*) say '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"t","version":"1"}}' ;;
    *'"method":"tools/list"'*)
      list=
      for name in echo die hang flood fails picture env write fetch group; do list="$list,{\"name\":\"$name\",\"description\":\"does $name\",$schema}"; done
      say "{\"tools\":[${list#,}]}" ;;
    *'"name":"echo"'*) say '{"content":[{"type":"text","text":"an echo"}]}' ;;
    *'"name":"die"'*) echo 'out of \033[31mluck' >&2; exit 3 ;;
    *'"name":"hang"'*) ;;
    *'"name":"flood"'*) big=$(head -c 200000 /dev/zero | tr '\0' x); say "{\"content\":[{\"type\":\"text\",\"text\":\"$big\"}]}" ;;
    *'"name":"fails"'*) say '{"content":[{"type":"text","text":"no \u001b[2J such thing"}],"isError":true}' ;;
    *'"name":"picture"'*) say '{"content":[{"type":"image","mimeType":"image/png","data":"iVBORw0KGgo="},{"type":"audio","mimeType":"audio/wav","data":"AAAA"}]}' ;;
    *'"name":"env"'*) say "{\"content\":[{\"type\":\"text\",\"text\":\"$(env | cut -d= -f1 | sort | tr '\n' ' ') own=$OWN secret=$SECRET\"}]}" ;;
    *'"name":"write"'*)
      for place in inside "$HOME/outside" "$TMPDIR/scratch" "$SHARED/shared"; do
        if (: > "$place") 2>/dev/null; then result="$result yes"; else result="$result no"; fi
      done
      say "{\"content\":[{\"type\":\"text\",\"text\":\"wrote:$result\"}]}" ;;
    *'"name":"fetch"'*)
      if bash -c ": < /dev/tcp/127.0.0.1/$PORT" 2>/dev/null; then result=open; else result=shut; fi
      say "{\"content\":[{\"type\":\"text\",\"text\":\"network: $result\"}]}" ;;
    *'"name":"group"'*) sleep 1000 & echo $! > child; trap '' TERM; say '{"content":[{"type":"text","text":"started"}]}'; sleep 1000 ;;
  esac
done
"#;

/// A config with one server of tools, `box`, in the folder `work` of the home. Fields come before those that are usual.
fn with_server(home: &Path, script: &str, upstreams: &[(Speaks, &Upstream)], fields: &str) -> String {
    let work = home.join("work");
    std::fs::create_dir_all(&work).unwrap();
    let path = home.join("server.sh");
    std::fs::write(&path, script).unwrap();
    let sandbox = if fields.contains("sandbox") { "" } else { ", sandbox: off" };
    let server = format!("mcp:\n  box: {{ command: sh, args: [\"{}\"], cwd: \"{}\"{sandbox}{fields} }}\n", path.display(), work.display());
    config(upstreams, "\"*\": [up0/up-model]", &server)
}

fn prepared(script: &str, upstreams: &[(Speaks, &Upstream)], fields: &str) -> tempfile::TempDir {
    let home = home("");
    let text = with_server(home.path(), script, upstreams, fields);
    std::fs::write(home.path().join(".config/aimux/config.yaml"), text).unwrap();
    home
}

/// Whether a request has the results of as many calls.
fn results(seen: &Seen) -> usize {
    let body = seen.json()["messages"].to_string();
    body.matches("\"tool_result\"").count() + body.matches("\"role\":\"tool\"").count()
}

/// A model that makes these calls, one after the other, then says that it is done.
fn calling(speaks: Speaks, calls: &'static [(&'static str, &'static str)]) -> Upstream {
    Upstream::start(move |seen, _| match calls.get(results(seen)) {
        Some((name, input)) => {
            let id = format!("call_{}", results(seen));
            let call: Block = tool(&id, name, serde_json::from_str(input).unwrap());
            speaks.answer(seen, &[text("let me see"), call])
        }
        None => speaks.answer(seen, &[text("all done")]),
    })
}

/// What the model was told of its calls, one text.
fn told(upstream: &Upstream) -> String {
    upstream.seen().pop().unwrap().json()["messages"].to_string()
}

/// A command that ends with an error of its servers.
pub(crate) fn stopped(script: &str, steps: u32) -> Output {
    let upstream = calling(Speaks::Chat, &[("echo", "{}"), ("echo", "{}")]);
    let home = prepared(script, &[(Speaks::Chat, &upstream)], "");
    run(home.path(), &["hi", "--tool", "box", "--yes", "box", "--steps", &steps.to_string()])
}

#[test]
fn a_model_calls_a_tool_and_goes_on_with_its_result() {
    for speaks in BOTH {
        let upstream = calling(speaks, &[("echo", r#"{"text":"one"}"#), ("echo", r#"{"text":"two"}"#)]);
        let home = prepared(SERVER, &[(speaks, &upstream)], "");
        let output = run(home.path(), &["say it", "--tool", "box.echo", "--yes", "box"]);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(0), "let me see\nlet me see\nall done\n"),
            "{}",
            stderr(&output)
        );
        let err = stderr(&output);
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!(lines.len(), 2, "{err}");
        assert!(lines[0].starts_with("aimux: step 1: box.echo {\"text\":\"one\"}: 7 B in "), "{err}");
        assert!(lines[1].starts_with("aimux: step 2: box.echo {\"text\":\"two\"}: 7 B in "), "{err}");
        let seen = upstream.seen();
        assert_eq!(seen.len(), 3);
        let tools = seen[0].json()["tools"].to_string();
        assert!(tools.contains("does echo") && !tools.contains("does die"), "one tool is let in: {tools}");
        let told = told(&upstream);
        assert!(told.contains("an echo") && told.contains("call_0") && told.contains("call_1") && told.contains("say it"), "{told}");
        let got = std::fs::read_to_string(home.path().join("work/got")).unwrap();
        assert!(got.contains(r#""arguments":{"text":"one"}"#), "{got}");
    }
}

#[test]
fn the_steps_stand_in_the_json_and_in_the_logs_through_a_server_too() {
    let upstream = calling(Speaks::Anthropic, &[("echo", r#"{"text":"one"}"#), ("fails", "{}")]);
    let folder = tempfile::tempdir().unwrap();
    let text = with_server(folder.path(), SERVER, &[(Speaks::Anthropic, &upstream)], "");
    let gateway = Gateway::start_in(folder, &text, &[]);
    let home = gateway.home();
    let path = home.join("aimux.yaml");
    for direct in [&[][..], &["--direct"]] {
        let args = ["hi", "--json", "--tool", "box", "--yes", "b*.*", "--config", path.to_str().unwrap()];
        let output = run(&home, &[&args[..], direct].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        assert_eq!((&json["answer"], &json["complete"], &json["attempts"]), (&json!("all done"), &json!(true), &json!(3)), "{json}");
        assert_eq!(json["usage"]["output_tokens"], 3 * 56, "{json}");
        let steps = json["steps"].as_array().unwrap();
        assert_eq!((steps.len(), &steps[0]["text"]), (2, &json!("let me see")));
        let call = &steps[0]["calls"][0];
        assert_eq!([&call["server"], &call["tool"], &call["arguments"]], ["box", "echo", "{\"text\":\"one\"}"]);
        assert_eq!([&call["approved"], &call["outcome"], &call["result"]], ["--yes", "answered", "an echo"]);
        assert_eq!((&call["is_error"], &call["cut"], &call["bytes"]), (&json!(false), &json!(false), &json!(7)));
        let call = &steps[1]["calls"][0];
        assert_eq!((&call["is_error"], &call["result"]), (&json!(true), &json!("no \u{1b}[2J such thing")), "{call}");
        assert!(stderr(&output).contains("no \\u{1b}[2J such thing"), "{}", stderr(&output));
    }
    let shown = crate::gateway::aimux(&home).args(["logs", "show", "--json", "--config", path.to_str().unwrap()]).output().unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{}", stderr(&shown)));
    assert_eq!(shown["exchanges"][0]["steps"][0]["calls"][0]["result"], "an echo", "{shown}");
    let shown = crate::gateway::aimux(&home).args(["logs", "show", "--config", path.to_str().unwrap()]).output().unwrap();
    assert!(stdout(&shown).contains("box.echo {\"text\":\"one\"}"), "{}", stdout(&shown));
}

#[test]
fn a_call_that_nobody_approves_is_not_made_and_the_model_is_told() {
    let upstream = calling(Speaks::Chat, &[("echo", "{}"), ("no_such_tool", "{}")]);
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], "");
    let output = run(home.path(), &["hi", "--tool", "box", "--yes", "box.fails"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("box.echo {}: refused") && stderr(&output).contains("no_such_tool {}: failed"), "{}", stderr(&output));
    let told = told(&upstream);
    assert!(told.contains("nobody is there to give it") && told.contains("there is no tool"), "{told}");
    let got = std::fs::read_to_string(home.path().join("work/got")).unwrap();
    assert!(!got.contains("tools/call"), "{got}");
}

#[test]
fn a_call_whose_arguments_do_not_fit_the_tool_is_not_made_and_the_model_may_mend_it() {
    for speaks in BOTH {
        let upstream = calling(speaks, &[("echo", r#"{"text":["\u001b[2J"]}"#), ("echo", r#"{"text":"mended"}"#)]);
        let home = prepared(SERVER, &[(speaks, &upstream)], "");
        let output = run(home.path(), &["hi", "--json", "--tool", "box", "--yes", "box"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let err = stderr(&output);
        assert!(err.contains("step 1: box.echo {\"text\":[\"\\u001b[2J\"]}: not made, the arguments do not fit: /text: "), "{err}");
        assert!(err.contains("step 2: box.echo {\"text\":\"mended\"}: 7 B") && !err.contains('\u{1b}'), "{err}");
        let seen = upstream.seen();
        let told = seen[1].json()["messages"].to_string();
        assert!(told.contains("do not fit the tool's input schema. /text: ") && told.contains("is not of type"), "{told}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let calls: Vec<&Value> = json["steps"].as_array().unwrap().iter().map(|step| &step["calls"][0]).collect();
        assert_eq!([&calls[0]["outcome"], &calls[0]["approved"], &calls[0]["tool"]], ["misfit", "", "echo"], "{json}");
        assert_eq!((&calls[0]["is_error"], &calls[0]["bytes"], &calls[1]["outcome"]), (&json!(true), &json!(0), &json!("answered")));
        let got = std::fs::read_to_string(home.path().join("work/got")).unwrap();
        assert_eq!(got.matches("tools/call").count(), 1, "{got}");
    }
}

#[test]
fn nobody_is_asked_about_a_call_that_does_not_fit_and_steps_bound_how_often_it_comes() {
    for bad in ["[1]", "\"text\"", r#"{"text":null}"#] {
        let upstream = Upstream::start(move |seen, _| {
            let call = tool(&format!("call_{}", results(seen)), "echo", serde_json::from_str(bad).unwrap());
            Speaks::Chat.answer(seen, &[call])
        });
        let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], "");
        let output = run(home.path(), &["hi", "--tool", "box", "--steps", "2"]);
        let err = stderr(&output);
        assert!(output.status.code() == Some(75) && err.contains("still calls tools after 2 steps"), "{err}");
        assert!(err.matches(": not made, the arguments do not fit: ").count() == 2 && !err.contains("refused"), "{err}");
        assert_eq!(upstream.seen().len(), 3);
        let got = std::fs::read_to_string(home.path().join("work/got")).unwrap();
        assert!(!got.contains("tools/call"), "{got}");
    }
}

#[test]
fn a_schema_of_no_use_is_said_once_and_fetched_from_nowhere() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for schema in
        [r#""type":"nothing""#.to_owned(), format!(r#""$ref":"http://{address}/s.json""#), r#""$ref":"file:///etc/passwd""#.to_owned()]
    {
        let upstream = calling(Speaks::Chat, &[("echo", r#"{"text":1}"#), ("echo", r#"{"text":2}"#), ("echo", "[2]")]);
        let script = SERVER.replace(r#"{"type":"object","properties":{"text":{"type":"string"}}}"#, &format!("{{{schema}}}"));
        let home = prepared(&script, &[(Speaks::Chat, &upstream)], "");
        let output = run(home.path(), &["hi", "--tool", "box.echo", "--yes", "box"]);
        let err = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert_eq!(err.matches("box.echo: its arguments are not checked").count(), 1, "{err}");
        assert!(err.contains("step 2: box.echo {\"text\":2}: 7 B") && err.contains("step 3: box.echo [2]: not made"), "{err}");
    }
    assert!(listener.accept().is_err(), "somebody came for the schema");
}

#[test]
fn whatever_a_server_does_the_model_is_told_and_the_command_goes_on() {
    for (calls, fields, told_of, shown) in [
        (&[("die", "{}"), ("echo", "{}")][..], "", "the server has ended; it said: out of", "failed in"),
        (&[("hang", "{}"), ("echo", "{}")], ", timeout_s: 1", "no answer within 1 s", "failed in"),
        (&[("flood", "{}")], ", output_kb: 4", "[cut off by aimux: 195904 more bytes]", "195.3 KiB, not all of it given on,"),
        (&[("fails", "{}")], "", "such thing", "an error, 18 B in"),
        (&[("picture", "{}")], "", "data:image/png;base64,iVBORw0KGgo=", "not all of it given on"),
    ] {
        let upstream = calling(Speaks::Chat, calls);
        let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], fields);
        let began = Instant::now();
        let output = run(home.path(), &["hi", "--tool", "box", "--yes", "box"]);
        assert_eq!(output.status.code(), Some(0), "{calls:?}: {}", stderr(&output));
        assert!(began.elapsed() < Duration::from_secs(10), "{calls:?}");
        assert!(told(&upstream).contains(told_of), "{calls:?}: {}", told(&upstream));
        let err = stderr(&output);
        assert!(err.contains(shown) && !err.contains('\u{1b}'), "{calls:?}: {err}");
    }
}

#[test]
fn pictures_are_named_where_the_model_sees_none() {
    let upstream = calling(Speaks::Chat, &[("picture", "{}")]);
    let home = home("");
    let text = with_server(home.path(), SERVER, &[(Speaks::Chat, &upstream)], "");
    let text = text.replace("key: { env: UPSTREAM_KEY } }", "key: { env: UPSTREAM_KEY }, models: { up-model: { images: false } } }");
    std::fs::write(home.path().join(".config/aimux/config.yaml"), text).unwrap();
    let output = run(home.path(), &["hi", "--tool", "box", "--yes", "box"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(told(&upstream).contains("[a picture, image/png, 9 bytes]"), "{}", told(&upstream));
}

#[test]
fn a_server_gets_its_own_variables_and_no_key_of_ours() {
    let upstream = calling(Speaks::Chat, &[("env", "{}")]);
    let fields = ", env: { OWN: mine }, key: { env: UPSTREAM_KEY }, key_in: SECRET";
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], fields);
    let output = run(home.path(), &["hi", "--tool", "box", "--yes", "box"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = told(&upstream);
    assert!(told.contains("own=mine") && told.contains(&format!("secret={KEY}")), "{told}");
    assert!(!told.contains("UPSTREAM_KEY") && !told.contains("AIMUX_CLIENT_TOKEN") && told.contains(" PATH "), "{told}");
    assert!(!stderr(&output).contains(KEY), "{}", stderr(&output));
}

#[test]
fn names_that_nothing_has_and_servers_that_do_not_start_end_it_before_anybody_is_asked() {
    let upstream = calling(Speaks::Chat, &[]);
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], ", start_s: 1");
    for (args, code, words) in [
        (&["--tool", "bix"][..], 64, "did you mean \"box\"?"),
        (&["--tool", "box.ecko"], 64, "did you mean \"box.echo\"?"),
        (&["--tool", "box.echo", "--yes", "box.die"], 64, "--yes box.die names no tool that is let in"),
        (&["--yes", "box"], 64, "--tool"),
        (&["--tool", "box", "--steps", "0"], 64, "--steps"),
    ] {
        let output = run(home.path(), &[&["hi"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{args:?}: {}", stderr(&output));
    }
    for (script, words) in [
        ("echo broken >&2; exit 1", "it said: broken"),
        ("sleep 100", "did not name its tools within 1 s"),
        ("read -r line; echo '{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-1,\"message\":\"go away\"}}'; sleep 100", "go away"),
        ("head -c 17000000 /dev/zero | tr '\\0' x; sleep 100", "more than 16 MiB"),
    ] {
        std::fs::write(home.path().join("server.sh"), script).unwrap();
        let output = run(home.path(), &["hi", "--tool", "box"]);
        assert_eq!(output.status.code(), Some(69), "{script}: {}", stderr(&output));
        assert!(stderr(&output).contains(words) && stderr(&output).contains("AIMUX-E0801"), "{script}: {}", stderr(&output));
    }
    assert!(upstream.seen().is_empty());
}

/// Whether a process is there, and no zombie.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn nothing_that_a_server_started_outlives_the_command() {
    for sandbox in ["", ", sandbox: { by: bubblewrap }", ", sandbox: { by: landlock }"] {
        for signals in [0, 1, 2] {
            let upstream = calling(Speaks::Chat, &[("group", "{}"), ("hang", "{}")]);
            let home =
                prepared(SERVER, &[(Speaks::Chat, &upstream)], &format!(", timeout_s: {}{sandbox}", if signals == 0 { 1 } else { 60 }));
            let mut child = route(home.path(), &["hi", "--tool", "box", "--yes", "box"]).spawn().unwrap();
            let pid = home.path().join("work/child");
            until("the server has started something", Duration::from_secs(20), || {
                std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')) && upstream.seen().len() > 1
            });
            for _ in 0..signals {
                Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
            }
            let code = child.wait().unwrap().code();
            assert_eq!(code, Some(if signals == 0 { 0 } else { 130 }), "{sandbox} {signals}");
            // In bubblewrap a process has another number.
            if !sandbox.contains("bubblewrap") {
                let pid = std::fs::read_to_string(&pid).unwrap();
                until("what it started has ended", Duration::from_secs(5), || !lives(&pid));
            }
            let work = home.path().join("work").canonicalize().unwrap();
            until("nobody is left in its folder", Duration::from_secs(5), || !is_inhabited(&work));
        }
    }
}

/// Whether a process has this working folder.
fn is_inhabited(folder: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder))
}

#[test]
fn in_its_sandbox_a_server_writes_where_it_may_and_has_no_network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (sandbox, wrote, network) in [
        ("sandbox: { by: bubblewrap }", "yes no yes no", "shut"),
        ("sandbox: { by: landlock }", "yes no yes no", "shut"),
        ("sandbox: { by: bubblewrap, network: true, write: [\"SHARED\"] }", "yes no yes yes", "open"),
        ("sandbox: { by: landlock, network: true, write: [\"SHARED\"] }", "yes no yes yes", "open"),
        ("sandbox: {}", "yes no yes no", "shut"),
        ("sandbox: off", "yes yes yes yes", "open"),
    ] {
        let upstream = calling(Speaks::Chat, &[("write", "{}"), ("fetch", "{}")]);
        let shared = tempfile::tempdir().unwrap();
        let folder = shared.path().display().to_string();
        let fields = format!(", env: {{ SHARED: \"{folder}\", PORT: \"{port}\" }}, {}", sandbox.replace("SHARED", &folder));
        let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], &fields);
        let output = run(home.path(), &["hi", "--tool", "box", "--yes", "box"]);
        assert_eq!(output.status.code(), Some(0), "{sandbox}: {}", stderr(&output));
        let told = told(&upstream);
        assert!(told.contains(&format!("wrote: {wrote}")) && told.contains(&format!("network: {network}")), "{sandbox}: {told}");
        assert!(!stderr(&output).contains("no sandbox"), "{sandbox}: {}", stderr(&output));
    }
}

#[test]
fn a_sandbox_that_is_demanded_and_not_there_is_an_error() {
    let upstream = calling(Speaks::Chat, &[]);
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], ", sandbox: { by: bubblewrap }");
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    let output = route(home.path(), &["hi", "--tool", "box"]).env("PATH", &bin).output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    assert!(stderr(&output).contains("`bwrap` does not work here"), "{}", stderr(&output));
}

#[test]
fn whoever_sits_at_the_terminal_is_asked_and_may_say_no_yes_or_always() {
    let upstream = calling(
        Speaks::Chat,
        &[
            ("echo", "{\"text\":\"a\\u001b[31mb\u{9b}31m\u{202e}c\"}"),
            ("echo", r#"{"text":"two"}"#),
            ("echo", r#"{"text":"three"}"#),
            ("echo", r#"{"text":"four"}"#),
        ],
    );
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], "");
    let mut terminal = Terminal::start(&route(home.path(), &["hi", "--tool", "box"]), 100, &[]);
    terminal.until("the model calls box.echo");
    // What is typed before a question stands there is no answer to it.
    terminal.until_end("how all:");
    terminal.types("n\r");
    terminal.until("\"two\"");
    terminal.until_end("how all:");
    terminal.types("what\r");
    terminal.until("what\n");
    terminal.until_end("how all:");
    terminal.types("y\r");
    terminal.until("\"three\"");
    terminal.until_end("how all:");
    terminal.types("a\r");
    let (code, screen, bytes) = terminal.end();
    assert_eq!(code, Some(0), "{bytes}");
    let shown = screen.contents();
    assert!(shown.contains("step 1: box.echo") && shown.contains("refused") && shown.contains("all done"), "{shown}");
    assert!(shown.contains("step 4: box.echo {\"text\":\"four\"}: 7 B"), "{shown}");
    assert_eq!(shown.matches("the model calls").count(), 3, "the fourth is not asked about: {shown}");
    assert!(!bytes.contains("a\u{1b}[31mb") && !bytes.contains(['\u{9b}', '\u{202e}']), "{bytes}");
    assert!(bytes.matches("b\\u{9b}31m\\u{202e}c").count() > 1, "in the question and in the line: {bytes}");
    let told = told(&upstream);
    assert!(told.contains("The user refused this call"), "{told}");
    let got = std::fs::read_to_string(home.path().join("work/got")).unwrap();
    assert_eq!(got.matches("tools/call").count(), 3, "{got}");
}

/// A model that calls `echo` once where it has tools and no result yet, then says these, one after the other.
fn once_calling(speaks: Speaks, answers: &'static [&'static str]) -> Upstream {
    let said = std::sync::atomic::AtomicUsize::new(0);
    Upstream::start(move |seen, _| {
        if seen.has_tools() && results(seen) == 0 {
            return speaks.answer(seen, &[text("let me see"), tool("call_0", "echo", json!({"text": "one"}))]);
        }
        let at = said.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(answers.len() - 1);
        speaks.answer(seen, &[text(answers[at])])
    })
}

/// Who speaks in a request, with a `c` for calls and an `r` for results; and the ids of these.
fn shape(seen: &Seen) -> (String, Vec<String>) {
    let (mut shape, mut ids) = (String::new(), Vec::new());
    for turn in seen.json()["messages"].as_array().unwrap() {
        let role = turn["role"].as_str().unwrap();
        let blocks = turn["content"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str| blocks.iter().filter(|block| block["type"] == kind).cloned().collect::<Vec<Value>>();
        let calls = [of("tool_use"), turn["tool_calls"].as_array().cloned().unwrap_or_default()].concat();
        ids.extend(calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()));
        let results =
            [of("tool_result"), if role == "tool" { vec![json!({"tool_use_id": turn["tool_call_id"]})] } else { vec![] }].concat();
        ids.extend(results.iter().map(|result| result["tool_use_id"].as_str().unwrap().to_owned()));
        shape += match (role, calls.len(), results.len()) {
            ("assistant", 0, _) => "a",
            ("assistant", ..) => "c",
            (_, _, 0) => "u",
            _ => "r",
        };
    }
    (shape, ids)
}

#[test]
fn a_conversation_goes_on_with_its_calls_as_calls_or_in_words() {
    for speaks in BOTH {
        let upstream = once_calling(speaks, &["all done"]);
        let home = prepared(SERVER, &[(speaks, &upstream)], "");
        let last = |args: &[&str]| {
            let output = run(home.path(), args);
            assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
            upstream.seen().pop().unwrap()
        };
        last(&["first", "--tool", "box.echo", "--yes", "box"]);
        // What it called before counts where it has other tools this time, too.
        for tools in ["box", "box.fails"] {
            let seen = last(&["-c", "-n", "second", "--tool", tools]);
            assert_eq!(shape(&seen), ("ucrau".to_owned(), vec!["call_0_0_0".to_owned(), "call_0_0_0".to_owned()]), "{}", seen.text());
            let sent = seen.json()["messages"].to_string();
            assert!(sent.contains("an echo") && sent.contains("let me see") && sent.contains("second"), "{sent}");
        }
        let seen = last(&["-c", "third"]);
        assert_eq!(shape(&seen), ("uau".to_owned(), vec![]), "{}", seen.text());
        let sent = seen.json()["messages"].to_string();
        assert!(!seen.has_tools() && sent.contains(r#"- box.echo {\"text\":\"one\"}: an echo"#), "{sent}");
    }
}

#[test]
fn calls_of_several_exchanges_have_ids_of_their_own_and_the_tools_names_of_now() {
    for speaks in BOTH {
        // Each prompt is answered by the same call first, with the same id.
        let upstream = Upstream::start(move |seen, _| {
            let last = seen.json()["messages"].as_array().unwrap().last().unwrap().to_string();
            if last.contains("an echo") {
                return speaks.answer(seen, &[text("done")]);
            }
            let tools = seen.json()["tools"].to_string();
            let name = if tools.contains("other__echo") { "other__echo" } else { "echo" };
            speaks.answer(seen, &[tool("call_0", name, json!({"text": "one"}))])
        });
        let home = prepared(SERVER, &[(speaks, &upstream)], "");
        for (args, expected) in [(&["first", "--tool", "box"][..], "ucr"), (&["-c", "second", "--tool", "box"], "ucraucr")] {
            let output = run(home.path(), &[args, &["--yes", "box.echo"]].concat());
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let seen = upstream.seen().pop().unwrap();
            assert_eq!(shape(&seen).0, expected, "{}", seen.text());
        }
        // A second server has a tool of that name: the first one's is offered otherwise.
        let config = home.path().join(".config/aimux/config.yaml");
        let both = std::fs::read_to_string(&config).unwrap();
        let line = both.lines().find(|line| line.starts_with("  box:")).unwrap();
        std::fs::write(&config, both.replace(line, &format!("{line}\n{}", line.replacen("box", "other", 1)))).unwrap();
        let output = run(home.path(), &["-c", "third", "--tool", "*.echo", "--yes", "*.echo"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let seen = upstream.seen().pop().unwrap();
        let (shape, ids) = shape(&seen);
        assert_eq!(shape, "ucraucraucr", "{}", seen.text());
        let mut once = ids.clone();
        once.sort();
        once.dedup();
        assert_eq!((ids.len(), once.len()), (6, 3), "each call has its own id, and one result: {ids:?}");
        let sent = seen.json()["messages"].to_string();
        assert_eq!(sent.matches("box__echo").count(), 2, "{sent}");
    }
}

#[test]
fn calls_are_folded_with_their_exchange_by_our_count_and_by_the_providers() {
    let upstream = calling(Speaks::Chat, &[("flood", "{}")]);
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], ", output_kb: 32");
    assert_eq!(run(home.path(), &["first", "--tool", "box.flood", "--yes", "box"]).status.code(), Some(0));
    let config = home.path().join(".config/aimux/config.yaml");
    let wide = std::fs::read_to_string(&config).unwrap();
    let small = "key: { env: UPSTREAM_KEY }, models: { up-model: { context: 6000 } } }";
    std::fs::write(&config, wide.replace("key: { env: UPSTREAM_KEY } }", small)).unwrap();
    let late = calling(Speaks::Chat, &[("echo", "{}")]);
    let narrow = Upstream::start(move |seen, _| match seen.body.len() {
        0..20_000 => Speaks::Chat.answer(seen, &[text("fine")]),
        _ => Speaks::Chat.refusal(400, "prompt is too long: 9000 tokens > 8000 maximum"),
    });
    for (config_text, asked) in [
        (wide.replace("key: { env: UPSTREAM_KEY } }", small).replace(&upstream.url(), &late.url()), &late),
        (wide.replace(&upstream.url(), &narrow.url()), &narrow),
    ] {
        std::fs::write(&config, config_text).unwrap();
        let output = run(home.path(), &["-c", "-n", "second", "--tool", "box.echo", "--yes", "box"]);
        let err = stderr(&output);
        assert!(output.status.code() == Some(0) && err.contains("the oldest exchange of 1 are folded"), "{err}");
        let sent = told(asked);
        assert!(!sent.contains("xxxx") && sent.contains("- asked: first"), "{sent}");
    }
}

#[test]
fn the_last_answer_after_calls_has_to_fit_a_schema() {
    let wanted = json!({"name": "Ada"});
    for speaks in BOTH {
        for (answers, code, requests) in
            [(&[r#"{"name":"Ada"}"#][..], 0, 2), (&["It is Ada.", r#"{"name":"Ada"}"#], 0, 3), (&["no", "no again"], 69, 3)]
        {
            let upstream = once_calling(speaks, answers);
            let home = prepared(SERVER, &[(speaks, &upstream)], "");
            let output = run(home.path(), &["who", "--schema", "name", "--tool", "box.echo", "--yes", "box"]);
            let seen = upstream.seen();
            assert_eq!((output.status.code(), seen.len()), (Some(code), requests), "{answers:?}: {}", stderr(&output));
            assert!(stderr(&output).contains("step 1: box.echo"), "{}", stderr(&output));
            assert!(seen.iter().all(|seen| seen.text().contains("does echo") && seen.text().contains("additionalProperties")));
            if code == 0 {
                assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), wanted);
            }
            if requests == 3 {
                assert_eq!(shape(&seen[2]).0, "ucrau", "{}", seen[2].text());
                let sent = seen[2].json();
                assert!(
                    sent["messages"].to_string().contains("does not fit the JSON Schema") && told(&upstream).contains("an echo"),
                    "{sent}"
                );
                assert!(
                    !matches!(sent["tool_choice"].as_str(), Some("auto" | "required")) && sent["tool_choice"]["type"] != "any",
                    "{sent}"
                );
            }
        }
        let upstream = calling(speaks, &[("echo", "{}"), ("echo", "{}"), ("echo", "{}")]);
        let home = prepared(SERVER, &[(speaks, &upstream)], "");
        let output = run(home.path(), &["who", "--schema", "name", "--json", "--tool", "box.echo", "--yes", "box", "--steps", "1"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let steps = json["steps"].as_array().unwrap().len();
        assert_eq!(
            (output.status.code(), upstream.seen().len(), steps),
            (Some(75), 2, 1),
            "what has not come to an end is not asked for again: {json}"
        );
    }
}

#[test]
fn a_repair_keeps_what_tools_did_in_the_json_and_the_logs() {
    let upstream = once_calling(Speaks::Anthropic, &["no", r#"{"name":"Ada"}"#]);
    let home = prepared(SERVER, &[(Speaks::Anthropic, &upstream)], "");
    let output = run(home.path(), &["who", "--schema", "name", "--json", "--tool", "box.echo", "--yes", "box"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["attempts"], &json["steps"][0]["calls"][0]["result"]), (&json!(3), &json!("an echo")), "{json}");
    let shown = crate::gateway::aimux(home.path()).args(["logs", "show", "--json"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["exchanges"][0]["steps"], json["steps"], "{shown}");
}

#[test]
fn what_is_typed_before_a_question_is_no_answer_to_it() {
    let upstream = Upstream::start(|seen, _| match results(seen) {
        0 => Speaks::Chat.answer(seen, &[tool("call_0", "echo", json!({}))]).late(Duration::from_secs(1)),
        _ => Speaks::Chat.answer(seen, &[text("all done")]),
    });
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], "");
    let mut terminal = Terminal::start(&route(home.path(), &["hi", "--tool", "box"]), 100, &[]);
    until("the model is asked", Duration::from_secs(20), || !upstream.seen().is_empty());
    terminal.types("y\r");
    terminal.until("run it?");
    terminal.until_end("how all:");
    terminal.types("n\r");
    let (code, screen, _) = terminal.end();
    let shown = screen.contents();
    assert!(code == Some(0) && shown.contains("step 1: box.echo {}: refused"), "{shown}");
}

#[test]
fn ctrl_c_at_the_question_ends_it() {
    let upstream = calling(Speaks::Chat, &[("echo", "{}")]);
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], "");
    let mut terminal = Terminal::start(&route(home.path(), &["hi", "--tool", "box"]), 100, &[]);
    terminal.until("run it?");
    terminal.types("\u{3}");
    let (code, screen, _) = terminal.end();
    assert_eq!((code, upstream.seen().len()), (Some(130), 1), "{}", screen.contents());
}

#[test]
fn the_demo_calls_a_tool_without_account_or_key() {
    let upstream = calling(Speaks::Chat, &[]);
    let home = prepared(SERVER, &[(Speaks::Chat, &upstream)], "");
    let output = run(home.path(), &["please run the tool echo", "--demo", "--tool", "box.echo", "--yes", "box"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("The tool answered:\n\nan echo"), "{}", stdout(&output));
    assert!(upstream.seen().is_empty());
}

#[test]
fn without_tools_nothing_of_it_is_there() {
    let upstream = calling(Speaks::Chat, &[]);
    let home = prepared("touch started", &[(Speaks::Chat, &upstream)], "");
    assert_eq!(said(home.path(), &["hi"]), "all done\n");
    assert!(!home.path().join("work/started").exists());
    assert!(upstream.only().json().get("tools").is_none());
}

/// A server of tools at an address: answers in JSON, or in streams.
fn at_an_address(is_stream: bool) -> Upstream {
    Upstream::start(move |seen, _| {
        if seen.method != "POST" {
            return Answer::json(405, "{}");
        }
        let asked = seen.json();
        let result = match asked["method"].as_str().unwrap_or_default() {
            "initialize" => {
                json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "t", "version": "1"}})
            }
            "tools/list" => {
                json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}, {"name": "big", "inputSchema": {"type": "object"}}]})
            }
            "tools/call" if asked["params"]["name"] == "big" => json!({"content": [{"type": "text", "text": "x".repeat(17 << 20)}]}),
            "tools/call" => json!({"content": [{"type": "text", "text": "an echo from afar"}]}),
            _ => return Answer::json(202, ""),
        };
        let body = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string();
        let answer = if is_stream { Answer::stream([format!("event: message\ndata: {body}\n\n")]) } else { Answer::json(200, body) };
        answer.header("mcp-session-id", "a-session")
    })
}

#[test]
fn a_server_at_an_address_is_asked_with_its_key_and_headers() {
    for is_stream in [false, true] {
        for (key, header, value) in [
            ("key: { env: UPSTREAM_KEY }", "authorization", format!("Bearer {KEY}")),
            ("key: { env: UPSTREAM_KEY }, key_in: X-Api-Key", "x-api-key", KEY.to_owned()),
        ] {
            let afar = at_an_address(is_stream);
            let upstream = calling(Speaks::Chat, &[("echo", r#"{"number":1.10}"#)]);
            let mcp = format!("mcp:\n  far: {{ url: \"{}/mcp\", headers: {{ x-team: blue }}, {key} }}\n", afar.url());
            let home = home(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/up-model]", &mcp));
            let output = run(home.path(), &["hi", "--tool", "far.echo", "--yes", "far"]);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert!(told(&upstream).contains("an echo from afar"), "{}", told(&upstream));
            let seen = afar.seen();
            let posted: Vec<_> = seen.iter().filter(|seen| seen.method == "POST").collect();
            assert!(posted.iter().all(|seen| seen.header(header) == Some(&value) && seen.header("x-team") == Some("blue")), "{posted:?}");
            let call = posted.iter().rev().find(|seen| seen.text().contains("tools/call")).unwrap();
            assert!(call.text().contains(r#""arguments":{"number":1.1"#) && call.header("mcp-session-id") == Some("a-session"), "{call:?}");
            assert!(!stderr(&output).contains(KEY));
        }
    }
}

#[test]
fn an_address_that_is_no_server_of_tools_is_told_apart() {
    let upstream = calling(Speaks::Chat, &[]);
    for (answer, words) in [
        (Answer::json(401, "{\"error\":\"who are you\"}"), "the server answers 401"),
        (Answer::raw(&b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>"[..]), "neither JSON nor a stream"),
        (Answer::raw(&b"HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n"[..]), "redirects are not followed"),
        (Answer::json(200, "{}").late(Duration::from_secs(30)), "did not name its tools within 1 s"),
        (Answer::dead(), "127.0.0.1"),
    ] {
        let afar = Upstream::start(move |_, _| answer.clone());
        let mcp = format!("mcp:\n  far: {{ url: \"{}/mcp\", start_s: 1 }}\n", afar.url());
        let home = home(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/up-model]", &mcp));
        let output = run(home.path(), &["hi", "--tool", "far"]);
        assert_eq!(output.status.code(), Some(69), "{words}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{words}: {}", stderr(&output));
    }
}

#[test]
fn what_is_too_much_from_an_address_is_an_error_to_the_model() {
    for is_stream in [false, true] {
        let afar = at_an_address(is_stream);
        let upstream = calling(Speaks::Chat, &[("big", "{}")]);
        let mcp = format!("mcp:\n  far: {{ url: \"{}/mcp\", timeout_s: 5 }}\n", afar.url());
        let home = home(&config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/up-model]", &mcp));
        let output = run(home.path(), &["hi", "--tool", "far", "--yes", "far"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("failed in") && told(&upstream).len() < 100_000, "{}", stderr(&output));
    }
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tools.md")).unwrap();
    let upstream = Upstream::start(|seen, _| Speaks::Chat.answer(seen, &[text("an answer")]));
    let home = crate::readme::sandbox();
    std::fs::create_dir_all(home.path().join(".config/aimux")).unwrap();
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let text = config(&[(Speaks::Chat, &upstream)], "\"*\": [up0/up-model]\n  default: up0/up-model", block);
    std::fs::write(home.path().join(".config/aimux/config.yaml"), text).unwrap();
    std::fs::write(home.path().join("notes.txt"), "a note\n").unwrap();
    let program = home.path().join("bin/mcp-server-filesystem");
    let script = SERVER.replace("for name in echo die", "for name in list_directory read_text_file").replace(">> got", "> /dev/null");
    std::fs::write(&program, format!("#!/bin/sh\n{}", script.replace("*'\"name\":\"echo\"'*)", "*'\"name\":\"list_directory\"'*)")))
        .unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let env =
        [("UPSTREAM_KEY", KEY), ("AIMUX_CLIENT_TOKEN", crate::gateway::TOKEN)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let commands = crate::readme::commands(&page);
    assert!(commands.len() > 3, "{commands:?}");
    for command in commands {
        let output = crate::readme::bash(home.path(), &command, &env).stdin(std::process::Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        let words = if command.contains("--demo") { "The tool answered:\n\nan echo" } else { "an answer" };
        assert!(stdout(&output).contains(words), "{command}: {}{}", stdout(&output), stderr(&output));
    }
}
