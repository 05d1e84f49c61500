//! Mends a whole Chat answer on its way to a Chat client: what the relay of streams mends, by spans, nothing printed anew.
//!
//! What is mended: ids of calls that are missing or doubled, arguments that are missing, empty, an object or encoded twice,
//! content that is an empty list, reasons to stop that are missing or that no client knows, usage that is null or missing, and
//! calls in the text where the provider leaves them there. A healthy answer stays the bytes that it is. Start with [`mend`].

use bytes::Bytes;
use serde_json::value::RawValue;

use super::chunk::{self, Choice, Chunk, Finish};
use super::renumber::{Edits, exchanged};
use super::text_calls::{Found, TextCalls};
use crate::chat::{StopReason, Usage};
use crate::dialect::ReplyMap;
use crate::wire::Text;
use crate::wire::json::{Members, is_object, items};
use crate::wire::read;

/// The answer as the client gets it. What is no answer is left alone.
pub(super) fn mend(body: Bytes, map: &ReplyMap) -> Bytes {
    let mended = read::from_slice::<Chunk<'_>>(&body).ok().and_then(|chunk| {
        let mut mending = Mending { map, edits: Edits::new(), answer: super::fresh_id("") };
        mending.answer(&body, &chunk);
        let edits = mending.edits;
        (!edits.is_empty()).then(|| exchanged(&body, edits).into())
    });
    mended.unwrap_or(body)
}

struct Mending<'a, 'm> {
    map: &'m ReplyMap,
    edits: Edits<'a>,
    /// Makes ids of our own unlike those of other answers.
    answer: String,
}

