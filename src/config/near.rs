//! The name that was probably meant.

/// The candidate nearest to `name`, if it is near enough to be a slip of the fingers.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = clip(name).to_lowercase();
    let most = (lower.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &clip(candidate).to_lowercase()), candidate))
        .filter(|(steps, candidate)| *steps <= most || (lower.len() >= 4 && candidate.to_lowercase().starts_with(&lower)))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// The one candidate that `name` can only be a slip of: near, and no other about as near. What is changed without a
/// question needs more certainty than what is asked.
pub(crate) fn only<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = clip(name).to_lowercase();
    let most = (lower.chars().count() / 4).clamp(1, 2);
    let mut near: Vec<(usize, &str)> =
        candidates.into_iter().map(|candidate| (distance(&lower, &clip(candidate).to_lowercase()), candidate)).collect();
    near.sort_unstable();
    let found = match near.as_slice() {
        [(steps, only)] if *steps <= most => Some(*only),
        [(steps, only), (second, _), ..] if *steps <= most && *second > steps + 1 => Some(*only),
        _ => None,
    };
    found.filter(|found| same_unit(&lower, found))
}

/// Whether two names end with the same unit, its letters in whatever order: `kb` for `mb` is no slip to be mended.
fn same_unit(name: &str, other: &str) -> bool {
    let sorted = |name: &str| {
        let mut letters: Vec<char> = name.rsplit('_').next().unwrap_or_default().chars().collect();
        letters.sort_unstable();
        letters
    };
    let unit = other.rsplit('_').next().unwrap_or_default();
    !["s", "kb", "mb"].contains(&unit) || sorted(name) == sorted(other)
}

/// Names are short; a long text is no slip, and must not cost quadratic time.
fn clip(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (i, a) in from.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, b) in to.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&row, j) + usize::from(a != *b)).min(cell(&row, j + 1) + 1).min(cell(&next, j) + 1);
            let swapped = j > 0 && last == Some(*b) && to.get(j - 1) == Some(&a);
            if swapped {
                best = best.min(cell(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(a);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{nearest, only};

    #[test]
    fn what_two_names_are_near_to_has_no_only_one() {
        for (name, found) in [
            ("body_bm", Some("body_mb")),
            ("drain", None),
            ("drain_stream", None),
            ("drain_straem_s", Some("drain_stream_s")),
            ("body_kb", None),
            ("header_s", None),
            ("x", None),
        ] {
            let names = ["body_mb", "drain_s", "drain_stream_s", "first_byte_s", "first_byte_whole_s", "header_kb", "header_read_s"];
            assert_eq!(only(name, names), found, "{name}");
        }
        assert_eq!(only("kyes", ["key", "keys"]), None);
    }

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        for (name, found) in
            [("opnai", Some("openai")), ("Openai", Some("openai")), ("anthorpic", Some("anthropic")), ("local", None), ("", None)]
        {
            assert_eq!(nearest(name, ["anthropic", "openai", "zai"]), found, "{name}");
        }
    }
}
