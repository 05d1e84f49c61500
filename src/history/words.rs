//! What a person searches for, as the index reads it.

/// Words that must all be there, `"a phrase"`, and `begin*`, in the syntax of FTS5; everything else is text, so that no query
/// is wrong. Empty: there is nothing to search for.
pub(super) fn query(text: &str) -> String {
    let mut terms: Vec<String> = Vec::new();
    // What stands between quotation marks is at the odd places; one that is never closed reaches to the end.
    for (place, part) in text.split('"').enumerate() {
        if place % 2 == 1 {
            terms.extend(term(part, false));
        } else {
            terms.extend(part.split_whitespace().filter_map(|word| term(word.trim_end_matches('*'), word.ends_with('*'))));
        }
    }
    terms.join(" ")
}

fn term(text: &str, is_begin: bool) -> Option<String> {
    // Of a term without letters or digits the index knows nothing, and would find nothing by it.
    text.chars().any(char::is_alphanumeric).then(|| format!("\"{}\"{}", text.replace('\0', " "), if is_begin { " *" } else { "" }))
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
