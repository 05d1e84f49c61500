//! `-o key=value`: how the answer is to be made. What a target cannot carry is a loss, as in any request.

use crate::chat::ChatRequest;
use crate::chat::request::{Effort, ThinkingMode};
use crate::config::near::nearest;
use crate::error::{Code, Error};

/// Every option, with what it takes.
pub(super) const OPTIONS: [(&str, Takes); 9] = [
    ("temperature", Takes::Number(0.0, 2.0)),
    ("top_p", Takes::Number(0.0, 1.0)),
    ("presence_penalty", Takes::Number(-2.0, 2.0)),
    ("frequency_penalty", Takes::Number(-2.0, 2.0)),
    ("max_tokens", Takes::Count),
    ("top_k", Takes::Count),
    ("seed", Takes::Whole),
    ("stop", Takes::Text),
    ("thinking", Takes::Thinking),
];

/// What an option takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    /// A number between these.
    Number(f64, f64),
    /// 1 and more.
    Count,
    /// Any whole number.
    Whole,
    /// Anything; may be repeated.
    Text,
    /// `off`, `on`, an effort's name or a number of tokens.
    Thinking,
}

const EFFORTS: [(&str, Effort); 6] = [
    ("minimal", Effort::Minimal),
    ("low", Effort::Low),
    ("medium", Effort::Medium),
    ("high", Effort::High),
    ("xhigh", Effort::XHigh),
    ("max", Effort::Max),
];

/// One option as it was given, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) value: String,
    set: Set,
}

#[derive(Debug, Clone, PartialEq)]
enum Set {
    Number(f64),
    Count(u64),
    Whole(i64),
    Text,
    Thinking(ThinkingMode),
}

impl Choice {
    /// Reads `key=value`.
    ///
    /// # Errors
    /// When there is no such option, or its value is out of what it takes.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let Some((name, value)) = text.split_once('=').map(|(name, value)| (name.trim(), value)) else {
            return Err(Error::new(Code::Usage, format!("-o takes key=value, not \"{text}\"")).hint("-o temperature=0.2"));
        };
        let names = || OPTIONS.iter().map(|(name, _)| *name);
        let Some((name, takes)) = OPTIONS.iter().find(|(known, _)| *known == name).copied() else {
            let hint = match nearest(name, names()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(Error::new(Code::Usage, format!("there is no option \"{name}\"")).hint(hint));
        };
        match takes.read(value.trim(), value) {
            Some(set) => Ok(Self { name, value: value.to_owned(), set }),
            None => Err(Error::new(Code::Usage, format!("-o {name} takes {}, not \"{value}\"", takes.words()))),
        }
    }

    /// Writes it into a request.
    pub(super) fn apply<'a>(&'a self, request: &mut ChatRequest<'a>) {
        let sampling = &mut request.sampling;
        match (&self.set, self.name) {
            (Set::Number(value), "temperature") => sampling.temperature = Some(*value),
            (Set::Number(value), "top_p") => sampling.top_p = Some(*value),
            (Set::Number(value), "presence_penalty") => sampling.presence_penalty = Some(*value),
            (Set::Number(value), _) => sampling.frequency_penalty = Some(*value),
            (Set::Count(value), "max_tokens") => request.max_output_tokens = Some(*value),
            (Set::Count(value), _) => sampling.top_k = Some(*value),
            (Set::Whole(value), _) => sampling.seed = Some(*value),
            (Set::Text, _) => request.stop.push(self.value.as_str().into()),
            (Set::Thinking(mode), _) => request.thinking = Some(mode.clone()),
        }
    }
}

impl Takes {
    fn read(self, trimmed: &str, value: &str) -> Option<Set> {
        Some(match self {
            Self::Number(least, most) => Set::Number(trimmed.parse().ok().filter(|number| (least..=most).contains(number))?),
            Self::Count => Set::Count(trimmed.parse().ok().filter(|count| *count > 0)?),
            Self::Whole => Set::Whole(trimmed.parse().ok()?),
            Self::Text if value.is_empty() => return None,
            Self::Text => Set::Text,
            Self::Thinking => Set::Thinking(match trimmed {
                "off" => ThinkingMode::Disabled,
                "on" => ThinkingMode::Adaptive(None),
                word => match EFFORTS.iter().find(|(name, _)| *name == word) {
                    Some((_, effort)) => ThinkingMode::Effort(*effort),
                    None => ThinkingMode::Budget(word.parse().ok().filter(|tokens| *tokens > 0)?),
                },
            }),
        })
    }

    fn words(self) -> String {
        match self {
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Count => "a whole number above 0".to_owned(),
            Self::Whole => "a whole number".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Thinking => "off, on, minimal, low, medium, high, xhigh, max or a number of tokens".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_its_place_in_the_request() {
        let mut request = ChatRequest::default();
        let choices: Vec<Choice> = [
            "temperature=0.5",
            "top_p=1",
            "presence_penalty=-2",
            "frequency_penalty=2",
            "max_tokens=9",
            "top_k=3",
            "seed=-1",
            "stop= END",
            "stop=x",
            "thinking=high",
        ]
        .map(|text| Choice::parse(text).unwrap())
        .into();
        choices.iter().for_each(|choice| choice.apply(&mut request));
        let sampling = &request.sampling;
        assert_eq!((sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed), (Some(0.5), Some(1.0), Some(3), Some(-1)));
        assert_eq!((sampling.presence_penalty, sampling.frequency_penalty), (Some(-2.0), Some(2.0)));
        assert_eq!((request.max_output_tokens, request.thinking), (Some(9), Some(ThinkingMode::Effort(Effort::High))));
        assert_eq!(request.stop.iter().map(|stop| stop.read().into_owned()).collect::<Vec<_>>(), [" END", "x"]);
        assert_eq!(OPTIONS.len(), 9, "a new option is to be tried here too");
    }

    #[test]
    fn what_is_no_option_or_no_value_is_told_with_what_would_be() {
        for (text, words) in [
            ("temprature=1", "did you mean temperature?"),
            ("zzz=1", "there are temperature"),
            ("temperature=hot", "a number from 0 to 2"),
            ("temperature=2.1", "a number from 0 to 2"),
            ("temperature=NaN", "a number from 0 to 2"),
            ("max_tokens=0", "above 0"),
            ("max_tokens=-1", "above 0"),
            ("seed=1.5", "a whole number"),
            ("stop=", "a text"),
            ("thinking=much", "off, on"),
            ("temperature", "key=value"),
        ] {
            let error = Choice::parse(text).unwrap_err();
            assert!(error.code == Code::Usage && (error.message.clone() + &error.advice()).contains(words), "{text}: {error:?}");
        }
    }
}
