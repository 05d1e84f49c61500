//! Moments as people write them: `24h` ago, a day or a time of the local clock, a time of UTC.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::database::number;
use crate::date;

/// The moment in milliseconds since 1970: `90m`, `24h`, `7d`, `2w` before `now_ms`; `today`; `2026-01-31` and
/// `2026-01-31T12:00` by the local clock; `2026-01-31T12:00:00Z`. `None` for anything else.
#[must_use]
pub fn moment(text: &str, now_ms: u64) -> Option<u64> {
    if text == "today" {
        return local("now", &["localtime", "start of day"]);
    }
    ago(text).and_then(|ago| now_ms.checked_sub(ago)).or_else(|| date::parse(text).map(|seconds| seconds * 1000)).or_else(|| {
        let whole = match text.len() {
            10 => format!("{text}T00:00:00"),
            16 => format!("{text}:00"),
            _ => text.to_owned(),
        };
        // SQLite takes more than dates, and days that no month has.
        date::parse(&format!("{whole}Z"))?;
        local(&whole, &[])
    })
}

/// A number with a unit, in milliseconds.
fn ago(text: &str) -> Option<u64> {
    let seconds = match text.chars().last()? {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse::<u64>().ok()?.checked_mul(seconds)?.checked_mul(1000)
}

/// A time of the local clock. SQLite asks the system for the zone, as it does for the days of a report.
fn local(text: &str, modifiers: &[&str]) -> Option<u64> {
    let modifiers: String = modifiers.iter().map(|modifier| format!("'{modifier}', ")).collect();
    let seconds = Connection::open_in_memory().ok()?.query_row(
        &format!("SELECT CAST(strftime('%s', ?1, {modifiers}'utc') AS INTEGER)"),
        [text],
        |row| row.get::<_, Option<i64>>(0),
    );
    u64::try_from(seconds.ok()??).ok().map(|seconds| seconds * 1000)
}

/// The local clock's names of moments, each asked of the system once.
#[derive(Debug, Default)]
pub(super) struct Clock {
    system: Option<Connection>,
    names: HashMap<u64, [String; 2]>,
}

impl Clock {
    /// `2026-01-31`.
    pub(super) fn day(&mut self, ms: u64) -> &str {
        &self.of(ms)[0]
    }

    /// `2026-01-31 12:00`.
    pub(super) fn hour(&mut self, ms: u64) -> &str {
        &self.of(ms)[1]
    }

    fn of(&mut self, ms: u64) -> &[String; 2] {
        let Self { system, names } = self;
        names.entry(ms).or_insert_with(|| {
            if system.is_none() {
                *system = Connection::open_in_memory().ok();
            }
            let sql = "SELECT strftime('%Y-%m-%d', ?1, 'unixepoch', 'localtime'), strftime('%Y-%m-%d %H:00', ?1, 'unixepoch', 'localtime')";
            let read = |system: &Connection| system.query_row(sql, [number(ms / 1000)], |row| Ok([row.get(0)?, row.get(1)?])).ok();
            system.as_ref().and_then(read).unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now = 1_795_000_000_000;
        assert_eq!(moment("0m", now), Some(now));
        assert_eq!(moment("90m", now), Some(now - 5_400_000));
        assert_eq!(moment("24h", now), Some(now - 86_400_000));
        assert_eq!(moment("7d", now), moment("1w", now));
        assert_eq!(moment("2026-01-31T12:00:00Z", now), Some(1_769_860_800_000));
        // Whatever the zone is, a day has its hours.
        let day = moment("2026-01-15", now).unwrap();
        assert_eq!(moment("2026-01-15T01:30", now), Some(day + 5_400_000));
        assert_eq!(moment("2026-01-15T00:00:01", now), Some(day + 1000));
        assert!(day.abs_diff(1_768_435_200_000) <= 14 * 3_600_000, "{day}");
        assert!(moment("today", now).is_some());
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in
            ["", "h", "24", "-1h", "+1h", "1y", "now", "2026-02-30", "2026-13-01", "24.5h", "2026-01-31T12", "１h", "99999999999999999w"]
        {
            assert_eq!(moment(text, 1_795_000_000_000), None, "{text}");
        }
        assert_eq!(moment("24h", 1), None, "before 1970");
    }
}
