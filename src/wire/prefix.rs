//! What a provider's cache goes by in a request: a hash of each block of its beginning, in the order in which caches read it.
//!
//! One pass over a body that [`super::peek`] has found to be JSON: tools, system, each message. Markers of what to cache
//! (`cache_control`) move on with every turn and are no part of what is cached, so they are left out and noted apart; text
//! alone and text in a list of one block are the same. It lacks any judgement of what a change costs. Start with [`Prefix::of`].

use super::scan::string_end;

/// The beginning of a request, as far as caches go by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix {
    /// All tools; 0: none.
    pub tools: u32,
    /// The blocks of `system`.
    pub system: Vec<u32>,
    /// The messages. Those after the first [`MESSAGES_MAX`] are one.
    pub messages: Vec<u32>,
    /// How many of them, from the first on, are instructions: Chat has its system prompt there.
    pub lead: u32,
    /// What else the answer depends on: thinking, effort, the choice of a tool.
    pub settings: u32,
    /// Where the markers stand, by the count of blocks before each, the first [`MARKS_MAX`] of them.
    pub marks: Vec<u32>,
    /// Whether a marker asks for an hour.
    pub is_long: bool,
}

/// The messages that are told apart.
pub const MESSAGES_MAX: usize = 4096;
/// The markers that are noted; providers take four.
pub const MARKS_MAX: usize = 16;
/// How many blocks before a marker a cache looks for what it has (Anthropic's page on prompt caching, July 2026).
pub const LOOK_BACK: u32 = 20;

/// The first block in which a request differs from an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The tools.
    Tools,
    /// A block of `system`, from 0.
    System(usize),
    /// A message, from 0.
    Message(usize),
    /// No block, but thinking, effort or the choice of a tool.
    Settings,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tools => f.write_str("tools"),
            Self::System(index) => write!(f, "system[{index}]"),
            Self::Message(index) => write!(f, "messages[{index}]"),
            Self::Settings => f.write_str("thinking, effort or tool_choice"),
        }
    }
}

impl Prefix {
    /// The prefix of a body. Of what is no JSON it is as much as was understood.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let mut pass = Pass { body, at: 0, blocks: 0, is_instruction: false, found: Self::default() };
        let marks = pass.top().unwrap_or_default();
        let mut found = pass.found;
        found.marks = marks;
        found
    }

    /// The first block that `later` has otherwise. One that only goes on, or stops earlier, differs in none.
    #[must_use]
    pub fn change(&self, later: &Self) -> Option<Place> {
        if self.tools != later.tools {
            return Some(Place::Tools);
        }
        let differs = |old: &[u32], new: &[u32]| old.iter().zip(new).position(|(old, new)| old != new);
        if let Some(index) = differs(&self.system, &later.system) {
            return Some(Place::System(index));
        }
        if self.system.len() != later.system.len() {
            return Some(Place::System(self.system.len().min(later.system.len())));
        }
        if let Some(index) = differs(&self.messages, &later.messages) {
            // What is beyond the most that are told apart goes on under one number.
            return Some(Place::Message(index)).filter(|_| index < MESSAGES_MAX);
        }
        (self.settings != later.settings).then_some(Place::Settings)
    }

    /// Whether `later` is another conversation: no message that somebody said is the same. A change of the first one alone is none.
    #[must_use]
    pub fn is_other(&self, later: &Self) -> bool {
        let said = |prefix: &Self| prefix.messages.get(prefix.lead as usize..).unwrap_or_default().to_vec();
        let (old, new) = (said(self), said(later));
        !old.is_empty() && !new.is_empty() && old.iter().zip(&new).all(|(old, new)| old != new)
    }

    /// Whether the markers of `later` reach back to what was cached by those of this one. Without any here, they do.
    #[must_use]
    pub fn is_reached_by(&self, later: &Self) -> bool {
        self.marks.last().is_none_or(|last| later.marks.iter().any(|mark| (*last..last.saturating_add(LOOK_BACK)).contains(mark)))
    }
}

