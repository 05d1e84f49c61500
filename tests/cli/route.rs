//! `aimux route`: a decision that a stranger can follow, with no server and no key.

use std::path::Path;

use serde_json::{Value, json};

use super::{aimux, assert_exit, feed, stderr, stdout};

const CONFIG: &str = "version: 1
providers:
  anthropic: { region: us }
  cerebras: { region: us }
  zai: { region: cn }
models:
  main: [anthropic/claude-opus-4-8, zai/glm-5.2]
  \"claude-*\": main
routes:
  - { name: background, when: { role: background }, use: [cerebras/gpt-oss-120b] }
  - { name: long, when: { input_tokens: \">150k\" }, use: [anthropic/claude-opus-4-8] }
policies:
  - { name: no-cn-for-acme, when: { project: acme-* }, deny: { region: cn } }
";

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/aimux");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.yaml"), CONFIG).unwrap();
    home
}

fn told(home: &Path, args: &[&str]) -> String {
    let output = aimux(home).arg("route").args(args).output().unwrap();
    assert_exit(&output, 0);
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
    stdout(&output)
}

/// A capture as a proxy would write it.
fn capture(target: &str, agent: &str, body: &Value) -> String {
    let headers = json!([["Authorization", "Bearer sk-secret"], ["User-Agent", agent], ["X-Claude-Code-Session-Id", "f699842a"]]);
    json!({ "method": "POST", "target": target, "headers": headers, "body": body }).to_string()
}

const CLAUDE: &str = "claude-cli/2.1.197 (external, sdk-cli)";

#[test]
fn a_prompt_is_explained_line_by_line() {
    let home = home();
    assert_eq!(
        told(home.path(), &["--explain", "hello", "-m", "claude-sonnet-5", "--header", "x-aimux-project: acme-web"]),
        "request  role main, client aimux-route, dialect anthropic, model claude-sonnet-5, project acme-web, stream, input_tokens 30, output_tokens 32000
role     main: nothing says otherwise
needs    a window of 30 tokens
unsure   role: nothing that this program sends tells it (a model could be asked to judge; aimux asks none)
rules    background: no: role is main, not background
         long: no: input_tokens is 30, not >150000
policies no-cn-for-acme: holds for this request
decided  by models.\"claude-*\"; strategy order: as the config lists them
targets  1 anthropic/claude-opus-4-8: ready
         - zai/glm-5.2: left out: denied by the policy no-cn-for-acme
note     decided here, with what is remembered of targets: what is busy, only a running server knows
"
    );
}

