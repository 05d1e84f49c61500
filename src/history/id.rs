//! Ids of conversations: sixteen letters and digits that sort by time, of which the first few are mostly enough.

/// Crockford's alphabet: no letter that is taken for another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How long an id is.
pub(super) const LENGTH: usize = 16;

/// An id of the moment, in milliseconds since 1970, and of chance.
pub(super) fn fresh(now_ms: u64) -> String {
    of(now_ms, getrandom::u32().unwrap_or_else(|_| std::process::id()))
}

/// An id of the moment and of a number, of which 30 bits count.
pub(super) fn of(now_ms: u64, number: u32) -> String {
    // 48 bits of time take ten characters, 30 bits of chance six.
    let digit = |number: u64, at: usize| {
        let index = usize::try_from((number >> (5 * at)) & 31).unwrap_or(0);
        char::from(ALPHABET.get(index).copied().unwrap_or(b'0'))
    };
    let time = (0..10).rev().map(|at| digit(now_ms, at));
    time.chain((0..6).rev().map(|at| digit(number.into(), at))).collect()
}

/// The text as an id, or the begin of one, might be meant: letters' case and look-alikes do not matter. `None`: it cannot be one.
pub(super) fn meant(text: &str) -> Option<String> {
    let of = |c: char| match c.to_ascii_lowercase() {
        'o' => Some('0'),
        'i' | 'l' => Some('1'),
        c => ALPHABET.contains(&u8::try_from(c).ok()?).then_some(c),
    };
    let id: String = text.chars().map(of).collect::<Option<_>>()?;
    (!id.is_empty() && id.len() <= LENGTH).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_differ_within_a_moment() {
        let early = fresh(1_795_000_000_000);
        assert_eq!(early.len(), LENGTH);
        assert!(early < fresh(1_795_000_000_001) && early[..10] < *"1k");
        assert_ne!(fresh(5), fresh(5));
        assert_eq!(&fresh(0)[..10], "0000000000");
    }

    #[test]
    fn what_is_typed_by_hand_is_understood() {
        assert_eq!(meant("01KO").as_deref(), Some("01k0"));
        assert_eq!(meant("Ol").as_deref(), Some("01"));
        for text in ["", "u", "a b", "é", "01k%", "0123456789abcdefg"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
