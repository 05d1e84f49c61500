//! What a request needs and a target can do.
//!
//! A need that a target is known to lack leaves it out. Some lacks are not certain: the catalog lists what is promised, not all
//! that works, and the size of the input is an estimate; such a lack only lets those go before that are known to do it. What
//! is unknown is never held against a target. Thinking is no need: a model that does not think answers all the same, and the
//! loss is told. Nor is the output asked for: agents ask for more than they take, and a translation lowers it to what the model gives.
//! Start with [`left_out`].

use super::facts::Facts;
use super::target::Target;
use crate::provider::measured::MeasuredFinding;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It brings tools.
    Tools,
    /// The user has just shown an image. Older ones have been answered, and are told of in words where they cannot be seen.
    Images,
    /// The user has just given a document.
    Documents,
    /// It asks for an answer by a schema.
    Structured,
    /// Its input is so long.
    Context,
}

impl Need {
    /// Every need, in the order in which they are looked at.
    pub const ALL: [Self; 5] = [Self::Tools, Self::Images, Self::Documents, Self::Structured, Self::Context];

    /// What a target does that lacks it.
    #[must_use]
    pub fn lacking(self) -> &'static str {
        match self {
            Self::Tools => "takes no tools",
            Self::Images => "sees no images",
            Self::Documents => "reads no documents",
            Self::Structured => "enforces no schema",
            Self::Context => "is too small for the input",
        }
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Images => "images",
            Self::Documents => "documents",
            Self::Structured => "structured",
            Self::Context => "context",
        }
    }

    /// Whether a request has it.
    #[must_use]
    pub fn is_wanted(self, facts: &Facts) -> bool {
        match self {
            // A search of the web is the provider's own tool: the encoders know who has it.
            Self::Tools => facts.tools > u64::from(facts.web_search),
            Self::Images => facts.images_now > 0,
            Self::Documents => facts.documents_now > 0,
            Self::Structured => facts.structured,
            Self::Context => facts.input_tokens > 0,
        }
    }
}

/// How sure it is that a target can do what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ability {
    /// It can.
    Yes,
    /// Nothing is known.
    Unknown,
    /// It is not known to, where others are.
    Hardly,
    /// It cannot.
    No,
}

/// How much larger than a window an estimate must be to be certain that the input does not fit.
const DOUBT_PERCENT: u64 = 125;

fn ability(need: Need, target: &Target, facts: &Facts) -> Ability {
    let quirks = &target.endpoint().quirks;
    let is_same = target.endpoint().dialect == facts.dialect;
    let sure = |known: Option<bool>| match known {
        Some(true) => Ability::Yes,
        Some(false) => Ability::No,
        None => Ability::Unknown,
    };
    let listed = |known: Option<bool>| match known {
        Some(false) => Ability::Hardly,
        known => sure(known),
    };
    match need {
        Need::Tools => sure(target.info.tools),
        Need::Images if !quirks.images => Ability::No,
        Need::Images => sure(target.info.images),
        Need::Documents if !quirks.documents && !is_same => Ability::No,
        Need::Documents => listed(target.info.pdf),
        // Where the request is translated, a tool that is forced upon the model stands for the schema.
        Need::Structured if !is_same => Ability::Yes,
        // What was measured is as sure as it can be.
        Need::Structured if measured(need, target).is_some() => sure(target.info.structured),
        Need::Structured if quirks.full_anthropic => Ability::Yes,
        Need::Structured => listed(target.info.structured),
        Need::Context => match target.info.context {
            None => Ability::Unknown,
            Some(window) if facts.input_tokens <= window => Ability::Yes,
            Some(window) if facts.input_tokens.saturating_mul(100) <= window.saturating_mul(DOUBT_PERCENT) => Ability::Hardly,
            Some(_) => Ability::No,
        },
    }
}

/// The measurement by which it is decided whether a target can do what is needed.
#[must_use]
pub fn measured(need: Need, target: &Target) -> Option<&MeasuredFinding> {
    target.provider.decided_by(target.endpoint, &target.model, need.name())
}

