//! What the demo says: a pure function of the request.
//!
//! A schema that is asked for is filled in; a tool is called when the user's words ask for one and its result is not there
//! yet; a result is quoted; everything else is repeated. Start with [`decide`].

use serde_json::{Map, Value};

use super::asked::{Asked, Choice, Tool};

/// How every text begins.
const INTRODUCTION: &str = "This is aimux's built-in demo model, not a real language model.";
/// The longest part of the user's words or of a result that is repeated.
const QUOTE_CHARS: usize = 600;
const QUOTE_LINES: usize = 10;
/// Words of the user's that ask for a tool.
const ASKING: &[&str] = &[
    "run",
    "execute",
    "list",
    "ls",
    "show",
    "read",
    "write",
    "file",
    "files",
    "folder",
    "directory",
    "tool",
    "tools",
    "bash",
    "shell",
    "command",
    "search",
    "find",
];
/// Tools that only look, the best first, in lower case.
const PREFERRED: &[&str] = &[
    "bash",
    "shell",
    "shell_command",
    "exec_command",
    "local_shell",
    "run_shell_command",
    "execute_command",
    "run_terminal_cmd",
    "ls",
    "list",
    "list_dir",
    "list_directory",
    "list_files",
    "glob",
    "grep",
    "read",
    "read_file",
];
/// Parts of names of tools that change something, speak to others or start work: never called on a guess.
const AVOIDED: &[&str] = &[
    "write", "edit", "patch", "delete", "remove", "kill", "create", "update", "send", "post", "push", "plan", "task", "agent", "todo",
    "question", "skill", "cron", "schedule", "worktree", "notebook", "replace", "move", "install", "buy", "pay", "stop", "exit",
];
const SCHEMA_DEPTH: usize = 8;

/// What the demo does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It says this.
    Text(String),
    /// It calls this tool with these arguments, JSON.
    Call { name: String, arguments: String },
}

/// What the demo answers.
pub(crate) fn decide(asked: &Asked) -> Reply {
    if let Some(call) = wanted_call(asked) {
        return call;
    }
    if let Some(schema) = &asked.schema {
        return Reply::Text(instance(schema, &asked.user, SCHEMA_DEPTH).to_string());
    }
    Reply::Text(match &asked.result {
        Some(result) if result.trim().is_empty() => format!("{INTRODUCTION} The tool answered nothing."),
        Some(result) => format!("{INTRODUCTION} The tool answered:\n\n{}", quote(result)),
        None if asked.user.is_empty() => format!("{INTRODUCTION} You said nothing."),
        None => format!("{INTRODUCTION} You said: {}", quote(&asked.user)),
    })
}

fn wanted_call(asked: &Asked) -> Option<Reply> {
    match &asked.choice {
        Choice::None => None,
        Choice::Named(name) => {
            let tool = asked.tools.iter().find(|tool| &tool.name == name)?;
            Some(Reply::Call { name: name.clone(), arguments: instance(&tool.schema, &asked.user, SCHEMA_DEPTH).to_string() })
        }
        // One call a turn is enough, whatever is asked for.
        _ if asked.result.is_some() => None,
        Choice::Required => harmless_call(asked),
        Choice::Auto if asks_for_a_tool(asked) => harmless_call(asked),
        Choice::Auto => None,
    }
}

fn asks_for_a_tool(asked: &Asked) -> bool {
    let words = words(&asked.user);
    words.iter().any(|word| ASKING.contains(&word.as_str()) || asked.tools.iter().any(|tool| tool.name.to_lowercase() == *word))
}

