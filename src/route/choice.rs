//! What a rule or an entry names: targets, and how one of them is chosen. Start with [`Choice`].

use std::time::Duration;

/// How one of a rule's or an entry's targets is chosen, and what is done with the request there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// Which goes first.
    pub strategy: Strategy,
    /// How many of the requests each target gets, in the order of the targets; empty: as many each.
    pub weights: Vec<u32>,
    /// Sessions do not stay with a target.
    pub is_loose: bool,
    /// What is done where an answer breaks off.
    pub continues: Continue,
    /// What is done where a target finds the prompt too long.
    pub on_context: OnContext,
    /// When a second target is asked beside the first; `None`: never.
    pub hedge: Option<Hedge>,
}

/// What is done with a prompt that is too long for a target's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnContext {
    /// The client is told, and compacts.
    #[default]
    Refuse,
    /// A target with a larger window is asked, where there is one.
    Larger,
}

impl OnContext {
    /// Each of them, with its word in the config.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Refuse, "refuse"), (Self::Larger, "larger")];

    /// The one of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(way, _)| *way)
    }
}

/// When a second target is asked beside the first, and for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// When no content has come by then.
    pub after: After,
    /// What the second one may cost at most, in millionths of a US dollar, by estimate.
    pub max_cost: u64,
}

/// How long the first is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// As long as 19 of 20 of its own answers took; unknown: for ever.
    P95,
    /// So long.
    Time(Duration),
}

/// How one of several targets is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The first that can, in the order of the config.
    #[default]
    Order,
    /// Each its share, by weights.
    Weighted,
    /// In turn.
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastBusy,
    /// The one whose first content comes soonest.
    Latency,
    /// The one that costs least, by the price table and the request's size.
    Cost,
}

impl Strategy {
    /// Every strategy, with its word in the config.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Order, "order"),
        (Self::Weighted, "weighted"),
        (Self::RoundRobin, "round_robin"),
        (Self::LeastBusy, "least_busy"),
        (Self::Latency, "latency"),
        (Self::Cost, "cost"),
    ];

    /// The word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(strategy, _)| *strategy == self).map_or("order", |(_, name)| name)
    }

    /// Who goes first by it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Order => "as the config lists them",
            Self::Weighted => "each its share",
            Self::RoundRobin => "each in turn",
            Self::LeastBusy => "who has the fewest requests first",
            Self::Latency => "whose content comes soonest first",
            Self::Cost => "who is cheapest for this request first",
        }
    }

    /// The strategy of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(strategy, _)| *strategy)
    }
}

/// What is done where an answer breaks off after its content has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Continue {
    /// It ends with the dialect's error.
    #[default]
    Off,
    /// Another target goes on with it, as long as nothing but text was said.
    Text,
}

impl Continue {
    /// Every way, with its word in the config.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Off, "off"), (Self::Text, "text")];

    /// The word in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(way, _)| *way == self).map_or("off", |(_, name)| name)
    }

    /// The way of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == name).map(|(way, _)| *way)
    }
}

/// A target as the config writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRef {
    /// Index into [`Table::providers`](super::table::Table::providers).
    pub provider: usize,
    /// The model, in the provider's words.
    pub model: String,
}
