//! The sessions of a snapshot: where each stays, and what it left in a cache. Hashes all of them; nobody's id and no text.
//!
//! Start with `saved` and `restore`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cache::{Left, Served};
use super::sticky::{Id, Meter, Session, Sessions, Took};
use crate::wire::prefix::{Prefix, Spans};

/// The most sessions that are read: what the config allows for.
const SESSIONS_MAX: usize = 100_000;
/// The most that are written, those used last; with long conversations more would make the file large.
const WRITTEN_MAX: usize = 2000;

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SavedSession {
    id: String,
    served: SavedServed,
    used_ago_ms: u64,
    requests: u32,
    fresh: u64,
    output: u64,
    used_tokens: u64,
    is_estimated: bool,
    window: Option<u64>,
    left: Option<SavedLeft>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct SavedServed {
    provider: String,
    model: String,
    key: String,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct SavedLeft {
    served: SavedServed,
    tokens: u64,
    ago_ms: u64,
    tools: u32,
    settings: u32,
    lead: u32,
    is_long: bool,
    /// Eight hexadecimal digits for each block.
    system: String,
    messages: String,
    marks: Vec<u32>,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The sessions that were used last.
pub(super) fn saved(sessions: &Sessions, now: Instant) -> Vec<SavedSession> {
    let mut all: Vec<(Id, &Session)> = sessions.all().collect();
    if all.len() > WRITTEN_MAX {
        all.select_nth_unstable_by(WRITTEN_MAX, |(_, a), (_, b)| b.used.cmp(&a.used));
        all.truncate(WRITTEN_MAX);
    }
    let ago = |then: Instant| ms(now.saturating_duration_since(then));
    let one = |(id, session): (Id, &Session)| SavedSession {
        id: id.to_string(),
        served: SavedServed::of(&session.served),
        used_ago_ms: ago(session.used),
        requests: session.requests,
        fresh: session.took.fresh,
        output: session.took.output,
        used_tokens: session.meter.map_or(0, |meter| meter.used),
        is_estimated: session.meter.is_some_and(|meter| meter.is_estimated),
        window: session.meter.and_then(|meter| meter.window),
        left: session.left.as_ref().map(|left| SavedLeft {
            served: SavedServed::of(&left.served),
            tokens: left.tokens,
            ago_ms: ago(left.at),
            tools: left.prefix.tools,
            settings: left.prefix.settings,
            lead: left.prefix.lead,
            is_long: left.prefix.is_long,
            system: hex(&left.prefix.system),
            messages: hex(&left.prefix.messages),
            marks: left.prefix.marks.clone(),
        }),
    };
    all.into_iter().map(one).collect()
}

/// Takes saved sessions over. `age`: how long ago they were saved. What is damaged is left out.
pub(super) fn restore(sessions: &mut Sessions, saved: Vec<SavedSession>, now: Instant, age: Duration) {
    for saved in saved.into_iter().take(SESSIONS_MAX) {
        if let Some((id, session)) = saved.restored(now, age) {
            sessions.restore(id, session);
        }
    }
}

impl SavedSession {
    fn restored(self, now: Instant, age: Duration) -> Option<(Id, Session)> {
        let then = |ago_ms: u64| now.checked_sub(Duration::from_millis(ago_ms).saturating_add(age));
        let words = unhex(&self.id).filter(|words| words.len() == 4)?;
        let mut id = [0; 16];
        id.chunks_exact_mut(4).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_be_bytes()));
        let left = self.left.and_then(|left| {
            let prefix = Prefix {
                tools: left.tools,
                system: unhex(&left.system)?,
                messages: unhex(&left.messages)?,
                lead: left.lead,
                settings: left.settings,
                marks: left.marks,
                is_long: left.is_long,
                bytes: Spans::default(),
            };
            Some(Arc::new(Left { served: left.served.restored(), tokens: left.tokens, prefix: Arc::new(prefix), at: then(left.ago_ms)? }))
        });
        let session = Session {
            served: self.served.restored(),
            used: then(self.used_ago_ms)?,
            requests: self.requests,
            took: Took { fresh: self.fresh, output: self.output },
            meter: Some(Meter { used: self.used_tokens, is_estimated: self.is_estimated, window: self.window }),
            left,
        };
        Some((Id(id), session))
    }
}

impl SavedServed {
    fn of(served: &Served) -> Self {
        Self { provider: served.provider.clone(), model: served.model.clone(), key: served.key.clone() }
    }

    fn restored(self) -> Served {
        Served { provider: self.provider, model: self.model, key: self.key }
    }
}

fn hex(words: &[u32]) -> String {
    words
        .iter()
        .flat_map(|word| (0..8).rev().map(move |digit| word >> (4 * digit) & 0xf))
        .filter_map(|digit| char::from_digit(digit, 16))
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u32>> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let words = digits.chunks_exact(8);
    words.remainder().is_empty().then(|| words.map(|word| word.iter().fold(0, |sum, digit| sum << 4 | digit)).collect())
}
