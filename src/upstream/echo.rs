//! The provider's key in its own streamed answer: taken out where the answer leaves for the client.
//!
//! Frames without the key pass as they are; they are searched for one byte of the key that is seldom in answers, and compared
//! where it stands. It lacks a key that is split over several frames, in pieces of a few characters each, or escaped letter by letter:
//! who wants to give the key away has it, and this is for who repeats it unthinkingly. Start with [`Echo::of`].

use std::sync::Arc;

use bytes::Bytes;

use super::refusal::scrub;
use crate::route::table::Provider;
use crate::secret::Secret;

/// The shortest key that is looked for: shorter ones may be words of an answer.
const LENGTH_MIN: usize = 8;
/// Characters of keys, the ones that are seldom in JSON and prose first.
const SELDOM_FIRST: &[u8] = b"~QZXJKVYGWUBHFPLMNRODSECAIT9876543210zqjxkvwygbpfmhuldcrnsiotae._-";
/// The place of each byte in that order; what is not in it, first.
const RANKS: [u8; 256] = ranks();

const fn ranks() -> [u8; 256] {
    let mut ranks = [0; 256];
    let mut place = 0;
    while place < SELDOM_FIRST.len() {
        ranks[SELDOM_FIRST[place] as usize] = place as u8;
        place += 1;
    }
    ranks
}

/// What one answer is searched for. The secret itself stays where the config has it.
pub(super) struct Echo {
    provider: Arc<Provider>,
    key: usize,
    /// The index of the key's byte that is looked for first.
    seldom: usize,
}

impl Echo {
    /// For an answer of `provider`, asked with the key of this index; `None`: there is no key to look for.
    pub(super) fn of(provider: &Arc<Provider>, key: usize) -> Option<Self> {
        let seldom = seldom(&provider.keys.get(key)?.secret)?;
        Some(Self { provider: Arc::clone(provider), key, seldom })
    }

    /// The frames without the key.
    pub(super) fn taken_out_of(&self, frames: Bytes) -> Bytes {
        match self.provider.keys.get(self.key) {
            Some(key) => taken_out(frames, &key.secret, self.seldom),
            None => frames,
        }
    }
}

/// Where the secret's most seldom byte stands.
fn seldom(secret: &Secret) -> Option<usize> {
    let secret = secret.expose().as_bytes();
    let ranked = secret.iter().enumerate().min_by_key(|(_, byte)| RANKS.get(usize::from(**byte)));
    ranked.filter(|_| secret.len() >= LENGTH_MIN).map(|(index, _)| index)
}

fn taken_out(frames: Bytes, secret: &Secret, seldom: usize) -> Bytes {
    let key = secret.expose().as_bytes();
    let Some(byte) = key.get(seldom) else { return frames };
    // A match begins `seldom` bytes before the byte, and cannot begin before the frames do.
    let searched = frames.get(seldom..).unwrap_or_default();
    let is_there = memchr::memchr_iter(*byte, searched).any(|start| frames.get(start..).is_some_and(|from| from.starts_with(key)));
    if is_there { scrub(frames, Some(secret)) } else { frames }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without(secret: &str, frames: Bytes) -> Bytes {
        let secret = Secret::new(secret.to_owned());
        let seldom = seldom(&secret).unwrap();
        taken_out(frames, &secret, seldom)
    }

    #[test]
    fn a_key_is_taken_out_wherever_it_stands_and_healthy_frames_are_the_same_bytes() {
        const KEY: &str = "sk-marker-Zq81xY0pLm37";
        for (frames, expected) in [
            ("sk-marker-Zq81xY0pLm37", "[redacted]"),
            ("data: {\"text\":\"sk-marker-Zq81xY0pLm37sk-marker-Zq81xY0pLm37\"}\n\n", "data: {\"text\":\"[redacted][redacted]\"}\n\n"),
            ("sk-sk-marker-Zq81xY0pLm37", "sk-[redacted]"),
        ] {
            assert_eq!(without(KEY, Bytes::from(frames)), expected);
        }
        for healthy in ["", "Z", "data: ZZZZ\n\n", "sk-marker-Zq81xY0pLm3", "k-marker-Zq81xY0pLm37"] {
            let frames = Bytes::from(healthy);
            let out = without(KEY, frames.clone());
            assert!(out == healthy && out.as_ptr() == frames.as_ptr(), "not a copy: {healthy}");
        }
    }

    #[test]
    fn the_byte_that_is_looked_for_is_a_seldom_one_and_short_keys_are_words() {
        let at = |text: &str| seldom(&Secret::new(text.to_owned()));
        assert_eq!(at("sk-marker-Zq81"), Some(10));
        assert_eq!(at("aaaaaaaa"), Some(0));
        assert_eq!(at("abc+defgh"), Some(3), "what no key has is the most seldom of all");
        assert_eq!((at("abcdefg"), at("")), (None, None));
    }

    proptest! {
        #[test]
        fn a_search_by_the_seldom_byte_finds_what_a_plain_one_finds(secret in "[abZ]{8,9}", frames in "[abZ]{0,80}") {
            prop_assert_eq!(without(&secret, Bytes::from(frames.clone())), frames.replace(&secret, "[redacted]"));
        }
    }
}
