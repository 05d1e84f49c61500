//! What age and its plugins say to each other: stanzas, as they stand in the head of an age file (C2SP, age.md and
//! age-plugin.md): a line of words after an arrow, then base64 without padding in lines of 64, the last one shorter.

use zeroize::Zeroizing;

use super::{Failure, Trouble};
use crate::wire::base64;

const ARROW: &str = "-> ";
const COLUMNS: usize = 64;
/// The most lines of one body: 12 KiB, six times what a post-quantum stanza takes.
const LINES_MAX: usize = 256;

/// One stanza. Its body may be a file's key, and is wiped when dropped.
#[derive(Debug)]
pub(super) struct Stanza {
    pub(super) words: Vec<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Stanza {
    /// What it is: a command, or an answer.
    pub(super) fn tag(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The word after the tag that has this index, from zero.
    pub(super) fn argument(&self, index: usize) -> Option<&str> {
        self.words.get(index + 1).map(String::as_str)
    }

    /// The body as text, for people; what is not UTF-8 is replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads one; `line` gives the next line without its end.
    pub(super) fn read(mut line: impl FnMut() -> Result<Zeroizing<String>, Failure>, nonsense: &Failure) -> Result<Self, Failure> {
        let refused = || Err(nonsense.clone());
        let first = line()?;
        let Some(words) = first.strip_prefix(ARROW) else { return refused() };
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        if words.iter().any(|word| word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_graphic())) {
            return refused();
        }
        let mut body = Zeroizing::new(String::with_capacity(COLUMNS * 4));
        for _ in 0..LINES_MAX {
            let more = line()?;
            if more.len() > COLUMNS {
                return refused();
            }
            body.push_str(&more);
            if more.len() < COLUMNS {
                return base64::decode(&body).map_or_else(refused, |body| Ok(Self { words, body }));
            }
        }
        refused()
    }
}

/// The text of a stanza.
pub(super) fn write(words: &[&str], body: &[u8]) -> Zeroizing<String> {
    let body = base64::encode(body);
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / COLUMNS + 256));
    text.push_str(ARROW);
    text.push_str(&words.join(" "));
    text.push('\n');
    let mut rest = body.as_str();
    while rest.len() >= COLUMNS {
        let (line, after) = rest.split_at(COLUMNS);
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(rest);
    text.push('\n');
    text
}

impl Failure {
    /// What is said of a plugin whose words are no stanza.
    pub(super) fn nonsense(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), trouble: Trouble::Nonsense }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Stanza, Failure> {
        let mut lines = text.lines();
        let ended = || Failure { plugin: "x".to_owned(), trouble: Trouble::Died };
        Stanza::read(|| lines.next().map(|line| Zeroizing::new(line.to_owned())).ok_or_else(ended), &Failure::nonsense("x"))
    }

    #[test]
    fn bodies_of_every_length_are_read_back() {
        for length in 0..200 {
            let body: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(41)).collect();
            let text = write(&["recipient-stanza", "0", "X25519", "a/b+c"], &body);
            assert!(text.lines().all(|line| line.len() <= COLUMNS) && text.ends_with('\n'));
            let stanza = parse(&text).unwrap();
            assert_eq!((stanza.tag(), stanza.argument(2), stanza.body.as_slice()), ("recipient-stanza", Some("a/b+c"), body.as_slice()));
        }
    }

    #[test]
    fn what_is_no_stanza_is_refused() {
        let long = format!("-> a\n{}\n", "A".repeat(65));
        let endless = format!("-> a\n{}", format!("{}\n", "A".repeat(64)).repeat(LINES_MAX + 1));
        for text in ["", "hello\n\n", "->a\n\n", "-> \n\n", "-> a  b\n\n", "-> ä\n\n", "-> a\n!\n", "-> a\n", &long, &endless] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
