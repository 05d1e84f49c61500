//! A page for each code, of findings and errors alike: `--explain` prints it, `docs/codes/` holds it.
//!
//! Start with [`pages`].

use super::diagnostic::{Finding, Severity};
use super::samples::sample;
use crate::error::{Code, Retry};

/// The page of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `E0114`.
    pub id: &'static str,
    /// The code's few words.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub action: &'static str,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// A config that has the finding; empty for errors that no config shows.
    pub sample: &'static str,
    /// What programs are told besides; may be empty.
    numbers: String,
}

impl Page {
    /// The page as the terminal shows it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("AIMUX-{}: {} ({})\n\n{}\n{}\n", self.id, self.title, self.severity, self.cause, self.action);
        if !self.numbers.is_empty() {
            text += &format!("\n{}\n", self.numbers);
        }
        if !self.sample.is_empty() {
            text += "\nA config that has it:\n\n";
            text.extend(self.sample.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }));
        }
        if self.severity == "warning" {
            text += &format!("\n`# aimux: allow {}` in the file allows it. `--strict` makes warnings fail.\n", self.id);
        }
        text
    }

    /// The page in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = format!("# AIMUX-{}: {}\n\n<!-- Generated from the tables of codes. -->\n\n", self.id, self.title);
        page += &format!(
            "{}: {}\n\n**What to do:** {}\n",
            if self.severity == "warning" { "A warning" } else { "An error" },
            self.cause,
            self.action
        );
        if !self.numbers.is_empty() {
            page += &format!("\n{}\n", self.numbers);
        }
        if !self.sample.is_empty() {
            page += &format!("\nA config that has it:\n\n```yaml invalid\n{}```\n", self.sample);
        }
        if self.severity == "warning" {
            page += &format!(
                "\nA comment `# aimux: allow {}` allows it, for the file on a line of its own, for one line at its end.\n`--strict` makes warnings fail.\n",
                self.id
            );
        }
        page
    }
}

/// The page of every code, by code.
#[must_use]
pub fn pages() -> Vec<Page> {
    let of_finding = |finding: &Finding| {
        let row = finding.row();
        let severity = if row.severity == Severity::Warning { "warning" } else { "error" };
        Page {
            id: row.id,
            title: row.title,
            cause: row.cause,
            action: row.action,
            severity,
            sample: sample(*finding),
            numbers: String::new(),
        }
    };
    let mut pages: Vec<Page> = Finding::ALL.iter().map(of_finding).chain(Code::ALL.iter().map(|code| of_code(*code))).collect();
    pages.sort_by_key(|page| page.id);
    pages
}

fn of_code(code: Code) -> Page {
    let row = code.row();
    let retry = match row.retry {
        Retry::Never => "Trying again mends nothing.",
        Retry::NextTarget => "aimux tries the next target by itself.",
        Retry::Later => "The client may try again later.",
    };
    let status = if row.status == 0 { String::new() } else { format!("HTTP status {}. ", row.status) };
    let numbers = format!("{status}Exit code {}. {retry}", row.exit);
    Page { id: row.id, title: row.title, cause: row.cause, action: row.action, severity: "error", sample: "", numbers }
}

/// The page of a code, `E0114` or `AIMUX-E0114`, for the terminal.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    let id = code.trim().to_ascii_uppercase();
    let id = id.strip_prefix("AIMUX-").unwrap_or(&id);
    pages().iter().find(|page| page.id == id).map(Page::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of all pages, in Markdown: `docs/codes/README.md`.
    fn index() -> String {
        let mut page = String::from("# Codes\n\n<!-- Generated from the tables of codes. -->\n\n");
        page += "A page for each code of findings and errors; `aimux config validate --explain CODE` prints it.\n\n| code | | what |\n|---|---|---|\n";
        page.extend(pages().iter().map(|page| format!("| [AIMUX-{0}]({0}.md) | {1} | {2} |\n", page.id, page.severity, page.title)));
        page
    }

    #[test]
    fn the_pages_in_docs_are_the_tables() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/codes");
        let mut made: Vec<(String, String)> = pages().iter().map(|page| (format!("{}.md", page.id), page.markdown())).collect();
        made.push(("README.md".to_owned(), index()));
        made.sort();
        if std::env::var_os("AIMUX_TEST_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in &made {
                std::fs::write(folder.join(name), text).unwrap();
            }
        }
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut stored: Vec<(String, String)> =
            entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())).collect();
        stored.sort();
        assert!(stored == made, "docs/codes is stale: run the test once with AIMUX_TEST_BLESS=1");
        assert!(made.iter().all(|(_, text)| text.lines().all(|line| line.len() < 400)));
    }
}
