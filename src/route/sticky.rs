//! Sessions: which target each has been answered by, so that its prompt cache is met again, and how full its window is.
//!
//! A session is one line of a conversation: the client's session, the agent within it, its role and the route, because each of
//! these has another beginning. It stays with its target whatever the strategy says. It moves when that target may not, cannot or
//! does not answer, or is no longer of the route, or when another is so much cheaper that it pays to write the cache anew:
//! `place.rs` has that. Ids are kept as hashes. It lacks what became of the cache, which is [`super::cache`]. Start with `Sessions`.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cache::{Left, Served};
use super::facts::Facts;
use super::target::Target;
pub use super::why::Why;
use crate::chat::Usage;
use crate::wire::prefix::Prefix;

/// `sticky:` of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// How long a session is remembered that asks nothing.
    pub idle: Duration,
    /// The most sessions that are remembered.
    pub sessions_max: usize,
}

impl Default for Sticky {
    fn default() -> Self {
        Self { idle: Duration::from_secs(3600), sessions_max: 4096 }
    }
}

/// A session's name: a hash, from which nobody reads the client's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(pub(super) [u8; 16]);

impl Id {
    /// The name of a request's session; `None`: it tells none. `route`: what decided, and for a plain name that name.
    #[must_use]
    pub fn of(facts: &Facts, route: [&str; 2]) -> Option<Self> {
        let session = facts.session.as_deref()?;
        let mut hash = Sha256::new();
        for part in [session, facts.agent.as_deref().unwrap_or_default(), facts.role.name(), route[0], route[1]] {
            hash.update(part.as_bytes());
            hash.update([0xff]);
        }
        let whole: [u8; 32] = hash.finalize().into();
        whole.first_chunk().copied().map(Self)
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is made of a session when its request is decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is not known yet, or has been quiet for too long.
    New,
    /// It stays.
    Kept,
    /// It does not.
    Moved {
        /// Where it was, `provider/model`.
        from: String,
        /// Why it leaves.
        why: Why,
    },
}

/// A request's session, and what is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stick {
    /// The session.
    pub id: Id,
    /// What is made of it.
    pub verdict: Verdict,
    /// The key that it was answered with, by its name; empty: none, or it does not stay.
    pub key: String,
    /// How full its window was after the last answer; `None`: nobody knows.
    pub meter: Option<Meter>,
}

/// How full a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    /// Tokens of the last request and its answer.
    pub used: u64,
    /// Whether the provider has not reported them, so that they are estimated.
    pub is_estimated: bool,
    /// What the target takes.
    pub window: Option<u64>,
}

/// A session that has been answered.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) served: Served,
    /// When it was last answered.
    pub(super) used: Instant,
    /// How many of its requests were answered.
    pub(super) requests: u32,
    /// What its last answer took.
    pub(super) took: Took,
    pub(super) meter: Option<Meter>,
    pub(super) left: Option<Arc<Left>>,
}

/// What an answer took, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// Input that no cache had.
    pub(super) fresh: u64,
    pub(super) output: u64,
}

/// The sessions. Those that were quiet for longest go first when there are too many.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    map: HashMap<Id, Session>,
}

/// The sessions, for a status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// How many are remembered.
    pub count: usize,
    /// Those that were answered last, the latest first.
    pub last: Vec<Shown>,
}

/// A session, for a status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// The beginning of the hash that it is known by.
    pub id: String,
    /// Where it stays, `provider/model`.
    pub target: String,
    /// Seconds since it was answered.
    pub idle_s: u64,
    /// How many of its requests were answered.
    pub requests: u32,
    /// Tokens of its last request and answer; `None`: nobody knows.
    pub used_tokens: Option<u64>,
    /// Whether these are an estimate.
    pub is_estimated: bool,
    /// Tokens that its target takes; `None`: nobody knows.
    pub window: Option<u64>,
    /// Tokens that its last request left in a cache, by the provider's report.
    pub cached_tokens: u64,
}

