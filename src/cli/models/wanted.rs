//! Which models are wanted: by what they can, cost and hold.

use clap::ValueEnum;

use crate::provider::models::Known;
use crate::route::registry::Entry;

/// What a model can, in the config's words; other words for it are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Capability {
    /// Takes tools
    Tools,
    /// Thinks
    #[value(alias = "reasoning")]
    Thinking,
    /// Enforces schemas of answers
    #[value(alias = "schema")]
    Structured,
    /// Sees images
    #[value(alias = "vision")]
    Images,
    /// Reads PDF
    #[value(alias = "pdf")]
    Documents,
}

impl Capability {
    /// Whether a model has it; `None`: unknown.
    pub(super) fn of(self, known: &Known) -> Option<bool> {
        match self {
            Self::Tools => known.tools,
            Self::Thinking => known.reasoning,
            Self::Structured => known.structured,
            Self::Images => known.images,
            Self::Documents => known.pdf,
        }
    }
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Money(pub(super) f64);

/// An amount of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens(pub(super) u64);

/// The value of `--max-price`.
pub(super) fn money(text: &str) -> Result<Money, &'static str> {
    let usd = text.trim_start_matches('$').parse::<f64>().ok().filter(|usd| usd.is_finite() && *usd >= 0.0);
    usd.map(Money).ok_or("expected dollars, `5` or `0.5`")
}

/// The value of `--context`.
pub(super) fn tokens(text: &str) -> Result<Tokens, &'static str> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 1000),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 1_000_000),
        _ => (Some(text), 1),
    };
    let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).and_then(|digits| digits.parse::<u64>().ok());
    number.and_then(|number| number.checked_mul(unit)).map(Tokens).ok_or("expected tokens, `200000`, `200k` or `1M`")
}

/// What the rows must be.
pub(super) struct Wanted<'a> {
    pub(super) capabilities: &'a [Capability],
    pub(super) price_max: Option<f64>,
    pub(super) context_min: Option<u64>,
}

impl Wanted<'_> {
    /// Whether a model is so; what is unknown is not.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        let Entry { known, .. } = entry;
        let is_cheap = |most: f64| [known.price.input, known.price.output].iter().all(|price| price.is_some_and(|price| price <= most));
        self.capabilities.iter().all(|capability| capability.of(known) == Some(true))
            && self.price_max.is_none_or(is_cheap)
            && self.context_min.is_none_or(|least| known.context.is_some_and(|context| context >= least))
    }
}

/// The names that come nearest to what nobody knows: those that share most of its pairs of letters.
pub(super) fn near(name: &str, all: &[Entry]) -> Vec<String> {
    let wanted = pairs(name);
    let share = |known: &str| {
        let own = pairs(known);
        let common = wanted.iter().filter(|pair| own.contains(pair)).count();
        // Dice's coefficient, in thousandths.
        (2000 * common).checked_div(wanted.len() + own.len()).unwrap_or(0)
    };
    let mut found: Vec<(usize, String)> = all.iter().map(|entry| (share(&entry.name()).max(share(&entry.model)), entry.name())).collect();
    found.retain(|(share, _)| *share >= 500);
    found.sort_by(|(near, a), (far, b)| far.cmp(near).then_with(|| b.cmp(a)));
    found.into_iter().map(|(_, name)| name).take(3).collect()
}

fn pairs(name: &str) -> Vec<(char, char)> {
    let chars: Vec<char> = name.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == '/').take(128).collect();
    chars.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, amount) in [("200k", Some(200_000)), ("1M", Some(1_000_000)), ("7", Some(7)), ("1m", Some(1_000_000)), ("0", Some(0))] {
            assert_eq!(tokens(text).ok().map(|Tokens(number)| number), amount, "{text}");
        }
        for text in ["", "k", "-1", "+1", "1.5M", "1G", "99999999999999999999", "99999999999999999M", "１k"] {
            assert!(tokens(text).is_err(), "{text}");
        }
        assert_eq!((money("0.5"), money("$3")), (Ok(Money(0.5)), Ok(Money(3.0))));
        for text in ["", "-1", "NaN", "inf", "five"] {
            assert!(money(text).is_err(), "{text}");
        }
    }
}
