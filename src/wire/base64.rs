//! Base64, for the few texts that come wrapped in it. Everything else that is base64 passes unread.

/// The UTF-8 text that a base64 text of either alphabet holds; padding is optional, white space is ignored. `None` for
/// anything else.
pub(crate) fn decode_text(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0_u8);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = (buffer << 6 | u32::from(six)) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits & 0xFF) as u8);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::decode_text;

    #[test]
    fn text_is_read_from_either_alphabet_with_or_without_padding() {
        assert_eq!(decode_text("Z3LDvMOfZQ==").as_deref(), Some("grüße"));
        assert_eq!(decode_text("Z3LD\nvMOfZQ").as_deref(), Some("grüße"));
        assert_eq!(decode_text("8J-YgA").as_deref(), Some("😀"));
        assert_eq!(decode_text("not base64!"), None);
        assert_eq!(decode_text("/w=="), None);
    }
}
