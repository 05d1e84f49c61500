//! Why there is no answer, as the client is told.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use memchr::{memchr2, memmem};
use zeroize::Zeroizing;

use super::client::{SendError, SendErrorKind};
use crate::chat::{Failure, FailureKind, RetryAfter};
use crate::dialect::Dialect;
use crate::error::Code;
use crate::route::{Key, Target};
use crate::secret::Secret;
use crate::wire::base64;

/// Why there is no answer, as the client is told.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// aimux's code.
    pub code: Code,
    /// What the body says.
    pub failure: Failure,
    /// Headers for the client.
    pub headers: HeaderMap,
    /// The upstream's own body, where the dialects match.
    pub body: Option<Bytes>,
}

impl Refusal {
    /// A refusal in our own words.
    #[must_use]
    pub fn new(code: Code, failure: Failure) -> Self {
        Self { code, failure, headers: HeaderMap::new(), body: None }
    }

    /// The same without the key in its words: an error event is read before anything has looked for one.
    pub(super) fn without(mut self, secret: Option<&Secret>) -> Self {
        let Some(secret) = secret.map(Secret::expose).filter(|secret| secret.len() >= 8) else { return self };
        let Failure { message, code, param, .. } = &mut self.failure;
        for text in std::iter::once(message).chain(code).chain(param).filter(|text| text.contains(secret)) {
            *text = text.replace(secret, "[redacted]");
        }
        self
    }
}

/// A provider's error answer, as a client that speaks `client` will read it if no other target answers.
pub(super) fn refused(
    status: u16,
    body: &Bytes,
    theirs: &HeaderMap,
    headers: HeaderMap,
    target: &Target,
    key: Option<&Key>,
    client: Dialect,
) -> Refusal {
    let dialect = target.endpoint().dialect;
    let body = scrub(body.clone(), key.map(|key| &key.secret));
    let mut failure = (dialect.codec().decode_error)(status, &body);
    if failure.retry_after.is_none() {
        failure.retry_after = retry_after(theirs);
    }
    let provider = &target.provider.name;
    let code = match status {
        401 | 403 => Code::UpstreamAuth,
        429 => Code::UpstreamLimited,
        400..=499 => Code::UpstreamRejected,
        _ => Code::UpstreamFailed,
    };
    let is_auth = code == Code::UpstreamAuth;
    if is_auth {
        let key = key.map_or("none", |key| key.name.as_str());
        failure.message = format!("provider \"{provider}\" refused the key \"{key}\": {}", failure.message);
    }
    let is_relayed = client == dialect
        && !is_auth
        && is_understood(dialect, &failure, &body)
        && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    Refusal { code, failure, headers, body: is_relayed.then_some(body) }
}

/// Whether the client will understand a refusal in the provider's own words. Agents compact on some words alone; providers that
/// speak their dialect say in words of their own that the prompt is too long.
fn is_understood(dialect: Dialect, failure: &Failure, body: &[u8]) -> bool {
    let words: &[&str] = match dialect {
        Dialect::AnthropicMessages => &["prompt is too long", "exceed context limit"],
        Dialect::OpenAiChat => &["context_length_exceeded"],
    };
    failure.kind != FailureKind::ContextLength || words.iter().any(|words| memmem::find(body, words.as_bytes()).is_some())
}

/// An error in a 200, before the first content.
pub(super) fn disguised(mut failure: Failure, headers: HeaderMap) -> Refusal {
    if failure.status < 400 {
        failure.status = 502;
    }
    let other = if failure.kind == FailureKind::RateLimit { Code::UpstreamLimited } else { Code::UpstreamNonsense };
    let code = failure.own_code().unwrap_or(other);
    Refusal { code, failure, headers, body: None }
}

/// A limit of time was met.
pub(super) fn late(message: String) -> Refusal {
    Refusal::new(Code::UpstreamTimeout, Failure::new(FailureKind::Timeout, message))
}

pub(super) fn bug() -> Refusal {
    Refusal::new(Code::Bug, Failure::from_status(500, "a bug in aimux: the attempt machine asked for the impossible"))
}

