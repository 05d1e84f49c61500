//! A whole answer that goes on to a client of the same dialect: judged and renamed in one look where nothing is odd.
//!
//! Start with [`relay`].

use bytes::Bytes;
use serde::Deserialize;

use super::response_in::{decode_response, read_usage, with_model};
use super::sealed;
use super::wire::{FAMILY, Raw};
use crate::chat::{Failure, Usage};
use crate::dialect::{Quirks, ReplyMap};
use crate::wire::read;

/// The members that decide, all of them raw.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow, default)]
    error: Raw<'a>,
    #[serde(borrow, default)]
    errors: Raw<'a>,
    #[serde(borrow, default)]
    base_resp: Raw<'a>,
    #[serde(borrow, default)]
    detail: Raw<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow, default)]
    object: Raw<'a>,
    #[serde(borrow, default)]
    content: Raw<'a>,
    #[serde(borrow, default)]
    model: Raw<'a>,
    #[serde(borrow, default)]
    usage: Raw<'a>,
}

/// All that is wanted of an answer with doubled members, which is no glance.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    model: Raw<'a>,
}

impl Glance<'_> {
    /// A message with a list of blocks and not a word of an error. What is not is looked at closely.
    fn is_plain(&self) -> bool {
        let is_silent = [self.error, self.errors, self.base_resp, self.detail, self.object].iter().all(Option::is_none);
        let is_message = self.kind.is_some_and(|kind| kind.get() == "\"message\"");
        is_silent && is_message && self.content.is_some_and(|content| content.get().starts_with("[{"))
    }
}

/// The upstream's whole answer of status 2xx as the client gets it: its model by the name that the client knows. Claude Code
/// sends thinking back only where an answer's model is the one that it asked for.
///
/// # Errors
/// When the body is an error in disguise, or no message.
pub(super) fn relay(body: Bytes, map: &ReplyMap, quirks: &Quirks) -> Result<(Bytes, Usage), Failure> {
    let glance = read::from_slice::<Glance<'_>>(&body).ok();
    let usage = match glance.as_ref().filter(|glance| glance.is_plain()) {
        Some(plain) => plain.usage.map(read_usage).unwrap_or_default(),
        None => decode_response(&body, map, quirks)?.usage,
    };
    if quirks.seals()
        && let Some(sealed) = sealed::answer(&body, quirks.family)
    {
        // Rare: it is looked at once more for its name.
        return relay(sealed, map, &Quirks { family: FAMILY, ..quirks.clone() });
    }
    if !map.is_alias {
        return Ok((body, usage));
    }
    let model = match &glance {
        Some(glance) => glance.model,
        None => read::from_slice::<Named<'_>>(&body).ok().and_then(|named| named.model),
    };
    let renamed = model.and_then(|model| with_model(&body, model, &map.model));
    Ok((renamed.unwrap_or(body), usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relayed(body: &'static str, is_alias: bool) -> Result<(String, Usage), Failure> {
        let map = ReplyMap { model: "mine".to_owned(), is_alias, ..ReplyMap::default() };
        relay(Bytes::from_static(body.as_bytes()), &map, &Quirks::ANTHROPIC)
            .map(|(body, usage)| (String::from_utf8_lossy(&body).into_owned(), usage))
    }

    #[test]
    fn a_plain_answer_passes_with_its_model_renamed_and_its_usage_read() {
        let body = r#"{"type":"message","model":"theirs","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":3,"output_tokens":2},"x":1}"#;
        let (same, usage) = relayed(body, false).unwrap();
        assert_eq!((same.as_str(), usage.input, usage.output), (body, Some(3), Some(2)));
        assert_eq!(relayed(body, true).unwrap().0, body.replace("theirs", "mine"));
    }

    /// At a glance and at a closer look the same is said.
    #[test]
    fn what_is_odd_is_judged_as_a_decoder_judges_it() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"type":"message","content":[]}"#,
            r#"{"type":"message","content":"hi"}"#,
            r#"{"type":"message","content":[1]}"#,
            r#"{"type":"message","content":[{"type":"text","text":"a"}],"error":null}"#,
            r#"{"type":"message","content":[{"type":"text","text":"a"}],"error":{"message":"no"}}"#,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#,
            r#"{"type":"message","content":[{"type":"text","text":"a"}],"base_resp":{"status_code":1004,"status_msg":"no"}}"#,
            r#"{"content":[{"type":"text","text":"a"}],"usage":{"output_tokens":7}}"#,
            r#"{"type":"message","content":[{"type":"text","text":"a"}],"usage":null}"#,
            r#" {"type":"message","content":[{"type":"text","text":"a"}],"content":[{"type":"text","text":"b"}]}"#,
            "<html></html>",
        ] {
            let closely = decode_response(body.as_bytes(), &ReplyMap::default(), &Quirks::ANTHROPIC).map(|answer| answer.usage);
            assert_eq!(relayed(body, false).map(|(_, usage)| usage).ok(), closely.ok(), "{body}");
        }
    }
}
