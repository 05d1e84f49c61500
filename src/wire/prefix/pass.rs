//! The pass over a body: where its parts, elements and blocks begin and end, and a hash of each.
//!
//! It reads JSON that has been found to be such, compares keys as they are written and keeps no tree. Start with [`Pass::prefix`].

use super::{MARKS_MAX, MESSAGES_MAX, Prefix, Span};
use crate::wire::scan::string_end;

/// The state of the pass. Each method begins at the first byte of something and ends behind its last; `None`: it is no JSON.
pub(super) struct Pass<'a> {
    body: &'a [u8],
    at: usize,
    /// Blocks so far within `tools`, `system` or `messages`.
    blocks: u32,
    /// Whether the last message is an instruction.
    is_instruction: bool,
    found: Prefix,
    earlier: &'a Prefix,
}

/// What a hash begins with.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// A list's mark.
const LIST: u64 = 0x2545_f491_4f6c_dd1d;

impl<'a> Pass<'a> {
    pub(super) fn of(body: &'a [u8], earlier: &'a Prefix) -> Self {
        Self { body, at: 0, blocks: 0, is_instruction: false, found: Prefix::default(), earlier }
    }

    /// All of the body that can be understood.
    pub(super) fn prefix(mut self) -> Prefix {
        self.found.marks = self.top().unwrap_or_default();
        self.found
    }

    /// The outermost object. Its members come in any order; caches read tools, then system, then messages.
    fn top(&mut self) -> Option<Vec<u32>> {
        let mut marks: [(u32, Vec<u32>); 3] = Default::default();
        let mut settings = 0_u64;
        let earlier = self.earlier;
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
            match part {
                0 => {
                    let known = earlier.bytes.tools.map(|span| (span, earlier.tools));
                    let (tools, span) = pass.spanned(known, &mut own, |pass, marks| {
                        let tools = pass.blocks(marks)?;
                        Some(tools.iter().fold(LIST, |sum, block| folded(sum, *block)))
                    })?;
                    (pass.found.tools, pass.found.bytes.tools) = (tools.told_apart(), Some(span));
                }
                1 => (pass.found.system, pass.found.bytes.system, _) = pass.part(&earlier.system, &earlier.bytes.system, &mut own)?,
                _ => {
                    (pass.found.messages, pass.found.bytes.messages, pass.found.lead) =
                        pass.part(&earlier.messages, &earlier.bytes.messages, &mut own)?;
                }
            }
            if let Some(slot) = marks.get_mut(part) {
                *slot = (pass.blocks, own);
            }
            Some(())
        })?;
        self.found.settings = short(settings);
        let (mut all, mut before) = (Vec::new(), 0);
        for (blocks, own) in marks {
            all.extend(own.into_iter().map(|mark| before + mark));
            before += blocks;
        }
        all.truncate(MARKS_MAX);
        Some(all)
    }

    /// `system` or `messages`: a hash of each element, its bytes, and how many of the first are instructions.
    fn part(&mut self, hashes: &[u32], spans: &[Span], marks: &mut Vec<u32>) -> Option<(Vec<u32>, Vec<Span>, u32)> {
        if self.next()? != b'[' {
            return Some((self.blocks(marks)?.into_iter().map(short).collect(), Vec::new(), 0));
        }
        let (mut found, mut bytes, mut lead) = (Vec::with_capacity(hashes.len() + 2), Vec::with_capacity(spans.len() + 2), 0);
        let (mut count, mut rest) = (0_usize, LIST);
        self.list(|pass| {
            pass.is_instruction = false;
            let known = spans.get(count).copied().zip(hashes.get(count).copied()).filter(|_| count < MESSAGES_MAX);
            let (hash, span) = pass.spanned(known, marks, Self::block)?;
            count += 1;
            lead += u32::from(pass.is_instruction && count == lead as usize + 1);
            if count <= MESSAGES_MAX {
                found.push(hash.told_apart());
                bytes.push(span);
            } else if let Hash::Whole(hash) = hash {
                // The last of them stands for all that are too many.
                rest = folded(rest, hash);
            }
            Some(())
        })?;
        if count > MESSAGES_MAX {
            found.push(short(rest));
        }
        Some((found, bytes, lead))
    }

    /// A value: looked into by `look`, unless its bytes are those that are `known`, with their hash.
    fn spanned(
        &mut self,
        known: Option<(Span, u32)>,
        marks: &mut Vec<u32>,
        look: impl FnOnce(&mut Self, &mut Vec<u32>) -> Option<u64>,
    ) -> Option<(Hash, Span)> {
        if let Some((span, hash)) = known
            && self.body.get(self.at..self.at + span.length as usize).is_some_and(|bytes| span.is(bytes))
        {
            self.at += span.length as usize;
            self.blocks += u32::from(span.blocks);
            self.is_instruction = span.is_instruction;
            self.found.is_long |= span.is_long;
            if span.is_marked {
                marks.push(self.blocks);
            }
            return Some((Hash::Known(hash), span));
        }
        let (from, blocks, marked) = (self.at, self.blocks, marks.len());
        let was_long = std::mem::take(&mut self.found.is_long);
        let hash = look(self, marks)?;
        let mut span = Span::of(self.since(from), self.blocks - blocks);
        (span.is_instruction, span.is_long) = (self.is_instruction, self.found.is_long);
        self.found.is_long |= was_long;
        match marks.get(marked..) {
            Some([]) => {}
            Some([mark]) if *mark == self.blocks => span.is_marked = true,
            // Where these stand is not remembered.
            _ => span = Span::default(),
        }
        Some((Hash::Whole(hash), span))
    }

    /// A list of blocks, or text that stands for a list of one: a hash each.
    fn blocks(&mut self, marks: &mut Vec<u32>) -> Option<Vec<u64>> {
        let mut found = Vec::new();
        match self.next()? {
            b'[' => self.list(|pass| {
                found.push(pass.block(marks)?);
                Some(())
            })?,
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

/// The hash of a value: of one that was looked into, or what is left of that of one like it.
enum Hash {
    Whole(u64),
    Known(u32),
}

impl Hash {
    fn told_apart(&self) -> u32 {
        match self {
            Self::Whole(hash) => short(*hash),
            Self::Known(hash) => *hash,
        }
    }
}

impl Span {
    /// That of a value with so many blocks. One that is too long or has too many is not known again.
    fn of(bytes: &[u8], blocks: u32) -> Self {
        match (bytes.len().try_into(), blocks.try_into()) {
            (Ok(length), Ok(blocks)) => Self { length, raw: short(hash(bytes)), blocks, ..Self::default() },
            _ => Self::default(),
        }
    }

    /// Whether these are its bytes. The last one is looked at first: where others stand, it is seldom the end of a value.
    fn is(&self, bytes: &[u8]) -> bool {
        matches!(bytes.last(), Some(b'}' | b']' | b'"')) && short(hash(bytes)) == self.raw
    }
}

/// Half of a hash: of two blocks that differ, one in four thousand million pairs looks alike, and then a guess is wrong.
fn short(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// A hash of bytes, quick rather than safe: who makes two requests alike deceives nobody but himself. The same in each process.
pub(super) fn hash(bytes: &[u8]) -> u64 {
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
