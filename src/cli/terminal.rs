//! What the terminal at standard output can do: its width, colours, hyperlinks.
//!
//! The variables are those that other programs heed, too: `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM`, `COLUMNS`. Whether
//! a terminal knows hyperlinks cannot be asked: it is told by the variables that those set which do.

use clap::ValueEnum;

use super::markdown::{Links, Look, Paint};
use super::output;
use crate::config::Environment;

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal that has them, unless a variable forbids it
    #[default]
    Auto,
    Always,
    Never,
}

/// Columns, where nobody says how many there are.
const WIDTH: usize = 80;

/// How text looks on standard output.
pub(crate) fn look(colour: Colour, environment: &Environment) -> Look {
    let has_colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => output::is_terminal() && allows_colour(environment),
    };
    let is_live = has_colour && output::is_terminal() && has_links(environment);
    Look {
        width: width(environment),
        paint: if has_colour { Paint::Colour } else { Paint::Plain },
        links: if is_live { Links::Live } else { Links::Spelt },
    }
}

/// Columns of the terminal at standard output, as it is now.
pub(crate) fn width(environment: &Environment) -> usize {
    let told = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col)).ok().filter(|width| *width > 0);
    told.or_else(|| environment.get("COLUMNS")?.parse().ok()).unwrap_or(WIDTH)
}

/// Columns that prose on standard output is wrapped at: those of the terminal, and none where there is no terminal.
pub(crate) fn edge(environment: &Environment) -> usize {
    if output::is_terminal() { width(environment) } else { usize::MAX }
}

/// Whether the terminal at standard output can go back to where it was in a row.
pub(crate) fn is_able(environment: &Environment) -> bool {
    output::is_terminal() && environment.get("TERM").is_some_and(|term| term != "dumb")
}

/// What the variables say of colours on a terminal.
fn allows_colour(environment: &Environment) -> bool {
    let is_on = |name: &str| environment.get(name).is_some_and(|value| value != "0");
    if environment.get("NO_COLOR").is_some() {
        return false;
    }
    if is_on("CLICOLOR_FORCE") {
        return true;
    }
    let is_able = environment.get("TERM").is_some_and(|term| term != "dumb");
    environment.get("CLICOLOR") != Some("0") && (is_able || is_on("CLICOLOR"))
}

/// Whether the terminal is known to have hyperlinks. A multiplexer between it and us may not pass them on.
fn has_links(environment: &Environment) -> bool {
    let term = environment.get("TERM").unwrap_or_default();
    if term.starts_with("screen") || term.starts_with("tmux") || term == "dumb" || term == "linux" {
        return false;
    }
    let is_one_of = |name: &str, known: &[&str]| environment.get(name).is_some_and(|value| known.contains(&value));
    is_one_of("TERM_PROGRAM", &["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", "zed"])
        || ["xterm-kitty", "xterm-ghostty", "alacritty", "foot", "foot-extra", "wezterm"].contains(&term)
        || ["KITTY_WINDOW_ID", "WT_SESSION", "DOMTERM", "KONSOLE_VERSION"].iter().any(|name| environment.get(name).is_some())
        || environment.get("VTE_VERSION").and_then(|version| version.parse().ok()).is_some_and(|version: u32| version >= 5000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn variables_decide_about_colours() {
        for (pairs, has_colour) in [
            (&[("TERM", "xterm-256color")][..], true),
            (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (&[("TERM", "xterm"), ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
            (&[("TERM", "dumb")], false),
            (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
            (&[("TERM", "dumb"), ("CLICOLOR", "1")], true),
            (&[("TERM", "xterm"), ("CLICOLOR", "0")], false),
            (&[("TERM", "xterm"), ("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true),
            (&[], false),
        ] {
            assert_eq!(allows_colour(&variables(pairs)), has_colour, "{pairs:?}");
        }
    }

    #[test]
    fn hyperlinks_are_for_terminals_that_are_known_to_have_them() {
        for (pairs, has) in [
            (&[("TERM", "xterm-256color")][..], false),
            (&[("TERM", "xterm-256color"), ("VTE_VERSION", "7600")], true),
            (&[("TERM", "xterm-256color"), ("VTE_VERSION", "4800")], false),
            (&[("TERM", "xterm-kitty")], true),
            (&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "WezTerm")], false),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], true),
        ] {
            assert_eq!(has_links(&variables(pairs)), has, "{pairs:?}");
        }
    }
}
