//! Tells how a decision came about: in words, as JSON, as one line of a log. The only place where a [`Record`] becomes text.
//!
//! It tells nothing of a prompt, and no key. Start with [`Told::of`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ability::Need;
use super::analyse::Analysis;
use super::facts::Facts;
use super::health::State;
use super::policy::Denial;
use super::record::{Considered, Fate, Record, Tried};
use super::rule::{Condition, Fact, Value};
use super::sticky::Verdict;
use super::strategy::Figure;
use super::table::{Continue, Hedge, Strategy, Table};
use crate::provider::models::usd;

/// A decision in words. Its members are those of the JSON: none is ever renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    /// What the request is: each fact with its name.
    pub facts: Vec<FactTold>,
    /// What is made of it.
    pub analysis: Analysis,
    /// The rules that were tried, in order.
    pub rules: Vec<RuleTold>,
    /// The policies, and whether each is for the request.
    pub policies: Vec<RuleTold>,
    /// What decided: `rule`, `entry`, `direct` or `nothing`.
    pub by: Cow<'static, str>,
    /// The name of the rule or entry, else `direct`.
    pub route: String,
    /// How one of the targets was chosen.
    pub strategy: Cow<'static, str>,
    /// What is made of its session; `None`: it tells none, or sessions do not stay.
    #[serde(default)]
    pub session: Option<SessionTold>,
    /// What is done where an answer breaks off: `off` or `text`.
    #[serde(default)]
    pub continues: Cow<'static, str>,
    /// The targets, in the config's order.
    pub targets: Vec<TargetTold>,
    /// When a second target is asked beside the first; empty: never.
    #[serde(default)]
    pub hedge: String,
}

/// What is made of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTold {
    /// `kept`, `new` or `moved`.
    pub verdict: Cow<'static, str>,
    /// Where it was, `provider/model`; empty: nowhere.
    pub from: String,
    /// Why it leaves; empty: it does not.
    pub why: String,
    /// Tokens of its last request and answer; `None`: nobody knows.
    pub used_tokens: Option<u64>,
    /// Whether these are an estimate.
    pub is_estimated: bool,
    /// Tokens that its target takes; `None`: nobody knows.
    pub window: Option<u64>,
}

impl SessionTold {
    fn of(record: &Record) -> Option<Self> {
        let stick = record.stick.as_ref()?;
        let (verdict, from, why) = match &stick.verdict {
            Verdict::New => ("new", String::new(), String::new()),
            Verdict::Kept => {
                let first = record.targets.iter().find(|target| target.fate == Fate::Place(0));
                ("kept", first.map(|first| format!("{}/{}", first.provider.name, first.model)).unwrap_or_default(), String::new())
            }
            Verdict::Moved { from, why } => ("moved", from.clone(), why.to_string()),
        };
        Some(Self {
            verdict: verdict.into(),
            from,
            why,
            used_tokens: stick.meter.map(|meter| meter.used).filter(|used| *used > 0),
            is_estimated: stick.meter.is_some_and(|meter| meter.is_estimated),
            window: stick.meter.and_then(|meter| meter.window),
        })
    }

    /// `kept at zai/glm-5.2, 84000 of 200000 tokens (42 %)`.
    fn text(&self) -> String {
        let mut out = match self.verdict.as_ref() {
            "kept" => format!("kept at {}", self.from),
            "moved" => format!("moved from {}: {}", self.from, self.why),
            other => other.to_owned(),
        };
        if let Some(used) = self.used_tokens {
            let about = if self.is_estimated { "about " } else { "" };
            let _ = write!(out, ", {about}{used}");
            if let Some(window) = self.window.filter(|window| *window > 0) {
                let _ = write!(out, " of {window}");
            }
            out += " tokens";
            if let Some(window) = self.window.filter(|window| *window > 0) {
                let _ = write!(out, " ({} %)", used.saturating_mul(100) / window);
            }
        }
        out
    }
}