/// The state of the pass. Each method begins at the first byte of something and ends behind its last; `None`: it is no JSON.
struct Pass<'a> {
    body: &'a [u8],
    at: usize,
    /// Blocks so far within `tools`, `system` or `messages`.
    blocks: u32,
    /// Whether the last message is an instruction.
    is_instruction: bool,
    found: Prefix,
}

/// What a hash begins with.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// A list's mark.
const LIST: u64 = 0x2545_f491_4f6c_dd1d;

impl<'a> Pass<'a> {
    /// The outermost object. Its members come in any order; caches read tools, then system, then messages.
    fn top(&mut self) -> Option<Vec<u32>> {
        let mut marks: [(u32, Vec<u32>); 3] = Default::default();
        let (mut settings, mut lead) = (0_u64, 0);
        self.object(|pass, key| {
            let part = [&b"tools"[..], b"system", b"messages"].iter().position(|part| *part == key);
            let Some(part) = part else {
                let from = pass.at;
                pass.skip()?;
                if [&b"thinking"[..], b"tool_choice", b"output_config", b"reasoning_effort", b"reasoning"].contains(&key) {
                    settings = settings.wrapping_add(folded(hash(key), hash(pass.since(from))));
                }
                return Some(());
            };
            pass.blocks = 0;
            let mut own = Vec::new();
            let blocks = pass.blocks(&mut own)?;
            match part {
                0 => pass.found.tools = short(blocks.iter().fold(LIST, |sum, block| folded(sum, *block))),
                1 => pass.found.system = blocks.into_iter().map(short).collect(),
                _ => {
                    pass.found.messages = bounded(&blocks);
                    lead = pass.found.lead;
                }
            }
            if let Some(slot) = marks.get_mut(part) {
                *slot = (pass.blocks, own);
            }
            Some(())
        })?;
        (self.found.settings, self.found.lead) = (short(settings), lead);
        let (mut all, mut before) = (Vec::new(), 0);
        for (blocks, own) in marks {
            all.extend(own.into_iter().map(|mark| before + mark));
            before += blocks;
        }
        all.truncate(MARKS_MAX);
        Some(all)
    }

    /// A list of blocks, or text that stands for a list of one: a hash each.
    fn blocks(&mut self, marks: &mut Vec<u32>) -> Option<Vec<u64>> {
        let mut found = Vec::new();
        match self.next()? {
            b'[' => {
                let mut lead = 0;
                self.list(|pass| {
                    pass.is_instruction = false;
                    found.push(pass.block(marks)?);
                    lead += u32::from(pass.is_instruction && found.len() == lead as usize + 1);
                    Some(())
                })?;
                self.found.lead = lead;
            }
            b'"' => {
                self.blocks += 1;
                let from = self.at;
                self.skip()?;
                // As `{"type":"text","text":"…"}` would be.
                let text = folded(hash(b"text"), hash(self.since(from)));
                found.push(SEED.wrapping_add(text).wrapping_add(folded(hash(b"type"), hash(b"\"text\""))));
            }
            _ => self.skip()?,
        }
        Some(found)
    }

    /// A tool, a message or a block of one. The order of members is no part of the hash.
    fn block(&mut self, marks: &mut Vec<u32>) -> Option<u64> {
        let from = self.at;
        if self.next()? != b'{' {
            self.blocks += 1;
            self.skip()?;
            return Some(hash(self.since(from)));
        }
        let (mut sum, mut is_marked, mut is_parent, mut is_instruction) = (SEED, None, false, false);
        self.object(|pass, key| {
            let value = match key {
                b"cache_control" => {
                    let from = pass.at;
                    pass.skip()?;
                    let marker = pass.since(from);
                    is_marked = marker.starts_with(b"{").then_some(memchr::memmem::find(marker, b"\"1h\"").is_some());
                    return Some(());
                }
                b"content" if matches!(pass.next()?, b'[' | b'"') => {
                    is_parent = true;
                    let blocks = pass.blocks(marks)?;
                    blocks.iter().fold(LIST, |sum, block| folded(sum, *block))
                }
                _ => {
                    let from = pass.at;
                    pass.skip()?;
                    let value = pass.since(from);
                    is_instruction |= key == b"role" && matches!(value, b"\"system\"" | b"\"developer\"");
                    hash(value)
                }
            };
            sum = sum.wrapping_add(folded(hash(key), value));
            Some(())
        })?;
        self.is_instruction = is_instruction;
        // What has blocks of its own is counted by them.
        self.blocks += u32::from(!is_parent);
        if let Some(is_long) = is_marked {
            self.found.is_long |= is_long;
            marks.push(self.blocks);
        }
        Some(sum)
    }

