//! Percent-encoding, as queries and forms have it (RFC 3986, section 2.1).

/// Text as a query may hold it: all but RFC 3986's unreserved characters as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    // Room for all of it: text that is secret leaves no shorter copy behind.
    text.bytes().fold(String::with_capacity(text.len() * 3), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
                out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
        out
    })
}

/// What a query's name or value says, a plus being a blank. `None` where an escape is malformed or it is no UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        out.push(match byte {
            b'%' => u8::try_from(digit()? << 4 | digit()?).ok()?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for (plain, encoded) in [("", ""), ("aZ09-._~", "aZ09-._~"), ("a b&c=d/ü", "a%20b%26c%3Dd%2F%C3%BC"), ("\0%", "%00%25")] {
            assert_eq!(encode(plain), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(plain));
        }
        assert_eq!(decode("a+b%2b").as_deref(), Some("a b+"));
        for malformed in ["%", "%1", "%zz", "%+1", "%ff", "%é"] {
            assert_eq!(decode(malformed), None, "{malformed}");
        }
    }
}
