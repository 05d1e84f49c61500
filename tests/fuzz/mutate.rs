//! Makes wrong inputs of right ones.

/// A generator of numbers (splitmix64): the same seed, the same numbers.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// What is put in the place of other values: each kind of JSON, and what decoders stumble over.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1e400",
    "123456789012345678901234567890",
    "\"\"",
    "\"x\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "[{}]",
    "{\"type\":\"text\"}",
    "{\"type\":\"tool_use\"}",
    "{\"type\":null}",
    "\"data:;base64,\"",
    "\"aimux1.zai.00\"",
    "\"\u{2028}\u{85}\u{1F600}\"",
];

/// One of the seeds with one to four changes.
pub(crate) fn mutated(seeds: &[&str], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        mutate(&mut bytes, seeds, random);
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[&str], random: &mut Random) {
    let (at, len) = (random.below(bytes.len()), random.below(40));
    let end = (at + len).min(bytes.len());
    match random.below(10) {
        0 => bytes.truncate(at),
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = u8::try_from(random.below(256)).unwrap();
            }
        }
        2 => drop(bytes.drain(at..end)),
        3 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        4 => {
            let other = seeds[random.below(seeds.len())].as_bytes();
            let from = random.below(other.len());
            bytes.splice(at..end, other[from..(from + len).min(other.len())].iter().copied());
        }
        // Most changes keep the JSON whole, since what does not parse goes no further.
        5 => swap_lines(bytes, random),
        _ => replace_value(bytes, at, VALUES[random.below(VALUES.len())]),
    }
}

/// Replaces the value of the member that follows `at`.
fn replace_value(bytes: &mut Vec<u8>, at: usize, value: &str) {
    let Some(colon) = bytes[at..].windows(2).position(|pair| pair == b"\":").map(|n| at + n + 2) else { return };
    let mut values = serde_json::Deserializer::from_slice(&bytes[colon..]).into_iter::<serde::de::IgnoredAny>();
    if let Some(Ok(_)) = values.next() {
        let end = colon + values.byte_offset();
        bytes.splice(colon..end, value.bytes());
    }
}

/// Drops, doubles or moves one event of a stream.
fn swap_lines(bytes: &mut Vec<u8>, random: &mut Random) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut events: Vec<&str> = text.split("\n\n").collect();
    let (from, to) = (random.below(events.len()), random.below(events.len()));
    let event = events[from];
    match random.below(3) {
        0 => drop(events.remove(from)),
        1 => events.insert(to, event),
        _ => events.swap(from, to),
    }
    *bytes = events.join("\n\n").into_bytes();
}
