//! Rules: where a request goes by what it is. A condition is a fact and what it must be; all of a rule's must hold.
//!
//! Start with [`Rule::fails`].

use std::fmt;

use super::choice::{Choice, TargetRef};
use super::facts::Facts;
use super::glob::Glob;
use super::target::plain_name;

/// One entry under `routes`.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What must hold; nothing: it takes every request.
    pub when: Vec<Condition>,
    /// What serves it, in order.
    pub targets: Vec<TargetRef>,
    /// How one of them is chosen.
    pub choice: Choice,
}

impl Rule {
    /// The first condition that does not hold, by its place; `None`: all do.
    #[must_use]
    pub fn fails(&self, facts: &Facts) -> Option<usize> {
        self.when.iter().position(|condition| !condition.holds(facts))
    }
}

/// A fact and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The fact.
    pub fact: Fact,
    /// What it must be.
    pub test: Test,
}

impl Condition {
    /// Whether a request is so.
    #[must_use]
    pub fn holds(&self, facts: &Facts) -> bool {
        match (&self.test, self.fact.of(facts)) {
            (Test::Words(globs), Value::Word(Some(word))) => {
                let plain = if self.fact == Fact::Model { plain_name(word) } else { word };
                globs.iter().any(|glob| glob.matches(word) || glob.matches(plain))
            }
            (Test::Flag(wanted), Value::Flag(is)) => *wanted == is,
            (Test::Numbers(bounds), Value::Number(number)) => bounds.iter().any(|bounds| bounds.contain(number)),
            _ => false,
        }
    }
}

/// What a fact must be; of several, any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// A word that fits; a fact that is not known fits none.
    Words(Vec<Glob>),
    /// Yes or no.
    Flag(bool),
    /// A number within bounds.
    Numbers(Vec<Bounds>),
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = match self {
            Self::Words(globs) => globs.iter().map(|glob| glob.text().to_owned()).collect(),
            Self::Flag(flag) => vec![flag.to_string()],
            Self::Numbers(bounds) => bounds.iter().map(Bounds::to_string).collect(),
        };
        f.write_str(&shown.join(" or "))
    }
}

/// The numbers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The lowest.
    pub min: u64,
    /// The highest.
    pub max: u64,
}

impl Bounds {
    /// Every number.
    pub const ALL: Self = Self { min: 0, max: u64::MAX };

    /// Whether a number lies within.
    #[must_use]
    pub fn contain(self, number: u64) -> bool {
        (self.min..=self.max).contains(&number)
    }

    /// What a text says: `3`, `>150000`, `>=3`, `<10`, `<=10`, or several of these with blanks between, which must all hold.
    /// `k` and `M` behind a number are thousands and millions.
    ///
    /// # Errors
    /// With what is wrong, in a few words.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let mut bounds = Self::ALL;
        for part in text.split_ascii_whitespace() {
            let sign = part.len() - part.trim_start_matches(['<', '>', '=']).len();
            let (sign, number) = part.split_at_checked(sign).ok_or("not a comparison")?;
            let number = amount(number)?;
            let Self { min, max } = match sign {
                "" | "=" | "==" => Self { min: number, max: number },
                ">" => Self { min: number.checked_add(1).ok_or("no number is larger")?, max: u64::MAX },
                ">=" => Self { min: number, max: u64::MAX },
                "<" => Self { min: 0, max: number.checked_sub(1).ok_or("no number is lower")? },
                "<=" => Self { min: 0, max: number },
                _ => return Err("not a comparison"),
            };
            bounds = Self { min: bounds.min.max(min), max: bounds.max.min(max) };
        }
        if bounds.min > bounds.max {
            return Err("no number is so");
        }
        if text.trim().is_empty() { Err("empty") } else { Ok(bounds) }
    }
}

fn amount(text: &str) -> Result<u64, &'static str> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.trim_end_matches(['k', 'K']), 1000),
        Some(b'M') => (text.trim_end_matches('M'), 1_000_000),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a comparison");
    }
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or("too large a number")
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "{min}"),
            (0, u64::MAX) => f.write_str(">=0"),
            (0, max) => write!(f, "<={max}"),
            (1, u64::MAX) => f.write_str(">0"),
            (min, u64::MAX) => write!(f, ">{}", min - 1),
            (min, max) => write!(f, ">={min} <={max}"),
        }
    }
}

