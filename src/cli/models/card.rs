//! One model, with all that is known of it.

use std::sync::Arc;

use super::wanted::Capability;
use super::{Lasting, ago};
use crate::cli::usage::grouped;
use crate::date;
use crate::provider::measured::{self, OLD_DAYS};
use crate::provider::models::{AS_OF, Known};
use crate::route::Provider;
use crate::route::registry::{Entry, Sources, list_of};

/// What each ability is called here.
const ABILITIES: [(Capability, &str); 5] = [
    (Capability::Tools, "tools"),
    (Capability::Thinking, "thinking"),
    (Capability::Structured, "schemas of answers"),
    (Capability::Images, "images"),
    (Capability::Documents, "documents"),
];

/// The model as lines.
pub(super) fn text(entry: &Entry, known: &Lasting<'_>) -> String {
    let Known { context, output_max, price: cost, .. } = entry.known;
    let tokens = |figure: Option<u64>| figure.map_or_else(|| "unknown".to_owned(), |figure| format!("{} tokens", grouped(figure)));
    let usd = |figure: Option<f64>, what: &str| figure.map(|_| format!("${} {what}", price(figure)));
    let costs = [usd(cost.input, "in"), usd(cost.output, "out"), usd(cost.cache_read, "from a cache"), usd(cost.cache_write, "into one")];
    let costs: Vec<String> = costs.into_iter().flatten().collect();
    let cost = if costs.is_empty() { "unknown".to_owned() } else { format!("{}; per million tokens", costs.join(", ")) };
    let able = |wanted: Option<bool>| {
        let names: Vec<&str> = ABILITIES.iter().filter(|(ability, _)| ability.of(&entry.known) == wanted).map(|(_, name)| *name).collect();
        names.join(", ")
    };
    let said = |source: &&str| match *source {
        "catalog" => format!("the catalog of {AS_OF}"),
        "measured" => "what was measured".to_owned(),
        "list" => "the provider's own list, for what the others leave open".to_owned(),
        _ => "the config".to_owned(),
    };
    let provider = known.table.providers.iter().find(|provider| provider.name == entry.provider);
    let age = provider.and_then(|provider| list_of(known.lists, provider)).map(|list| ago(known.now_s.saturating_sub(list.fetched_s)));
    let listed = match (entry.listed, age) {
        (Some(true), Some(age)) => format!("yes, {age}"),
        (Some(false), Some(age)) => format!("not on its provider's own list, {age}"),
        _ => String::new(),
    };
    let from: Vec<String> = sources(entry.sources).iter().map(said).collect();
    let lines = [
        ("window", tokens(context)),
        ("output", tokens(output_max)),
        ("price", cost),
        ("can", able(Some(true))),
        ("cannot", able(Some(false))),
        ("unknown", able(None)),
        ("said by", if from.is_empty() { "nobody".to_owned() } else { from.join(", then ") }),
        ("listed", listed),
        ("asked as", entry.asked_as.join(", ")),
        ("rules", entry.rules.join(", ")),
        ("config", if entry.is_configured { String::new() } else { "does not have this provider".to_owned() }),
    ];
    let mut text = format!("{}\n", entry.name());
    for (what, said) in lines.iter().filter(|(_, said)| !said.is_empty()) {
        text += &format!("  {what:9} {said}\n");
    }
    for (index, line) in measurements(entry, provider, known.now_s).iter().enumerate() {
        text += &format!("  {:9} {line}\n", if index == 0 { "measured" } else { "" });
    }
    text
}

/// What `aimux doctor --live` found, a line for each address, each ability and the reason of each lack; and whether it is old.
fn measurements(entry: &Entry, provider: Option<&Arc<Provider>>, now_s: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for measured in &entry.measured {
        let of = |supported: bool| {
            let names: Vec<&str> =
                measured.findings.iter().filter(|found| found.supported == supported).map(|found| found.ability.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        let newest_s = measured.newest_s();
        let days = now_s.saturating_sub(newest_s) / super::DAY_S;
        let old =
            if days > OLD_DAYS { format!(", which is old: `aimux doctor --live {}` measures anew", entry.name()) } else { String::new() };
        let day: String = date::rfc3339(newest_s).chars().take(10).collect();
        lines.push(format!("{day}, {}{old}; {} at {}", super::ago(now_s.saturating_sub(newest_s)), measured.dialect, measured.base_url));
        lines.push(format!("can {}", of(true)));
        for lack in measured.findings.iter().filter(|found| !found.supported) {
            lines.push(format!("not {}, {}: {}", lack.ability, lack.day(), lack.why));
        }
        let by_config = measured.findings.iter().filter(|found| {
            let is_same = |at: &usize| provider.and_then(|one| one.endpoints.get(*at)).is_some_and(|end| end.base_url == measured.base_url);
            let at = (0..provider.map_or(0, |one| one.endpoints.len())).find(is_same);
            let decided = provider.zip(at).and_then(|(one, at)| one.decided_by(at, &entry.model, &found.ability));
            ROUTED.contains(&found.ability.as_str()) && decided.is_none()
        });
        let named: Vec<&str> = by_config.map(|found| found.ability.as_str()).collect();
        if !named.is_empty() {
            lines.push(format!("but the config decides on {}", named.join(", ")));
        }
    }
    lines
}

/// The abilities that routing goes by.
const ROUTED: [&str; 4] = [measured::TOOLS, measured::THINKING, measured::IMAGES, measured::STRUCTURED];

/// The words for who says something, in JSON.
pub(super) fn sources(sources: Sources) -> Vec<&'static str> {
    let Sources { config, measured, catalog, list } = sources;
    [(config, "config"), (measured, "measured"), (catalog, "catalog"), (list, "list")]
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, word)| word)
        .collect()
}

/// Dollars, with two decimals at least and as many as six characters hold.
pub(super) fn price(usd: Option<f64>) -> String {
    let Some(usd) = usd else { return "–".to_owned() };
    let text = format!("{usd:.4}");
    let cut = text.trim_end_matches('0');
    let decimals = cut.rsplit_once('.').map_or(0, |(_, decimals)| decimals.len()).clamp(2, if usd < 10.0 { 4 } else { 2 });
    format!("{usd:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::price;

    #[test]
    fn prices_have_two_to_four_decimals() {
        for (usd, text) in
            [(0.0, "0.00"), (5.0, "5.00"), (0.435, "0.435"), (0.0028, "0.0028"), (0.003_625, "0.0036"), (18.75, "18.75"), (150.0, "150.00")]
        {
            assert_eq!(price(Some(usd)), text);
        }
        assert_eq!(price(None), "–");
    }
}