/// A fact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FactTold {
    /// Its name in the config.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: serde_json::Value,
}

/// A rule that was tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuleTold {
    /// Its name.
    pub name: String,
    /// Whether it fits.
    pub fits: bool,
    /// Why it does not; empty: it does.
    pub why: String,
}

/// A target that was looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetTold {
    /// `provider/model`.
    pub target: String,
    /// At which place it is tried, from one; `None`: it is not.
    pub place: Option<usize>,
    /// How it stands, and what the strategy went by.
    pub state: String,
    /// The same for programs; `None`: the strategy goes by nothing, or the target is not ready.
    #[serde(default)]
    pub figure: Option<FigureTold>,
    /// Why it is left out; empty: it is not.
    pub why: String,
}

/// A figure that a strategy goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FigureTold {
    /// `share_percent`, `in_flight`, `content_ms` or `micro_usd`.
    pub name: Cow<'static, str>,
    /// Its value; `None`: it is not known.
    pub value: Option<u64>,
}

impl Told {
    /// The words of a record that was made by `table`.
    #[must_use]
    pub fn of(record: &Record, table: &Table) -> Self {
        Self {
            facts: facts(&record.facts),
            analysis: Analysis::of(record, table),
            rules: rules(record, table),
            policies: policies(record, table),
            by: record.chosen.word().into(),
            route: record.chosen.name(table).to_owned(),
            strategy: record.strategy.name().into(),
            session: SessionTold::of(record),
            continues: record.continues.name().into(),
            targets: record.targets.iter().map(|considered| target(considered, &record.facts, table)).collect(),
            hedge: record.hedge.map(hedge).unwrap_or_default(),
        }
    }

    /// Some lines for a terminal. Names come from the client and the config: to be escaped where they are printed.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let shown: Vec<String> = self.facts.iter().filter_map(shown).collect();
        let _ = writeln!(out, "request  {}", shown.join(", "));
        let _ = writeln!(out, "role     {}: {}", self.fact("role"), self.analysis.role_by);
        let _ = writeln!(out, "needs    {}", self.needs());
        for (index, unsure) in self.analysis.unsure.iter().enumerate() {
            let head = if index == 0 { "unsure" } else { "" };
            let _ = writeln!(out, "{head:<7}  {unsure} (a model could be asked to judge; aimux asks none)");
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let head = if index == 0 { "rules" } else { "" };
            let verdict = if rule.fits { "fits".to_owned() } else { format!("no: {}", rule.why) };
            let _ = writeln!(out, "{head:<7}  {}: {verdict}", rule.name);
        }
        for (index, policy) in self.policies.iter().enumerate() {
            let head = if index == 0 { "policies" } else { "" };
            let verdict = if policy.fits { "holds for this request".to_owned() } else { format!("not for this request: {}", policy.why) };
            let _ = writeln!(out, "{head:<8} {}: {verdict}", policy.name);
        }
        let by = match self.by.as_ref() {
            "rule" => format!("rule {}", self.route),
            "entry" => format!("models.\"{}\"", self.route),
            "direct" => "the name itself".to_owned(),
            _ => "nothing: no target serves the model".to_owned(),
        };
        let strategy = match Strategy::from_name(&self.strategy) {
            Some(strategy) if !self.targets.is_empty() => format!("; strategy {}: {}", self.strategy, strategy.words()),
            _ => String::new(),
        };
        let _ = writeln!(out, "decided  by {by}{strategy}");
        if let Some(session) = &self.session {
            let _ = writeln!(out, "session  {}", session.text());
        }
        if self.continues == Continue::Text.name() {
            let _ = writeln!(out, "broken   a text that breaks off is gone on with at the next target");
        }
        for (index, target) in self.in_order().into_iter().enumerate() {
            let head = if index == 0 { "targets" } else { "" };
            let place = target.place.map_or_else(|| "-".to_owned(), |place| place.to_string());
            let fate = if target.why.is_empty() { target.state.clone() } else { format!("left out: {}", target.why) };
            let _ = writeln!(out, "{head:<7}  {place} {}: {fate}", target.target);
        }
        if !self.hedge.is_empty() {
            let _ = writeln!(out, "hedge    {}", self.hedge);
        }
        out
    }

    /// One line for a log: what decided, and where to.
    #[must_use]
    pub fn line(&self) -> String {
        let mut out = format!("{} {}:", self.by, self.route);
        for target in self.in_order() {
            let fate = if target.why.is_empty() { &target.state } else { &target.why };
            let _ = write!(out, " {} ({fate})", target.target);
        }
        if let Some(session) = &self.session {
            let _ = write!(out, "; session {}", session.text());
        }
        for rule in self.rules.iter().filter(|rule| !rule.fits) {
            let _ = write!(out, "; not {}: {}", rule.name, rule.why);
        }
        out
    }
}

