//! The provider's key in its own streamed answer: taken out where the answer leaves for the client.
//!
//! Frames without the key pass as they are, uncopied: they are searched for the key's first byte, and compared where it
//! stands. A key whose pieces stand in several texts, as a stream brings them, is followed from text to text; once so much of
//! it has come that it can be little else, what holds it waits for the rest, which is seldom the case and never long. It
//! lacks base64, which `scrub` takes out of whole answers: a stream brings it in pieces, and three more spellings to follow in
//! each text would cost every healthy chunk. Who wants to give the key away has it; this is for who repeats it unthinkingly.
//! Start with [`Echo::of`].

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::refusal::{REDACTED, may_be_escaped, scrub_frames};
use crate::route::table::Provider;
use crate::secret::Secret;

/// The shortest key that is looked for: shorter ones may be words of an answer.
const LENGTH_MIN: usize = 8;
/// So much of a key, at the end of a text, makes it wait for what follows. Less has left when the rest comes.
const HELD_MIN: usize = 4;
/// A key goes on within so many frames, or it was none: the others are pings, or another block's.
const FRAMES_MAX: usize = 4;
/// What waits at most, in bytes.
const HELD_MAX: usize = 256 << 10;

/// What one answer is searched for. The secret itself stays where the config has it.
pub(super) struct Echo {
    provider: Arc<Provider>,
    key: usize,
    search: Search,
}

/// How far the search has come.
#[derive(Default)]
struct Search {
    /// Bytes that end with a part of the key, and wait.
    held: Vec<u8>,
    /// How much of the key the last text ended with before what is held, and has left.
    carried: Carried,
}

/// A part of the key that the last text ended with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Carried {
    matched: usize,
    /// The member that the text is: the next part stands in one of the same name.
    name: Vec<u8>,
}

impl Echo {
    /// For an answer of `provider`, asked with the key of this index; `None`: there is no key to look for.
    pub(super) fn of(provider: &Arc<Provider>, key: usize) -> Option<Self> {
        is_looked_for(&provider.keys.get(key)?.secret).then(|| Self { provider: Arc::clone(provider), key, search: Search::default() })
    }

    /// The frames without the key; empty where they have to wait.
    pub(super) fn taken_out_of(&mut self, frames: Bytes) -> Bytes {
        match self.provider.keys.get(self.key) {
            Some(key) => self.search.taken_out_of(frames, &key.secret),
            None => frames,
        }
    }

    /// What waited, at the end of the answer.
    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.search.held).into()
    }
}

fn is_looked_for(secret: &Secret) -> bool {
    secret.expose().len() >= LENGTH_MIN
}

impl Search {
    fn taken_out_of(&mut self, frames: Bytes, secret: &Secret) -> Bytes {
        let key = secret.expose().as_bytes();
        if self.held.is_empty() && self.carried.matched == 0 && is_healthy(&frames, key) {
            return frames;
        }
        // What is escaped is whole, or not found.
        let frames = scrub_frames(frames, secret);
        let buffer: Bytes = if self.held.is_empty() { frames } else { [&self.held, &*frames].concat().into() };
        self.held.clear();
        let (cuts, open) = Trails { buffer: &buffer, key }.follow(&self.carried);
        let buffer = without(buffer, cuts);
        if open.matched >= HELD_MIN && buffer.len() <= HELD_MAX {
            // What had left before it is needed again, when the buffer is followed with what comes.
            self.held = buffer.into();
            return Bytes::new();
        }
        self.carried = open;
        buffer
    }
}

/// Whether frames neither hold the key nor end a text with a part of it. The one that runs for each chunk.
fn is_healthy(frames: &[u8], key: &[u8]) -> bool {
    let Some(first) = key.first() else { return true };
    let is_harmless = |at: usize| {
        let length = common(frames.get(at..).unwrap_or_default(), key);
        length < key.len() && !ends_a_text(frames, at + length)
    };
    memchr_iter(*first, frames).all(is_harmless) && !may_be_escaped(frames, key)
}

/// How many bytes both begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Whether a JSON string that is a value, not a member's name, ends at this quote.
fn ends_a_text(buffer: &[u8], quote: usize) -> bool {
    let behind = buffer.get(quote + 1..).unwrap_or_default();
    buffer.get(quote) == Some(&b'"') && matches!(behind.trim_ascii_start().first(), Some(b',' | b'}' | b']'))
}

/// A key's pieces in several texts.
struct Trails<'a> {
    buffer: &'a [u8],
    key: &'a [u8],
}

/// Where a trail ends.
enum Trail {
    /// The whole key: where its pieces stand.
    Whole(Vec<Range<usize>>),
    /// It may go on.
    Open(Carried),
    Lost,
}

