//! What a provider says in its headers of the room that is left: `anthropic-ratelimit-*`, `x-ratelimit-*`.
//!
//! Counts come in threes, `limit`, `remaining` and `reset`, for requests and for tokens, some of them per minute and per
//! day; Anthropic's plans say the share that is used of five hours and of a week (`unified-5h-utilization`) and a status.
//! A reset is a date, seconds since 1970, seconds from now, or a duration as Go writes it (`6m0s`, `12ms`). Seen in
//! November 2026 at Anthropic, OpenAI, Groq and Cerebras.

use std::time::Duration;

use crate::date;

/// What is left of the scarcest thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Its share, 0 to 1.
    pub share: f32,
    /// When something is used up: how long until there is more.
    pub rest: Option<Duration>,
}

/// The longest that a header is believed.
const REST_MAX: Duration = Duration::from_secs(8 * 24 * 3600);

/// One thing that is counted.
#[derive(Default)]
struct Counted<'a> {
    name: &'a str,
    limit: Option<f64>,
    remaining: Option<f64>,
    used: Option<f64>,
    is_rejected: bool,
    reset: Option<Duration>,
}

/// The most things that are looked at.
const COUNTED_MAX: usize = 16;

impl Room {
    /// Reads headers, names in lower case; `now_ms` is the time since 1970. `None`: they say nothing of it.
    pub fn read<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>, now_ms: u64) -> Option<Self> {
        let mut all: Vec<Counted<'a>> = Vec::new();
        for (name, value) in headers {
            let Some(name) = name.strip_prefix("anthropic-ratelimit-").or_else(|| name.strip_prefix("x-ratelimit-")) else { continue };
            let (what, field) = split(name);
            let index = all.iter().position(|counted| counted.name == what).unwrap_or(all.len());
            if index == all.len() {
                if index >= COUNTED_MAX {
                    continue;
                }
                all.push(Counted { name: what, ..Counted::default() });
            }
            let Some(counted) = all.get_mut(index) else { continue };
            let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
            match field {
                "limit" => counted.limit = number,
                "remaining" => counted.remaining = number,
                "utilization" => counted.used = number,
                "status" => counted.is_rejected = value.trim() == "rejected",
                "reset" => counted.reset = reset(value.trim(), now_ms),
                _ => {}
            }
        }
        let mut room: Option<Self> = None;
        for counted in all.iter().filter_map(Counted::room) {
            let so_far = room.get_or_insert(counted);
            so_far.share = so_far.share.min(counted.share);
            so_far.rest = so_far.rest.max(counted.rest);
        }
        room
    }
}

impl Counted<'_> {
    fn room(&self) -> Option<Room> {
        // What is paid for beyond a plan says nothing of the plan.
        if self.name.starts_with("unified-overage") {
            return None;
        }
        let share = match (self.remaining, self.limit, self.used) {
            (Some(remaining), Some(limit), _) if limit > 0.0 => remaining / limit,
            (Some(remaining), ..) => f64::from(u8::from(remaining > 0.0)),
            (None, _, Some(used)) => 1.0 - used,
            _ if self.is_rejected => 0.0,
            _ => return None,
        };
        let is_used_up = self.is_rejected || share <= 0.0;
        #[expect(clippy::cast_possible_truncation, reason = "a share")]
        let share = if is_used_up { 0.0 } else { share.clamp(0.0, 1.0) as f32 };
        Some(Room { share, rest: self.reset.filter(|_| is_used_up) })
    }
}

/// `requests-remaining` and `remaining-requests-day` alike: what is counted, and which of its fields.
fn split(name: &str) -> (&str, &str) {
    if let Some((what, field)) = name.rsplit_once('-')
        && FIELDS.contains(&field)
    {
        return (what, field);
    }
    match name.split_once('-') {
        Some((field, what)) if FIELDS.contains(&field) => (what, field),
        _ if FIELDS.contains(&name) => ("", name),
        _ => (name, ""),
    }
}

const FIELDS: [&str; 5] = ["limit", "remaining", "reset", "utilization", "status"];

fn reset(text: &str, now_ms: u64) -> Option<Duration> {
    let at = |ms: u64| Duration::from_millis(ms.saturating_sub(now_ms));
    let rest = match text.parse::<f64>() {
        Ok(number) if !(number.is_finite() && number >= 0.0) => return None,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time, not negative")]
        Ok(number) if number >= 1e11 => at(number as u64),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time, not negative")]
        Ok(number) if number >= 1e9 => at((number * 1000.0) as u64),
        Ok(number) => Duration::try_from_secs_f64(number).ok()?,
        Err(_) => match date::parse(&without_fraction(text)?) {
            Some(seconds) => at(seconds * 1000),
            None => duration(text)?,
        },
    };
    Some(rest.min(REST_MAX))
}

