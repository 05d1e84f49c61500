//! Where a session's request goes: it stays with its target, or moves and why; and when it pays to move.
//!
//! It lacks the memory of sessions, which is [`super::sticky`]. Start with `place`.

use std::time::Instant;

use super::cache::Served;
use super::plan::Target;
use super::sticky::{Id, Session, Sessions, Stick, Sticky, Verdict, Why};
use crate::chat::Usage;
use crate::provider::models::Price;

/// What is known when a session is to be placed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) sticky: &'a Sticky,
    /// Tokens of input, estimated.
    pub(super) input: u64,
    /// Whether the first of the targets is there for being preferred, so that a saving counts.
    pub(super) is_preferred: bool,
    pub(super) now: Instant,
}

/// What became of the target of a session, of those that the route has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// At this place of the targets that are left, and whether it takes requests.
    At(usize, bool),
    /// It is left out.
    Out(Why),
}

/// What is made of a request's session: it stays with its target, unless there is a reason. `found` looks for a target; `first`
/// is the one that would be tried first without a session.
pub(super) fn place(
    id: Id,
    standing: Standing<'_>,
    first: &Target,
    found: impl Fn(&Served) -> Found,
    targets: &[Target],
) -> (Stick, Option<usize>) {
    let Standing { sessions, sticky, input, is_preferred, now } = standing;
    let none = Stick { id, verdict: Verdict::New, key: String::new(), meter: None };
    let Some(session) = sessions.get(id, sticky, now) else { return (none, None) };
    let moved = |why| Verdict::Moved { from: session.served.target(), why };
    let (verdict, at) = match found(&session.served) {
        Found::Out(why) => (moved(why), None),
        Found::At(_, false) => (moved(Why::Rests), None),
        Found::At(at, true) => {
            let saved = targets.get(at).filter(|_| at > 0 && is_preferred).and_then(|own| saving(session, own, first, input, now));
            match saved {
                Some(saved) => (moved(Why::Saves(saved)), None),
                None => (Verdict::Kept, Some(at)),
            }
        }
    };
    let key = if at.is_some() { session.served.key.clone() } else { String::new() };
    (Stick { verdict, key, meter: session.meter, ..none }, at)
}

/// The most further requests that a session is expected to make.
const FURTHER_MAX: u32 = 10;
/// How much dearer, in per cent, it must be to stay.
const DEARER_PERCENT: u64 = 125;

/// What it saves, in millionths of a US dollar, to move a session from `own` to `other`; `None`: nothing worth it, or a price is
/// unknown.
///
/// A session is expected to ask as often again as it has, this request included, ten times at most. Each time it sends its input
/// `I` and takes the output `O` of the last one. With `own` it reads what it left there, `P`, from the cache; with `other` the
/// first request writes all of it, and later ones read it. `F` is what each request brings anew. Prices: `in` fresh (or written
/// to a cache, which is dearer), `read`, `out`.
///
/// ```text
/// stay = P·read + (I − P)·in + O·out + (n − 1)·(I·read + F·in + O·out)      at own's prices
/// move = I·in + O·out                + (n − 1)·(I·read + F·in + O·out)      at the other's
/// ```
///
/// It pays when staying is dearer by a quarter: `stay ≥ 1.25 · move`.
fn saving(session: &Session, own: &Target, other: &Target, input: u64, now: Instant) -> Option<u64> {
    let left = session
        .left
        .as_ref()
        .filter(|left| left.served.is(&own.provider.name, &own.model) && now.saturating_duration_since(left.at) < left.kept());
    let cached = left.map_or(0, |left| left.tokens).min(input);
    let further = u64::from(session.requests.clamp(1, FURTHER_MAX)) - 1;
    let first = |price: &Price, cached: u64| cost(price, cached, input - cached, session.took.output);
    let later = |price: &Price| cost(price, input, session.took.fresh.min(input), session.took.output);
    let total = |price: &Price, cached: u64| Some(first(price, cached)?.saturating_add(later(price)?.saturating_mul(further)));
    let stay = total(&own.info.price, cached)?;
    let moving = total(&other.info.price, 0)?;
    (stay.saturating_mul(100) >= moving.saturating_mul(DEARER_PERCENT)).then(|| stay.saturating_sub(moving)).filter(|saved| *saved > 0)
}