/// A session's answer has begun.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The session.
    pub id: Id,
    /// Who answers, with which key.
    pub target: &'a Target,
    /// The key's name.
    pub key: &'a str,
    /// Provider and model of those that were asked in vain, and why they do not answer.
    pub in_vain: &'a [([&'a str; 2], Why)],
    /// What the decision said.
    pub verdict: &'a Verdict,
}

/// What a session's answer took.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// Tokens, as the provider reported them.
    pub usage: &'a Usage,
    /// Input, estimated.
    pub input_estimate: u64,
    /// Output, estimated where nobody reported it.
    pub output: u64,
    /// What it left in the cache.
    pub left: Option<&'a Arc<Left>>,
}

/// What was known of a session when its answer began.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// What its last request left in a cache.
    pub left: Option<Arc<Left>>,
    /// Where it was and why it is there no more; `None`: it stays, or is new.
    pub moved: Option<(String, Why)>,
    /// Whether it was known.
    pub is_known: bool,
}

impl Sessions {
    /// A session that has not been quiet for too long.
    pub(super) fn get(&self, id: Id, sticky: &Sticky, now: Instant) -> Option<&Session> {
        self.map.get(&id).filter(|session| now.saturating_duration_since(session.used) <= sticky.idle)
    }

    /// How a session's last request began.
    pub(super) fn prefix(&self, id: Id) -> Option<Arc<Prefix>> {
        self.map.get(&id)?.left.as_ref().map(|left| Arc::clone(&left.prefix))
    }

