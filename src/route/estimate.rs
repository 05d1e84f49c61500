//! How many tokens a request has, guessed from its size. There is no tokenizer on the request path.

/// Bytes of JSON per token: prose, code and tool schemas of coding agents lie between 3 and 4.5, escapes included.
const BYTES_PER_TOKEN: f64 = 3.6;
/// What an image costs at about a megapixel (width × height ÷ 750, as Anthropic's documentation of vision counts it).
const TOKENS_PER_IMAGE: u64 = 1600;

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
    use super::input_tokens;

    #[test]
    fn base64_counts_by_the_image_and_text_by_the_byte() {
        assert_eq!(input_tokens(0, 0, 0), 0);
        assert_eq!(input_tokens(3600, 0, 0), 1000);
        assert_eq!(input_tokens(1_003_600, 1_000_000, 1), 2600);
        assert_eq!(input_tokens(1, 2, 0), 0);
        assert!(input_tokens(usize::MAX, 0, usize::MAX) > 0);
    }
}