#[test]
fn an_explanation_says_where_a_broken_text_is_gone_on_with() {
    let home = home();
    let config = home.path().join(".config/aimux/config.yaml");
    let told_of = |continues: &str| {
        let entry = format!("models:\n  main2: {{ use: [zai/glm-5.2]{continues} }}\n  main3: main2\n");
        std::fs::write(&config, CONFIG.replace("models:\n", &entry)).unwrap();
        let words = "broken   a text that breaks off is gone on with at the next target\n";
        let json: Value = serde_json::from_str(&told(home.path(), &["--explain", "hello", "-m", "main3", "--json"])).unwrap();
        (
            told(home.path(), &["--explain", "hello", "-m", "main3"]).contains(words),
            json["decision"]["continues"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(told_of(", continue: text"), (true, "text".to_owned()), "a name for the same is the same");
    assert_eq!(told_of(""), (false, "off".to_owned()));
    assert_eq!(told_of(", continue: off"), (false, "off".to_owned()));
}

#[test]
fn a_prompt_without_a_model_goes_to_the_main_one() {
    let home = home();
    let text = told(home.path(), &["--explain", "hello"]);
    assert!(text.contains("model anthropic/claude-opus-4-8") && text.contains("decided  by the name itself"), "{text}");
    let config = home.path().join(".config/aimux/config.yaml");
    std::fs::write(config, CONFIG.replace("models:\n", "models:\n  default: zai/glm-5.2\n")).unwrap();
    assert!(told(home.path(), &["--explain", "hello"]).contains("targets  1 zai/glm-5.2"));
    assert!(told(home.path(), &["--explain", "hello", "-m", "long"]).contains("decided  by rule long"));
}

#[test]
fn a_dry_run_names_tokens_and_money() {
    let home = home();
    let text = told(home.path(), &["--dry-run", &"word ".repeat(7200), "-m", "main"]);
    assert!(text.contains("tokens   about 10026 of input"), "{text}");
    assert!(
        text.contains("cost     1 anthropic/claude-opus-4-8: $0.0501 for the input, $") && text.contains("         2 zai/glm-5.2: $"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&told(home.path(), &["--dry-run", "--json", "hello", "-m", "main"])).unwrap();
    assert_eq!(json["estimate"]["targets"][1]["target"], "zai/glm-5.2");
    assert_eq!((&json["decision"]["route"], &json["refused"]), (&json!("main"), &Value::Null));
}

#[test]
fn captures_of_each_client_are_read_and_their_secrets_are_not_shown() {
    let home = home();
    let tool = json!([{"name": "Bash", "input_schema": {"type": "object"}}]);
    let title = json!({"model": "claude-opus-4-8", "max_tokens": 64000, "tools": [],
        "output_config": {"format": {"type": "json_schema", "schema": {}}}, "messages": [{"role": "user", "content": "x"}]});
    let main = json!({"model": "claude-opus-4-8", "max_tokens": 64000, "tools": tool, "messages": [{"role": "user", "content": "x"}]});
    let chat = json!({"model": "main", "messages": [{"role": "user", "content": "x"}]});
    let responses = json!({"model": "claude-x", "input": [], "tools": [{"type": "function", "name": "a"}], "stream": true});
    let gemini = json!({"contents": []});
    for (target, agent, body, expected) in [
        ("/v1/messages?beta=true", CLAUDE, &title, &["role background, client claude-code", "decided  by rule background"][..]),
        ("/v1/messages?beta=true", CLAUDE, &main, &["role main, client claude-code", "session f699842a", "tools 1"]),
        (
            "/v1/chat/completions",
            "opencode/1.18.33 ai-sdk",
            &chat,
            &["client opencode, dialect openai-chat", "decided  by rule background"],
        ),
        ("/v1/responses", "codex_exec/0.169.0", &responses, &["client codex", "model claude-x", "OpenAI Responses is not served yet"]),
        (
            "/v1beta/models/main:streamGenerateContent?alt=sse",
            "GeminiCLI-tui/0.61.0",
            &gemini,
            &["client gemini-cli", "model main", "Gemini is not served yet"],
        ),
    ] {
        let mut command = aimux(home.path());
        command.args(["route", "--explain", "--request", "-"]);
        let output = feed(command, &capture(target, agent, body));
        assert_exit(&output, 0);
        let text = stdout(&output);
        assert!(expected.iter().all(|part| text.contains(part)) && !text.contains("sk-secret"), "{target}: {text}");
    }
}

#[test]
fn a_body_alone_is_a_request_too_and_a_model_can_be_put_into_it() {
    let home = home();
    let path = home.path().join("body.json");
    std::fs::write(&path, r#"{"messages":[{"role":"user","content":"x"}],"model":"nobody"}"#).unwrap();
    let text = told(home.path(), &["--explain", "--request", "body.json", "-m", "main", "--client", "aider", "--dialect", "openai-chat"]);
    assert!(text.contains("client aider, dialect openai-chat, model main"), "{text}");
}

#[test]
fn what_would_be_refused_is_told_with_its_code() {
    let home = home();
    for (args, code, words) in [
        (&["--explain", "x", "-m", "cluade-opus"][..], 65, "refused  AIMUX-E0202: model \"cluade-opus\" is not configured"),
        (&["--explain", "x", "-m", "zai/glm-5.2", "--header", "x-aimux-project: acme-x"], 77, "refused  AIMUX-E0304"),
        (&["--dry-run", "x", "-m", "nothing-at-all", "--json"], 65, "\"code\": \"AIMUX-E0202\""),
    ] {
        let output = aimux(home.path()).arg("route").args(args).output().unwrap();
        assert_exit(&output, code);
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
    }
}

#[test]
fn what_cannot_be_explained_is_an_error_with_its_reason() {
    let home = home();
    std::fs::write(home.path().join("list.json"), "[1]").unwrap();
    std::fs::write(home.path().join("odd.json"), r#"{"target":"/v2/odd","headers":[],"body":{"model":"m"}}"#).unwrap();
    for (args, code, words) in [
        (&["--request", "f"][..], 64, "--explain"),
        (&["--explain"], 64, "PROMPT"),
        (&["--explain", "x", "--request", "f"], 64, "cannot be used with"),
        (&["--explain", "--request", "absent.json"], 64, "absent.json"),
        (&["--explain", "--request", "list.json"], 65, "not a JSON object"),
        (&["--explain", "--request", "odd.json"], 65, "/v2/odd"),
        (&["--explain", "x", "--header", "nonsense"], 64, "name: value"),
    ] {
        let output = aimux(home.path()).arg("route").args(args).output().unwrap();
        assert_exit(&output, code);
        assert!(output.stdout.is_empty() && stderr(&output).contains(words), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn escape_sequences_of_a_client_are_shown_not_obeyed() {
    let home = home();
    let body = json!({"model": "main", "prompt_cache_key": "\u{1b}[31mred"});
    let mut command = aimux(home.path());
    command.args(["route", "--explain", "--request", "-"]);
    let output = feed(command, &capture("/v1/messages", "a\\b/1", &body));
    assert!(!stdout(&output).contains('\u{1b}'), "{}", stdout(&output));
}