pub(super) fn all_resting(rest: Duration) -> Refusal {
    let seconds = rest.as_secs().max(1);
    let mut failure = Failure::new(FailureKind::RateLimit, format!("every provider of this model rests; the first is back in {seconds} s"));
    failure.retry_after = Some(RetryAfter { text: seconds.to_string(), ms: Some(seconds * 1000) });
    Refusal::new(Code::UpstreamLimited, failure)
}

pub(super) fn full(rest: Duration) -> Refusal {
    let seconds = rest.as_secs().max(1);
    let message = format!("the provider's own limits in the config leave no room; there is some in {seconds} s");
    let mut failure = Failure::new(FailureKind::RateLimit, message);
    failure.retry_after = Some(RetryAfter { text: seconds.to_string(), ms: Some(seconds * 1000) });
    Refusal::new(Code::TooManyInFlight, failure)
}

pub(super) fn too_late() -> Refusal {
    let message = "no provider answered within retry.deadline_s";
    Refusal::new(Code::UpstreamTimeout, Failure::new(FailureKind::Timeout, message))
}

pub(super) fn broken(provider: &str, what: &str) -> Refusal {
    let message = format!("provider \"{provider}\": {what}");
    Refusal::new(Code::UpstreamBroken, Failure::new(FailureKind::Server, message))
}

pub(super) fn unreachable(provider: &str, error: &SendError) -> Refusal {
    let (code, kind) = match error.kind {
        SendErrorKind::Tls => (Code::UpstreamTls, FailureKind::Server),
        SendErrorKind::Timeout => (Code::UpstreamTimeout, FailureKind::Timeout),
        SendErrorKind::Resolve | SendErrorKind::Connect => (Code::UpstreamFailed, FailureKind::Server),
        SendErrorKind::Broken => (Code::UpstreamBroken, FailureKind::Server),
    };
    let hint = error.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
    Refusal::new(code, Failure::new(kind, format!("provider \"{provider}\" could not be reached: {error}{hint}")))
}

