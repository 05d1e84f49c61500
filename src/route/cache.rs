//! The cache guard: whether a request of a session found less in its provider's cache than the one before had left there, why,
//! and what that cost.
//!
//! Only what the provider reports of an answer counts: a drop of the tokens read. What changed explains it, and is no break by
//! itself. It lacks the memory of sessions, which is [`super::sticky`]. Start with [`Left::broken`].

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::why::Why;
use crate::chat::Usage;
use crate::provider::models::Price;
use crate::wire::prefix::{Place, Prefix};

/// A smaller loss is none: caches count in pieces of up to so many tokens.
const LOST_MIN: u64 = 128;
/// A loss is one from a twentieth of what was cached on.
const LOST_SHARE: u64 = 20;
/// How long caches keep what is not asked for, where nobody says: Anthropic's five minutes (their page on prompt caching, July
/// 2026). OpenAI's keep it for five to ten.
const KEPT: Duration = Duration::from_secs(300);
/// The same where a marker asks for an hour.
const KEPT_LONG: Duration = Duration::from_secs(3600);

/// Who answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// The provider.
    pub provider: String,
    /// The model, in its words.
    pub model: String,
    /// The key's name: each account has a cache of its own.
    pub key: String,
}

impl Served {
    /// `provider/model`.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }

    /// Whether it is this target, whatever its key.
    #[must_use]
    pub fn is(&self, provider: &str, model: &str) -> bool {
        self.provider == provider && self.model == model
    }
}

/// What a session's request left in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where.
    pub served: Served,
    /// Tokens, as the provider reported them: read and written.
    pub tokens: u64,
    /// What they stand for.
    pub prefix: Arc<Prefix>,
    /// When.
    pub at: Instant,
}

/// A request of a session that has been answered.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// By whom.
    pub served: &'a Served,
    /// Its beginning.
    pub prefix: &'a Prefix,
    /// What it took, as reported.
    pub usage: &'a Usage,
    /// When it came.
    pub at: Instant,
    /// What the target's tokens cost.
    pub price: Option<Price>,
}

/// Less was read from the cache than the request before had left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Why.
    pub cause: Cause,
    /// Tokens that would have been read from the cache.
    pub tokens: u64,
    /// What they cost more than that, in millionths of a US dollar; `None`: a price is unknown.
    pub cost: Option<u64>,
}

/// Why a cache had less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Another target answered.
    Moved {
        /// The former, `provider/model`.
        from: String,
        /// Why it did not.
        why: Why,
    },
    /// Another key of the same provider was used: another account's cache.
    Key {
        /// The former key's name.
        from: String,
    },
    /// The client sent something else than before.
    Changed(Place),
    /// The client marks nothing any more, or too far from what was cached.
    Markers,
    /// Nothing was asked for so long.
    Idle(Duration),
    /// None of these: the provider had dropped it.
    Dropped,
}

impl Cause {
    /// Their words, each a label of a metric.
    pub const WORDS: [&'static str; 9] = ["moved", "key", "tools", "system", "messages", "settings", "markers", "idle", "dropped"];

    /// The cause in a word, one of [`crate::telemetry::BREAKS`].
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Moved { .. } => "moved",
            Self::Key { .. } => "key",
            Self::Changed(Place::Tools) => "tools",
            Self::Changed(Place::System(_)) => "system",
            Self::Changed(Place::Message(_)) => "messages",
            Self::Changed(Place::Settings) => "settings",
            Self::Markers => "markers",
            Self::Idle(_) => "idle",
            Self::Dropped => "dropped",
        }
    }

    /// The cause in a few words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Moved { from, why } => format!("moved from {from}: {why}"),
            Self::Key { from } => format!("another key than {from}"),
            Self::Changed(place) => format!("{place} changed"),
            Self::Markers => "cache_control is gone or too far on".to_owned(),
            Self::Idle(idle) => {
                let mut text = "idle for ".to_owned();
                let seconds = idle.as_secs();
                let _ = if seconds < 120 { write!(text, "{seconds} s") } else { write!(text, "{} min", seconds / 60) };
                text
            }
            Self::Dropped => "dropped by the provider".to_owned(),
        }
    }
}

