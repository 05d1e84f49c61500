//! The request by which another model goes on with an answer that broke off: the first one's, with what was said so far at
//! the end of its messages.
//!
//! Where the target takes the beginning of its own answer, it gets just that; else a turn of ours asks it to begin with the
//! last words and to go on. Either is an edit by spans of the request as it is written for that target, so that a relayed one
//! stays the client's own. Start with `edits`.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::chat::seam::quote;
use crate::wire::json::{Members, count, items};
use crate::wire::object::{Object, string};
use crate::wire::read;

/// About how many bytes of text a token has.
const TOKEN_BYTES: u64 = 4;

/// What is changed of a request, and how the answer to it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoOn {
    /// Spans and what stands there instead, in order.
    pub edits: Vec<(Range<usize>, Vec<u8>)>,
    /// What the answer begins with, where it does as it was asked or as its server is known to; empty: nothing is known.
    pub expected: String,
}

/// How a target is brought to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It takes the beginning of its answer as the last message, marked by this member where it wants a mark. `echoes`: the
    /// answer may repeat it.
    Prefill { mark: Option<&'static str>, echoes: bool },
    /// It is asked to.
    Ask,
}

/// The edits to `body`, whose answer so far is `said`. `limits`: members that say how long the answer may be; it never
/// becomes shorter than `floor`. `None`: the body is not one that can be gone on with.
pub(crate) fn edits(body: &[u8], said: &str, way: Way, limits: &[&str], floor: u64) -> Option<GoOn> {
    let members: Members<'_> = read::from_slice(body).ok()?;
    let place = |raw: &RawValue| {
        let at = (raw.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        Some(at..at + raw.get().len())
    };
    let messages = members.get("messages")?;
    let list = items(messages)?;
    let end = place(messages)?.end.checked_sub(1)?;
    let mut edits = Vec::new();
    for name in limits {
        let Some((raw, limit)) = members.get(name).and_then(|raw| Some((raw, count(raw)?))) else { continue };
        let left = limit.saturating_sub(said.len() as u64 / TOKEN_BYTES).max(floor).max(1);
        if left < limit {
            edits.push((place(raw)?, left.to_string().into_bytes()));
        }
    }
    let (text, mark) = match way {
        // Trailing white space is refused there, and is looked for at the seam.
        Way::Prefill { mark, echoes: _ } => (said.trim_end(), mark),
        Way::Ask => (said, None),
    };
    let mut new = Vec::new();
    if !text.trim().is_empty() {
        let begun = if mark.is_none() { list.last().and_then(|last| begun(last)) } else { None };
        match begun.and_then(|(content, is_text)| Some((place(content)?.end.checked_sub(1)?, is_text))) {
            Some((at, is_text)) => edits.push((at..at, if is_text { escaped(text) } else { part(text) })),
            None => message(&mut new, list.is_empty(), "assistant", text, mark),
        }
    }
    let expected = match way {
        Way::Prefill { mark: _, echoes } => if echoes { text } else { "" }.to_owned(),
        Way::Ask => {
            let words = quote(said);
            if !words.is_empty() {
                let is_first = list.is_empty() && new.is_empty();
                message(&mut new, is_first, "user", &asking(words), None);
            }
            words.to_owned()
        }
    };
    if !new.is_empty() {
        edits.push((end..end, new));
    }
    edits.sort_by_key(|(span, _)| span.start);
    Some(GoOn { edits, expected })
}

/// The content of a message that is the client's own beginning of the answer, and whether it is a string. An empty one
/// is gone on with by a message of its own.
fn begun(last: &RawValue) -> Option<(&RawValue, bool)> {
    let last = Members::of(last)?;
    let content = last.get("content").filter(|_| last.str("role").as_deref() == Some("assistant"))?;
    match content.get().as_bytes().first()? {
        b'"' => Some((content, true)),
        b'[' if !items(content)?.is_empty() => Some((content, false)),
        _ => None,
    }
}

/// A text as it stands between the quotes of a string.
fn escaped(text: &str) -> Vec<u8> {
    let mut token = Vec::new();
    string(&mut token, text);
    token.get(1..token.len().saturating_sub(1)).unwrap_or_default().to_vec()
}

/// A text as a further part of a content.
fn part(text: &str) -> Vec<u8> {
    let mut out = b",".to_vec();
    let mut part = Object::open(&mut out);
    part.str("type", "text").str("text", text);
    part.close();
    out
}

fn message(out: &mut Vec<u8>, is_first: bool, role: &str, text: &str, mark: Option<&str>) {
    if !is_first {
        out.push(b',');
    }
    let mut message = Object::open(out);
    message.str("role", role).str("content", text);
    if let Some(mark) = mark {
        message.raw(mark, "true");
    }
    message.close();
}

/// What a model is asked that takes no beginning of its answer. Whoever begins with words that are known can be joined
/// without a gap: blanks at a seam are what models get wrong.
fn asking(words: &str) -> String {
    format!(
        "Your answer above was cut off by a fault of the connection. Go on with it as one text: begin with its last words, \
         exactly as they stand between the marks, and continue from there.\n<last-words>{words}</last-words>\nWrite nothing \
         before these words, do not mention the interruption, and repeat nothing else of what you have said."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn gone_on(body: &Value, said: &str, way: Way, floor: u64) -> (Value, String) {
        let body = Bytes::from(body.to_string());
        let GoOn { edits, expected } = edits(&body, said, way, &["max_tokens"], floor).unwrap();
        let edits: Vec<(Range<usize>, &[u8])> = edits.iter().map(|(span, with)| (span.clone(), with.as_slice())).collect();
        (serde_json::from_slice(&crate::wire::splice::splice(&body, &edits).into_bytes()).unwrap(), expected)
    }

    const PLAIN: Way = Way::Prefill { mark: None, echoes: false };

    #[test]
    fn a_beginning_of_the_answer_is_the_last_message_without_white_space_at_its_end() {
        let hi = json!({"role": "user", "content": "hi"});
        let (body, expected) = gone_on(&json!({"max_tokens": 100, "messages": [hi], "top": 1}), "One \"two\".\n\n", PLAIN, 0);
        let said = json!({"role": "assistant", "content": "One \"two\"."});
        assert_eq!((body, expected), (json!({"max_tokens": 97, "messages": [hi, said], "top": 1}), String::new()));
        let marked = Way::Prefill { mark: Some("prefix"), echoes: true };
        let (body, expected) = gone_on(&json!({"messages": [hi]}), "One. ", marked, 0);
        assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "One.", "prefix": true}));
        assert_eq!(expected, "One.");
    }

    #[test]
    fn a_beginning_that_is_the_clients_own_is_gone_on_with() {
        for (content, whole) in [
            (json!("It \\ is"), json!("It \\ is \"5\"")),
            (json!([{"type": "text", "text": "It is"}]), json!([{"type": "text", "text": "It is"}, {"type": "text", "text": " \"5\""}])),
        ] {
            let body = json!({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": content}]});
            let (body, _) = gone_on(&body, " \"5\"", PLAIN, 0);
            assert_eq!(body["messages"], json!([{"role": "user", "content": "?"}, {"role": "assistant", "content": whole}]));
        }
    }

    #[test]
    fn who_takes_no_beginning_is_asked_to_go_on_from_the_last_words() {
        let (body, expected) = gone_on(&json!({"messages": [{"role": "user", "content": "hi"}]}), "One two \n", Way::Ask, 0);
        assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "One two \n"}));
        assert_eq!((body["messages"][2]["role"].as_str(), expected.as_str()), (Some("user"), "One two"));
        assert!(body["messages"][2]["content"].as_str().unwrap().contains("<last-words>One two</last-words>"));
    }

    #[test]
    fn what_says_nothing_changes_nothing_and_a_limit_has_a_floor() {
        let body = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        for way in [PLAIN, Way::Ask] {
            assert_eq!(gone_on(&body, " \n", way, 0), (body.clone(), String::new()));
        }
        let long = "word ".repeat(100);
        assert_eq!(gone_on(&body, &long, PLAIN, 0).0["max_tokens"], 1);
        assert_eq!(gone_on(&body, &long, PLAIN, 5).0["max_tokens"], 5);
        assert_eq!(gone_on(&body, &long, PLAIN, 50).0["max_tokens"], 9, "never more than was asked for");
        for odd in ["", "[]", "{}", r#"{"messages":7}"#, r#"{"messages":null}"#] {
            assert_eq!(edits(odd.as_bytes(), "a", PLAIN, &[], 0), None, "{odd}");
        }
    }
}