/// `Retry-After` of an answer: `retry-after-ms`, seconds, or a date (relayed, but not understood here).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let precise = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok());
    let after = text("retry-after");
    let ms = precise.or_else(|| after.and_then(|seconds| seconds.parse::<f64>().ok()).map(|seconds| seconds * 1000.0));
    let ms = ms.filter(|ms| ms.is_finite() && *ms >= 0.0).map(|ms| ms.min(86_400_000.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a day")]
    let ms = ms.map(|ms| ms as u64);
    let text = after.map(str::to_owned).or_else(|| ms.map(|ms| ms.div_ceil(1000).to_string()))?;
    Some(RetryAfter { text, ms })
}

/// What stands in a key's place.
pub(super) const REDACTED: &[u8] = b"[redacted]";

/// The body without the key, should the upstream have echoed it: as it is, with letters of it as JSON's escapes, or in base64.
pub(crate) fn scrub(body: Bytes, secret: Option<&Secret>) -> Bytes {
    let Some(key) = looked_for(secret) else { return body };
    encoded(key).iter().fold(without(body, key), |body, spelling| without(body, spelling))
}

/// The same but for base64, for frames of a stream: there each is searched, and base64 comes in pieces that no search for a
/// whole one finds.
pub(super) fn scrub_frames(frames: Bytes, secret: &Secret) -> Bytes {
    looked_for(Some(secret)).map_or(frames.clone(), |key| without(frames, key))
}

/// Shorter keys may be words of an answer.
fn looked_for(secret: Option<&Secret>) -> Option<&[u8]> {
    secret.map(|secret| secret.expose().as_bytes()).filter(|key| key.len() >= 8)
}

/// What the key is in base64, of both alphabets, wherever it stands in what was encoded: those letters that no neighbour of
/// it has a part in.
fn encoded(key: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut spellings = Vec::new();
    for before in 0..3 {
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(std::iter::repeat_n(&0, before).chain(key).copied().collect());
        for whole in [base64::encode(&text), Zeroizing::new(base64::encode_url(&text))] {
            let letters = (before * 8).div_ceil(6)..text.len() * 8 / 6;
            let spelling = Zeroizing::new(whole.as_bytes().get(letters).unwrap_or_default().to_vec());
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }
    spellings
}

/// The body without a text, escaped or not.
fn without(body: Bytes, key: &[u8]) -> Bytes {
    let is_escaped = may_be_escaped(&body, key);
    if !is_escaped && memmem::find(&body, key).is_none() {
        return body;
    }
    let (mut out, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(start) = key.first().and_then(|first| memchr2(*first, b'\\', body.get(at..)?)).map(|start| at + start) {
        at = start + 1;
        if let Some(length) = body.get(start..).and_then(|rest| spelled(rest, key)) {
            out.extend_from_slice(body.get(from..start).unwrap_or_default());
            out.extend_from_slice(REDACTED);
            (from, at) = (start + length, start + length);
        }
    }
    if from == 0 {
        return body;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    out.into()
}

/// Whether there is an escape that a letter of the key may hide behind.
pub(super) fn may_be_escaped(body: &[u8], key: &[u8]) -> bool {
    memmem::find(body, b"\\u00").is_some() || (key.contains(&b'/') && memmem::find(body, b"\\/").is_some())
}

/// How many bytes spell the key at the front of these, if they do.
fn spelled(bytes: &[u8], key: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for letter in key {
        let length = match rest {
            [b'\\', b'u', b'0', b'0', high, low, ..] => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                (digit(*high)? * 16 + digit(*low)? == u32::from(*letter)).then_some(6)?
            }
            [b'\\', b'/', ..] if *letter == b'/' => 2,
            [first, ..] if first == letter => 1,
            _ => return None,
        };
        rest = rest.get(length..)?;
    }
    Some(bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn an_echoed_key_is_cut_out() {
        let secret = Secret::new("sk-0123456789".to_owned());
        let body = scrub(Bytes::from_static(b"bad key sk-0123456789, sk-0123456789!"), Some(&secret));
        assert_eq!(body, "bad key [redacted], [redacted]!");
        for spelled in [r"sk-\u00301\u00323456789", r"\u0073\u006B\u002D0123456789", r"\u0073k-012345678\u0039"] {
            let said = format!(r#"{{"a":"\u00e4 {spelled}\n","b":"sk-"}}"#);
            assert_eq!(scrub(Bytes::from(said), Some(&secret)), r#"{"a":"\u00e4 [redacted]\n","b":"sk-"}"#, "{spelled}");
        }
        let slashed = Secret::new("a/b/c+0123".to_owned());
        assert_eq!(scrub(Bytes::from_static(br"[a\/b\/c+0123]"), Some(&slashed)), "[[redacted]]");
        for healthy in [r"sk-\u0030123456788", r"\u0073k-012345678", r"\u00", r"sk-0123456\u00378", r"\\u0073"] {
            let body = Bytes::from(healthy);
            assert_eq!(scrub(body.clone(), Some(&secret)).as_ptr(), body.as_ptr(), "{healthy}");
        }
    }

    #[test]
    fn an_echoed_key_is_cut_out_of_base64_wherever_it_stands() {
        let key = "sk-?>~0123456789";
        let secret = Secret::new(key.to_owned());
        for (before, after) in [("", ""), ("x", "y"), ("user:", ""), ("ab", "ab"), ("Bearer ", "\n")] {
            let text = format!("{before}{key}{after}");
            for told in [base64::encode(text.as_bytes()).to_string(), base64::encode_url(text.as_bytes())] {
                for told in [told.clone(), told.replace('/', r"\/")] {
                    let scrubbed = scrub(Bytes::from(format!(r#"{{"header":"{told}"}}"#)), Some(&secret));
                    let seen = String::from_utf8(scrubbed.to_vec()).unwrap();
                    assert!(seen.contains("[redacted]") && !seen.contains("DEyMzQ1Nj") && seen.len() < 60, "{told}: {seen}");
                }
            }
        }
        let body = Bytes::from_static(b"c2stPz5-MDEyMzQ1Nic4OA");
        assert_eq!(scrub(body.clone(), Some(&secret)).as_ptr(), body.as_ptr(), "another key's");
    }

    #[test]
    fn retry_after_is_kept_as_it_came() {
        let read = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            retry_after(&headers)
        };
        assert_eq!(read("retry-after", "7"), Some(RetryAfter { text: "7".to_owned(), ms: Some(7000) }));
        assert_eq!(read("retry-after-ms", "1500"), Some(RetryAfter { text: "2".to_owned(), ms: Some(1500) }));
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(read("retry-after", date), Some(RetryAfter { text: date.to_owned(), ms: None }));
    }
}
