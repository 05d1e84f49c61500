//! How long a key lasts, in words: `keys list`, `keys show` and a login tell it.

use crate::keys::Key;

/// What is known of a key's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// When it expires, in seconds since 1970; `None`: it does not, or nobody knows.
    pub(super) expires: Option<u64>,
    /// When it was last refreshed, in seconds since 1970; `None`: never.
    pub(super) refreshed: Option<u64>,
    /// Whether there is something to refresh it with.
    pub(super) renews: bool,
}

impl Life {
    pub(super) fn of(key: &Key) -> Self {
        Self { expires: key.expires, refreshed: key.refreshed, renews: key.refresh.is_some() }
    }

    /// `expires in 42 min, refreshed 18 min ago`; `None` for a key that lasts.
    pub(super) fn words(&self, now: u64) -> Option<String> {
        let end = match self.expires {
            Some(expires) if expires <= now => Some(format!("expired {}", ago(now - expires))),
            Some(expires) => Some(format!("expires in {}", span(expires - now))),
            None => None,
        };
        let renewed = match (self.refreshed, self.renews, end.is_some()) {
            (Some(refreshed), ..) => Some(format!("refreshed {}", ago(now.saturating_sub(refreshed)))),
            (None, true, _) => Some("not refreshed yet".to_owned()),
            (None, false, true) => Some("cannot be refreshed".to_owned()),
            (None, false, false) => None,
        };
        let words: Vec<String> = [end, renewed].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// `18 min ago`.
pub(super) fn ago(seconds: u64) -> String {
    if seconds == 0 { "just now".to_owned() } else { format!("{} ago", span(seconds)) }
}

/// `18 min`, in the largest unit that is reached twice.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_end_is_told_in_words() {
        let words = |expires, refreshed, renews| Life { expires, refreshed, renews }.words(1_000_000);
        assert_eq!(words(None, None, false), None);
        assert_eq!(words(Some(1_002_520), Some(998_920), true).unwrap(), "expires in 42 min, refreshed 18 min ago");
        assert_eq!(words(Some(1_000_000), None, true).unwrap(), "expired just now, not refreshed yet");
        assert_eq!(words(Some(1_000_119), None, false).unwrap(), "expires in 119 s, cannot be refreshed");
        assert_eq!(words(Some(820_000), Some(900_000), true).unwrap(), "expired 2 days ago, refreshed 27 h ago");
        assert_eq!(words(None, None, true).unwrap(), "not refreshed yet");
    }
}
