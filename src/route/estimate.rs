//! How many tokens a request has, guessed from its size. There is no tokenizer on the request path.

use serde::Deserialize;

/// Bytes of JSON per token: prose, code and tool schemas of coding agents lie between 3 and 4.5, escapes included.
const BYTES_PER_TOKEN: f64 = 3.6;
/// What an image costs at about a megapixel (width × height ÷ 750, as Anthropic's documentation of vision counts it).
const TOKENS_PER_IMAGE: u64 = 1600;

/// The most output that is reserved for a request: agents ask for 32,000 and more, and get some hundreds.
const OUTPUT_MAX: u64 = 4096;

/// The output that is reckoned with where targets are compared by what they cost.
const OUTPUT_EXPECTED: u64 = 1000;

/// The output to reckon with where up to so many tokens are asked for; 0: the request does not say.
#[must_use]
pub fn expected_output(asked: u64) -> u64 {
    if asked == 0 { OUTPUT_EXPECTED } else { asked.min(OUTPUT_EXPECTED) }
}

/// What to reserve for the output of a JSON body: what it asks for, within reason.
#[must_use]
pub fn output_tokens(body: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Asked {
        max_tokens: Option<u64>,
        max_completion_tokens: Option<u64>,
    }
    let asked = serde_json::from_slice::<Asked>(body).ok().and_then(|asked| asked.max_completion_tokens.or(asked.max_tokens));
    asked.unwrap_or(OUTPUT_MAX).min(OUTPUT_MAX)
}

/// An estimate of the input tokens of a JSON body of so many bytes, of which so many are base64, with so many images.
/// Within some 15 % for the requests of coding agents, further off for other languages than English; never an exact count.
#[must_use]
pub fn input_tokens(body_bytes: usize, base64_bytes: usize, images: usize) -> u64 {
    let text = body_bytes.saturating_sub(base64_bytes);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    let tokens = (text as f64 / BYTES_PER_TOKEN).ceil() as u64;
    tokens.saturating_add(TOKENS_PER_IMAGE.saturating_mul(images as u64))
}

#[cfg(test)]
mod tests {
    use super::{OUTPUT_MAX, input_tokens, output_tokens};

    #[test]
    fn the_output_that_is_reserved_is_what_was_asked_for_within_reason() {
        for (body, tokens) in [
            (r#"{"messages":[{"max_tokens":1}],"max_tokens":100}"#, 100),
            (r#"{"max_tokens":7,"max_completion_tokens":9}"#, 9),
            (r#"{"max_tokens":32000}"#, OUTPUT_MAX),
            (r#"{"max_tokens":-1}"#, OUTPUT_MAX),
            ("{}", OUTPUT_MAX),
            ("", OUTPUT_MAX),
        ] {
            assert_eq!(output_tokens(body.as_bytes()), tokens, "{body}");
        }
    }

    #[test]
    fn base64_counts_by_the_image_and_text_by_the_byte() {
        assert_eq!(input_tokens(0, 0, 0), 0);
        assert_eq!(input_tokens(3600, 0, 0), 1000);
        assert_eq!(input_tokens(1_003_600, 1_000_000, 1), 2600);
        assert_eq!(input_tokens(1, 2, 0), 0);
        assert!(input_tokens(usize::MAX, 0, usize::MAX) > 0);
    }
}
