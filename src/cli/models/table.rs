//! The table of models, made for 80 columns: names whole, figures short.

use super::card::price;
use super::wanted::Capability;
use crate::cli::usage::counted;
use crate::provider::models::Known;
use crate::route::registry::Entry;

/// The name's column in a terminal of 80; a longer name has a line of its own.
const NAME: usize = 34;
/// What fits beside what leads to a model, in characters.
const LEADS: usize = 72;
/// The abilities, and the letter that each has in the table.
const LETTERS: [(Capability, char); 5] = [
    (Capability::Tools, 't'),
    (Capability::Thinking, 'r'),
    (Capability::Structured, 's'),
    (Capability::Images, 'i'),
    (Capability::Documents, 'd'),
];

/// The rows as a table, of `all` that are known.
pub(super) fn text(rows: &[&Entry], all: usize, is_bare: bool) -> String {
    if rows.is_empty() {
        return format!("none of {} is so\n", counted(all as u64, "model"));
    }
    let mut text = format!("{:NAME$}  {:>6}  {:>5}  {:>6}  {:>6}  {:>6}  CAN\n", "MODEL", "WINDOW", "OUT", "$ IN", "$ OUT", "$ HIT");
    for entry in rows {
        let name = entry.name();
        text += &if name.chars().count() > NAME { format!("{name}\n{:NAME$}", "") } else { format!("{name:NAME$}") };
        let Known { context, output_max, price: cost, .. } = entry.known;
        text += &format!(
            "  {:>6}  {:>5}  {:>6}  {:>6}  {:>6}  {}",
            amount(context),
            amount(output_max),
            price(cost.input),
            price(cost.output),
            price(cost.cache_read),
            letters(&entry.known)
        );
        text.push('\n');
        for line in leads(entry) {
            text += &format!("    {line}\n");
        }
    }
    text += &format!("\n{}", counted(rows.len() as u64, "model"));
    if rows.len() < all {
        text += &format!(" of {all}");
    }
    if is_bare {
        text += "; there is no config yet, so these are all that are known";
    }
    text.push('\n');
    text
}

/// What else there is to say of a model, a line each, cut where it is too long.
fn leads(entry: &Entry) -> Vec<String> {
    let list = |what: &str, names: &[String]| {
        let mut line = what.to_owned();
        for (index, name) in names.iter().enumerate() {
            if index > 0 && line.chars().count() + name.chars().count() > LEADS {
                line += &format!(" and {} more", names.len() - index);
                break;
            }
            line += if index > 0 { ", " } else { " " };
            line += name;
        }
        (!names.is_empty()).then_some(line)
    };
    let gone = (entry.listed == Some(false)).then(|| "not on its provider's own list".to_owned());
    [list("asked for as", &entry.asked_as), list("by the rules", &entry.rules), gone].into_iter().flatten().collect()
}

/// `200k`, `1M`: three digits at most.
fn amount(tokens: Option<u64>) -> String {
    match tokens {
        None => "–".to_owned(),
        Some(small @ 0..1000) => small.to_string(),
        Some(tokens @ 1000..1_000_000) => match (tokens + 500) / 1000 {
            1000 => "1M".to_owned(),
            thousands => format!("{thousands}k"),
        },
        Some(large) => match (large / 1_000_000, large % 1_000_000 / 100_000) {
            (millions, 0) => format!("{millions}M"),
            (millions, tenths) => format!("{millions}.{tenths}M"),
        },
    }
}

/// A letter for each ability, a dot for one that it lacks, a question mark for one of which nothing is known.
fn letters(known: &Known) -> String {
    let letter = |(capability, letter): &(Capability, char)| match capability.of(known) {
        Some(true) => *letter,
        Some(false) => '·',
        None => '?',
    };
    LETTERS.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        let told = |tokens| amount(Some(tokens));
        for (tokens, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1k"),
            (131_072, "131k"),
            (999_999, "1M"),
            (1_000_000, "1M"),
            (1_047_576, "1M"),
            (2_500_000, "2.5M"),
        ] {
            assert_eq!(told(tokens), text);
        }
        assert_eq!(amount(None), "–");
    }
}
