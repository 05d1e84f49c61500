//! Policies: where a request must not go. They are asked of each target before anything is sent.
//!
//! Each policy that is for the request must let a target pass: a `deny` names the targets that may not, an `allow` those that
//! alone may. None lifts another, so their order decides only which one is named. What is not known of a target counts against it: a
//! provider without a region may be anywhere. Start with [`Policy::denies`].

use super::facts::Facts;
use super::glob::Glob;
use super::rule::Condition;
use super::target::Target;

/// One entry under `policies`.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// For which requests it is; nothing: for all.
    pub when: Vec<Condition>,
    /// What it does with the targets that it describes.
    pub effect: Effect,
    /// What it describes: all of it must hold.
    pub of: Vec<Trait>,
}

/// What a policy does with the targets that it describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// They may not be used.
    Deny,
    /// No others may be used.
    Allow,
}

/// Something about a target.
#[derive(Debug, Clone, PartialEq)]
pub enum Trait {
    /// The provider's name in the config.
    Provider(Vec<Glob>),
    /// `provider/model`, or the model alone.
    Model(Vec<Glob>),
    /// The provider's region.
    Region(Vec<Glob>),
    /// One of the classes of data that the provider may be given.
    Data(Vec<Glob>),
    /// US dollars per million tokens of input, from and to.
    PriceInput(f64, f64),
    /// US dollars per million tokens of output, from and to.
    PriceOutput(f64, f64),
    /// Tokens of the window, from and to.
    Context(u64, u64),
}

impl Trait {
    /// Whether a target is so; `None`: not known.
    fn holds(&self, target: &Target) -> Option<bool> {
        let provider = &target.provider;
        let any = |globs: &[Glob], word: &str| globs.iter().any(|glob| glob.matches(word));
        let within = |price: Option<f64>, min: f64, max: f64| price.map(|price| (min..=max).contains(&price));
        match self {
            Self::Provider(globs) => Some(any(globs, &provider.name)),
            Self::Model(globs) => {
                Some(any(globs, &target.model) || globs.iter().any(|glob| glob.matches(&format!("{}/{}", provider.name, target.model))))
            }
            Self::Region(globs) => (!provider.region.is_empty()).then(|| any(globs, &provider.region)),
            Self::Data(globs) => (!provider.data.is_empty()).then(|| provider.data.iter().any(|class| any(globs, class))),
            Self::PriceInput(min, max) => within(target.info.price.input, *min, *max),
            Self::PriceOutput(min, max) => within(target.info.price.output, *min, *max),
            Self::Context(min, max) => target.info.context.map(|context| (*min..=*max).contains(&context)),
        }
    }

    /// What it is about.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Provider(_) => "provider",
            Self::Model(_) => "model",
            Self::Region(_) => "region",
            Self::Data(_) => "data class",
            Self::PriceInput(..) => "price of input",
            Self::PriceOutput(..) => "price of output",
            Self::Context(..) => "window",
        }
    }
}

/// Why a policy denies a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// Its traits say so.
    Known,
    /// This is not known of it.
    Unknown(&'static str),
}

impl Policy {
    /// The first condition that keeps it from being for a request, by its place; `None`: it is for it.
    #[must_use]
    pub fn fails(&self, facts: &Facts) -> Option<usize> {
        self.when.iter().position(|condition| !condition.holds(facts))
    }

