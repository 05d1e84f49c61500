//! Members of a request that its decoder had no use for: what a translation leaves out must be said.

use std::fmt::Display;

use super::loss::{Loss, lose};

/// The most paths that are kept: a request may invent any number of names.
const PATHS_MAX: usize = 64;
/// The most characters of a name that are kept.
const NAME_MAX: usize = 64;

/// The paths of such members, each once, `messages[].tool_calls[].index` say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread(Vec<String>);

impl Unread {
    /// Takes down the members `names` of the object at `under`.
    pub(crate) fn note<'n>(&mut self, under: impl Display, names: impl IntoIterator<Item = &'n str>) {
        for name in names {
            if self.0.len() > PATHS_MAX {
                return;
            }
            let end = name.char_indices().nth(NAME_MAX).map_or(name.len(), |(at, _)| at);
            self.note_value(&format!("{under}.{}", name.get(..end).unwrap_or_default()));
        }
    }

    /// Takes down the value at `path`.
    pub(crate) fn note_value(&mut self, path: &str) {
        match self.0.len() {
            _ if self.0.len() > PATHS_MAX || self.0.iter().any(|known| known == path) => {}
            PATHS_MAX => self.0.push("more".to_owned()),
            _ => self.0.push(path.to_owned()),
        }
    }

    /// Takes over what another has.
    pub(crate) fn append(&mut self, other: Self) {
        other.0.iter().for_each(|path| self.note_value(path));
    }

    /// Records each as a loss.
    pub(crate) fn lose(&self, losses: &mut Vec<Loss>) {
        self.0.iter().for_each(|path| lose(losses, Loss::dropped(path.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_once_and_their_number_has_a_limit() {
        let mut unread = Unread::default();
        let names: Vec<String> = (0..1000).map(|n| format!("n{n}")).collect();
        for _ in 0..2 {
            unread.note("messages[]", names.iter().map(String::as_str));
        }
        unread.note("messages[]", ["n0"]);
        let mut losses = Vec::new();
        unread.lose(&mut losses);
        assert_eq!(losses.len(), PATHS_MAX + 1);
        assert_eq!(losses.first(), Some(&Loss::dropped("messages[].n0")));
        assert_eq!(losses.last(), Some(&Loss::dropped("more")));
    }

    #[test]
    fn a_name_has_a_limit() {
        let mut unread = Unread::default();
        unread.note("a", [&*"é".repeat(1000)]);
        assert_eq!(unread, Unread(vec![format!("a.{}", "é".repeat(NAME_MAX))]));
    }
}
