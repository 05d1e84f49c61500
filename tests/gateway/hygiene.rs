//! A key is in no answer, log, file, argument or environment: everything that the program wrote is searched for it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::gateway::{Gateway, KEY, TOKEN, aimux, config, until};
use crate::replies::{Speaks, anthropic_body, anthropic_frames, chat_body, chat_frames, text, thinking};
use crate::upstream::{Answer, Upstream};

/// Planted in a key file; found nowhere else.
const MARKER: &str = "sk-marker-Zq81xY0pLm37";

fn run(home: &Path, args: &[&str], input: &str) -> String {
    let mut command = aimux(home);
    command.args(args).env("AIMUX_CONFIG", home.join("aimux.yaml")).current_dir(home);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that wants no input may have ended already.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Fails where `bytes`, which are `what`, hold the marker, as it is, escaped or in base64 of any alignment.
fn assert_clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // "marker-Zq81xY0pLm37" in base64, without the letters at both ends that depend on what stands beside it.
    for form in [MARKER, "marker-Zq81", "xY0pLm37", "FrZXItWnE4MXhZMHBMbT", "1hcmtlci1acTgxeFkwcExtM", "tYXJrZXItWnE4MXhZMHBMbTM"] {
        assert!(!text.contains(form), "{what} holds the key: {form}");
    }
}

/// Searches every file below a folder.
fn assert_clean_below(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files += assert_clean_below(&path);
        } else if kind.is_file() {
            files += 1;
            // What a server replaces may be gone between the look and the reading.
            let Ok(bytes) = fs::read(&path) else { continue };
            assert_clean(&path.display().to_string(), &bytes);
        }
    }
    files
}

/// A provider that fails in every way it knows, and each time says the key that it was sent.
fn telltale() -> Upstream {
    Upstream::start(|request, count| {
        let key = request.header("authorization").or(request.header("x-api-key")).unwrap_or_default().to_owned();
        let said = format!("no: {key}");
        match count % 6 {
            0 => Answer::json(401, json!({ "error": { "message": said, "type": "authentication_error" } }).to_string()),
            1 => Answer::json(500, said).header("x-echo", &key).header("x-request-id", &key),
            2 => Answer::json(400, json!({ "error": { "message": said } }).to_string()).header("retry-after", &key),
            3 => Answer::json(200, json!({ "error": { "message": said } }).to_string()),
            4 => Answer::stream([format!("data: {}\n\n", json!({ "error": { "message": said } }))]),
            _ => Answer::raw(format!("{said}\r\n\r\n")),
        }
    })
}

/// The prompt and the answer are the marker: files and log are searched for it as for a key.
#[test]
fn what_clients_ask_and_are_told_is_in_nothing_that_the_server_writes() {
    for speaks in [Speaks::Anthropic, Speaks::Chat] {
        let upstream = Upstream::start(move |seen, _| speaks.answer(seen, &[text(MARKER)]));
        let mut gateway = Gateway::before(speaks, &upstream);
        for stream in [false, true] {
            let body = json!({ "model": "m", "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": MARKER }] });
            for whole in [gateway.messages(&body), gateway.chat(&body)] {
                // A stream brings it in pieces.
                assert!(whole.text().contains("81xY0pLm37"), "{}", whole.text());
            }
        }
        gateway.terminate();
        gateway.wait(Duration::from_secs(20));
        assert_clean("the log", gateway.log().as_bytes());
        assert!(assert_clean_below(&gateway.home()) >= 2);
    }
}

