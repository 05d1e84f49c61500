//! What a refusal means for the request, the target and the key.

use crate::chat::FailureKind;

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The request itself is wrong: nobody will take it.
    Client,
    /// This target will never do: it has no such model.
    Elsewhere,
    /// The prompt is too long for its window; the route says that a larger one is to be asked.
    TooLong,
    /// The key is not accepted.
    KeyRefused,
    /// The key is limited.
    KeyLimited,
    /// The model failed at its task; the target is well.
    Unlucky,
    /// The target failed.
    Failed,
}

/// Errors are judged by what they mean; the status decides where the kind says too little.
pub(super) fn judge(status: u16, kind: FailureKind) -> Judgement {
    match (kind, status) {
        (FailureKind::ContextLength | FailureKind::TooLarge, _) => Judgement::Client,
        (FailureKind::Authentication | FailureKind::Permission | FailureKind::Billing, _) => Judgement::KeyRefused,
        (FailureKind::RateLimit, _) => Judgement::KeyLimited,
        (FailureKind::NotFound, _) => Judgement::Elsewhere,
        (FailureKind::Timeout | FailureKind::Overloaded, _) => Judgement::Failed,
        (_, 401..=403) => Judgement::KeyRefused,
        // 405 comes from a wrong base URL: the target will not do, but another may.
        (_, 404 | 405) => Judgement::Elsewhere,
        (_, 429) => Judgement::KeyLimited,
        (_, 409) => Judgement::Unlucky,
        (_, 408 | 425 | 500..) => Judgement::Failed,
        (FailureKind::InvalidRequest, _) | (FailureKind::Server, 400..=499) => Judgement::Client,
        (FailureKind::Server, _) => Judgement::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_alone_is_enough() {
        for (status, judgement) in [
            (400, Judgement::Client),
            (401, Judgement::KeyRefused),
            (402, Judgement::KeyRefused),
            (403, Judgement::KeyRefused),
            (404, Judgement::Elsewhere),
            (405, Judgement::Elsewhere),
            (408, Judgement::Failed),
            (409, Judgement::Unlucky),
            (413, Judgement::Client),
            (422, Judgement::Client),
            (429, Judgement::KeyLimited),
            (500, Judgement::Failed),
            (502, Judgement::Failed),
            (503, Judgement::Failed),
            (504, Judgement::Failed),
            (529, Judgement::Failed),
        ] {
            assert_eq!(judge(status, FailureKind::from_status(status)), judgement, "{status}");
        }
    }

    #[test]
    fn a_kind_that_says_more_beats_the_status() {
        for (status, kind, judgement) in [
            (400, FailureKind::Authentication, Judgement::KeyRefused),
            (429, FailureKind::Billing, Judgement::KeyRefused),
            (400, FailureKind::NotFound, Judgement::Elsewhere),
            (500, FailureKind::ContextLength, Judgement::Client),
            (200, FailureKind::Overloaded, Judgement::Failed),
            (200, FailureKind::Server, Judgement::Failed),
        ] {
            assert_eq!(judge(status, kind), judgement, "{status} {kind:?}");
        }
    }
}
