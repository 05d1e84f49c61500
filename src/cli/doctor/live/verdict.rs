//! What a check found, and what may be concluded of it.

use serde::Serialize;

use super::ask::{Said, told};
use super::reply::Reply;
use crate::chat::Failure;
use crate::cli::doctor::finding::Level;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It does that.
    Supported,
    /// It does not: it said so, or answered well without it, again and again.
    Unsupported,
    /// What it does is not what its dialect says.
    Wrong,
    /// Nothing can be concluded.
    Unknown,
    /// There is no such thing here.
    NotApplicable,
}

impl Verdict {
    pub(super) fn level(self) -> Level {
        match self {
            Self::Supported | Self::NotApplicable => Level::Ok,
            Self::Unsupported | Self::Unknown => Level::Warning,
            Self::Wrong => Level::Error,
        }
    }

    /// Whether it can; `None`: nobody knows.
    pub(super) fn supported(self) -> Option<bool> {
        match self {
            Self::Supported => Some(true),
            Self::Unsupported => Some(false),
            Self::Wrong | Self::Unknown | Self::NotApplicable => None,
        }
    }
}

/// One check, done.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    pub(super) level: Level,
    /// What was seen.
    pub(super) why: String,
}

impl Check {
    pub(super) fn new(check: &'static str, verdict: Verdict, why: impl Into<String>) -> Self {
        Self { check, verdict, level: verdict.level(), why: why.into() }
    }
}

/// What one answer says of an ability.
#[derive(Debug)]
pub(super) enum Seen {
    /// It is there.
    Yes(String),
    /// The answer is well-formed, and it is not there.
    No(String),
    /// It is there, and broken.
    Wrong(String),
    /// This answer says nothing.
    Nothing(String),
}

/// So many well-formed answers without it are needed to say that it is not there.
pub(super) const AGAIN: usize = 2;

/// What is made of what a provider said. `names`: words by which a refusal names the ability. `None`: it may be asked again.
pub(super) fn conclude(said: Said, names: &[&str], judge: impl FnOnce(&Reply) -> Seen) -> (Option<Verdict>, String, Option<Reply>) {
    match said {
        Said::Answer(reply) => match judge(&reply) {
            Seen::Yes(why) => (Some(Verdict::Supported), why, Some(reply)),
            Seen::Wrong(why) => (Some(Verdict::Wrong), why, Some(reply)),
            Seen::No(why) => (None, why, Some(reply)),
            Seen::Nothing(why) => (Some(Verdict::Unknown), why, Some(reply)),
        },
        Said::Refused(failure) if is_named(&failure, names) => (Some(Verdict::Unsupported), told(&failure), None),
        Said::Refused(failure) => (Some(Verdict::Unknown), format!("refused for another reason: {}", told(&failure)), None),
        Said::Broken(why) => (Some(Verdict::Wrong), why, None),
        Said::Nothing(why) => (Some(Verdict::Unknown), why, None),
    }
}

/// Whether a refusal is of the request's form and names what was asked for.
fn is_named(failure: &Failure, names: &[&str]) -> bool {
    let words = [Some(failure.message.as_str()), failure.code.as_deref(), failure.param.as_deref()];
    let text: String = words.into_iter().flatten().map(|word| word.to_lowercase() + "\n").collect();
    matches!(failure.status, 400 | 404 | 405 | 415 | 422 | 501) && names.iter().any(|name| text.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureKind;

    #[test]
    fn only_a_refusal_that_names_it_is_a_no() {
        let names = &["image", "vision"];
        let refused = |status: u16, message: &str| Failure { status, ..Failure::new(FailureKind::InvalidRequest, message) };
        assert!(is_named(&refused(400, "This model does not support Image input"), names));
        assert!(is_named(&refused(404, "No endpoints found that support image input"), names));
        assert!(is_named(&Failure { param: Some("messages[0].image_url".to_owned()), ..refused(400, "bad") }, names));
        for (status, message) in [(400, "max_tokens is too large"), (401, "no key for images"), (403, "image"), (402, "vision costs more")]
        {
            assert!(!is_named(&refused(status, message), names), "{status} {message}");
        }
        let verdict = |said| conclude(said, names, |_| Seen::No(String::new())).0;
        assert_eq!(verdict(Said::Nothing("429: image".to_owned())), Some(Verdict::Unknown), "a limit says nothing of the model");
        assert_eq!(verdict(Said::Refused(refused(400, "no"))), Some(Verdict::Unknown));
        assert_eq!(verdict(Said::Refused(refused(400, "no vision"))), Some(Verdict::Unsupported));
        assert_eq!(verdict(Said::Answer(Reply::default())), None, "one answer without it is not enough");
    }
}