impl<'a> Mending<'a, '_> {
    fn answer(&mut self, body: &'a [u8], chunk: &Chunk<'a>) {
        let choices = chunk.choices.and_then(items).unwrap_or_default();
        for raw in &choices {
            self.choice(raw);
        }
        if choices.is_empty() || chunk.usage.is_some_and(is_object) {
            return;
        }
        let usage = written(&chunk.usage(&chunk.choices()).unwrap_or_default());
        let text = std::str::from_utf8(body).unwrap_or_default();
        match read::from_str::<Members<'a>>(text).ok().and_then(|members| members.token("usage")) {
            Some(token) => self.edits.push((token.get(), usage)),
            None => self.insert(text.trim_start(), &format!("\"usage\":{usage}")),
        }
    }

    /// Puts members first into an object.
    fn insert(&mut self, object: &'a str, members: &str) {
        let comma = if object.get(1..).is_some_and(|rest| rest.trim_start().starts_with('}')) { "" } else { "," };
        if let Some(brace) = object.get(..1).filter(|brace| *brace == "{") {
            self.edits.push((brace, format!("{{{members}{comma}")));
        }
    }

    fn choice(&mut self, raw: &'a RawValue) {
        let (Some(members), Ok(choice)) = (Members::of(raw), read::from_str::<Choice<'a>>(raw.get())) else { return };
        let calls = choice.message.map(|message| self.message(message, choice.is_first())).unwrap_or_default();
        let word = chunk::text(choice.finish_reason).unwrap_or_default();
        let reason = match chunk::finish(&word) {
            Some(Finish::Stop(StopReason::End)) | None if calls.in_text => StopReason::ToolUse,
            None if calls.any => StopReason::ToolUse,
            None => StopReason::End,
            Some(Finish::Stop(reason)) => reason,
            Some(Finish::Broken) => return,
        };
        let token = format!("\"{}\"", chunk::word(reason));
        match members.token("finish_reason") {
            None => self.insert(raw.get(), &format!("\"finish_reason\":{token}")),
            Some(known) if chunk::is_known(&word) && !(word == "stop" && reason == StopReason::ToolUse) && known.get().starts_with('"') => {
            }
            Some(other) => self.edits.push((other.get(), token)),
        }
    }

    fn message(&mut self, raw: &'a RawValue, is_first: bool) -> Calls {
        let Some(members) = Members::of(raw) else { return Calls::default() };
        let list = members.get("tool_calls").and_then(items).unwrap_or_default();
        let mut ids: Vec<String> = Vec::new();
        for call in &list {
            self.call(call, &mut ids);
        }
        let mut calls = Calls { any: !list.is_empty(), in_text: false };
        let Some(content) = members.get("content") else { return calls };
        if content.get().starts_with('[') && items(content).is_some_and(|parts| parts.is_empty()) {
            self.edits.push((content.get(), "\"\"".to_owned()));
        }
        let text = Text::from_raw(content).filter(|_| is_first && list.is_empty() && !self.map.text_tools.is_empty());
        if let Some((text, found)) = text.and_then(|text| calls_in(&text.read(), self.map)) {
            calls.in_text = true;
            let found: Vec<String> = found.iter().enumerate().map(|(nth, call)| self.own_call(nth, call)).collect();
            let found = format!("[{}]", found.join(","));
            let text = if text.trim().is_empty() { "null".to_owned() } else { serde_json::to_string(&text).unwrap_or_default() };
            match members.token("tool_calls") {
                Some(empty) => self.edits.extend([(content.get(), text), (empty.get(), found)]),
                None => self.edits.push((content.get(), format!("{text},\"tool_calls\":{found}"))),
            }
        }
        calls
    }

    fn own_call(&self, nth: usize, (name, arguments): &(String, String)) -> String {
        let id = format!("call_{}_{nth}", self.answer);
        serde_json::json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }).to_string()
    }

    fn call(&mut self, raw: &'a RawValue, ids: &mut Vec<String>) {
        let Some(members) = Members::of(raw) else { return };
        let id = members.str("id").unwrap_or_default().into_owned();
        let base = if id.is_empty() { format!("call_{}_{}", self.answer, ids.len()) } else { id.clone() };
        let number = |n: usize| if n == 1 { base.clone() } else { format!("{base}_{n}") };
        let unique = (1..).map(number).find(|id| !ids.contains(id)).unwrap_or_default();
        if unique != id {
            let token = serde_json::to_string(&unique).unwrap_or_default();
            match members.token("id") {
                Some(old) => self.edits.push((old.get(), token)),
                None => self.insert(raw.get(), &format!("\"id\":{token}")),
            }
        }
        ids.push(unique);
        let Some(function) = members.get("function") else { return };
        let Some(members) = Members::of(function) else { return };
        let encoded = |text: &str| serde_json::to_string(text).unwrap_or_default();
        match members.token("arguments") {
            None => self.insert(function.get(), "\"arguments\":\"{}\""),
            Some(object) if is_object(object) => self.edits.push((object.get(), encoded(object.get()))),
            Some(other) => match Text::from_raw(other) {
                Some(text) => self.edits.extend(whole_arguments(&text.read()).map(|whole| (other.get(), encoded(&whole)))),
                None if other.get() == "null" => self.edits.push((other.get(), encoded("{}"))),
                None => {}
            },
        }
    }
}

/// Which calls a message has.
#[derive(Default, Clone, Copy)]
struct Calls {
    any: bool,
    in_text: bool,
}

/// What belongs in place of arguments that are nothing, or a string within a string; `None` where they are right.
fn whole_arguments(text: &str) -> Option<String> {
    match text.trim() {
        "" | "null" | "\"\"" => Some("{}".to_owned()),
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).ok().filter(|inner: &String| inner.trim_start().starts_with('{')),
        _ => None,
    }
}

/// The text without the calls in it, and the calls; `None` where there are none.
fn calls_in(text: &str, map: &ReplyMap) -> Option<(String, Vec<(String, String)>)> {
    let (mut finder, mut found) = (TextCalls::new(&map.text_tools), Vec::new());
    finder.push(text, &mut found);
    finder.end(&mut found);
    let (mut rest, mut calls) = (String::new(), Vec::new());
    for found in found {
        match found {
            Found::Text(text) => rest.push_str(&text),
            Found::Call { name, arguments } => calls.push((name, arguments)),
        }
    }
    (!calls.is_empty()).then_some((rest, calls))
}

