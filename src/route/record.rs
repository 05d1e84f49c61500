//! How a decision came about: what was looked at, what was chosen, what was refused and in which words the client is told.
//!
//! It lacks the deciding, which is [`mod@super::decide`], and the telling of all of it, which is [`super::explain`]. Start with [`Record`].

use std::sync::Arc;
use std::time::Duration;

use super::ability::Need;
use super::facts::Facts;
use super::health::State;
use super::plan::{DIRECT, NAME_MAX, PlanError};
use super::policy::Denial;
use super::sticky::Stick;
use super::strategy::{Figure, Of};
use super::table::{Choice, Continue, Hedge, Provider, Strategy, Table};
use crate::error::{Code, Error};
use crate::provider::measured::MeasuredFinding;
use crate::provider::models::Known;

/// The most targets that a message names.
const TARGETS_SHOWN: usize = 8;

/// How a decision came about: places in the table that it was made by, which is needed to tell them.
#[derive(Debug, Clone)]
pub struct Record {
    /// What the request is.
    pub facts: Facts,
    /// The rules, as far as they were tried: the last one is the one that fits, if one does.
    pub tried: Vec<Tried>,
    /// The policies, and which condition keeps one from being for the request.
    pub policies: Vec<Tried>,
    /// What decided.
    pub chosen: Chosen,
    /// How one of the targets was chosen.
    pub strategy: Strategy,
    /// What is made of its session; `None`: it tells none, or sessions do not stay.
    pub stick: Option<Stick>,
    /// What is done where its answer breaks off.
    pub continues: Continue,
    /// The targets, in the config's order.
    pub targets: Vec<Considered>,
    /// When a second target is asked beside the first, and after how long; `None`: that is not known yet.
    pub hedge: Option<(Hedge, Option<Duration>)>,
}

/// A rule or a policy that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Index into [`Table::rules`] or [`Table::policies`].
    pub rule: usize,
    /// The first condition that did not hold; `None`: it fits.
    pub failed: Option<usize>,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// A rule, by its place in [`Table::rules`].
    Rule(usize),
    /// An entry of [`Table::models`], by its place.
    Entry(usize),
    /// The name itself: `provider/model`, or the id of a known model.
    Direct,
    /// Nothing: no target serves the name.
    Nothing,
}

impl Chosen {
    /// One word: `rule`, `entry`, `direct` or `nothing`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule(_) => "rule",
            Self::Entry(_) => "entry",
            Self::Direct => "direct",
            Self::Nothing => "nothing",
        }
    }

    /// The name of the rule or entry, else `direct`.
    #[must_use]
    pub fn name(self, table: &Table) -> &str {
        match self {
            Self::Rule(index) => table.rules.get(index).map_or(DIRECT, |rule| &rule.name),
            Self::Entry(index) => table.models.get(index).map_or(DIRECT, |entry| entry.name.text()),
            Self::Direct | Self::Nothing => DIRECT,
        }
    }

    /// What the rule or entry says of the choice; `None`: neither decided.
    pub(crate) fn choice(self, table: &Table) -> Option<&Choice> {
        match self {
            Self::Rule(index) => table.rules.get(index).map(|rule| &rule.choice),
            Self::Entry(index) => table.models.get(index).map(|entry| &entry.choice),
            Self::Direct | Self::Nothing => None,
        }
    }

    /// The route whose turns are counted.
    pub(super) fn of(self, table: &Table) -> Option<Of<'_>> {
        match self {
            Self::Rule(_) => Some(Of::Rule(self.name(table))),
            Self::Entry(_) => Some(Of::Entry(self.name(table))),
            Self::Direct | Self::Nothing => None,
        }
    }
}

/// A target that was looked at.
#[derive(Debug, Clone)]
pub struct Considered {
    /// Its provider.
    pub provider: Arc<Provider>,
    /// Index into the provider's endpoints.
    pub endpoint: usize,
    /// Its model.
    pub model: String,
    /// What is known of it.
    pub info: Known,
    /// How it stands. Who rests is tried last, not left out.
    pub state: State,
    /// What the strategy went by.
    pub figure: Figure,
    /// What became of it.
    pub fate: Fate,
}

