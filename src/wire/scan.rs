//! The strings of JSON text, scanned for their ends: the loop in which a request spends its bytes.
//!
//! Strict: what is found here is a string of JSON's grammar, escapes and control characters included. It decodes nothing
//! and does not look at UTF-8, which is the caller's. Start with [`string_end`].

/// Where a string ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StringEnd {
    /// The place of the closing quote.
    pub(crate) at: usize,
    /// Whether a backslash stands in it.
    pub(crate) has_escapes: bool,
}

/// Why what began with a quote is no string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StringFault {
    /// The byte that is wrong, or the end of the text.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) reason: &'static str,
}

/// Bytes that are looked at together. The compiler makes vector instructions of it; more would only lengthen the rest.
const BLOCK: usize = 64;

/// A string is scanned word by word for so long: keys and most values end before a block would pay.
const WORDS_FIRST: usize = 32;

/// The end of the string whose first byte behind the quote is at `from`.
///
/// # Errors
/// When a control character, an escape that is none or the end of the text comes before the closing quote.
pub(crate) fn string_end(text: &[u8], from: usize) -> Result<StringEnd, StringFault> {
    let (mut at, mut has_escapes) = (from, false);
    let mut blocks_from = from.saturating_add(WORDS_FIRST);
    loop {
        if at >= blocks_from {
            at = quiet_end(text, at, &mut has_escapes);
            // What is in the next block wants a closer look.
            blocks_from = at.saturating_add(BLOCK);
        }
        at = plain_end(text, at, blocks_from);
        match text.get(at) {
            Some(b'"') => return Ok(StringEnd { at, has_escapes }),
            Some(b'\\') => {
                has_escapes = true;
                at = escape_end(text, at)?;
            }
            Some(0..0x20) => return Err(StringFault { at, reason: "a string holds a control character" }),
            Some(_) => {}
            None => return Err(StringFault { at, reason: "a string does not end" }),
        }
    }
}

/// Where the escape that begins at `at` ends. Surrogates need not pair: JSON's grammar does not ask for it.
fn escape_end(text: &[u8], at: usize) -> Result<usize, StringFault> {
    let taken = match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
        Some(b'u') if text.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => 6,
        _ => return Err(StringFault { at, reason: "an escape is not valid" }),
    };
    Ok(at + taken)
}

