//! Markdown on a terminal: what comes out for what goes in, however it is cut, and how long that takes.

mod hostile;
mod same;
mod screens;
mod splits;

use super::run::Kind;
use super::*;
use crate::cli::visible;

const LOOK: Look = Look { width: 80, paint: Paint::Colour, links: Links::Spelt };

/// The documents under `tests/fixtures/markdown`.
const DOCUMENTS: [&str; 4] = [
    include_str!("../../../../tests/fixtures/markdown/review.md"),
    include_str!("../../../../tests/fixtures/markdown/models.md"),
    include_str!("../../../../tests/fixtures/markdown/prose.md"),
    include_str!("../../../../tests/fixtures/markdown/lists.md"),
];

/// All of a text, set at once.
fn set(text: &str, look: Look) -> String {
    let mut markdown = Markdown::new(look, Tone::Normal);
    markdown.push(text) + &markdown.finish()
}

/// The same, without any style, in 40 columns.
fn plain(text: &str) -> String {
    set(text, Look { width: 40, paint: Paint::Plain, links: Links::Spelt })
}