impl Considered {
    /// The measurement by which it is decided whether it can do what is needed.
    #[must_use]
    pub fn measured(&self, need: Need) -> Option<&MeasuredFinding> {
        self.provider.decided_by(self.endpoint, &self.model, need.name())
    }

    /// ` (measured 2026-11-22)`; empty where it is known otherwise.
    pub(super) fn since(&self, need: Need) -> String {
        self.measured(need).map_or_else(String::new, |finding| format!(" (measured {})", finding.day()))
    }
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is tried, at this place of the plan.
    Place(usize),
    /// It lacks what the request needs.
    Lacks(Need),
    /// A policy denies it, by its place in [`Table::policies`].
    Denied(usize, Denial),
}

/// A request that goes nowhere.
#[derive(Debug)]
pub struct Refused {
    /// How that came about.
    pub record: Record,
    /// Why.
    pub reason: Reason,
}

/// Why a request goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No target serves the model.
    UnknownModel(PlanError),
    /// Every target lacks what the request needs, or is denied: the targets of the record say what.
    NoneCan,
    /// Policies deny every target.
    Denied,
}

impl Refused {
    /// What the client is told.
    #[must_use]
    pub fn error(&self, table: &Table) -> Error {
        match &self.reason {
            Reason::UnknownModel(error) => error.error(),
            Reason::NoneCan => self.record.none_can(table),
            Reason::Denied => self.record.denied(table),
        }
    }
}

impl Record {
    /// The policies that denied a target, by their place in [`Table::policies`].
    pub fn deniers(&self) -> impl Iterator<Item = usize> {
        self.targets.iter().filter_map(|target| match target.fate {
            Fate::Denied(policy, _) => Some(policy),
            Fate::Place(_) | Fate::Lacks(_) => None,
        })
    }

    /// What is said where every target lacks something. Too long a prompt is told in the words by which agents know to compact.
    fn none_can(&self, table: &Table) -> Error {
        let asked = self.facts.input_tokens;
        if self.targets.iter().all(|target| target.fate == Fate::Lacks(Need::Context)) {
            let most = self.targets.iter().filter_map(|target| target.info.context).max().unwrap_or(0);
            return Error::new(Code::PromptTooLong, format!("prompt is too long: {asked} tokens > {most} maximum"));
        }
        let lacks = self.targets.iter().filter_map(|target| match target.fate {
            Fate::Lacks(need) => Some(format!("{}/{} {}{}", target.provider.name, target.model, need.lacking(), target.since(need))),
            Fate::Denied(policy, denial) => Some(denied(target, policy, denial, table)),
            Fate::Place(_) => None,
        });
        let lacks: Vec<String> = lacks.take(TARGETS_SHOWN).collect();
        Error::new(Code::NoneCan, format!("no target of \"{}\" can do what the request needs: {}", self.asked(), lacks.join(", ")))
    }

    fn denied(&self, table: &Table) -> Error {
        let denials = self.targets.iter().filter_map(|target| match target.fate {
            Fate::Denied(policy, denial) => Some(denied(target, policy, denial, table)),
            Fate::Place(_) | Fate::Lacks(_) => None,
        });
        let denials: Vec<String> = denials.take(TARGETS_SHOWN).collect();
        Error::new(Code::Denied, format!("no target of \"{}\" may be used: {}", self.asked(), denials.join(", ")))
    }

    /// The model asked for, as it may be echoed.
    fn asked(&self) -> String {
        self.facts.model.chars().take(NAME_MAX).collect()
    }
}

/// A denied target, in words.
fn denied(target: &Considered, policy: usize, denial: Denial, table: &Table) -> String {
    let name = table.policies.get(policy).map_or("", |policy| &policy.name);
    let why = match denial {
        Denial::Known => String::new(),
        Denial::Unknown(what) => format!(", its {what} not being known"),
    };
    format!("{}/{} is denied by the policy \"{name}\"{why}", target.provider.name, target.model)
}