/// Where the plain text that goes on at `at` ends: at a quote, a backslash, a control character or the end; or where
/// it goes on at `until`, or a few bytes further.
///
/// Eight bytes at a time, because text is full of escaped line ends: calls of memchr for stretches that short cost more.
fn plain_end(text: &[u8], mut at: usize, until: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let zeroes_in = |word: u64| word.wrapping_sub(ONES) & !word;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        if at >= until {
            return at;
        }
        let word = u64::from_le_bytes(*chunk);
        let quote = zeroes_in(word ^ (ONES * u64::from(b'"')));
        let backslash = zeroes_in(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        // A borrow can only mark bytes above a true one, so the lowest mark is always true.
        let marks = (quote | backslash | control) & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// Skips whole blocks in which the string plainly goes on. `at` is no escaped byte, nor is what this gives.
fn quiet_end(text: &[u8], mut at: usize, has_escapes: &mut bool) -> usize {
    // The byte before a block tells whether its first is escaped; a backslash there may itself be an escaped one, which
    // a block cannot know.
    if at == 0 || text.get(at - 1) == Some(&b'\\') {
        return at;
    }
    while let Some(window) = text.get(at - 1..).and_then(|rest| rest.first_chunk::<{ BLOCK + 1 }>()) {
        let seen = Seen::of(window);
        if seen.is_loud {
            break;
        }
        *has_escapes |= seen.has_backslash;
        // A backslash at the end is left for the next block, which holds what it escapes.
        at += if window.last() == Some(&b'\\') { BLOCK - 1 } else { BLOCK };
    }
    at
}

/// What a block holds, the first byte of its window being the one before it.
struct Seen {
    /// A quote that may end the string, a control character, or an escape other than the four most frequent ones.
    is_loud: bool,
    has_backslash: bool,
}

impl Seen {
    /// Without a branch, so that it becomes vector code. Two backslashes in a row are loud: which of them escapes
    /// cannot be told without counting.
    fn of(window: &[u8; BLOCK + 1]) -> Self {
        let (mut loud, mut backslashes) = (0_u8, 0_u8);
        for (before, byte) in window.iter().zip(window.iter().skip(1)) {
            let is_escaped = *before == b'\\';
            let is_quote = *byte == b'"';
            let is_common = is_quote | (*byte == b'n') | (*byte == b't') | (*byte == b'r');
            let is_loud = (*byte < 0x20) | (is_escaped & !is_common) | (!is_escaped & is_quote);
            loud |= u8::from(is_loud);
            backslashes |= u8::from(*byte == b'\\');
        }
        Self { is_loud: loud != 0, has_backslash: backslashes != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The grammar, byte by byte.
    fn reference(text: &[u8], from: usize) -> Result<StringEnd, StringFault> {
        let (mut at, mut has_escapes) = (from, false);
        loop {
            match text.get(at) {
                None => return Err(StringFault { at, reason: "a string does not end" }),
                Some(b'"') => return Ok(StringEnd { at, has_escapes }),
                Some(0..0x20) => return Err(StringFault { at, reason: "a string holds a control character" }),
                Some(b'\\') => {
                    has_escapes = true;
                    let hex = text.iter().skip(at + 2).take(4).filter(|byte| byte.is_ascii_hexdigit()).count();
                    at += match text.get(at + 1) {
                        Some(b'u') if hex == 4 => 6,
                        Some(byte) if b"\"\\/bfnrt".contains(byte) => 2,
                        _ => return Err(StringFault { at, reason: "an escape is not valid" }),
                    };
                }
                Some(_) => at += 1,
            }
        }
    }

    /// Pseudo-random numbers below `bound`, the same for the same seed.
    fn below(state: &mut u64, bound: usize) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % bound
    }

    /// Text of `length` bytes in which one of `rarity` bytes begins something odd.
    fn odd_text(state: &mut u64, length: usize, rarity: usize) -> Vec<u8> {
        const ODD: [&[u8]; 14] =
            [b"\\n", b"\\\"", b"\\\\", b"\\t", b"\\r", b"\\/", b"\\u00e9", b"\\u12", b"\\x", b"\"", b"\\", b"\x1f", b"\xc3\xa9", b"\x7f"];
        let mut text = Vec::with_capacity(length + 8);
        while text.len() < length {
            if below(state, rarity) == 0 {
                // The first few do not end a string, and so are what long ones are made of.
                let kinds = if below(state, 8) == 0 { ODD.len() } else { 7 };
                text.extend_from_slice(ODD[below(state, kinds)]);
            } else {
                text.push(b"abn tru\x80\xff~"[below(state, 10)]);
            }
        }
        text
    }

    #[test]
    fn any_text_ends_where_the_plain_loop_says_from_every_offset() {
        let mut state = 0x5eed;
        for rarity in [1, 2, 5, 20, 100, 1000] {
            for _ in 0..60 {
                let length = below(&mut state, 500);
                let text = odd_text(&mut state, length, rarity);
                for from in 0..=text.len() {
                    let found = string_end(&text, from);
                    assert_eq!(found, reference(&text, from), "from {from} in {:?}", String::from_utf8_lossy(&text));
                }
            }
        }
    }

    #[test]
    fn every_byte_counts_at_every_place_of_a_block() {
        for place in 0..200 {
            for byte in 0..=u8::MAX {
                for escaped in [false, true] {
                    let mut text = vec![b'a'; 260];
                    if escaped && place > 0 {
                        text[place - 1] = b'\\';
                    }
                    text[place] = byte;
                    text.push(b'"');
                    assert_eq!(string_end(&text, 0), reference(&text, 0), "byte {byte} at {place}, escaped: {escaped}");
                }
            }
        }
    }

    #[test]
    fn runs_of_backslashes_are_counted_across_blocks() {
        for before in 0..140 {
            for run in 0..140 {
                let text = [vec![b'a'; before], vec![b'\\'; run], b"\"bcd\"".to_vec()].concat();
                assert_eq!(string_end(&text, 0), reference(&text, 0), "{run} after {before}");
            }
        }
    }
}