impl Left {
    /// What an answered request leaves; `None`: the provider did not report enough to tell.
    #[must_use]
    pub fn by(asked: &Asked<'_>, prefix: Arc<Prefix>, answered: Instant) -> Option<Self> {
        asked.usage.input?;
        let tokens = asked.usage.cache_read.unwrap_or(0).saturating_add(asked.usage.cache_write.unwrap_or(0));
        Some(Self { served: asked.served.clone(), tokens, prefix, at: answered })
    }

    /// How long the cache keeps it when nothing is asked.
    #[must_use]
    pub fn kept(&self) -> Duration {
        if self.prefix.is_long { KEPT_LONG } else { KEPT }
    }

    /// Whether `asked` found less of it than it could; `why`: why another target answered, if one did.
    ///
    /// No request reads more than it sends, so a shorter one loses less. Another conversation under the same name loses nothing.
    #[must_use]
    pub fn broken(&self, asked: &Asked<'_>, why: Why) -> Option<Break> {
        let usage = asked.usage;
        usage.input?;
        let tokens = self.tokens.min(usage.input_total()).saturating_sub(usage.cache_read.unwrap_or(0));
        if tokens < LOST_MIN || tokens.saturating_mul(LOST_SHARE) < self.tokens || self.prefix.is_other(asked.prefix) {
            return None;
        }
        let cause = self.cause(asked, why);
        Some(Break { cause, tokens, cost: asked.price.and_then(|price| extra(price, usage, tokens)) })
    }

    fn cause(&self, asked: &Asked<'_>, why: Why) -> Cause {
        let idle = asked.at.saturating_duration_since(self.at);
        if !self.served.is(&asked.served.provider, &asked.served.model) {
            Cause::Moved { from: self.served.target(), why }
        } else if self.served.key != asked.served.key {
            Cause::Key { from: self.served.key.clone() }
        } else if let Some(place) = self.prefix.change(asked.prefix) {
            Cause::Changed(place)
        } else if !self.prefix.is_reached_by(asked.prefix) {
            Cause::Markers
        } else if idle >= self.kept() {
            Cause::Idle(idle)
        } else {
            Cause::Dropped
        }
    }
}

