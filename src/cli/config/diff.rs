//! `aimux config diff`: what two configs do differently.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{CliError, output, store};
use crate::config::{Diff, Environment, NameChange, SettingChange, diff, read_side};
use crate::dialect::Dialect;
use crate::provider::models::Price;

/// The exit code of two configs that differ, as `diff` has it.
const DIFFERENT: u8 = 1;
/// How many names of one change are spelled out.
const SPELLED: usize = 6;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every name of both configs, with and without stars, and the catalog's names of Claude and OpenAI models are put to both, as a Messages \
and as a Chat client asks for them; so are the rules under `routes`. Prices are the listed ones of the first target. The exit code is 0 when both do the same, 1 when not, 78 when one does not pass the validator. Variables of the form AIMUX_… change nothing here."
)]
pub(super) struct DiffArgs {
    /// The config that was
    old: PathBuf,
    /// The config that is to be; one of both may be `-` for standard input
    new: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `aimux config diff`.
pub(super) fn run(args: &DiffArgs, environment: &Environment) -> Result<ExitCode, CliError> {
    let read = |path: &PathBuf| read_side(&super::file(Some(path)).unwrap_or_default());
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let (old_name, new_name) = (args.old.display().to_string(), args.new.display().to_string());
    let found = diff((&old_name, &old), (&new_name, &new), environment, &store(environment))?;
    output::print(&if args.json { json(&found) } else { output::printable(&text(&found)) });
    Ok(ExitCode::from(if found.is_empty() { 0 } else { DIFFERENT }))
}

fn text(found: &Diff) -> String {
    if found.is_empty() {
        return format!("the same: {} names go where they went, every setting holds\n", found.compared);
    }
    let mut out = String::new();
    for (word, names) in [("new", &found.added), ("gone", &found.removed)] {
        for name in names {
            out.push_str(&format!("{word} provider {name}\n"));
        }
    }
    out.push_str(&ways(&found.names, "", "nowhere"));
    out.push_str(&ways(&found.rules, "rule ", "no such rule"));
    for SettingChange { path, before, after } in &found.settings {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        out.push_str(&format!("{path}: {} → {}\n", value(before), value(after)));
    }
    out
}

/// Where names or rules go, those that make the same way together. `none`: what is said where there is no way.
fn ways(changes: &[NameChange], kind: &str, none: &str) -> String {
    let mut groups: Vec<Vec<&NameChange>> = Vec::new();
    for change in changes {
        let key = |change: &NameChange| {
            (change.client, change.before.clone(), change.after.clone(), price(change.price_before), price(change.price_after))
        };
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| key(first) == key(change))) {
            Some(group) => group.push(change),
            None => groups.push(vec![change]),
        }
    }
    let mut out = String::new();
    for group in groups {
        let Some(first) = group.first() else { continue };
        let names: Vec<&str> = group.iter().take(SPELLED).map(|change| change.name.as_str()).collect();
        let more = group.len().checked_sub(SPELLED).filter(|more| *more > 0).map_or_else(String::new, |more| format!(" and {more} more"));
        let way = |targets: &[String]| if targets.is_empty() { none.to_owned() } else { targets.join(", ") };
        let client = first.client.map_or_else(String::new, |client| format!(", for {} clients", client.name()));
        out.push_str(&format!("{kind}{}{more}{client}\n", names.join(", ")));
        out.push_str(&match first.before == first.after {
            true => format!("    {}\n", way(&first.after)),
            false => format!("  - {}\n  + {}\n", way(&first.before), way(&first.after)),
        });
        if first.before.is_empty() {
            out.push_str(&format!("    {}\n", price(first.price_after)));
        } else if first.price_before != first.price_after {
            out.push_str(&format!("    {} → {}\n", price(first.price_before), price(first.price_after)));
        }
    }
    out
}

fn price(price: Option<Price>) -> String {
    let dollars = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("${value}"));
    price.map_or_else(
        || "price unknown".to_owned(),
        |price| format!("{} in, {} out per million tokens", dollars(price.input), dollars(price.output)),
    )
}

fn json(found: &Diff) -> String {
    let price = |price: Option<Price>| price.map(|price| serde_json::json!({ "input": price.input, "output": price.output }));
    let change = |change: &NameChange| {
        serde_json::json!({
            "name": change.name, "client": change.client.map(Dialect::name), "before": change.before, "after": change.after,
            "usd_per_million_before": price(change.price_before), "usd_per_million_after": price(change.price_after),
        })
    };
    let [names, rules] = [&found.names, &found.rules].map(|changes| changes.iter().map(change).collect::<Vec<_>>());
    let settings: Vec<serde_json::Value> = found
        .settings
        .iter()
        .map(|change| serde_json::json!({ "path": change.path, "before": change.before, "after": change.after }))
        .collect();
    let shape = serde_json::json!({
        "same": found.is_empty(), "compared": found.compared, "providers_added": found.added, "providers_removed": found.removed,
        "names": names, "rules": rules, "settings": settings,
    });
    format!("{shape:#}\n")
}
