//! Signatures of a relayed answer in envelopes of ours: those of a family that could not be told from others when they come back.
//!
//! Only the token is exchanged. What Anthropic signed stays bare, as its own clients know it; a proxy before it is told by
//! `preset: anthropic`. Start with [`event`].

use bytes::Bytes;
use memchr::memmem;
use serde_json::value::RawValue;

use super::wire::{WireBlock, parse_event, read as text};
use crate::chat::Opaque;
use crate::wire::json::{Members, items};
use crate::wire::object::string;
use crate::wire::{read, splice};

/// An event's data with its signature sealed; `None`: there is none.
pub(super) fn event(data: &Bytes, family: &str) -> Option<Bytes> {
    if !may_be_signed(data) {
        return None;
    }
    let event = parse_event(data)?;
    let token = state(event.delta.or(event.content_block)?)?;
    exchanged(data, &[token], family)
}

/// A whole answer with its signatures sealed; `None`: there is none.
pub(super) fn answer(body: &Bytes, family: &str) -> Option<Bytes> {
    if !may_be_signed(body) {
        return None;
    }
    let members: Members<'_> = read::from_slice(body).ok()?;
    let tokens: Vec<&RawValue> = items(members.get("content")?)?.into_iter().filter_map(state).collect();
    exchanged(body, &tokens, family)
}

fn may_be_signed(data: &[u8]) -> bool {
    memmem::find(data, b"signature").is_some() || memmem::find(data, b"redacted_thinking").is_some()
}

/// The token of a block's or a delta's state.
fn state(raw: &RawValue) -> Option<&RawValue> {
    let block: WireBlock<'_> = read::from_str(raw.get()).ok()?;
    let is_redacted = text(block.kind).as_deref() == Some("redacted_thinking");
    if is_redacted { block.data } else { block.signature }
}

fn exchanged(data: &Bytes, tokens: &[&RawValue], family: &str) -> Option<Bytes> {
    let mut edits = Vec::new();
    for token in tokens {
        let state = text(Some(*token)).filter(|state| !state.is_empty() && Opaque::open(state).is_none());
        let Some(state) = state else { continue };
        let at = (token.get().as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
        let mut sealed = Vec::new();
        string(&mut sealed, &Opaque::new(family, state).seal());
        edits.push((at..at + token.get().len(), sealed));
    }
    let edits: Vec<_> = edits.iter().map(|(span, with)| (span.clone(), with.as_slice())).collect();
    (!edits.is_empty()).then(|| splice::splice(data, &edits).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_states_of_thoughts_are_sealed() {
        let seal = |state: &str| Opaque::new("zai", state).seal();
        for (data, sealed) in [
            (r#"{"delta":{"type":"signature_delta", "signature":"s\"1"},"index":0}"#, Some("s\"1")),
            (r#"{"content_block":{"type":"redacted_thinking","data":"d"}}"#, Some("d")),
            (r#"{"content_block":{"type":"thinking","thinking":"","signature":""}}"#, None),
            (r#"{"delta":{"type":"text_delta","text":"a signature"}}"#, None),
            (r#"{"delta":{"type":"signature_delta","signature":"aimux1.zai.61"}}"#, None),
            ("{what signature", None),
        ] {
            let expected = sealed.map(|state| {
                let token = serde_json::to_string(state).unwrap();
                data.replace(&token, &serde_json::to_string(&seal(state)).unwrap())
            });
            let got = event(&Bytes::from(data), "zai").map(|data| String::from_utf8(data.to_vec()).unwrap());
            assert_eq!(got, expected, "{data}");
        }
        let body = r#"{"content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","input":{"signature":"s"}}] }"#;
        let got = answer(&Bytes::from(body), "zai").unwrap();
        assert_eq!(got, body.replacen(r#""signature":"s""#, &format!(r#""signature":"{}""#, seal("s")), 1));
    }
}