impl Told {
    /// A fact as it is shown.
    fn fact(&self, name: &str) -> String {
        let fact = self.facts.iter().find(|fact| fact.name == name);
        fact.map_or_else(String::new, |fact| fact.value.as_str().map_or_else(|| fact.value.to_string(), str::to_owned))
    }

    /// What a target must be able to do, in words.
    fn needs(&self) -> String {
        let each = self.analysis.needs.iter().map(|need| match need.as_str() {
            "context" => format!("a window of {} tokens", self.fact("input_tokens")),
            "structured" => "a schema that is enforced".to_owned(),
            other => other.to_owned(),
        });
        let needs: Vec<String> = each.collect();
        if needs.is_empty() { "nothing in particular".to_owned() } else { needs.join(", ") }
    }

    /// The targets as they are tried, then those that are not.
    fn in_order(&self) -> Vec<&TargetTold> {
        let mut targets: Vec<&TargetTold> = self.targets.iter().collect();
        targets.sort_by_key(|target| target.place.unwrap_or(usize::MAX));
        targets
    }
}

/// Every fact, in the order of [`Fact::ALL`].
fn facts(facts: &Facts) -> Vec<FactTold> {
    Fact::ALL
        .iter()
        .map(|fact| FactTold {
            name: fact.name().into(),
            value: match fact.of(facts) {
                Value::Word(word) => word.into(),
                Value::Flag(flag) => flag.into(),
                Value::Number(number) => number.into(),
            },
        })
        .collect()
}

/// A fact as people read it; `None` where there is nothing to say.
fn shown(fact: &FactTold) -> Option<String> {
    match &fact.value {
        serde_json::Value::Bool(true) => Some(fact.name.to_string()),
        serde_json::Value::Number(number) if number.as_u64() != Some(0) => Some(format!("{} {number}", fact.name)),
        serde_json::Value::String(text) => Some(format!("{} {text}", fact.name)),
        _ => None,
    }
}

fn rules(record: &Record, table: &Table) -> Vec<RuleTold> {
    let known = record.tried.iter().filter_map(|tried| Some((tried, table.rules.get(tried.rule)?)));
    known.map(|(tried, rule)| told(&rule.name, &rule.when, *tried, &record.facts)).collect()
}

fn policies(record: &Record, table: &Table) -> Vec<RuleTold> {
    let known = record.policies.iter().filter_map(|tried| Some((tried, table.policies.get(tried.rule)?)));
    known.map(|(tried, policy)| told(&policy.name, &policy.when, *tried, &record.facts)).collect()
}

fn told(name: &str, when: &[Condition], tried: Tried, facts: &Facts) -> RuleTold {
    let failed = tried.failed.and_then(|index| when.get(index));
    let why = failed.map(|condition| {
        let fact = condition.fact;
        match fact.of(facts) {
            Value::Word(None) => format!("its {} is not known", fact.name()),
            value => format!("{} is {value}, not {}", fact.name(), condition.test),
        }
    });
    RuleTold { name: name.to_owned(), fits: tried.failed.is_none(), why: why.unwrap_or_default() }
}