/// What a request costs that reads so much from a cache and writes so much to it.
fn cost(price: &Price, read: u64, write: u64, output: u64) -> Option<u64> {
    price.input?;
    price.output?;
    price.micro_usd(&Usage { cache_read: Some(read), cache_write: Some(write), output: Some(output), ..Usage::default() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::sticky::tests::{CHEAP, DEAR, answer, id, session, target};
    use super::*;
    use crate::provider::models::Known;

    const S: Duration = Duration::from_secs(1);

    /// What is made of a session when these targets are left, all of them ready.
    fn placed(sessions: &Sessions, id: Id, targets: &[Target], input: u64, now: Instant) -> (Verdict, Option<usize>) {
        let found = |served: &Served| {
            targets
                .iter()
                .position(|target| served.is(&target.provider.name, &target.model))
                .map_or(Found::Out(Why::Gone), |at| Found::At(at, true))
        };
        let standing = Standing { sessions, sticky: &Sticky::default(), input, is_preferred: true, now };
        let (stick, at) = place(id, standing, &targets[0], found, targets);
        (stick.verdict, at)
    }

    #[test]
    fn a_session_stays_where_it_was_answered_and_others_do_not_follow() {
        let (a, b, now) = (target("a", DEAR), target("b", DEAR), Instant::now());
        let mut sessions = Sessions::default();
        let both = [a.clone(), b.clone()];
        assert_eq!(placed(&sessions, id("one"), &both, 9, now), (Verdict::New, None));
        answer(&mut sessions, id("one"), &b, now);
        assert_eq!(placed(&sessions, id("one"), &both, 9, now), (Verdict::Kept, Some(1)));
        assert_eq!(placed(&sessions, id("two"), &both, 9, now), (Verdict::New, None));
        assert_eq!(placed(&sessions, id("one"), &both[..1], 9, now).0, Verdict::Moved { from: "b/m".to_owned(), why: Why::Gone });
        let late = now + Sticky::default().idle + S;
        assert_eq!(placed(&sessions, id("one"), &both, 9, late), (Verdict::New, None), "it was quiet for too long");
    }

    #[test]
    fn a_session_moves_only_where_the_saving_beats_the_writing_of_its_cache() {
        let (dear, cheap, now) = (target("a", DEAR), target("b", CHEAP), Instant::now());
        let young = session(&dear, 1, now);
        // Once 101,000 tokens: 100,000 read at 0.5, 1,000 written at 6.25 and 500 put out at 25 are 68,750; at the other 50,500 written
        // and 1,000 put out.
        assert_eq!(saving(&young, &dear, &cheap, 101_000, now), Some(68_750 - 51_500));
        assert_eq!(saving(&young, &dear, &target("c", [1.0, 0.1, 1.0, 5.0]), 101_000, now), None, "the writing costs more than it saves");
        assert!(saving(&session(&dear, 10, now), &dear, &target("c", [1.0, 0.1, 1.0, 5.0]), 101_000, now).is_some(), "a long session pays");
        assert_eq!(saving(&session(&cheap, 10, now), &cheap, &dear, 101_000, now), None);
        assert_eq!(saving(&session(&dear, 10, now), &dear, &target("c", DEAR), 101_000, now), None, "what costs the same saves nothing");
        let unpriced = Target { info: Known::NOTHING, ..cheap.clone() };
        assert_eq!(saving(&young, &dear, &unpriced, 101_000, now), None);
        // What has expired is written anew in any case.
        let a_little_cheaper = target("c", [3.5, 0.35, 4.4, 17.0]);
        assert_eq!(saving(&young, &dear, &a_little_cheaper, 101_000, now), None);
        assert!(saving(&young, &dear, &a_little_cheaper, 101_000, now + 301 * S).is_some());
    }

    #[test]
    fn a_preferred_target_that_saves_enough_takes_a_session_back() {
        let (cheap, dear, now) = (target("a", CHEAP), target("b", DEAR), Instant::now());
        let mut sessions = Sessions::default();
        sessions.restore(id("s"), session(&dear, 3, now));
        let both = [cheap, dear];
        let (verdict, at) = placed(&sessions, id("s"), &both, 101_000, now);
        assert!(matches!(verdict, Verdict::Moved { why: Why::Saves(saved), .. } if saved > 10_000), "{verdict:?}");
        assert_eq!(at, None);
        let standing = Standing { sessions: &sessions, sticky: &Sticky::default(), input: 101_000, is_preferred: false, now };
        let (stick, at) = place(id("s"), standing, &both[0], |_| Found::At(1, true), &both);
        assert_eq!((stick.verdict, at, stick.key.as_str()), (Verdict::Kept, Some(1), "k"), "where the first is there by turns");
        let (stick, _) = place(id("s"), standing, &both[0], |_| Found::At(1, false), &both);
        assert_eq!(stick.verdict, Verdict::Moved { from: "b/m".to_owned(), why: Why::Rests });
    }
}
