//! What is told of calls while they go on: on standard error, a line each.

use super::step::{Made, Outcome, millis};
use crate::cli::{output, visible};

/// The longest arguments, and the longest reason, that stand in a line.
const ARGUMENTS_MAX: usize = 100;
const REASON_MAX: usize = 200;

pub(super) fn say(line: &str) {
    output::error(&format!("aimux: {}\n", visible::line(line)));
}

/// A call that is over.
pub(super) fn made(step: usize, made: &Made) {
    say(&line(step, made));
}

fn line(step: usize, made: &Made) -> String {
    let name = if made.server.is_empty() { made.tool.clone() } else { format!("{}.{}", made.server, made.tool) };
    let head = format!("step {step}: {name} {}", cut(&made.arguments, ARGUMENTS_MAX));
    let ms = millis(made.took);
    match &made.outcome {
        Outcome::Refused(_) => format!("{head}: refused"),
        Outcome::Misfit(faults) => format!("{head}: not made, the arguments do not fit: {}", cut(faults, REASON_MAX)),
        Outcome::Failed(reason) => format!("{head}: failed in {ms} ms: {}", cut(reason, REASON_MAX)),
        Outcome::Answered(output) => {
            let whole = size(output.bytes);
            let came = if output.is_cut { format!("{whole}, not all of it given on,") } else { whole };
            match output.is_error {
                false => format!("{head}: {came} in {ms} ms"),
                true => format!("{head}: an error, {came} in {ms} ms: {}", cut(&made.text(), REASON_MAX)),
            }
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", joined.get(..at).unwrap_or_default()),
        None => joined,
    }
}

/// Bytes, for people.
fn size(bytes: usize) -> String {
    let tenths = |unit: usize| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", tenths(1024)),
        _ => format!("{} MiB", tenths(1_048_576)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_cuts_are_short() {
        assert_eq!([0, 1023, 1024, 1536, 3 << 20].map(size), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "3.0 MiB"]);
        assert_eq!(cut("a\n b  c", 10), "a b c");
        assert_eq!(cut("日本語", 2), "日本…");
    }
}