    /// Whether it keeps a request that it is for from a target, and why.
    #[must_use]
    pub fn denies(&self, target: &Target) -> Option<Denial> {
        let mut unknown = None;
        let mut describes = true;
        for part in &self.of {
            match part.holds(target) {
                Some(holds) => describes &= holds,
                None => unknown = unknown.or(Some(Denial::Unknown(part.word()))),
            }
        }
        match (self.effect, describes, unknown) {
            (Effect::Deny, false, _) | (Effect::Allow, true, None) => None,
            (Effect::Allow, false, _) | (Effect::Deny, true, None) => Some(Denial::Known),
            (_, true, unknown) => unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::provider::models::{Known, Price};
    use crate::route::tests::provider;

    /// `eu/small`: in the EU, for public and internal data, at 1 and 4 dollars, with a window of 100,000 tokens.
    fn known() -> Target {
        let provider = super::super::table::Provider {
            region: "eu-west".to_owned(),
            data: vec!["public".to_owned(), "internal".to_owned()],
            ..provider("eu", 1)
        };
        let price = Price { input: Some(1.0), output: Some(4.0), ..Known::NOTHING.price };
        let info = Known { context: Some(100_000), price, ..Known::NOTHING };
        Target { provider: Arc::new(provider), endpoint: 0, model: "small".to_owned(), info }
    }

    fn unknown() -> Target {
        Target { provider: Arc::new(provider("eu", 1)), endpoint: 0, model: "small".to_owned(), info: Known::NOTHING }
    }

    fn globs(words: &[&str]) -> Vec<Glob> {
        words.iter().map(|word| Glob::new(*word)).collect()
    }

    fn verdict(effect: Effect, of: &[Trait], target: &Target) -> Option<Denial> {
        Policy { name: "p".to_owned(), when: Vec::new(), effect, of: of.to_vec() }.denies(target)
    }

    #[test]
    fn each_trait_lets_what_fits_pass_an_allow_and_fail_a_deny_and_the_other_way_round() {
        for (fits, fits_not) in [
            (Trait::Provider(globs(&["us", "e*"])), Trait::Provider(globs(&["us"]))),
            (Trait::Model(globs(&["small"])), Trait::Model(globs(&["large"]))),
            (Trait::Model(globs(&["eu/*"])), Trait::Model(globs(&["us/*"]))),
            (Trait::Region(globs(&["eu-*"])), Trait::Region(globs(&["cn", "us"]))),
            (Trait::Data(globs(&["internal"])), Trait::Data(globs(&["secret"]))),
            (Trait::PriceInput(1.0, 1.0), Trait::PriceInput(1.01, f64::INFINITY)),
            (Trait::PriceInput(0.0, f64::INFINITY), Trait::PriceInput(0.0, 0.99)),
            (Trait::PriceOutput(4.0, 9.0), Trait::PriceOutput(0.0, 3.99)),
            (Trait::Context(100_000, u64::MAX), Trait::Context(100_001, u64::MAX)),
            (Trait::Context(0, 100_000), Trait::Context(0, 99_999)),
        ] {
            let target = known();
            assert_eq!(verdict(Effect::Allow, std::slice::from_ref(&fits), &target), None, "{fits:?}");
            assert_eq!(verdict(Effect::Deny, std::slice::from_ref(&fits), &target), Some(Denial::Known), "{fits:?}");
            assert_eq!(verdict(Effect::Allow, std::slice::from_ref(&fits_not), &target), Some(Denial::Known), "{fits_not:?}");
            assert_eq!(verdict(Effect::Deny, std::slice::from_ref(&fits_not), &target), None, "{fits_not:?}");
            // Both together describe nothing, so a deny denies nothing and an allow everything.
            assert_eq!(verdict(Effect::Deny, &[fits.clone(), fits_not.clone()], &target), None);
            assert_eq!(verdict(Effect::Allow, &[fits, fits_not], &target), Some(Denial::Known));
        }
    }

    #[test]
    fn what_is_not_known_of_a_target_counts_against_it() {
        for (part, word) in [
            (Trait::Region(globs(&["cn"])), "region"),
            (Trait::Data(globs(&["public"])), "data class"),
            (Trait::PriceInput(0.0, 9.0), "price of input"),
            (Trait::PriceOutput(5.0, 9.0), "price of output"),
            (Trait::Context(1, 2), "window"),
        ] {
            for effect in [Effect::Allow, Effect::Deny] {
                assert_eq!(verdict(effect, std::slice::from_ref(&part), &unknown()), Some(Denial::Unknown(word)), "{part:?}");
            }
            // But not where what is known settles it.
            let other = Trait::Provider(globs(&["us"]));
            assert_eq!(verdict(Effect::Deny, &[part.clone(), other.clone()], &unknown()), None);
            assert_eq!(verdict(Effect::Allow, &[part, other], &unknown()), Some(Denial::Known));
        }
    }
}
