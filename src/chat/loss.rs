//! What a translation could not carry, as a value.

use std::borrow::Cow;

/// A part of a request that the target has no place for, or of an answer that the client has none for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Path of the field: of a request in the client's dialect, `top_k` or `messages[].content[].document` say; of an answer
    /// behind `answer.`, `answer.citations.page_location` say.
    pub field: Cow<'static, str>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a part that has no equivalent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Left out.
    Dropped,
    /// Changed to the nearest legal value.
    Normalised,
    /// Done by other means.
    Emulated,
}

impl Loss {
    /// `field` was left out.
    pub fn dropped(field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), outcome: Outcome::Dropped }
    }

    /// The part of an answer was left out that stands at `path` and is of the upstream's own `kind`. What is no plain word
    /// is not repeated.
    #[must_use]
    pub(crate) fn of_kind(path: &str, kind: &str) -> Self {
        let is_word =
            (1..=40).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        Self::dropped(format!("answer.{path}.{}", if is_word { kind } else { "unknown" }))
    }

    /// `field` was changed to the nearest legal value.
    pub fn normalised(field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), outcome: Outcome::Normalised }
    }

    /// `field` was done by other means.
    pub fn emulated(field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), outcome: Outcome::Emulated }
    }
}

/// The most losses of one request: it may invent any number of members.
const LOSSES_MAX: usize = 128;

/// Records a loss once, however often the request repeats it.
pub(crate) fn lose(losses: &mut Vec<Loss>, loss: Loss) {
    match losses.len() {
        _ if losses.len() > LOSSES_MAX || losses.contains(&loss) => {}
        LOSSES_MAX => losses.push(Loss::dropped("more")),
        _ => losses.push(loss),
    }
}

impl std::fmt::Display for Loss {
    /// As in the `x-aimux-loss` header: `top_k;dropped`. Names are the client's: what a header cannot hold, or what parts
    /// its items, is shown as `?`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = match self.outcome {
            Outcome::Dropped => "dropped",
            Outcome::Normalised => "normalised",
            Outcome::Emulated => "emulated",
        };
        for char in self.field.chars() {
            let is_plain = char.is_ascii_graphic() && !matches!(char, ',' | ';');
            write!(f, "{}", if is_plain || char == ' ' { char } else { '?' })?;
        }
        write!(f, ";{outcome}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_recorded_once_and_their_number_has_a_limit() {
        let mut losses = Vec::new();
        (0..1000).for_each(|n| lose(&mut losses, Loss::dropped((n / 2).to_string())));
        assert_eq!(losses.len(), LOSSES_MAX + 1);
        assert_eq!(losses.get(1), Some(&Loss::dropped("1")));
        assert_eq!(losses.last(), Some(&Loss::dropped("more")));
    }

    #[test]
    fn a_name_cannot_break_the_header() {
        assert_eq!(Loss::dropped("a\nb, c;dropped\u{e9}").to_string(), "a?b? c?dropped?;dropped");
    }
}
