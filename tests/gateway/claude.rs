//! Claude Code as it is installed, headless, in a home and a folder of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::replies::{Block, Speaks, text, tool};
use crate::upstream::{Answer, Seen};

/// The value of a variable that `tests/run` sets. Without it a test fails: it never skips.
pub(crate) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: `tests/run` installs the clients and sets it"))
}

/// A home and a work folder for one run.
pub(crate) struct Claude {
    folder: tempfile::TempDir,
    /// Further variables.
    pub(crate) env: Vec<(String, String)>,
    /// Further arguments.
    pub(crate) args: Vec<String>,
    timeout: Duration,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The answer, as printed.
    pub(crate) text: String,
    /// Whether it calls itself an error.
    pub(crate) is_error: bool,
    /// The whole result.
    pub(crate) result: Value,
    /// Everything printed, for messages.
    pub(crate) output: String,
    pub(crate) took: Duration,
}

impl Claude {
    /// For a server and its token.
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let pairs = [
            ("ANTHROPIC_BASE_URL", url),
            ("ANTHROPIC_AUTH_TOKEN", token),
            ("ANTHROPIC_MODEL", "claude-opus-4-8"),
            ("ANTHROPIC_DEFAULT_HAIKU_MODEL", "claude-opus-4-8"),
            ("IS_SANDBOX", "1"),
            ("DISABLE_TELEMETRY", "1"),
            ("DISABLE_ERROR_REPORTING", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("CLAUDE_CODE_MAX_RETRIES", "4"),
            ("NO_COLOR", "1"),
            ("LANG", "C.UTF-8"),
        ];
        let env = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder, env, args: Vec::new(), timeout: Duration::from_secs(150) }
    }

    /// The same with one more variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder that it works in.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Its home.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Runs one prompt.
    pub(crate) fn ask(&self, prompt: &str) -> Ran {
        self.run(&["--output-format", "json"], prompt)
    }

    /// Runs one prompt with a picture.
    pub(crate) fn show(&self, prompt: &str, png_base64: &str) -> Ran {
        let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png_base64}});
        let message = json!({"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": prompt}, image]}});
        self.run(&["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"], &format!("{message}\n"))
    }

    fn run(&self, format: &[&str], input: &str) -> Ran {
        let mut command = Command::new(required("AIMUX_TEST_CLAUDE"));
        command.arg("-p").args(format).args(["--allowedTools", "Bash,Write,Read", "--add-dir"]).arg(self.work()).args(&self.args);
        self.finish(command, input)
    }

    /// Runs a prepared command in this home, feeds it and reads the result from what it prints.
    pub(crate) fn finish(&self, mut command: Command, input: &str) -> Ran {
        let out = self.folder.path().join("stdout");
        let err = self.folder.path().join("stderr");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home())
            .env("CLAUDE_CONFIG_DIR", self.home().join(".claude"))
            .env("TMPDIR", self.folder.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(std::fs::File::create(&err).unwrap());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > self.timeout {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let stdout = std::fs::read_to_string(out).unwrap();
        let output = format!("{status}\n{stdout}\n{}", std::fs::read_to_string(err).unwrap());
        let results = stdout.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let result = results.into_iter().find(|value| value["type"] == "result").unwrap_or(Value::Null);
        let text = result["result"].as_str().unwrap_or_default().to_owned();
        let is_error = result["is_error"] == true || !status.success();
        Ran { text, is_error, result, output, took: began.elapsed() }
    }
}

impl Ran {
    /// The answer must be whole and no error.
    pub(crate) fn assert_says(&self, words: &str) {
        assert!(!self.is_error && self.text.contains(words), "{words:?} is not the answer: {}", self.output);
    }
}

/// A call of Claude Code's shell that leaves a file behind.
pub(crate) fn shell(id: &str, work: &Path, name: &str, content: &str) -> Block {
    let path = work.join(name).display().to_string();
    tool(
        id,
        "Bash",
        json!({"command": format!("printf %s '{content}' >> '{path}' && echo saved {content}"), "description": "leave a file"}),
    )
}

/// A model that plays one step after each round of tools, and answers requests for titles and the like.
pub(crate) fn agent(speaks: Speaks, steps: Vec<Vec<Block>>) -> impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static {
    move |seen, _| {
        if !seen.has_tools() {
            return speaks.answer(seen, &[text("{\"title\": \"a test\"}")]);
        }
        let round = rounds(seen);
        speaks.answer(seen, steps.get(round).unwrap_or_else(|| panic!("no step {round}")))
    }
}

/// How many turns with tool calls a request's history holds.
fn rounds(seen: &Seen) -> usize {
    let body = seen.json();
    let has_call = |message: &&Value| {
        message["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty())
            || message["content"].as_array().is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_use"))
    };
    body["messages"].as_array().map_or(0, |messages| messages.iter().filter(has_call).count())
}

/// The ids of the calls and of the results in a request's history.
pub(crate) fn calls_and_results(seen: &Seen) -> (Vec<String>, Vec<String>) {
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for message in seen.json()["messages"].as_array().into_iter().flatten() {
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            calls.push(string(&call["id"]));
        }
        if message["role"] == "tool" {
            results.push(string(&message["tool_call_id"]));
        }
        for block in message["content"].as_array().into_iter().flatten() {
            match block["type"].as_str() {
                Some("tool_use") => calls.push(string(&block["id"])),
                Some("tool_result") => results.push(string(&block["tool_use_id"])),
                _ => {}
            }
        }
    }
    (calls, results)
}