    /// How many are remembered, and those of them that were answered last, `most` at most.
    pub(super) fn last(&self, most: usize, now: Instant) -> Known {
        let mut all: Vec<(&Id, &Session)> = self.map.iter().collect();
        all.sort_unstable_by_key(|(_, session)| std::cmp::Reverse(session.used));
        let shown = |(id, session): (&Id, &Session)| Shown {
            id: id.to_string().chars().take(8).collect(),
            target: session.served.target(),
            idle_s: now.saturating_duration_since(session.used).as_secs(),
            requests: session.requests,
            used_tokens: session.meter.map(|meter| meter.used).filter(|used| *used > 0),
            is_estimated: session.meter.is_some_and(|meter| meter.is_estimated),
            window: session.meter.and_then(|meter| meter.window),
            cached_tokens: session.left.as_ref().map_or(0, |left| left.tokens),
        };
        Known { count: all.len(), last: all.into_iter().take(most).map(shown).collect() }
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (Id, &Session)> {
        self.map.iter().map(|(id, session)| (*id, session))
    }

    /// An answer has begun: its session stays with who gives it.
    pub(super) fn answered(&mut self, answered: &Answered<'_>, sticky: &Sticky, now: Instant) -> Before {
        let Answered { id, target, key, in_vain, verdict } = *answered;
        let served = Served { provider: target.provider.name.clone(), model: target.model.clone(), key: key.to_owned() };
        let known = self.map.get_mut(&id).filter(|session| now.saturating_duration_since(session.used) <= sticky.idle);
        let Some(session) = known else {
            self.make_room(sticky, now);
            let meter = Some(Meter { used: 0, is_estimated: true, window: target.info.context });
            self.map.insert(id, Session { served, used: now, requests: 1, took: Took::default(), meter, left: None });
            return Before::default();
        };
        let moved = (!session.served.is(&served.provider, &served.model)).then(|| {
            let why = match verdict {
                Verdict::Moved { why, .. } => *why,
                _ => in_vain.iter().rfind(|([provider, model], _)| session.served.is(provider, model)).map_or(Why::Busy, |(_, why)| *why),
            };
            (session.served.target(), why)
        });
        session.served = served;
        session.used = now;
        session.requests = session.requests.saturating_add(1);
        if let Some(meter) = &mut session.meter {
            meter.window = target.info.context;
        }
        Before { left: session.left.clone(), moved, is_known: true }
    }

    /// An answer is over. Of two that overlap, the one that ends last counts.
    pub(super) fn took(&mut self, id: Id, taken: &Taken<'_>) {
        let Some(session) = self.map.get_mut(&id) else { return };
        let usage = taken.usage;
        let is_reported = usage.input.is_some();
        let input = if is_reported { usage.input_total() } else { taken.input_estimate };
        session.took = Took { fresh: input.saturating_sub(usage.cache_read.unwrap_or(0)), output: taken.output };
        let window = session.meter.and_then(|meter| meter.window);
        session.meter = Some(Meter { used: input.saturating_add(taken.output), is_estimated: !is_reported, window });
        if let Some(left) = taken.left {
            session.left = Some(Arc::clone(left));
        }
    }

    /// A session of an earlier process.
    pub(super) fn restore(&mut self, id: Id, session: Session) {
        self.map.insert(id, session);
    }

    /// Forgets who was quiet for too long, and of those that are left as many of the quietest as leaves room for some.
    fn make_room(&mut self, sticky: &Sticky, now: Instant) {
        if self.map.len() < sticky.sessions_max.max(1) {
            return;
        }
        self.map.retain(|_, session| now.saturating_duration_since(session.used) <= sticky.idle);
        // A sixteenth at a time, so that not each new session looks at all of them.
        let most = sticky.sessions_max.saturating_sub(1 + sticky.sessions_max / 16);
        let Some(over) = self.map.len().checked_sub(most).filter(|over| *over > 0) else { return };
        let mut used: Vec<Instant> = self.map.values().map(|session| session.used).collect();
        let (_, last, _) = used.select_nth_unstable(over - 1);
        let last = *last;
        let mut over = over;
        self.map.retain(|_, session| {
            let goes = session.used <= last && over > 0;
            over -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::provider;
    use super::*;
    use crate::provider::models::{Known, Price};

    const S: Duration = Duration::from_secs(1);

    pub(in crate::route) fn target(name: &str, price: [f64; 4]) -> Target {
        let [input, read, write, output] = price.map(Some);
        let price = Price { input, cache_read: read, cache_write: write, output };
        let info = Known { price, context: Some(1000), ..Known::NOTHING };
        Target { provider: Arc::new(provider(name, 1)), endpoint: 0, model: "m".to_owned(), info }
    }

    pub(in crate::route) const DEAR: [f64; 4] = [5.0, 0.5, 6.25, 25.0];
    pub(in crate::route) const CHEAP: [f64; 4] = [0.5, 0.05, 0.5, 2.0];

    pub(in crate::route) fn facts(session: &str, agent: Option<&str>) -> Facts {
        Facts { session: Some(session.to_owned()), agent: agent.map(str::to_owned), ..Facts::default() }
    }

    pub(in crate::route) fn id(session: &str) -> Id {
        Id::of(&facts(session, None), ["claude-*", ""]).unwrap()
    }

    pub(in crate::route) fn answer(sessions: &mut Sessions, id: Id, target: &Target, at: Instant) -> Before {
        sessions.answered(&Answered { id, target, key: "k", in_vain: &[], verdict: &Verdict::New }, &Sticky::default(), at)
    }

    #[test]
    fn agents_roles_and_routes_of_a_session_are_told_apart_and_ids_are_hashes() {
        let main = facts("one", None);
        let others = [
            Id::of(&facts("one", Some("agent-1")), ["claude-*", ""]),
            Id::of(&Facts { role: crate::route::facts::Role::Background, ..main.clone() }, ["claude-*", ""]),
            Id::of(&main, ["long", ""]),
            Id::of(&main, ["direct", "a/m"]),
            Id::of(&main, ["direct", "a/n"]),
            Id::of(&facts("oneclaude", None), ["-*", ""]),
        ];
        let mut all: Vec<String> = others.into_iter().map(|id| id.unwrap().to_string()).collect();
        all.push(id("one").to_string());
        assert!(all.iter().all(|id| id.len() == 32 && !id.contains("one")), "{all:?}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 7);
        assert_eq!(Id::of(&Facts::default(), ["claude-*", ""]), None);
    }

    #[test]
    fn why_a_session_is_elsewhere_is_known() {
        let (a, b, now) = (target("a", DEAR), target("b", DEAR), Instant::now());
        let rests = Verdict::Moved { from: "a/m".to_owned(), why: Why::Rests };
        for (in_vain, verdict, why) in [
            (&[(["a", "m"], Why::Failed)][..], &Verdict::Kept, Why::Failed),
            (&[(["c", "m"], Why::Failed), (["a", "m"], Why::Hedged)], &Verdict::Kept, Why::Hedged),
            (&[(["c", "m"], Why::Failed)], &Verdict::Kept, Why::Busy),
            (&[(["c", "m"], Why::Failed)], &rests, Why::Rests),
        ] {
            let mut sessions = Sessions::default();
            assert!(!answer(&mut sessions, id("s"), &a, now).is_known);
            let before = sessions.answered(&Answered { id: id("s"), target: &b, key: "k", in_vain, verdict }, &Sticky::default(), now);
            assert_eq!(before.moved, Some(("a/m".to_owned(), why)));
            assert_eq!(answer(&mut sessions, id("s"), &b, now).moved, None, "it sticks to the new one");
        }
    }

    #[test]
    fn the_quietest_make_room_and_no_more_are_kept_than_may_be() {
        let (a, begin) = (target("a", DEAR), Instant::now());
        let sticky = Sticky { sessions_max: 100, idle: 3600 * S };
        let mut sessions = Sessions::default();
        for count in 0..1000_u32 {
            let now = begin + count * S;
            let answered = Answered { id: id(&count.to_string()), target: &a, key: "", in_vain: &[], verdict: &Verdict::New };
            sessions.answered(&answered, &sticky, now);
            sessions.answered(&Answered { id: id("busy"), ..answered }, &sticky, now);
            assert!(sessions.map.len() <= 100, "{}", sessions.map.len());
            assert!(sessions.get(id(&count.to_string()), &sticky, now).is_some());
            assert!(sessions.get(id("busy"), &sticky, now).is_some());
        }
        assert!(sessions.map.len() > 90);
        let one = Sticky { sessions_max: 1, ..sticky };
        sessions.answered(&Answered { id: id("new"), target: &a, key: "", in_vain: &[], verdict: &Verdict::New }, &one, begin + 1000 * S);
        assert_eq!(sessions.map.len(), 1);
    }

    /// A session that was answered so often by `own`, has 100,000 tokens cached there and takes 500 a time.
    pub(in crate::route) fn session(own: &Target, requests: u32, at: Instant) -> Session {
        let mut sessions = Sessions::default();
        (0..requests).for_each(|_| drop(answer(&mut sessions, id("s"), own, at)));
        let served = Served { provider: own.provider.name.clone(), model: "m".to_owned(), key: "k".to_owned() };
        let left = Arc::new(Left { served, tokens: 100_000, prefix: Arc::default(), at });
        let usage = Usage { input: Some(10), cache_read: Some(99_000), cache_write: Some(1000), ..Usage::default() };
        sessions.took(id("s"), &Taken { usage: &usage, input_estimate: 9, output: 500, left: Some(&left) });
        sessions.get(id("s"), &Sticky::default(), at).unwrap().clone()
    }

    #[test]
    fn the_meter_takes_what_is_reported_and_else_the_estimate() {
        let (own, now) = (target("a", DEAR), Instant::now());
        assert_eq!(session(&own, 1, now).meter, Some(Meter { used: 100_510, is_estimated: false, window: Some(1000) }));
        let mut sessions = Sessions::default();
        answer(&mut sessions, id("s"), &own, now);
        sessions.took(id("s"), &Taken { usage: &Usage::default(), input_estimate: 700, output: 50, left: None });
        let meter = sessions.get(id("s"), &Sticky::default(), now).unwrap().meter;
        assert_eq!(meter, Some(Meter { used: 750, is_estimated: true, window: Some(1000) }));
    }
}
