//! What a person searches for, as the index reads it.

/// What a person searches for: words, `"a phrase"`, `begin*` (`true`), each a text without its marks.
#[must_use]
pub fn terms(text: &str) -> Vec<(String, bool)> {
    let mut terms: Vec<(String, bool)> = Vec::new();
    // What stands between quotation marks is at the odd places; one that is never closed reaches to the end.
    for (place, part) in text.split('"').enumerate() {
        if place % 2 == 1 {
            terms.push((part.to_owned(), false));
        } else {
            terms.extend(part.split_whitespace().map(|word| (word.trim_end_matches('*').to_owned(), word.ends_with('*'))));
        }
    }
    // Of a term without letters or digits the index knows nothing, and would find nothing by it.
    terms.retain(|(text, _)| text.chars().any(char::is_alphanumeric));
    terms
}

/// The same in the syntax of FTS5, in which all must be there; everything else is text, so that no query is wrong. Empty: there
/// is nothing to search for.
pub(super) fn query(text: &str) -> String {
    let term = |(text, is_begin): (String, bool)| format!("\"{}\"{}", text.replace('\0', " "), if is_begin { " *" } else { "" });
    terms(text).into_iter().map(term).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn words_phrases_and_begins_are_told_apart() {
        for (text, meant) in [
            ("rust lifetimes", r#""rust" "lifetimes""#),
            (r#"say "borrow checker" now"#, r#""say" "borrow checker" "now""#),
            ("borrow*", r#""borrow" *"#),
            (r#"open "to the end"#, r#""open" "to the end""#),
            ("AND OR NOT NEAR(a, 2) prompt:x -y ^z", r#""AND" "OR" "NOT" "NEAR(a," "2)" "prompt:x" "-y" "^z""#),
            ("  ", ""),
            (r#"* "" -- ""#, ""),
        ] {
            assert_eq!(query(text), meant, "{text}");
        }
    }
}