impl Trails<'_> {
    /// The pieces of keys that are whole, one key a list, and what has come of one that may go on. `carried`: what had come
    /// before the buffer begins.
    fn follow(&self, carried: &Carried) -> (Vec<Vec<Range<usize>>>, Carried) {
        // Where nothing here goes on with it, it was none: of each stream's texts some end with a key's first letter.
        let goes_on = |trail: &Trail| !matches!(trail, Trail::Open(open) if open == carried);
        let begun = (carried.matched > 0).then(|| self.trail(carried.clone(), 0, Vec::new())).filter(goes_on);
        let starts = self.key.first().into_iter().flat_map(|first| memchr_iter(*first, self.buffer)).filter_map(|at| {
            let matched = common(self.buffer.get(at..)?, self.key);
            let end = at + matched;
            let text = || self.buffer.get(..at).and_then(|before| Some(memrchr(b'"', before)? + 1)).unwrap_or(at);
            let carried = || Carried { matched, name: self.name(text()).to_vec() };
            ends_a_text(self.buffer, end).then(|| self.trail(carried(), end + 1, std::iter::once(at..end).collect()))
        });
        let (mut cuts, mut longest) = (Vec::new(), Carried::default());
        for trail in begun.into_iter().chain(starts) {
            match trail {
                Trail::Whole(parts) => cuts.push(parts),
                Trail::Open(open) if open.matched > longest.matched => longest = open,
                Trail::Open(_) | Trail::Lost => {}
            }
        }
        (cuts, longest)
    }

    /// Goes on from `at`, with what has come standing in `parts`.
    fn trail(&self, mut carried: Carried, mut at: usize, mut parts: Vec<Range<usize>>) -> Trail {
        let mut frames = 0;
        loop {
            let rest = self.key.get(carried.matched..).unwrap_or_default();
            if rest.is_empty() {
                return Trail::Whole(parts);
            }
            let behind = self.buffer.get(at..).unwrap_or_default();
            let quote = memchr(b'"', behind);
            frames += memmem::find_iter(behind.get(..quote.unwrap_or(behind.len())).unwrap_or_default(), b"\n\n").count();
            let Some(quote) = quote.filter(|_| frames <= FRAMES_MAX) else {
                return if frames > FRAMES_MAX { Trail::Lost } else { Trail::Open(carried) };
            };
            at += quote + 1;
            let length = common(self.buffer.get(at..).unwrap_or_default(), rest);
            let end = at + length;
            let is_next = length == rest.len() || (length > 0 && ends_a_text(self.buffer, end));
            if is_next && self.name(at) == carried.name {
                parts.push(at..end);
                carried.matched += length;
                (at, frames) = (end, 0);
            }
        }
    }

    /// The name of the member whose text begins at `at`, behind its quote; empty where it is none.
    fn name(&self, at: usize) -> &[u8] {
        let before = at.checked_sub(1).and_then(|quote| self.buffer.get(..quote)).unwrap_or_default();
        let name = before.trim_ascii_end().strip_suffix(b":").and_then(|before| before.trim_ascii_end().strip_suffix(b"\""));
        name.and_then(|name| name.get(memrchr(b'"', name)? + 1..)).unwrap_or_default()
    }
}