/// For each target the need for which it is left out; `None`: it stays. Those that are not allowed are no help to anybody.
#[must_use]
pub fn left_out(targets: &[Target], is_allowed: &[bool], facts: &Facts) -> Vec<Option<Need>> {
    let mut looked_at: Vec<(&Target, bool, Option<Need>)> =
        targets.iter().zip(is_allowed).map(|(target, is_allowed)| (target, *is_allowed, None)).collect();
    let wanted = || Need::ALL.into_iter().filter(|need| need.is_wanted(facts));
    for need in wanted() {
        for (target, _, out) in looked_at.iter_mut().filter(|(.., out)| out.is_none()) {
            *out = (ability(need, target, facts) == Ability::No).then_some(need);
        }
    }
    for need in wanted() {
        let is_left = |(target, is_allowed, out): &(&Target, bool, Option<Need>)| {
            *is_allowed && out.is_none() && ability(need, target, facts) == Ability::Yes
        };
        if looked_at.iter().any(is_left) {
            for (target, _, out) in looked_at.iter_mut().filter(|(.., out)| out.is_none()) {
                *out = (ability(need, target, facts) == Ability::Hardly).then_some(need);
            }
        }
    }
    looked_at.into_iter().map(|(.., out)| out).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dialect::Dialect;
    use crate::provider::models::Known;
    use crate::route::tests::provider;

    fn target(provider_name: &str, endpoint: Dialect, info: Known) -> Target {
        let provider = Arc::new(provider(provider_name, 1));
        let endpoint = provider.endpoints.iter().position(|known| known.dialect == endpoint).unwrap();
        Target { provider, endpoint, model: "m".to_owned(), info }
    }

    /// Targets of an unknown kind that know so much of themselves.
    fn targets(infos: &[Known]) -> Vec<Target> {
        infos.iter().map(|info| target("openai", Dialect::OpenAiChat, *info)).collect()
    }

    fn left_out(targets: &[Target], facts: &Facts) -> Vec<Option<Need>> {
        super::left_out(targets, &vec![true; targets.len()], facts)
    }

    const NOTHING: Known = Known::NOTHING;

    fn asking() -> Facts {
        Facts { dialect: Dialect::OpenAiChat, input_tokens: 10, ..Facts::default() }
    }

    #[test]
    fn who_cannot_is_left_out_and_who_is_unknown_is_not() {
        let (yes, no) = (Known { tools: Some(true), ..NOTHING }, Known { tools: Some(false), ..NOTHING });
        let with_tools = Facts { tools: 3, ..asking() };
        assert_eq!(left_out(&targets(&[no, NOTHING, yes]), &with_tools), [Some(Need::Tools), None, None]);
        assert_eq!(left_out(&targets(&[no]), &with_tools), [Some(Need::Tools)], "even where nobody is left");
        assert_eq!(left_out(&targets(&[no]), &asking()), [None], "who asks for none needs none");
        let search = Facts { tools: 1, web_search: true, ..asking() };
        assert_eq!(left_out(&targets(&[no]), &search), [None], "the provider's own tool is none of the model's");
        let (sees, blind) = (Known { images: Some(true), ..NOTHING }, Known { images: Some(false), ..NOTHING });
        let shown = Facts { images: 2, images_now: 1, ..asking() };
        assert_eq!(left_out(&targets(&[blind, sees]), &shown), [Some(Need::Images), None]);
        assert_eq!(left_out(&targets(&[blind, sees]), &Facts { images_now: 0, ..shown }), [None, None], "it has been answered");
    }

    #[test]
    fn what_is_only_not_promised_counts_where_another_promises_it() {
        let (yes, no) =
            (Known { structured: Some(true), pdf: Some(true), ..NOTHING }, Known { structured: Some(false), pdf: Some(false), ..NOTHING });
        for (facts, need) in [
            (Facts { structured: true, ..asking() }, Need::Structured),
            (Facts { documents: 1, documents_now: 1, ..asking() }, Need::Documents),
        ] {
            assert_eq!(left_out(&targets(&[no, yes]), &facts), [Some(need), None]);
            assert_eq!(left_out(&targets(&[no, no]), &facts), [None, None]);
            assert_eq!(left_out(&targets(&[no, NOTHING]), &facts), [None, None], "the other is no surer");
            assert_eq!(left_out(&targets(&[no, yes]), &asking()), [None, None]);
        }
        // Anthropic's own API has schemas, whatever the catalog lists; a translated request asks by a tool.
        let anthropic = [target("anthropic", Dialect::AnthropicMessages, no), target("zai", Dialect::AnthropicMessages, no)];
        let structured = Facts { structured: true, input_tokens: 1, ..Facts::default() };
        assert_eq!(left_out(&anthropic, &structured), [None, Some(Need::Structured)]);
        assert_eq!(left_out(&anthropic, &Facts { dialect: Dialect::OpenAiChat, ..structured }), [None, None]);
    }

    #[test]
    fn a_provider_that_takes_no_documents_is_certain_where_the_request_is_translated() {
        let zai = [target("zai", Dialect::OpenAiChat, NOTHING)];
        let document = Facts { documents_now: 1, documents: 1, ..Facts::default() };
        assert_eq!(left_out(&zai, &document), [Some(Need::Documents)]);
        assert_eq!(left_out(&zai, &Facts { dialect: Dialect::OpenAiChat, ..document }), [None], "its own dialect is its own affair");
    }

    #[test]
    fn an_estimate_a_little_over_the_window_makes_way_and_one_far_over_cannot() {
        let window = |context| Known { context: Some(context), ..NOTHING };
        let facts = |input_tokens| Facts { input_tokens, ..asking() };
        let all = targets(&[window(1000), window(2000)]);
        let small = Some(Need::Context);
        for (input, out) in [
            (1000, [None, None]),
            (1001, [small, None]),
            (2000, [small, None]),
            (2001, [small, None]),
            (2500, [small, None]),
            (2501, [small, small]),
            (u64::MAX, [small, small]),
        ] {
            assert_eq!(left_out(&all, &facts(input)), out, "{input}");
        }
        assert_eq!(left_out(&targets(&[window(1000)]), &facts(1250)), [None], "by an estimate alone nobody is refused");
        assert_eq!(left_out(&targets(&[NOTHING]), &facts(u64::MAX)), [None]);
        assert_eq!(left_out(&[], &facts(1)), []);
        assert_eq!(super::left_out(&all, &[true, false], &facts(1001)), [None, None], "who is not allowed is no help");
    }
}