/// Usage in this dialect.
fn written(usage: &Usage) -> String {
    let (input, output) = (usage.input_total(), usage.output.unwrap_or(0));
    format!("{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\"total_tokens\":{}}}", input.saturating_add(output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::TextTool;

    fn mended(body: &str) -> String {
        let tools = vec![TextTool { name: "run".to_owned(), typed: vec!["n".to_owned()] }];
        let map = ReplyMap { text_tools: tools, ..ReplyMap::default() };
        String::from_utf8(mend(Bytes::copy_from_slice(body.as_bytes()), &map).to_vec()).expect("UTF-8")
    }

    const USAGE: &str = r#""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#;

    #[test]
    fn a_healthy_answer_keeps_its_bytes() {
        for body in [
            format!(
                r#" {{ "id":"x","choices":[{{"index":0,"message":{{"content":"a < b <tool_call>","tool_calls":null}},"finish_reason":"stop"}}], {USAGE} }} "#
            ),
            format!(
                r#"{{"choices":[{{"message":{{"content":null,"tool_calls":[{{"id":"a","type":"function","function":{{"name":"run","arguments":"{{\"n\":9007199254740993.0}}"}}}},{{"id":"b","function":{{"name":"run","arguments":"{{}}"}}}}]}},"finish_reason":"tool_calls"}}],{USAGE}}}"#
            ),
            format!(r#"{{"choices":[{{"message":{{"content":"x"}},"finish_reason":"length"}}],{USAGE}}}"#),
            r#"{"error":{"message":"m"}}"#.to_owned(),
            "<html>".to_owned(),
        ] {
            assert_eq!(mended(&body), body);
        }
    }

    #[test]
    fn each_fault_is_mended_where_it_stands() {
        let call = |call: &str| {
            format!(r#"{{"choices":[{{"message":{{"role":"assistant","tool_calls":[{call}]}},"finish_reason":"tool_calls"}}],{USAGE}}}"#)
        };
        let good = r#"{"id":"a","function":{"name":"run","arguments":"{}"}}"#;
        for (bad, mend) in [
            (
                format!(r#"{good},{{"id":"a","function":{{"name":"f","arguments":"{{}}"}}}}"#),
                format!(r#"{good},{{"id":"a_2","function":{{"name":"f","arguments":"{{}}"}}}}"#),
            ),
            (r#"{"id":"a","function":{"name":"run"}}"#.to_owned(), r#"{"id":"a","function":{"arguments":"{}","name":"run"}}"#.to_owned()),
            (r#"{"id":"a","function":{"name":"run","arguments":""}}"#.to_owned(), good.to_owned()),
            (r#"{"id":"a","function":{"name":"run","arguments":null}}"#.to_owned(), good.to_owned()),
            (
                r#"{"id":"a","function":{"name":"run","arguments":{"x" : 12345678901234567890}}}"#.to_owned(),
                r#"{"id":"a","function":{"name":"run","arguments":"{\"x\" : 12345678901234567890}"}}"#.to_owned(),
            ),
            (
                r#"{"id":"a","function":{"name":"run","arguments":"\"{\\\"x\\\":1}\""}}"#.to_owned(),
                r#"{"id":"a","function":{"name":"run","arguments":"{\"x\":1}"}}"#.to_owned(),
            ),
        ] {
            assert_eq!(mended(&call(&bad)), call(&mend));
        }
        for bad in [
            r#"{"function":{"name":"run","arguments":"{}"}}"#,
            r#"{"id":"","function":{"name":"run","arguments":"{}"}}"#,
            r#"{"id":null,"function":{"name":"run","arguments":"{}"}}"#,
        ] {
            let value: serde_json::Value = serde_json::from_str(&mended(&call(&format!("{bad},{bad}")))).expect("JSON");
            let calls = &value["choices"][0]["message"]["tool_calls"];
            assert!(calls[0]["id"].as_str().is_some_and(|id| id.starts_with("call_")) && calls[0]["id"] != calls[1]["id"], "{value}");
        }
        let choice = |choice: &str| format!(r#"{{"choices":[{choice}],{USAGE}}}"#);
        for (bad, mend) in [
            (r#"{"message":{"content":[]},"finish_reason":"stop"}"#, r#"{"message":{"content":""},"finish_reason":"stop"}"#),
            (r#"{"message":{"content":"x"}}"#, r#"{"finish_reason":"stop","message":{"content":"x"}}"#),
            (r#"{"message":{"content":"x"},"finish_reason":null}"#, r#"{"message":{"content":"x"},"finish_reason":"stop"}"#),
            (r#"{"message":{"content":"x"},"finish_reason":""}"#, r#"{"message":{"content":"x"},"finish_reason":"stop"}"#),
            (r#"{"message":{"content":"x"},"finish_reason":"eos"}"#, r#"{"message":{"content":"x"},"finish_reason":"stop"}"#),
            (r#"{"message":{"content":"x"},"finish_reason":"max_tokens"}"#, r#"{"message":{"content":"x"},"finish_reason":"length"}"#),
        ] {
            assert_eq!(mended(&choice(bad)), choice(mend));
        }
        let calls = format!(r#"{{"message":{{"tool_calls":[{good}]}},"finish_reason":null}}"#);
        assert_eq!(mended(&choice(&calls)), choice(&calls.replace("null", "\"tool_calls\"")));
    }

    #[test]
    fn usage_is_never_null() {
        let choices = r#""choices":[{"message":{"content":"x"},"finish_reason":"stop"}]"#;
        let zeros = r#""usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;
        assert_eq!(mended(&format!(r#" {{{choices},"usage":null}}"#)), format!(" {{{choices},{zeros}}}"));
        assert_eq!(mended(&format!(" {{{choices}}}")), format!(" {{{zeros},{choices}}}"));
        let groq = r#""x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
        assert_eq!(mended(&format!("{{{choices},{groq}}}")), format!("{{{USAGE},{choices},{groq}}}"));
    }

    #[test]
    fn calls_in_the_text_become_calls() {
        let whole = |message: &str, word: &str| format!(r#"{{"choices":[{{"message":{message},"finish_reason":"{word}"}}],{USAGE}}}"#);
        let wrote = "I run.\\n<tool_call>run<arg_key>n</arg_key><arg_value>5</arg_value></tool_call>";
        for (message, content) in [
            (format!(r#"{{"role":"assistant","content":"{wrote}"}}"#), serde_json::json!("I run.\n")),
            (format!(r#"{{"tool_calls":[],"content":"{wrote}"}}"#), serde_json::json!("I run.\n")),
            (
                r#"{"content":"<tool_call>{\"name\":\"run\",\"arguments\":{\"n\":5}}</tool_call>","tool_calls":null}"#.to_owned(),
                serde_json::json!(null),
            ),
        ] {
            for word in ["stop", "eos"] {
                let value: serde_json::Value = serde_json::from_str(&mended(&whole(&message, word))).expect("JSON");
                let choice = &value["choices"][0];
                assert_eq!(
                    (&choice["message"]["content"], &choice["finish_reason"]),
                    (&content, &serde_json::json!("tool_calls")),
                    "{value}"
                );
                assert_eq!(choice["message"]["tool_calls"][0]["function"], serde_json::json!({"name": "run", "arguments": "{\"n\":5}"}));
                assert!(value["choices"][0]["message"]["tool_calls"][0]["id"].as_str().is_some_and(|id| id.starts_with("call_")));
            }
            // Cut off is cut off.
            assert!(mended(&whole(&message, "length")).contains("\"finish_reason\":\"length\""));
        }
    }
}