fn words(text: &str) -> Vec<String> {
    let separates = |c: char| !c.is_alphanumeric() && c != '_' && c != '-';
    text.split(separates).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// A call of the tool that the user names by a name that is no common word, else of the one that looks around best, else of
/// the first that takes nothing but texts.
fn harmless_call(asked: &Asked) -> Option<Reply> {
    let words = words(&asked.user);
    let named = asked.tools.iter().filter(|tool| tool.name.contains(['_', '-']) && words.contains(&tool.name.to_lowercase()));
    let preferred = PREFERRED.iter().filter_map(|name| asked.tools.iter().find(|tool| tool.name.to_lowercase() == *name));
    let others = asked.tools.iter().filter(|tool| {
        let name = tool.name.to_lowercase();
        !AVOIDED.iter().any(|avoided| name.contains(avoided))
    });
    named.chain(preferred).chain(others).find_map(|tool| {
        let arguments = tool.harmless_arguments(&asked.user)?;
        Some(Reply::Call { name: tool.name.clone(), arguments })
    })
}

impl Tool {
    /// Arguments for what the schema requires; `None` when it requires something that is neither text nor a command.
    fn harmless_arguments(&self, user: &str) -> Option<String> {
        let empty = Map::new();
        let properties = self.schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required = self.schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut arguments = Map::new();
        for name in required.iter().filter_map(Value::as_str) {
            arguments.insert(name.to_owned(), argument(name, properties.get(name)?, user)?);
        }
        // Shown to the person who is asked to allow the command.
        if arguments.contains_key("command") && properties.contains_key("description") {
            arguments.insert("description".to_owned(), Value::from("List files"));
        }
        Some(Value::Object(arguments).to_string())
    }
}

fn argument(name: &str, schema: &Value, user: &str) -> Option<Value> {
    let kind = schema.get("type").and_then(Value::as_str);
    match (name, kind) {
        ("command", Some("array")) => Some(serde_json::json!(["ls"])),
        (_, Some("string")) => Some(match (name, schema.pointer("/enum/0")) {
            (_, Some(first)) => first.clone(),
            ("command" | "cmd" | "script", _) => Value::from("ls"),
            ("description", _) => Value::from("List files"),
            ("pattern" | "glob", _) => Value::from("*"),
            ("path" | "dir" | "dir_path" | "directory" | "folder" | "workdir", _) => Value::from("."),
            ("file" | "file_path" | "filePath" | "filename", _) => Value::from("README.md"),
            _ => Value::from(shortened(user)),
        }),
        _ => None,
    }
}

/// A value that fits a schema, small and dull. `depth` bounds schemas nested in schemas.
fn instance(schema: &Value, user: &str, depth: usize) -> Value {
    if let Some(fixed) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return fixed.clone();
    }
    let alternative = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema.get(word)?.get(0));
    if let (Some(alternative), 1..) = (alternative, depth) {
        return instance(alternative, user, depth - 1);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("string") => Value::from(shortened(if user.is_empty() { "aimux demo" } else { user })),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| Value::from(0)),
        Some("boolean") => Value::from(false),
        Some("null") => Value::Null,
        Some("array") => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(4);
            let items = (0..least).filter(|_| depth > 0).filter_map(|_| Some(instance(schema.get("items")?, user, depth - 1)));
            Value::Array(items.collect())
        }
        Some("object") | None => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let members = properties.into_iter().flatten().filter(|_| depth > 0);
            Value::Object(members.map(|(name, schema)| (name.clone(), instance(schema, user, depth - 1))).collect())
        }
        Some(_) => Value::Null,
    }
}

/// The first few words, as for a title.
fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().take(6).collect();
    words.join(" ").chars().take(60).collect()
}