/// What a target lacks, with the figures.
fn lack(need: Need, considered: &Considered, facts: &Facts) -> String {
    match (need, considered.info.context) {
        (Need::Context, Some(window)) => format!("its window of {window} tokens is too small for {}", facts.input_tokens),
        _ => format!("it {}{}", need.lacking(), considered.since(need)),
    }
}

fn denied(policy: usize, denial: Denial, table: &Table) -> String {
    let name = table.policies.get(policy).map_or("", |policy| &policy.name);
    match denial {
        Denial::Known => format!("denied by the policy {name}"),
        Denial::Unknown(what) => format!("denied by the policy {name}, its {what} not being known"),
    }
}

fn target(considered: &Considered, facts: &Facts, table: &Table) -> TargetTold {
    let Considered { provider, endpoint: _, model, info: _, state, figure, fate } = considered;
    let (place, why) = match fate {
        Fate::Place(place) => (Some(place + 1), String::new()),
        Fate::Lacks(need) => (None, lack(*need, considered, facts)),
        Fate::Denied(policy, denial) => (None, denied(*policy, *denial, table)),
    };
    TargetTold {
        target: format!("{}/{model}", provider.name),
        place,
        state: self::state(*state, *figure) + &measured(considered, facts),
        figure: self::figure(*figure),
        why,
    }
}

/// Which of the request's needs it is measured to meet; empty: none.
fn measured(considered: &Considered, facts: &Facts) -> String {
    let wanted = Need::ALL.into_iter().filter(|need| need.is_wanted(facts));
    let met = wanted.filter_map(|need| Some((need, considered.measured(need).filter(|finding| finding.supported)?)));
    let told: Vec<String> = met.map(|(need, finding)| format!("{} measured {}", need.name(), finding.day())).collect();
    if told.is_empty() { String::new() } else { format!("; {}", told.join(", ")) }
}

/// When a second target is asked beside the first.
fn hedge((hedge, patience): (Hedge, Option<Duration>)) -> String {
    let cost = usd(hedge.max_cost);
    match patience {
        Some(time) => format!("a second target after {:.2} s without content, for {cost} at most", time.as_secs_f64()),
        None => format!("no second target yet: how long the first takes is not known; later for {cost} at most"),
    }
}

/// What the strategy went by, for programs.
fn figure(figure: Figure) -> Option<FigureTold> {
    let (name, value) = match figure {
        Figure::None => return None,
        Figure::Share(weight, sum) => ("share_percent", weight.saturating_mul(100).checked_div(sum)),
        Figure::InFlight(count) => ("in_flight", Some(u64::from(count))),
        Figure::Content(time) => ("content_ms", time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
        Figure::Cost(micro) => ("micro_usd", micro),
    };
    Some(FigureTold { name: name.into(), value })
}

fn state(state: State, figure: Figure) -> String {
    let left = |rest: Duration| format!("for {} s", rest.as_secs_f64().ceil());
    match state {
        State::Ready(_) if figure != Figure::None => match figure {
            Figure::None | Figure::InFlight(0) => "ready".to_owned(),
            Figure::InFlight(count) => format!("ready, {count} in flight"),
            Figure::Share(weight, sum) => format!("ready, {weight} of {sum} requests"),
            Figure::Content(None) => "ready, how soon its content comes is not known yet".to_owned(),
            Figure::Content(Some(time)) => format!("ready, content in {:.2} s", time.as_secs_f64()),
            Figure::Cost(None) => "ready, its price not known".to_owned(),
            Figure::Cost(Some(micro)) => format!("ready, about {}", usd(micro)),
        },
        State::Ready(0) => "ready".to_owned(),
        State::Ready(in_flight) => format!("ready, {in_flight} in flight"),
        State::Limited(rest) => format!("limited {}", left(rest)),
        State::KeysRefused(rest) => format!("its keys rest {}", left(rest)),
        State::Open(rest) => format!("its breaker is open {}", left(rest)),
    }
}