    /// An object; `member` consumes each value. Keys are compared as they are written: no client escapes these.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        if self.next()? != b'{' {
            return None;
        }
        self.at += 1;
        if self.next()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            if self.next()? != b'"' {
                return None;
            }
            let from = self.at + 1;
            self.string()?;
            let key = self.body.get(from..self.at - 1)?;
            if self.next()? != b':' {
                return None;
            }
            self.at += 1;
            self.next()?;
            member(self, key)?;
            match self.next()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// A list; `element` consumes each element.
    fn list(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        if self.next()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.next()?;
            element(self)?;
            match self.next()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Any value. Nesting costs no stack.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b',' | b':' => return None,
                _ => {
                    let rest = self.body.get(self.at..)?;
                    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t' | b'"');
                    self.at += rest.iter().position(ends).unwrap_or(rest.len()).max(1);
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at = string_end(self.body, self.at + 1).ok()?.at + 1;
        Some(())
    }

    /// The next byte that is no blank, at which the pass then stands.
    fn next(&mut self) -> Option<u8> {
        loop {
            match *self.body.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn since(&self, from: usize) -> &'a [u8] {
        self.body.get(from..self.at).unwrap_or_default()
    }
}

/// The messages, the last of them standing for all that are too many.
fn bounded(messages: &[u64]) -> Vec<u32> {
    let (told_apart, rest) = messages.split_at(messages.len().min(MESSAGES_MAX));
    let rest = rest.iter().fold(LIST, |sum, message| folded(sum, *message));
    let rest = (messages.len() > MESSAGES_MAX).then(|| short(rest));
    told_apart.iter().copied().map(short).chain(rest).collect()
}

/// Half of a hash: of two blocks that differ, one in four thousand million pairs looks alike, and then a guess is wrong.
fn short(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// A hash of bytes, quick rather than safe: who makes two requests alike deceives nobody but himself. The same in each process.
fn hash(bytes: &[u8]) -> u64 {
    const KEYS: [u64; 4] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];
    let word = |bytes: &[u8], at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word));
    let (mut first, mut second) = (SEED ^ bytes.len() as u64, SEED);
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        first = folded(word(block, 0) ^ KEYS[0], word(block, 8) ^ first);
        second = folded(word(block, 16) ^ KEYS[1], word(block, 24) ^ second);
    }
    for rest in blocks.remainder().chunks(8) {
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        first = folded(u64::from_le_bytes(last) ^ KEYS[2], first ^ KEYS[3]);
    }
    folded(first ^ KEYS[1], second ^ KEYS[0])
}

