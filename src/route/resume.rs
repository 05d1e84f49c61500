//! Whether an answer that broke off is gone on with by another target.
//!
//! Only where the rule says so, and only while nothing but text was said: what a model thought can be left out, a call of a
//! tool that has begun can be neither taken back nor finished by another. Lacks who goes on, which the attempts choose as they
//! do before the first content. Start with [`refusal`].

use super::judge::{Judgement, judge};
use super::step::{Cut, Stay};
use super::table::Continue;

/// Why it is not; `None`: it is. It was gone on with `often` times, of which there may be `most`.
pub(super) fn refusal(rule: Continue, cut: &Cut, often: u32, most: u32) -> Option<Stay> {
    match (rule, cut.bar) {
        (Continue::Off, _) => Some(Stay::Off),
        (Continue::Text, Some(bar)) => Some(Stay::Said(bar)),
        (Continue::Text, None) if judge(cut.status, cut.kind) == Judgement::Client => Some(Stay::Fault),
        (Continue::Text, None) if often >= most => Some(Stay::Often),
        (Continue::Text, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureKind;
    use crate::dialect::said::Bar;

    #[test]
    fn only_text_is_gone_on_with_only_where_the_rule_says_so_and_not_for_ever() {
        let broken = Cut { bar: None, status: 502, kind: FailureKind::Server };
        let said = |bar| Cut { bar: Some(bar), ..broken };
        let fault = Cut { status: 400, kind: FailureKind::InvalidRequest, ..broken };
        for (rule, cut, often, expected) in [
            (Continue::Off, broken, 0, Some(Stay::Off)),
            (Continue::Text, broken, 0, None),
            (Continue::Text, broken, 1, None),
            (Continue::Text, broken, 2, Some(Stay::Often)),
            (Continue::Text, said(Bar::ToolCall), 0, Some(Stay::Said(Bar::ToolCall))),
            (Continue::Text, said(Bar::Other), 0, Some(Stay::Said(Bar::Other))),
            (Continue::Text, fault, 0, Some(Stay::Fault)),
            (Continue::Text, Cut { status: 529, kind: FailureKind::Overloaded, ..broken }, 0, None),
            (Continue::Text, Cut { status: 429, kind: FailureKind::RateLimit, ..broken }, 0, None),
        ] {
            assert_eq!(refusal(rule, &cut, often, 2), expected, "{rule:?} {cut:?} {often}");
        }
        assert_eq!(refusal(Continue::Text, &broken, 0, 0), Some(Stay::Often));
    }
}