/// `2026-01-31T12:00:00.123Z` without its fraction; other texts as they are.
fn without_fraction(text: &str) -> Option<String> {
    let text = text.strip_suffix("+00:00").map_or_else(|| text.to_owned(), |text| format!("{text}Z"));
    match text.split_once('.') {
        Some((whole, fraction)) if whole.contains('T') => fraction.ends_with('Z').then(|| format!("{whole}Z")),
        _ => Some(text),
    }
}

/// A duration as Go writes it.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(length);
        let factor = match unit {
            "d" => 86_400.0,
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;
    const S: Duration = Duration::from_secs(1);

    fn read(headers: &[(&str, &str)]) -> Option<(f32, Option<Duration>)> {
        Room::read(headers.iter().copied(), NOW).map(|room| (room.share, room.rest))
    }

    #[test]
    fn the_scarcest_of_what_is_counted_holds() {
        let in_a_minute = date::rfc3339(NOW / 1000 + 60);
        assert_eq!(
            read(&[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "25"),
                ("anthropic-ratelimit-requests-reset", &in_a_minute),
                ("anthropic-ratelimit-input-tokens-limit", "1000"),
                ("anthropic-ratelimit-input-tokens-remaining", "100"),
                ("anthropic-ratelimit-input-tokens-reset", &in_a_minute),
            ]),
            Some((0.1, None))
        );
        assert_eq!(
            read(&[
                ("x-ratelimit-limit-requests", "5000"),
                ("x-ratelimit-remaining-requests", "4999"),
                ("x-ratelimit-reset-requests", "12ms"),
                ("x-ratelimit-limit-tokens", "160000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m0.5s"),
            ]),
            Some((0.0, Some(Duration::from_millis(360_500))))
        );
    }

    #[test]
    fn a_plan_says_the_share_that_is_used() {
        let plan = |status| {
            read(&[
                ("anthropic-ratelimit-unified-status", status),
                ("anthropic-ratelimit-unified-reset", "1790000120"),
                ("anthropic-ratelimit-unified-5h-utilization", "0.25"),
                ("anthropic-ratelimit-unified-5h-reset", "1790000120"),
                ("anthropic-ratelimit-unified-7d-utilization", "0.5"),
                ("anthropic-ratelimit-unified-overage-status", "rejected"),
                ("anthropic-ratelimit-unified-overage-utilization", "1.0"),
            ])
        };
        assert_eq!(plan("allowed"), Some((0.5, None)));
        assert_eq!(plan("rejected"), Some((0.0, Some(120 * S))));
        assert_eq!(read(&[("anthropic-ratelimit-unified-5h-utilization", "1.02")]), Some((0.0, None)));
    }

    #[test]
    fn a_reset_is_read_in_each_of_its_forms() {
        let with_fraction = date::rfc3339(NOW / 1000 + 60).replace('Z', ".123456Z");
        let with_offset = date::rfc3339(NOW / 1000 + 60).replace('Z', "+00:00");
        for text in ["60", "60.0", "1m", "1m0s", "60000ms", "1790000060", "1790000060000", &with_fraction, &with_offset] {
            let headers = [("x-ratelimit-remaining-requests-day", "0"), ("x-ratelimit-reset-requests-day", text)];
            assert_eq!(read(&headers), Some((0.0, Some(60 * S))), "{text}");
        }
        assert_eq!(read(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1e300")]), Some((0.0, Some(REST_MAX))));
        for text in ["", "-5", "soon", "1x", "NaN", "inf", "5m3", "µs", "1.2.3s", "Tue Feb 16 2021"] {
            let headers = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", text)];
            assert_eq!(read(&headers), Some((0.0, None)), "{text}");
        }
    }

    #[test]
    fn other_headers_and_too_many_of_these_say_nothing() {
        assert_eq!(read(&[("retry-after", "5"), ("x-ratelimit-limit-requests", "50"), ("content-type", "text/plain")]), None);
        assert_eq!(read(&[("x-ratelimit-remaining-requests", "-3"), ("x-ratelimit-remaining-tokens", "many")]), None);
        let names: Vec<String> = (0..1000).map(|n| format!("x-ratelimit-remaining-{n}")).collect();
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).chain([("x-ratelimit-remaining-z", "0")]).collect();
        assert_eq!(read(&headers), Some((1.0, None)));
    }
}