/// Both halves of the product. Not to be begun with [`SEED`], of which nothing would be left.
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ SEED) * u128::from(b ^ LIST);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = r#","cache_control":{"type":"ephemeral"}"#;

    fn prefix(system: &str, messages: &[&str]) -> Prefix {
        let body = format!(
            r#"{{"model":"m","messages":[{}],"system":{system},"tools":[{{"name":"a"}},{{"name":"b"}}],"stream":true}}"#,
            messages.join(",")
        );
        Prefix::of(body.as_bytes())
    }

    fn user(text: &str, mark: &str) -> String {
        format!(r#"{{"role":"user","content":[{{"type":"text","text":"{text}"{mark}}}]}}"#)
    }

    const SYSTEM: &str = r#"[{"type":"text","text":"be good"},{"type":"text","text":"and quick","cache_control":{"type":"ephemeral"}}]"#;

    #[test]
    fn a_session_that_goes_on_changes_nothing_before_its_end_though_its_markers_move() {
        let first = prefix(SYSTEM, &[&user("hi", MARK)]);
        let answer = r#"{"role":"assistant","content":[{"type":"text","text":"ho"}]}"#;
        let second = prefix(SYSTEM, &[&user("hi", ""), answer, &user("more", MARK)]);
        assert_eq!(first.change(&second), None);
        assert_eq!(second.change(&first), None, "who takes words back changes nothing either");
        assert_eq!((first.marks.clone(), second.marks.clone()), (vec![4, 5], vec![4, 7]));
        assert!(first.is_reached_by(&second));
    }

    #[test]
    fn text_alone_is_a_list_of_one_text() {
        let listed = prefix(SYSTEM, &[&user("hi", MARK)]);
        let alone = prefix(SYSTEM, &[r#"{"content":"hi","role":"user"}"#]);
        assert_eq!((listed.change(&alone), listed.messages.len()), (None, 1));
        assert_eq!(prefix("\"be good\"", &[]).system, prefix(r#"[{"text":"be good","type":"text"}]"#, &[]).system);
        assert_ne!(prefix("\"be good\"", &[]).system, prefix("\"be bad\"", &[]).system);
    }

    #[test]
    fn the_first_block_that_differs_is_told() {
        let user = |text: &str| user(text, "");
        let old = prefix(SYSTEM, &[&user("a"), &user("b"), &user("c")]);
        for (later, place) in [
            (prefix(SYSTEM, &[&user("a"), &user("x"), &user("c")]), Place::Message(1)),
            (prefix(&SYSTEM.replace("quick", "slow"), &[&user("x")]), Place::System(1)),
            (prefix(r#""be good""#, &[&user("a")]), Place::System(1)),
            (prefix(r#""be bad""#, &[&user("a")]), Place::System(0)),
            (Prefix { tools: 7, ..prefix("\"x\"", &[]) }, Place::Tools),
            (Prefix { settings: 7, ..old.clone() }, Place::Settings),
        ] {
            assert_eq!(old.change(&later), Some(place));
        }
        let shown = [Place::Tools, Place::System(2), Place::Message(14)].map(|place| place.to_string());
        assert_eq!(shown, ["tools", "system[2]", "messages[14]"]);
        let thinks = |rest: &str| Prefix::of(format!(r#"{{"messages":["a"]{rest}}}"#).as_bytes());
        assert_eq!(thinks("").change(&thinks(r#","thinking":{"type":"adaptive"}"#)), Some(Place::Settings));
        assert_eq!(thinks("").change(&thinks(r#","max_tokens":7"#)), None);
    }

    #[test]
    fn a_conversation_without_a_common_message_is_another() {
        let chat = |messages: &[(&str, &str)]| {
            let messages: Vec<String> = messages.iter().map(|(role, text)| format!(r#"{{"role":"{role}","content":"{text}"}}"#)).collect();
            Prefix::of(format!(r#"{{"messages":[{}],"tools":[{{"role":"system"}}]}}"#, messages.join(",")).as_bytes())
        };
        let old = chat(&[("system", "be good"), ("user", "a"), ("assistant", "b"), ("system", "c")]);
        assert_eq!(old.lead, 1);
        for (later, is_other) in [
            (chat(&[("system", "be good"), ("user", "x"), ("assistant", "y")]), true),
            (chat(&[("system", "be bad"), ("user", "x")]), true),
            (chat(&[("system", "be bad"), ("user", "a")]), false),
            (chat(&[("system", "be good"), ("user", "x"), ("assistant", "b")]), false),
            (chat(&[("developer", "1"), ("system", "2"), ("user", "a")]), false),
            (chat(&[]), false),
            (old.clone(), false),
        ] {
            assert_eq!(old.is_other(&later), is_other, "{later:?}");
        }
    }

    #[test]
    fn each_tool_counts_the_only_one_too() {
        let with = |tools: &[&str]| Prefix::of(format!(r#"{{"tools":[{}]}}"#, tools.join(",")).as_bytes()).tools;
        let all =
            [with(&[]), with(&["{}"]), with(&[r#"{"name":"a"}"#]), with(&[r#"{"name":"b"}"#]), with(&["{}", "{}"]), with(&["{}", "1"])];
        let different: std::collections::HashSet<u32> = all.into_iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
    }

    #[test]
    fn what_is_deep_in_a_block_counts_and_its_markers_do_not() {
        let result = |text: &str, mark: &str| {
            format!(
                r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":[{{"type":"text","text":"{text}"{mark}}}]}}]}}"#
            )
        };
        let old = prefix(SYSTEM, &[&result("1", MARK)]);
        assert_eq!(old.change(&prefix(SYSTEM, &[&result("1", "")])), None);
        assert_eq!(old.change(&prefix(SYSTEM, &[&result("2", "")])), Some(Place::Message(0)));
        let call = |input: &str| format!(r#"{{"role":"assistant","content":[{{"type":"tool_use","input":{input}}}]}}"#);
        let old = prefix(SYSTEM, &[&call(r#"{"cache_control":1,"a":["]}",{"b":-1.5e3}]}"#)]);
        assert_eq!(old.change(&prefix(SYSTEM, &[&call(r#"{"cache_control":2,"a":["]}",{"b":-1.5e3}]}"#)])), Some(Place::Message(0)));
    }

    #[test]
    fn an_hour_and_a_marker_too_far_on_are_seen() {
        let hour = user("hi", r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#);
        assert!(prefix(SYSTEM, &[&hour]).is_long && !prefix(SYSTEM, &[&user("hi", MARK)]).is_long);
        assert!(!prefix(SYSTEM, &[&user("hi", r#","cache_control":null"#)]).marks.contains(&5));
        let old = Prefix { marks: vec![3, 10], ..Prefix::default() };
        for (marks, is_reached) in [(vec![3, 10], true), (vec![3, 29], true), (vec![3, 30], false), (vec![], false)] {
            assert_eq!(old.is_reached_by(&Prefix { marks, ..Prefix::default() }), is_reached);
        }
        assert!(Prefix::default().is_reached_by(&old), "nothing was marked");
    }

    #[test]
    fn any_bytes_are_borne_and_long_lists_are_bounded() {
        for body in [
            "",
            "{",
            "[]",
            "{\"messages\":[",
            "{\"messages\":[{\"content\":[}",
            "{\"messages\":7,\"tools\":{}}",
            "{\"system\":\"x",
            "{\"a\":,}",
            "{\"a\":]",
        ] {
            let _ = Prefix::of(body.as_bytes());
        }
        let many = |last: &str| {
            let mut all = vec!["1"; MESSAGES_MAX + 9];
            all.push(last);
            Prefix::of(format!("{{\"messages\":[{}]}}", all.join(",")).as_bytes())
        };
        assert_eq!(many("1").messages.len(), MESSAGES_MAX + 1);
        assert_eq!(many("1").change(&many("2")), None, "beyond what is told apart");
        assert_ne!(many("1").messages, many("2").messages);
    }

    #[test]
    fn each_byte_of_a_text_counts() {
        let text: Vec<u8> = (0..=255).collect();
        for length in 0..text.len() {
            let mut other = text[..length].to_vec();
            for at in 0..length {
                other[at] ^= 1;
                assert_ne!(hash(&text[..length]), hash(&other), "{at} of {length}");
                other[at] ^= 1;
            }
            assert_ne!(hash(&text[..length]), hash(&text[..=length]));
        }
    }
}
