//! `-x` and `--xl`: the first or the last fenced block of code in an answer, without its fences.

/// Which block is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The first.
    First,
    /// The last.
    Last,
}

/// The block; where there is none, all of the answer: models often leave the fences out when asked for code alone.
pub(super) fn code(answer: &str, which: Which) -> String {
    let mut blocks = blocks(answer);
    let found = match which {
        Which::First if blocks.is_empty() => None,
        Which::First => Some(blocks.swap_remove(0)),
        Which::Last => blocks.pop(),
    };
    found.unwrap_or_else(|| answer.to_owned())
}

/// The blocks, in order. A fence is three or more backticks or tildes; one that is not closed goes to the end.
fn blocks(answer: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(char, usize, usize, String)> = None;
    for line in answer.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let fence = fence(line.trim());
        open = match (open, fence) {
            (None, Some((mark, length, _))) => Some((mark, length, indent, String::new())),
            (None, None) => None,
            (Some((mark, length, _, text)), Some((closing, closing_length, true))) if closing == mark && closing_length >= length => {
                blocks.push(text);
                None
            }
            (Some((mark, length, indent, mut text)), _) => {
                // What is indented with its fence belongs to a list, say.
                let own = line.len() - line.trim_start_matches(' ').len();
                text.push_str(line.get(own.min(indent)..).unwrap_or(line));
                Some((mark, length, indent, text))
            }
        };
    }
    blocks.extend(open.map(|(.., text)| text));
    blocks
}

/// The mark of a fence, its length, and whether it can close.
fn fence(line: &str) -> Option<(char, usize, bool)> {
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let rest = line.trim_start_matches(mark);
    let length = line.len() - rest.len();
    // Backticks behind backticks are code within a line.
    let is_fence = length >= 3 && (mark == '~' || !rest.contains('`'));
    is_fence.then_some((mark, length, rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_block_are_found_without_their_fences() {
        let answer = "Here:\n```rust\nfn a() {}\n```\nand\n~~~~\n```\nb\n```\n~~~~\nend\n";
        assert_eq!(code(answer, Which::First), "fn a() {}\n");
        assert_eq!(code(answer, Which::Last), "```\nb\n```\n");
        assert_eq!(code("plain ```x``` text", Which::First), "plain ```x``` text");
        assert_eq!(code("```\nopen", Which::Last), "open");
        assert_eq!(code("- a\n  ```sh\n  ls\n    x\n  ```\n", Which::First), "ls\n  x\n");
    }
}
