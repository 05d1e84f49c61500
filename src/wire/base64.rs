//! Base64, for the few texts that come wrapped in it. Everything else that is base64 passes unread.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The UTF-8 text that a base64 text of either alphabet holds; padding is optional, white space is ignored. `None` for
/// anything else.
pub(crate) fn decode_text(text: &str) -> Option<String> {
    let mut bytes = decode(text)?;
    String::from_utf8(std::mem::take(&mut *bytes)).ok()
}

/// The bytes that a base64 text holds, read as [`decode_text`] does; wiped when dropped, for they may be a secret.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
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
    Some(out)
}

/// The standard alphabet's text for `bytes`, without padding.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..=chunk.len() {
            let six = (word >> (18 - 6 * index)) & 63;
            text.push(char::from(ALPHABET.get(six as usize).copied().unwrap_or(b'A')));
        }
    }
    text
}

/// Bytes in the alphabet for URLs, without padding (RFC 4648, section 5).
pub(crate) fn encode_url(bytes: &[u8]) -> String {
    encode(bytes)
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_text, encode, encode_url};

    #[test]
    fn bytes_are_written_as_urls_take_them() {
        // RFC 4648, section 10, without its padding; then the two characters that differ.
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode_url(bytes.as_bytes()), text);
        }
        assert_eq!(encode_url(&[0xfb, 0xff, 0xfe]), "-__-");
    }

    #[test]
    fn text_is_read_from_either_alphabet_with_or_without_padding() {
        assert_eq!(decode_text("Z3LDvMOfZQ==").as_deref(), Some("grüße"));
        assert_eq!(decode_text("Z3LD\nvMOfZQ").as_deref(), Some("grüße"));
        assert_eq!(decode_text("8J-YgA").as_deref(), Some("😀"));
        assert_eq!(decode_text("not base64!"), None);
        assert_eq!(decode_text("/w=="), None);
    }

    #[test]
    fn bytes_come_back_as_they_went() {
        assert_eq!((encode(b"").as_str(), encode(b"f").as_str(), encode(b"fo").as_str()), ("", "Zg", "Zm8"));
        assert_eq!(encode(b"\xff\xfe\xfd").as_str(), "//79");
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            assert_eq!(decode(&encode(&bytes)).unwrap().as_slice(), bytes);
        }
    }
}
