//! The source tree as the architecture test sees it: text, and text without comments, strings and tests.

use std::path::{Path, PathBuf};

/// One file of `src/`.
pub(crate) struct Source {
    /// Its path below `src/`, with `/`.
    pub(crate) name: String,
    /// As it is.
    pub(crate) text: String,
    /// The same, byte for byte, with comments, strings and `#[cfg(test)]` items turned into spaces.
    pub(crate) code: String,
}

impl Source {
    /// A file by its name below `src/` and its text.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        // A file of tests is reached by a `#[cfg(test)] mod tests;` in another one.
        let code = if name.ends_with("/tests.rs") || name.contains("/tests/") {
            String::new()
        } else {
            without_tests(&without_comments_and_strings(text))
        };
        Self { name: name.to_owned(), text: text.to_owned(), code }
    }

    /// `route` for `route/plan.rs` and `route.rs`; nothing for the crate's root.
    pub(crate) fn top_module(&self) -> Option<String> {
        let first = self.name.split('/').next()?.trim_end_matches(".rs");
        (first != "lib").then(|| first.to_owned())
    }

    /// Whether this file may print.
    pub(crate) fn is_cli(&self) -> bool {
        matches!(self.top_module().as_deref(), Some("cli" | "main"))
    }

    /// How many modules stand above this one: 1 for `route.rs` and `route/mod.rs`.
    fn depth(&self) -> usize {
        self.name.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count()
    }

    /// Every top-level module that a path of this file goes through, with the line.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let roots = ["crate::".to_owned(), "super::".repeat(self.depth()), "aimux::".to_owned()];
        let mut found = Vec::new();
        for (root, prefix) in roots.iter().enumerate() {
            for (at, _) in self.code.match_indices(prefix.as_str()) {
                let before = self.code[..at].chars().next_back().unwrap_or(' ');
                if before.is_alphanumeric() || before == '_' || before == ':' || (root == 2 && !self.is_cli()) {
                    continue;
                }
                let line = self.code[..at].matches('\n').count() + 1;
                found.extend(first_segments(&self.code[at + prefix.len()..]).into_iter().map(|name| (at, line, name)));
            }
        }
        found.sort_by_key(|(at, _, _)| *at);
        found.into_iter().map(|(_, line, name)| (line, name)).collect()
    }

    /// The files that a `mod name;` of this one may mean.
    pub(crate) fn child_candidates(&self) -> Vec<String> {
        let stem = self.name.trim_end_matches(".rs");
        let folder = match stem {
            "lib" | "main" => String::new(),
            _ => format!("{}/", stem.trim_end_matches("/mod")),
        };
        let names = self.text.lines().filter_map(|line| {
            let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").trim_start_matches("pub ");
            line.strip_prefix("mod ")?.split(';').next().filter(|_| line.ends_with(';'))
        });
        names.flat_map(|name| [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")]).collect()
    }

    /// The relaxed lints that do not say why.
    pub(crate) fn relaxations_without_reason(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for start in ["#[allow(", "#[expect(", "#![allow(", "#![expect("] {
            for (at, _) in self.code.match_indices(start) {
                let body: &str = &self.code[at..];
                let attribute = body.split(']').next().unwrap_or(body);
                if !attribute.contains("reason") {
                    faults.push(format!("{}:{}", self.name, self.code[..at].matches('\n').count() + 1));
                }
            }
        }
        faults
    }
}

/// The first segments of `a::b`, `{a::b, c}`: what stands right behind `crate::`.
fn first_segments(rest: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut names, mut start) = (1, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                names.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        if depth == 0 {
            names.push(word(&group[start..at]));
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Whether `line` holds `word` not as the end of a longer word.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().unwrap_or(' ');
        word.starts_with('.') || !(before.is_alphanumeric() || before == '_')
    })
}

/// `text` with every comment and the inside of every string, byte string, raw string and character turned into spaces.
fn without_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let long = span_to_blank(rest, out.chars().next_back().unwrap_or(' '));
        match long {
            0 => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
            _ => {
                out.extend(rest[..long].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
                rest = &rest[long..];
            }
        }
    }
    out
}

/// The length of the comment, string or character that `rest` begins with, 0 for none.
fn span_to_blank(rest: &str, before: char) -> usize {
    let to = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return to("*/", 2);
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r');
    if let Some(raw) = raw.filter(|_| !(before.is_alphanumeric() || before == '_')) {
        let hashes = raw.bytes().take_while(|b| *b == b'#').count();
        if raw[hashes..].starts_with('"') {
            let from = rest.len() - raw.len() + hashes + 1;
            return to(&format!("\"{}", "#".repeat(hashes)), from);
        }
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        let mut chars = inside.chars();
        let (first, second) = (chars.next(), chars.next());
        // A lifetime has no closing quote after one character.
        if first == Some('\\') || second == Some('\'') {
            return quoted(rest, '\'');
        }
    }
    0
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `code` with each item behind `#[cfg(test)]` turned into spaces.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mark = "#[cfg(test)]";
    while let Some(at) = out.find(mark) {
        let (mut depth, mut end) = (0_usize, out.len());
        for (offset, c) in out[at..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (c == '}' || c == ';') {
                end = at + offset + 1;
                break;
            }
        }
        let blank: String = out[at..end].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
        out.replace_range(at..end, &blank);
    }
    out
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of `src/`.
pub(crate) fn all_sources() -> Vec<Source> {
    let mut names = Vec::new();
    walk(&root().join("src"), &mut names);
    let sources: Vec<Source> = names
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| {
            let name = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/");
            Source::new(&name, &std::fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(sources.len() > 20, "src was not found");
    sources
}

/// Every text that is, or is about to be, committed, by its path in the repository.
pub(crate) fn tracked_texts() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.path().is_dir() {
            // In a second checkout of one repository `.git` is a file.
            _ if [".git", "target", "node_modules"].contains(&name.as_str()) => {}
            true => walk(&entry.path(), &mut paths),
            false => paths.push(entry.path()),
        }
    }
    let text = |path: &PathBuf| Some((path.strip_prefix(root()).ok()?.display().to_string(), std::fs::read_to_string(path).ok()?));
    paths.iter().filter_map(text).collect()
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && path.ends_with("target") {
            continue;
        }
        if path.is_dir() { walk(&path, into) } else { into.push(path) }
    }
}
