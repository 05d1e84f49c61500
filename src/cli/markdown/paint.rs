//! The one place that says what a kind of text looks like.

use super::flow::Flow;
use super::look::{Links, Look, Pen, Style};
use super::run::{Kind, Run};

/// The styles of an inline kind, strongest first: of two colours the first is taken.
const STYLES: [(Kind, Style); 5] = [
    (Kind::CODE, Style::CYAN),
    (Kind::STRONG, Style::BOLD),
    (Kind::EMPHASIS, Style::ITALIC),
    (Kind::STRIKE, Style::STRIKE),
    (Kind::LINK, Style::UNDERLINE),
];

/// The style of a heading.
pub(super) fn heading(level: usize) -> Style {
    match level {
        1 => Style::BOLD.with(Style::UNDERLINE).with(Style::MAGENTA),
        2 => Style::BOLD.with(Style::MAGENTA),
        3 => Style::BOLD,
        _ => Style::BOLD.with(Style::ITALIC),
    }
}

/// What a run is written with, in text of style `base`.
pub(super) fn pen(run: &Run, base: Style) -> Pen {
    if run.kind.has(Kind::ADDRESS) {
        return Style::DIM.into();
    }
    let own = STYLES.iter().filter(|(kind, _)| run.kind.has(*kind)).fold(Style::PLAIN, |style, (_, more)| style.with(*more));
    let link = run.link.as_deref().filter(|_| run.kind.has(Kind::LINK)).and_then(target).map(Into::into);
    Pen { style: own.with(base), link }
}

/// Whether a run is not shown: an address whose text is a live link to it.
pub(super) fn is_left_out(run: &Run, look: Look) -> bool {
    let is_live = look.links == Links::Live && run.kind.has(Kind::LINK) && run.link.as_deref().and_then(target).is_some();
    run.kind.has(Kind::ADDRESS) && (run.text.is_empty() || is_live)
}

/// Sets runs in a row of text.
pub(super) fn runs(runs: Vec<Run>, base: Style, look: Look, flow: &mut Flow) {
    for run in runs {
        if run.kind.has(Kind::BREAK) {
            flow.end_row();
        } else if run.kind.has(Kind::ADDRESS) {
            if !is_left_out(&run, look) {
                let pen = pen(&run, base);
                flow.text(" ", &pen);
                flow.unbroken(&format!("({})", run.text), &pen);
            }
        } else {
            flow.text(&run.text, &pen(&run, base));
        }
    }
}

/// The address as a terminal's hyperlink may have it: of the web or of mail, without anything that ends the sequence.
fn target(address: &str) -> Option<String> {
    let is_known = ["https://", "http://", "mailto:"].iter().any(|scheme| address.starts_with(scheme));
    let is_safe = |byte: u8| byte.is_ascii_graphic();
    let mut out = String::with_capacity(address.len());
    for byte in address.bytes() {
        if is_safe(byte) { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    is_known.then_some(out)
}