/// What a fact is for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A word; `None`: not known.
    Word(Option<&'a str>),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(u64),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(None) => f.write_str("not known"),
            Self::Word(Some(word)) => f.write_str(word),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

macro_rules! facts {
    ($($variant:ident: $name:literal, $facts:ident => $value:expr;)*) => {
        /// The facts that conditions may name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fact { $(
            #[doc = concat!("`", $name, "`")]
            $variant,
        )* }

        impl Fact {
            /// Every fact.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the config.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is for a request.
            #[must_use]
            pub fn of(self, facts: &Facts) -> Value<'_> {
                match self { $(Self::$variant => { let $facts = facts; $value })* }
            }
        }
    };
}

facts! {
    Role: "role", facts => Value::Word(Some(facts.role.name()));
    Client: "client", facts => Value::Word(facts.client.as_deref());
    Dialect: "dialect", facts => Value::Word(Some(facts.dialect.name()));
    Model: "model", facts => Value::Word(Some(&facts.model));
    Project: "project", facts => Value::Word(facts.project.as_deref());
    Session: "session", facts => Value::Word(facts.session.as_deref());
    Agent: "agent", facts => Value::Word(facts.agent.as_deref());
    Stream: "stream", facts => Value::Flag(facts.stream);
    Tools: "tools", facts => Value::Number(facts.tools);
    WebSearch: "web_search", facts => Value::Flag(facts.web_search);
    Images: "images", facts => Value::Number(facts.images);
    ImagesNow: "images_now", facts => Value::Number(facts.images_now);
    Documents: "documents", facts => Value::Number(facts.documents);
    DocumentsNow: "documents_now", facts => Value::Number(facts.documents_now);
    InputTokens: "input_tokens", facts => Value::Number(facts.input_tokens);
    OutputTokens: "output_tokens", facts => Value::Number(facts.output_tokens);
    Thinking: "thinking", facts => Value::Flag(facts.thinking);
    Structured: "structured", facts => Value::Flag(facts.structured);
    Turns: "turns", facts => Value::Number(facts.turns);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_read_as_bounds_and_told_again() {
        for (text, min, max, shown) in [
            ("3", 3, 3, "3"),
            ("=3", 3, 3, "3"),
            (">150000", 150_001, u64::MAX, ">150000"),
            (">150k", 150_001, u64::MAX, ">150000"),
            (">=1M", 1_000_000, u64::MAX, ">999999"),
            (">0", 1, u64::MAX, ">0"),
            ("<10", 0, 9, "<=9"),
            (" <=10K ", 0, 10_000, "<=10000"),
            (">=1000 <5000", 1000, 4999, ">=1000 <=4999"),
            (">=0", 0, u64::MAX, ">=0"),
        ] {
            let bounds = Bounds::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((bounds, bounds.to_string().as_str()), (Bounds { min, max }, shown), "{text}");
            assert_eq!(Bounds::read(shown), Ok(bounds), "{shown}");
        }
        for wrong in
            ["", " ", "many", ">", "> 5", "<0", ">18446744073709551615", "99999999999999999999M", "5 6", ">5 <3", "-1", "1.5", "=>3", "k"]
        {
            assert!(Bounds::read(wrong).is_err(), "{wrong}");
        }
    }

    fn holds(fact: Fact, test: Test, facts: &Facts) -> bool {
        Condition { fact, test }.holds(facts)
    }

    #[test]
    fn a_condition_holds_for_any_of_its_values_and_never_for_what_is_not_known() {
        let words = |words: &[&str]| Test::Words(words.iter().map(|word| Glob::new(*word)).collect());
        let facts = Facts { model: "claude-opus-4-8[1m]".to_owned(), project: Some("acme-web".to_owned()), tools: 3, ..Facts::default() };
        assert!(holds(Fact::Project, words(&["other", "acme-*"]), &facts));
        assert!(!holds(Fact::Project, words(&["acme"]), &facts));
        assert!(!holds(Fact::Session, words(&["*"]), &facts), "there is none");
        assert!(holds(Fact::Model, words(&["claude-opus-4-8"]), &facts), "the suffix is no part of the name");
        assert!(holds(Fact::Model, words(&["*[1m]"]), &facts));
        assert!(holds(Fact::Role, words(&["main"]), &facts) && holds(Fact::Dialect, words(&["anthropic"]), &facts));
        assert!(holds(Fact::Tools, Test::Numbers(vec![Bounds { min: 0, max: 0 }, Bounds { min: 2, max: 4 }]), &facts));
        assert!(!holds(Fact::Tools, Test::Numbers(vec![Bounds { min: 4, max: u64::MAX }]), &facts));
        assert!(holds(Fact::Stream, Test::Flag(false), &facts) && !holds(Fact::Stream, Test::Flag(true), &facts));
        assert!(!holds(Fact::Stream, words(&["false"]), &facts), "a flag is no word");
    }
}