/// The buffer without these pieces; of each key the first one leaves a word.
fn without(buffer: Bytes, mut cuts: Vec<Vec<Range<usize>>>) -> Bytes {
    if cuts.is_empty() {
        return buffer;
    }
    cuts.sort_by_key(|parts| parts.first().map_or(0, |part| part.start));
    let mut pieces: Vec<(Range<usize>, &[u8])> = Vec::new();
    for parts in cuts {
        let words = std::iter::once(REDACTED).chain(std::iter::repeat(&b""[..]));
        pieces.extend(parts.into_iter().zip(words));
    }
    pieces.sort_by_key(|(range, _)| range.start);
    let (mut out, mut from) = (Vec::with_capacity(buffer.len()), 0);
    for (range, word) in pieces {
        if range.start >= from {
            out.extend_from_slice(buffer.get(from..range.start).unwrap_or_default());
            out.extend_from_slice(word);
            from = range.end;
        }
    }
    out.extend_from_slice(buffer.get(from..).unwrap_or_default());
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-marker-Zq81xY0pLm37";

    fn secret() -> Secret {
        Secret::new(KEY.to_owned())
    }

    fn frame(text: &str) -> String {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        )
    }

    /// What leaves of these chunks, and what the last one left behind.
    fn leaves(chunks: &[String]) -> String {
        let (mut search, secret) = (Search::default(), secret());
        let mut out: Vec<u8> = chunks.iter().flat_map(|chunk| search.taken_out_of(Bytes::from(chunk.clone()), &secret)).collect();
        out.extend(search.held);
        String::from_utf8(out).unwrap()
    }

    /// The texts of the frames, put together as a client does.
    fn texts(out: &str) -> String {
        out.split("\"text\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn a_key_is_taken_out_wherever_it_stands_and_healthy_frames_are_the_same_bytes() {
        for (frames, expected) in [
            ("sk-marker-Zq81xY0pLm37", "[redacted]"),
            ("data: {\"text\":\"sk-marker-Zq81xY0pLm37sk-marker-Zq81xY0pLm37\"}\n\n", "data: {\"text\":\"[redacted][redacted]\"}\n\n"),
            ("sk-sk-marker-Zq81xY0pLm37", "sk-[redacted]"),
            ("data: {\"text\":\"\\u0073k\\u002dmarker-Zq81xY0pLm3\\u0037.\"}\n\n", "data: {\"text\":\"[redacted].\"}\n\n"),
        ] {
            assert_eq!(leaves(&[frames.to_owned()]), expected);
        }
        let task = frame("a task of the masks, so");
        for healthy in ["", "s", "data: ZZZZ\n\n", "sk-marker-Zq81xY0pLm3", "k-marker-Zq81xY0pLm37", &task] {
            let frames = Bytes::from(healthy.to_owned());
            let out = Search::default().taken_out_of(frames.clone(), &secret());
            assert!(out == healthy && out.as_ptr() == frames.as_ptr(), "not a copy: {healthy}");
        }
    }

    #[test]
    fn a_key_in_pieces_is_followed_from_text_to_text() {
        for split in 1..KEY.len() {
            let (one, two) = KEY.split_at(split);
            let out = leaves(&[frame(&format!("my key is {one}")), frame(&format!("{two}, so")), frame("what")]);
            let seen = texts(&out);
            let left = if split < HELD_MIN { one } else { "" };
            assert_eq!(seen, format!("my key is {left}[redacted], sowhat"), "{split}");
        }
        // Letter by letter, with pings in between, and several frames a chunk.
        let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
        let letters: Vec<String> = KEY.chars().map(|letter| frame(&letter.to_string()) + ping).collect();
        assert_eq!(texts(&leaves(&letters)), "sk-[redacted]");
        assert_eq!(texts(&leaves(&[letters.concat()])), "[redacted]");
        let twice = [letters.concat(), frame("and "), frame(KEY), letters.concat(), frame("end")];
        assert_eq!(texts(&leaves(&twice)), "[redacted]and [redacted][redacted]end");
    }

    #[test]
    fn what_only_begins_like_a_key_leaves_as_it_came() {
        let part = frame("sk-mark");
        let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n".to_owned();
        let mut search = Search::default();
        assert!(search.taken_out_of(part.clone().into(), &secret()).is_empty(), "it waits");
        for _ in 0..FRAMES_MAX - 1 {
            assert!(search.taken_out_of(ping.clone().into(), &secret()).is_empty(), "a ping is no text");
        }
        let out = search.taken_out_of(ping.clone().into(), &secret());
        assert_eq!(out, part.clone() + &ping.repeat(FRAMES_MAX), "not for ever");
        assert_eq!(leaves(std::slice::from_ref(&part)), part, "the answer ends");
        let names = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"masks\"}}]}\n\n".to_owned();
        assert_eq!(leaves(&[names.clone(), names.clone()]), names.repeat(2));
    }

    #[test]
    fn short_keys_are_words() {
        let is_word = |key: &str| !is_looked_for(&Secret::new(key.to_owned()));
        assert!(is_word("abcdefg") && is_word("") && !is_word("abcdefgh"));
    }

    proptest! {
        #[test]
        fn no_cut_of_a_stream_lets_a_key_through_and_nothing_else_changes(
            words in proptest::collection::vec("[sk-]{0,3}|a|task|sk-marker", 0..6),
            cuts in proptest::collection::vec(0_usize..120, 0..6),
            at in 0_usize..6,
        ) {
            let text: String = words.iter().enumerate().flat_map(|(index, word)| [if index == at { KEY } else { "" }, word]).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let frames: Vec<String> = cuts.windows(2).filter(|cut| cut[0] < cut[1]).map(|cut| frame(&text[cut[0]..cut[1]])).collect();
            let seen = texts(&leaves(&frames));
            prop_assert!(!seen.contains(KEY), "{} of {}", seen, text);
            if !text.contains(KEY) {
                prop_assert_eq!(seen, text);
            }
        }
    }
}