#[test]
fn a_planted_key_is_in_nothing_that_the_program_wrote() {
    let (chat, messages) = (telltale(), telltale());
    let text = format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nretry: {{ key_rest_s: 1 }}\nbreaker: off\n\
         providers:\n  one: {{ dialect: openai-chat, base_url: \"{}/v1\", key: planted }}\n  two: {{ dialect: anthropic, base_url: \"{}\", key: planted }}\n\
         models: {{ one: one/m, two: two/m }}\n",
        chat.url(),
        messages.url()
    );
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("aimux.yaml"), &text).unwrap();
    assert!(run(home.path(), &["keys", "add", "planted"], MARKER).contains("added"));
    let gateway = Gateway::in_home(home, &["--log", "trace"]);
    let home = gateway.home();

    let mut answers = 0;
    for round in 0..14 {
        for (model, path) in
            [("one", "/v1/messages"), ("one", "/v1/chat/completions"), ("two", "/v1/messages"), ("two", "/v1/chat/completions")]
        {
            let stream = round % 2 == 1;
            let body =
                json!({ "model": model, "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] }).to_string();
            let whole = gateway.call("POST", path, body.as_bytes());
            assert_clean(&format!("an answer of {path}"), &whole.body);
            assert_clean("its headers", format!("{:?}", whole.headers).as_bytes());
            answers += 1;
        }
    }
    assert_eq!(answers, 56);
    let sent = chat.seen().iter().chain(&messages.seen()).filter(|seen| format!("{:?}", seen.headers).contains(MARKER)).count();
    assert!(sent > 10, "the key was used {sent} times, so that there was something to tell");

    for args in [
        &["keys", "list"][..],
        &["keys", "list", "--json"],
        &["keys", "show", "planted"],
        &["keys", "show", "planted", "--json"],
        &["keys", "show", "planted", "--reveal"],
        &["keys", "test"],
        &["keys", "test", "--json"],
        &["keys", "audit"],
        &["keys", "scan", ".", "--json"],
        &["keys", "export", "planted"],
        &["keys", "export", "planted", "--passphrase", "-o", "out.age"],
        &["keys", "exec", "planted", "--", "no-such-program"],
        &["keys", "add", "planted"],
        &["keys", "add", MARKER],
        &["keys", "import", "-"],
        &["keys", "test", MARKER],
        &["config", "validate"],
        &["config", "show", "--resolved"],
        &["env"],
        &["status"],
    ] {
        let input = if args.contains(&"import") { format!("OPENAI_API_KEY={MARKER}\n") } else { MARKER.to_owned() };
        assert_clean(&format!("what `{}` said", args.join(" ").replace(MARKER, "…")), run(&home, args, &input).as_bytes());
    }

    let process = format!("/proc/{}", gateway.pid());
    for name in ["cmdline", "environ"] {
        assert_clean(name, &fs::read(format!("{process}/{name}")).unwrap());
    }
    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");

    assert!(gateway.log().len() > 10_000, "the log tells all: {} bytes", gateway.log().len());
    assert_clean("the log", gateway.log().as_bytes());
    let files = assert_clean_below(&home);
    assert!(files > 5, "{files} files");
}

/// A stream that has begun is not withdrawn, and its frames are not printed anew: the key is taken out of them all the same.
#[test]
fn a_key_that_a_started_answer_repeats_is_taken_out_and_the_rest_is_the_same() {
    let blocks = [thinking("key-goes-her was what I was sent"), text("key-goes-her it is")];
    for speaks in [Speaks::Anthropic, Speaks::Chat] {
        let script = {
            let blocks = blocks.clone();
            move |request: &crate::upstream::Seen, count: usize| {
                let key = request.header("authorization").or(request.header("x-api-key")).unwrap_or_default().replace("Bearer ", "");
                assert_eq!(key, KEY);
                let frames = if speaks == Speaks::Chat { chat_frames(&blocks) } else { anthropic_frames(&blocks) };
                let body = if speaks == Speaks::Chat { chat_body(&blocks) } else { anthropic_body(&blocks) };
                let told = |text: String| text.replace("key-goes-her", &key);
                match count % 4 {
                    0 => Answer::stream(frames.into_iter().map(told)),
                    // Its chunks end in the middle of the key.
                    1 => Answer::stream(frames.into_iter().map(told)).chunks_of(7),
                    // An error event, once the content has begun.
                    2 => {
                        let error = json!({ "type": "error", "error": { "type": "api_error", "message": format!("no: {key}") } });
                        let begun = frames.into_iter().take(8).map(told);
                        let all = begun.chain([format!("event: error\ndata: {error}\n\n")]);
                        Answer::stream(all).pause(8, Duration::from_millis(300))
                    }
                    _ => Answer::json(200, told(body.to_string())),
                }
            }
        };
        let upstream = Upstream::start(script);
        let config = config(&[(speaks, &upstream)], "m: up0/up-model", "retry: { attempts_per_target: 1 }\nbreaker: off");
        // A signature of Anthropic's own is in no envelope.
        let preset = if speaks == Speaks::Anthropic { "up0: { preset: anthropic," } else { "up0: {" };
        let gateway = Gateway::start(&config.replace("up0: {", preset));
        for path in ["/v1/messages", "/v1/chat/completions"] {
            for count in 0..4 {
                let body = json!({ "model": "m", "max_tokens": 9, "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
                let whole = gateway.call("POST", path, body.to_string().as_bytes());
                let what = format!("{speaks:?} to {path}, {count}: {}", whole.text());
                assert!(whole.status == 200 && whole.text().contains("[redacted]") && !whole.text().contains(KEY), "{what}");
                if (speaks == Speaks::Chat) == (path == "/v1/chat/completions") && count == 0 {
                    let frames = if speaks == Speaks::Chat { chat_frames(&blocks) } else { anthropic_frames(&blocks) };
                    let expected = frames.concat().replace("key-goes-her", "[redacted]").replace("up-model", "M").replace("\"m\"", "\"M\"");
                    assert_eq!(whole.text().replace("up-model", "M").replace("\"m\"", "\"M\""), expected, "{what}");
                }
            }
        }
        assert!(!gateway.log().contains(KEY));
    }
}

#[test]
fn a_key_that_a_stream_brings_in_pieces_is_taken_out() {
    for speaks in [Speaks::Anthropic, Speaks::Chat] {
        let upstream = Upstream::start(move |_, count: usize| {
            let blocks = [text("@")];
            let frames = if speaks == Speaks::Chat { chat_frames(&blocks) } else { anthropic_frames(&blocks) };
            // Words; letters; and letters as JSON's escapes, in one piece.
            let pieces: Vec<String> = match count % 3 {
                0 => KEY.split_inclusive('-').map(str::to_owned).collect(),
                1 => KEY.chars().map(String::from).collect(),
                _ => vec![KEY.bytes().map(|letter| format!("\\u{letter:04x}")).collect()],
            };
            let told = |frame: String| match frame.contains('@') {
                true => pieces.iter().map(|piece| frame.replace('@', piece)).collect(),
                false => vec![frame],
            };
            let frames: Vec<String> = frames.into_iter().flat_map(told).collect();
            let writes = frames.len();
            (0..writes).fold(Answer::stream(frames), |answer, at| answer.pause(2 * at, Duration::from_millis(2)))
        });
        let gateway = Gateway::start(&config(&[(speaks, &upstream)], "m: up0/up-model", ""));
        for path in ["/v1/messages", "/v1/chat/completions"] {
            for how in ["words", "letters", "escapes"] {
                let body = json!({ "model": "m", "max_tokens": 9, "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
                let whole = gateway.call("POST", path, body.to_string().as_bytes());
                let said = whole.text();
                let texts: String = said
                    .lines()
                    .filter_map(|line| serde_json::from_str::<serde_json::Value>(line.strip_prefix("data: ")?).ok())
                    .filter_map(|event| {
                        let text = event.pointer("/delta/text").or(event.pointer("/choices/0/delta/content"))?;
                        text.as_str().map(str::to_owned)
                    })
                    .collect();
                // What is shorter than four letters says nothing, and does not wait.
                let what = format!("{speaks:?} to {path}, {how}: {said}");
                assert!(whole.status == 200 && ["[redacted]", "sk-[redacted]"].contains(&texts.as_str()), "{texts}, {what}");
                assert!(said.contains("message_stop") || said.contains("[DONE]"), "{what}");
            }
        }
    }
}

#[test]
fn a_program_that_prints_a_key_is_given_none() {
    let home = tempfile::tempdir().unwrap();
    let dump = home.path().join("dump");
    let program = home.path().join("vault");
    fs::write(&program, format!("#!/bin/sh\nenv > {0}\ntr '\\0' ' ' < /proc/$PPID/cmdline >> {0}\necho {MARKER}\n", dump.display()))
        .unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let upstream = telltale();
    let text = format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  one: {{ dialect: openai-chat, \
         base_url: \"{}/v1\", keys: [planted, {{ cmd: [{}] }}] }}\n",
        upstream.url(),
        program.display()
    );
    fs::write(home.path().join("aimux.yaml"), text).unwrap();
    assert!(run(home.path(), &["keys", "add", "planted"], MARKER).contains("added"));
    let gateway = Gateway::in_home(home, &[]);
    let told = fs::read_to_string(&dump).unwrap();
    assert!(told.contains("HOME=") && told.contains("serve"), "{told}");
    assert_clean("its environment and its parent's arguments", told.as_bytes());
    assert!(TOKEN.len() > 10 && gateway.pid() > 1);
    until("the server answers", Duration::from_secs(30), || gateway.call("GET", "/v1/models", b"").status == 200);
}