/// What tokens cost more than they would have, read from the cache: those that were written first, then plain ones.
fn extra(price: Price, usage: &Usage, tokens: u64) -> Option<u64> {
    let written = tokens.min(usage.cache_write.unwrap_or(0));
    let long = written.min(usage.cache_write_1h.unwrap_or(0));
    let paid = Usage { input: Some(tokens - written), cache_write: Some(written), cache_write_1h: Some(long), ..Usage::default() };
    let paid = price.micro_usd(&paid)?;
    Some(paid.saturating_sub(price.micro_usd(&Usage { cache_read: Some(tokens), ..Usage::default() })?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: Some(5.0), output: Some(25.0), cache_read: Some(0.5), cache_write: Some(6.25) };

    fn served(provider: &str) -> Served {
        Served { provider: provider.to_owned(), model: "m".to_owned(), key: "k".to_owned() }
    }

    fn prefix(messages: &[u32]) -> Prefix {
        Prefix { messages: messages.to_vec(), marks: vec![messages.len() as u32], ..Prefix::default() }
    }

    fn took(read: u64, write: u64) -> Usage {
        Usage { input: Some(10), cache_read: Some(read), cache_write: Some(write), ..Usage::default() }
    }

    /// What is made of a second request, after a first that left 10,000 tokens of three messages.
    fn broken(served: &Served, later: &Prefix, usage: Usage, after: Duration) -> Option<Break> {
        let at = Instant::now();
        let left = Left { served: self::served("a"), tokens: 10_000, prefix: Arc::new(prefix(&[1, 2, 3])), at };
        left.broken(&Asked { served, prefix: later, usage: &usage, at: at + after, price: Some(PRICE) }, Why::Failed)
    }

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn what_goes_on_and_is_read_breaks_nothing() {
        let longer = prefix(&[1, 2, 3, 4, 5]);
        assert_eq!(broken(&served("a"), &longer, took(10_000, 700), SOON), None);
        assert_eq!(broken(&served("b"), &longer, took(10_000, 700), SOON), None, "a cache that is shared is none that is lost");
        assert_eq!(broken(&served("a"), &longer, took(9_600, 700), SOON), None, "a piece of a cache");
        assert!(broken(&served("a"), &longer, took(9_500, 1200), SOON).is_some());
        assert_eq!(broken(&served("a"), &prefix(&[9]), took(0, 8_000), SOON), None, "another conversation");
        assert_eq!(broken(&served("a"), &prefix(&[1]), took(3_000, 40), SOON), None, "a shorter one can read no more");
        assert_eq!(broken(&served("a"), &prefix(&[1, 9]), Usage::default(), SOON), None, "nothing was reported");
    }

    #[test]
    fn each_cause_is_told_apart() {
        let longer = prefix(&[1, 2, 3, 4, 5]);
        let other_key = Served { key: "l".to_owned(), ..served("a") };
        let far = Prefix { marks: vec![99], ..longer.clone() };
        let minutes = Duration::from_secs(12 * 60);
        for (who, later, after, word, words) in [
            (&served("b"), &longer, SOON, "moved", "moved from a/m: it failed"),
            (&other_key, &longer, SOON, "key", "another key than k"),
            (&served("a"), &prefix(&[1, 9, 3, 4]), SOON, "messages", "messages[1] changed"),
            (&served("a"), &Prefix { tools: 1, ..longer.clone() }, SOON, "tools", "tools changed"),
            (&served("a"), &Prefix { settings: 1, ..longer.clone() }, SOON, "settings", "thinking, effort or tool_choice changed"),
            (&served("a"), &Prefix { marks: Vec::new(), ..longer.clone() }, minutes, "markers", "cache_control is gone or too far on"),
            (&served("a"), &far, SOON, "markers", "cache_control is gone or too far on"),
            (&served("a"), &longer, minutes, "idle", "idle for 12 min"),
            (&served("a"), &longer, SOON, "dropped", "dropped by the provider"),
        ] {
            let found = broken(who, later, took(0, 11_000), after).unwrap();
            assert_eq!((found.cause.word(), found.cause.words().as_str(), found.tokens), (word, words, 10_000));
            assert!(crate::telemetry::BREAKS.contains(&word));
        }
    }

    #[test]
    fn a_break_costs_what_is_paid_beyond_the_price_of_reading() {
        let longer = prefix(&[1, 2, 3, 4, 5]);
        // 10,000 written anew at 6.25 instead of read at 0.5.
        assert_eq!(broken(&served("b"), &longer, took(0, 11_000), SOON).unwrap().cost, Some(57_500));
        // Nothing is written: 5 instead of 0.5.
        let plain = Usage { input: Some(11_000), ..Usage::default() };
        assert_eq!(broken(&served("b"), &longer, plain, SOON).unwrap().cost, Some(45_000));
        let half = broken(&served("b"), &longer, took(6_000, 5_000), SOON).unwrap();
        assert_eq!((half.tokens, half.cost), (4_000, Some(23_000)));
        let long = Usage { cache_write_1h: Some(11_000), ..took(0, 11_000) };
        assert_eq!(broken(&served("b"), &longer, long, SOON).unwrap().cost, Some(95_000));
        let at = Instant::now();
        let left = Left { served: served("a"), tokens: 10_000, prefix: Arc::new(prefix(&[1])), at };
        let unpriced = Asked { served: &served("b"), prefix: &longer, usage: &took(0, 11_000), at, price: None };
        assert_eq!(left.broken(&unpriced, Why::Failed).unwrap().cost, None);
    }

    #[test]
    fn what_is_left_is_what_was_read_and_written_and_an_hour_keeps_it_longer() {
        let at = Instant::now();
        let (who, usage) = (served("a"), took(7_000, 500));
        let asked = Asked { served: &who, prefix: &prefix(&[1]), usage: &usage, at, price: None };
        let left = Left::by(&asked, Arc::new(prefix(&[1])), at).unwrap();
        assert_eq!((left.tokens, left.kept()), (7_500, KEPT));
        let long = Left { prefix: Arc::new(Prefix { is_long: true, ..prefix(&[1]) }), ..left };
        assert_eq!(long.kept(), KEPT_LONG);
        assert_eq!(Left::by(&Asked { usage: &Usage::default(), ..asked }, Arc::default(), at), None);
    }
}
