//! What a translation could not carry, as a value.

use std::borrow::Cow;

/// A part of the request that the target has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Path of the field in the client's dialect, `top_k` or `messages[].content[].document` say.
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

    /// `field` was changed to the nearest legal value.
    pub fn normalised(field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), outcome: Outcome::Normalised }
    }

    /// `field` was done by other means.
    pub fn emulated(field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), outcome: Outcome::Emulated }
    }
}

/// Records a loss once, however often the request repeats it.
pub(crate) fn lose(losses: &mut Vec<Loss>, loss: Loss) {
    if !losses.contains(&loss) {
        losses.push(loss);
    }
}

impl std::fmt::Display for Loss {
    /// As in the `x-aimux-loss` header: `top_k;dropped`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let outcome = match self.outcome {
            Outcome::Dropped => "dropped",
            Outcome::Normalised => "normalised",
            Outcome::Emulated => "emulated",
        };
        write!(f, "{};{outcome}", self.field)
    }
}