fn quote(text: &str) -> String {
    let text = text.trim();
    let quoted: String = text.lines().take(QUOTE_LINES).collect::<Vec<_>>().join("\n").chars().take(QUOTE_CHARS).collect();
    if quoted.len() < text.len() { format!("{quoted} …") } else { quoted }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASH: &str = r#"{"type":"function","function":{"name":"Bash","parameters":{"type":"object","required":["command"],"properties":{"command":{"type":"string"},"description":{"type":"string"},"timeout":{"type":"number"}}}}}"#;
    const TASK: &str = r#"{"type":"function","function":{"name":"Task","parameters":{"type":"object","required":["prompt"],"properties":{"prompt":{"type":"string"}}}}}"#;

    fn reply(messages: &str, rest: &str) -> Reply {
        decide(&Asked::parse(format!(r#"{{"messages":[{messages}]{rest}}}"#).as_bytes()).unwrap())
    }

    fn tools(tools: &[&str]) -> String {
        format!(r#","tools":[{}]"#, tools.join(","))
    }

    fn tool(name: &str, required: &str, properties: &str) -> String {
        format!(
            r#"{{"type":"function","function":{{"name":"{name}","parameters":{{"type":"object","required":[{required}],"properties":{{{properties}}}}}}}}}"#
        )
    }

    fn user(text: &str) -> String {
        serde_json::json!({ "role": "user", "content": text }).to_string()
    }

    fn call(name: &str, arguments: &str) -> Reply {
        Reply::Call { name: name.into(), arguments: arguments.into() }
    }

    #[test]
    fn what_the_user_says_is_repeated_with_an_introduction() {
        let Reply::Text(text) = reply(&user("hello"), "") else { panic!("a call") };
        assert_eq!(text, "This is aimux's built-in demo model, not a real language model. You said: hello");
        let parts = r#"{"role":"user","content":[{"type":"text","text":"<system-reminder>run ls</system-reminder>"},{"type":"text","text":"hello"}]}"#;
        assert_eq!(reply(parts, &tools(&[BASH])), Reply::Text(text));
    }

    #[test]
    fn words_that_ask_for_a_tool_call_the_shell() {
        for text in ["please list the files", "Run it!", "ls", "use Bash"] {
            let expected = call("Bash", r#"{"command":"ls","description":"List files"}"#);
            assert_eq!(reply(&user(text), &tools(&[TASK, BASH])), expected, "{text}");
        }
        for text in ["hello", "what are lists-of-things", "runner"] {
            assert!(matches!(reply(&user(text), &tools(&[TASK, BASH])), Reply::Text(_)), "{text}");
        }
        assert!(matches!(reply(&user("list"), ""), Reply::Text(_)), "there is no tool");
        assert!(matches!(reply(&user("list"), &format!("{},\"tool_choice\":\"none\"", tools(&[BASH]))), Reply::Text(_)));
    }

    #[test]
    fn the_arguments_fit_the_client_that_has_the_tool() {
        let array = r#""command":{"type":"array","items":{"type":"string"}}"#;
        assert_eq!(reply(&user("run"), &tools(&[&tool("shell", r#""command""#, array)])), call("shell", r#"{"command":["ls"]}"#));
        let cmd = tool("exec_command", r#""cmd""#, r#""cmd":{"type":"string"}"#);
        assert_eq!(reply(&user("run"), &tools(&[&cmd])), call("exec_command", r#"{"cmd":"ls"}"#));
        let glob = tool("Glob", r#""pattern""#, r#""pattern":{"type":"string"}"#);
        assert_eq!(reply(&user("find"), &tools(&[TASK, &glob])), call("Glob", r#"{"pattern":"*"}"#));
        let weather = tool("get_weather", r#""city""#, r#""city":{"type":"string"}"#);
        assert_eq!(
            reply(&user("call the get_weather tool"), &tools(&[BASH, &weather])),
            call("get_weather", r#"{"city":"call the get_weather tool"}"#)
        );
    }

    #[test]
    fn tools_that_change_things_or_want_more_than_text_are_left_alone() {
        let write = tool("Write", r#""file_path","content""#, r#""file_path":{"type":"string"},"content":{"type":"string"}"#);
        let sum = tool("sum", r#""numbers""#, r#""numbers":{"type":"array"}"#);
        let odd = tool("odd", r#""missing""#, "");
        assert!(matches!(reply(&user("write the file"), &tools(&[&write, &sum, &odd, TASK])), Reply::Text(_)));
    }

    #[test]
    fn a_result_is_quoted_and_ends_the_turn() {
        let result = r#"{"role":"tool","tool_call_id":"a","content":"Cargo.toml\nsrc\n"}"#;
        let reminder = user("<system-reminder>list your tools</system-reminder>");
        for messages in [format!("{},{result}", user("list the files")), format!("{},{result},{reminder}", user("list the files"))] {
            let expected = format!("{INTRODUCTION} The tool answered:\n\nCargo.toml\nsrc");
            assert_eq!(reply(&messages, &tools(&[BASH])), Reply::Text(expected));
        }
        let again = format!("{},{result},{}", user("list the files"), user("and list them again"));
        assert!(matches!(reply(&again, &tools(&[BASH])), Reply::Call { .. }), "a new turn");
    }

    #[test]
    fn a_long_result_is_cut() {
        let lines = "line\\n".repeat(1000);
        let result = format!(r#"{{"role":"tool","content":[{{"type":"text","text":"{lines}"}}]}}"#);
        let Reply::Text(text) = reply(&format!("{},{result}", user("ls")), "") else { panic!("a call") };
        assert_eq!((text.lines().count(), text.ends_with("line …")), (12, true), "{text}");
    }

    #[test]
    fn a_schema_is_filled_in() {
        let format = r#","response_format":{"type":"json_schema","json_schema":{"name":"t","schema":{"type":"object","required":["title"],"properties":{"title":{"type":"string"},"n":{"type":"integer"},"kind":{"enum":["a","b"]}}}}}"#;
        let Reply::Text(text) = reply(&user("Mend the parser, would you please, and list files"), format) else { panic!("a call") };
        assert_eq!(text, r#"{"kind":"a","n":0,"title":"Mend the parser, would you please,"}"#);
        let Reply::Text(text) = reply(&user("hi"), r#","response_format":{"type":"json_object"}"#) else { panic!("a call") };
        assert_eq!(text, r#"{"answer":"hi"}"#);
    }

    #[test]
    fn a_named_tool_is_called_whatever_the_words() {
        let forced = format!(r#"{},"tool_choice":{{"type":"function","function":{{"name":"Task"}}}}"#, tools(&[BASH, TASK]));
        assert_eq!(reply(&user("hello"), &forced), call("Task", r#"{"prompt":"hello"}"#));
        let required = format!(r#"{},"tool_choice":"required""#, tools(&[BASH]));
        assert!(matches!(reply(&user("hello"), &required), Reply::Call { .. }));
    }

    #[test]
    fn odd_shapes_never_panic() {
        let deep = r#"{"type":"object","properties":{"a":"#.repeat(30) + "{}" + &"}}".repeat(30);
        let odd = [
            r#"{"messages":[null,7,{"role":9},{"role":"user","content":{"a":1}}],"tools":[null,{"function":7}],"tool_choice":7,"response_format":[]}"#.to_owned(),
            r#"{"messages":[],"tools":{},"stream":"yes","max_tokens":-1}"#.to_owned(),
            r#"{"messages":[{"role":"user","content":"<system-reminder>open"}]}"#.to_owned(),
            format!(r#"{{"messages":[],"response_format":{{"type":"json_schema","json_schema":{{"schema":{deep}}}}}}}"#),
            r#"{"messages":[],"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"array","minItems":99999999,"items":{"type":"string"}}}}}"#.to_owned(),
        ];
        for body in odd {
            decide(&Asked::parse(body.as_bytes()).unwrap());
        }
    }
}
