//! What can be wrong with a config: the table of findings, and how one is shown.
//!
//! Codes are never reused. The text of an excerpt is masked and escaped here, in one place: [`Report::render`].

use std::fmt::Write as _;

use super::mask;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The config is not used.
    Error,
    /// It is used, and said.
    Warning,
}

impl Severity {
    /// The word in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// `E0110`, without the `AIMUX-` in front.
    pub(crate) id: &'static str,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// A few words.
    pub(crate) title: &'static str,
    /// Why it happens.
    pub(crate) cause: &'static str,
    /// What to do.
    pub(crate) action: &'static str,
}

macro_rules! findings {
    ($($variant:ident: $id:literal, $severity:ident, $title:literal, $cause:literal, $action:literal;)*) => {
        /// The kinds of findings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Finding { $(
            #[doc = $title]
            $variant,
        )* }

        impl Finding {
            /// Every kind, in the table's order.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The kind's row.
            pub(crate) fn row(self) -> Row {
                match self { $(Self::$variant => Row {
                    id: $id, severity: Severity::$severity, title: $title, cause: $cause, action: $action,
                },)* }
            }
        }
    };
}

findings! {
    Syntax: "E0110", Error, "not YAML", "The text breaks YAML's grammar, has a tag, or is not UTF-8.", "Look at the place and the line before it: indentation, a missing colon, bracket or quote.";
    Documents: "E0111", Error, "several documents", "A line `---` starts a second document.", "Keep one document a file.";
    TooMuch: "E0112", Error, "too deep or too many values", "The values are nested deeper than 32 levels, or aliases multiply them beyond 50000.", "Write it flatter.";
    DuplicateKey: "E0113", Error, "a key given twice", "Two entries of one mapping have the same key; YAML readers disagree which one counts.", "Remove one of them.";
    UnknownKey: "E0114", Error, "unknown key", "No such field exists at this place.", "Check the spelling and the indentation; the fields are listed in docs/config.md.";
    WrongType: "E0115", Error, "wrong type", "The value is not of the field's type.", "Give the type that the message names; text that looks like a number needs quotes.";
    OutOfRange: "E0116", Error, "out of range", "The number is lower or higher than the field allows.", "Choose a number within the range.";
    BadValue: "E0117", Error, "not one of the values", "The field takes a few words only.", "Use one of those that the message lists.";
    Missing: "E0118", Error, "a mandatory field is missing", "The field has no default.", "Add it.";
    Version: "E0119", Error, "unknown version", "The file is written for another version of the format.", "This program reads `version: 1`.";
    BadUrl: "E0120", Error, "not a base URL", "The URL has no scheme or host, or parts that a base URL cannot have.", "Give what the provider's own SDK takes, `https://api.example.com/v1` say.";
    PlainHttp: "E0121", Error, "plain http to another machine", "The key and the prompts would cross the network unencrypted.", "Use https, or accept it with `plain_http: true` on the provider.";
    BadAddress: "E0122", Error, "not an address to listen on", "The value is no IP address with a port.", "Write it as `127.0.0.1:24689` or `[::1]:24689`.";
    Exposed: "E0123", Error, "listening off loopback without TLS", "Other machines could reach the server, and read what they send to it.", "Listen on 127.0.0.1, or put a proxy in front that ends TLS and say `tls: terminated`.";
    ExposedBehindProxy: "E0124", Warning, "listening off loopback", "Only the proxy in front protects what is sent to this server.", "Make sure that nobody else reaches the port.";
    BadName: "E0125", Error, "not a name", "Names of providers and keys are 1 to 64 of a-z, 0-9, `.`, `_` and `-`, and begin with a letter or digit.", "Choose another name.";
    ClearKey: "E0126", Error, "a secret in the config", "The file holds a key, token or password in clear text.", "Store it with `aimux keys add NAME` and write `key: NAME`, or name a variable: `{ env: NAME }`. Replace the key if the file was shared.";
    BadHeader: "E0127", Error, "a header that cannot be sent", "The header's name or value is malformed, or aimux sets it itself.", "Remove it or mend it.";
    UnknownPreset: "E0128", Error, "unknown preset", "No provider of that name is built in.", "Use a name from the list in docs/config.md, or give `dialect` and `base_url`.";
    UnknownProvider: "E0129", Error, "a target that leads nowhere", "The target names neither a configured provider nor another entry of `models`.", "Write `provider/model` with a provider of this file.";
    UnlistedModel: "E0130", Error, "a model that the provider does not list", "The provider's `models` does not contain it.", "Add it there, or use one that is listed.";
    UnknownModel: "E0131", Warning, "a model that the catalog does not know", "It may be new, or misspelt.", "Check the provider's own list of models.";
    Cycle: "E0132", Error, "entries that refer to each other", "Following the entries of `models` leads back to the first.", "Let one of them name a `provider/model`.";
    Empty: "E0133", Error, "nothing in it", "The field needs at least one value.", "Fill it, or remove the entry.";
    Repeated: "E0134", Warning, "a value listed twice", "The second one has no effect.", "Remove it.";
    Variable: "E0135", Error, "a variable that is not set", "`${NAME}` stands for an environment variable that is unset or empty, or the braces are malformed.", "Set it, or write `$${` for a literal `${`.";
    KeyAbsent: "E0136", Warning, "a secret that is not there", "The key file or the variable does not exist here. `serve` refuses to start; `validate` only warns, since a build machine has no keys.", "Add it with `aimux keys add NAME`, or set the variable.";
    Incomplete: "E0137", Error, "not enough to reach the provider", "A provider that is not built in needs a dialect and a base URL.", "Add `dialect` and `base_url`, or a `preset`.";
    Contradiction: "E0138", Error, "fields that exclude each other", "Two fields say the same thing in different ways.", "Keep one of them.";
    Override: "E0139", Warning, "an unknown variable", "A variable that begins with AIMUX_ names no field of the config (AIMUX_SECTION__FIELD) and nothing else that aimux reads.", "Check its spelling, or unset it.";
    NotEnforced: "E0140", Warning, "a field without effect", "The field is read and checked, but nothing comes of it where it stands.", "Remove it.";
    Shadowed: "E0141", Warning, "a name that can never match", "Every name that fits it fits an entry that goes before it: of two with equally many literal characters, the first in the file wins.", "Remove it, or put it before the other.";
    KeyClosed: "E0142", Warning, "a key that cannot be opened", "The key file is there, but the identity of this machine does not open it, or its permissions are unsafe. `serve` refuses to start.", "Replace it with `aimux keys add NAME --force`, or check without opening keys: `--offline`.";
    NoPrice: "E0143", Warning, "a model without a price", "The catalog knows the model, but not what it costs.", "Nothing has to be done; its cost is counted as unknown.";
    Conflict: "E0144", Warning, "limits that contradict each other", "One limit takes effect before another one can.", "Raise the one or lower the other.";
    IdleAllowance: "E0145", Warning, "an allowance without effect", "A comment `# aimux: allow CODE` names no warning.", "Remove it.";
    RuleUnreached: "E0150", Warning, "a rule that is never reached", "Every request that fits it fits an earlier rule, and the first that fits decides.", "Put it before the other, or narrow the other.";
    RuleTools: "E0151", Warning, "a rule for tools and a model without", "The rule takes requests that bring tools, and the model is known to take none: it is always left out.", "Use a model that takes tools, or say `tools: true` of it under `providers.NAME.models`.";
    RuleImages: "E0152", Warning, "a rule for images or documents and a model without", "The rule takes requests with images or documents, and the model is known to see or read none.", "Use a model that does, or say so of it under `providers.NAME.models`.";
    RuleContext: "E0153", Warning, "a window smaller than the rule promises", "The rule takes longer input than the model's window holds: the model is left out where it does not fit.", "Use a model with a larger window, or lower the rule's bound.";
    PolicyBlind: "E0154", Warning, "a policy that cannot judge", "The policy goes by something that is not known of a provider or model. What is not known counts against it: it is denied.", "Say it: `region` and `data` on the provider, prices and windows under `providers.NAME.models`.";
    TestFailed: "E0155", Error, "a request goes elsewhere than a test says", "A request of `tests` is decided otherwise than expected; the lines below show the whole decision.", "Mend the rule that decides, or the test.";
    Weights: "E0156", Error, "weights that do not match the targets", "There is not just one weight for each target. Where `use` names an entry, the targets are that entry's.", "Give one weight each, in the order of the targets.";
    IdleChoice: "E0157", Warning, "a choice without effect", "What is said of the choice among the targets changes nothing: weights that no strategy goes by, or a single target that leaves none.", "Remove it, or say what is missing.";
    CostBlind: "E0158", Warning, "a choice by prices that are not known", "A target without a price is never the cheapest, and never asked beside another one: nobody knows whether it would be too dear.", "Say what it costs: `price_input` and `price_output` under `providers.NAME.models`.";
}

/// A place in one of a report's sources, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// Index into [`Report::sources`].
    pub(crate) source: usize,
    /// The first byte.
    pub(crate) start: usize,
    /// After the last byte.
    pub(crate) end: usize,
}

/// Something wrong, and where.
#[derive(Debug, Clone)]
pub(crate) struct Diagnostic {
    /// What kind it is.
    pub(crate) finding: Finding,
    /// How bad it is here; as the row says, unless a caller is stricter.
    pub(crate) severity: Severity,
    /// Where.
    pub(crate) span: Span,
    /// The field, `providers.zai.base_url` say; empty for the file.
    pub(crate) path: String,
    /// One line that names the thing and its value.
    pub(crate) message: String,
    /// A few words under the excerpt.
    pub(crate) label: String,
    /// What to do here; else the row's action.
    pub(crate) help: Option<String>,
    /// What may stand in the span's place without changing what is meant.
    pub(crate) fix: Option<String>,
    /// Lines that explain it at length; for people only.
    pub(crate) notes: Vec<String>,
}

impl Diagnostic {
    /// A finding with the row's severity.
    pub(crate) fn new(finding: Finding, span: Span, path: impl Into<String>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            finding,
            severity: finding.row().severity,
            span,
            path: path.into(),
            message: message.into(),
            label: label.into(),
            help: None,
            fix: None,
            notes: Vec::new(),
        }
    }

    /// What to do, as it may be shown.
    pub(crate) fn advice(&self) -> String {
        self.help.as_deref().map_or_else(|| lower(self.finding.row().action), mask::shown)
    }

    /// The same with help of its own.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same with a text that mends it, where there is one.
    pub(crate) fn fix(self, fix: Option<String>) -> Self {
        Self { fix, ..self }
    }
}

/// A text that findings point into.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The file's name as the user gave it, or what else it is.
    pub(crate) name: String,
    /// The whole text.
    pub(crate) text: String,
}

/// The findings of one config.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// The file first, then overrides.
    pub(crate) sources: Vec<Source>,
    /// What was found; sorted by place in [`Report::finish`].
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Places that hold a secret, or may: never shown.
    pub(crate) secrets: Vec<Span>,
    /// Key files that are there and may be opened.
    pub(crate) key_files: Vec<KeyFile>,
}

/// A key file that a config names.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile {
    /// Its name.
    pub(crate) name: String,
    /// Where it is named.
    pub(crate) span: Span,
    /// The field.
    pub(crate) path: String,
}

/// The most characters of a source line in an excerpt.
const EXCERPT_MAX: usize = 100;
/// How many findings are shown.
const SHOWN_MAX: usize = 200;

impl Report {
    /// Adds a finding.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Sorts by place, and leaves out what only follows from a variable that is not set.
    pub(crate) fn finish(&mut self) {
        let unset: Vec<Span> = self.diagnostics.iter().filter(|found| found.finding == Finding::Variable).map(|found| found.span).collect();
        self.diagnostics.retain(|found| found.finding == Finding::Variable || !unset.contains(&found.span));
        self.diagnostics.sort_by_key(|found| (found.span.source, found.span.start, found.finding.row().id));
    }

    /// How many errors there are.
    pub(crate) fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// How many warnings there are.
    pub(crate) fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }

    /// Line and column, from one, in characters.
    pub(crate) fn position(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.source);
        let before = text.get(..floor(text, span.start)).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The same for the character after the span's last one.
    pub(crate) fn end(&self, span: Span) -> (usize, usize) {
        let start = span.end.max(span.start + 1);
        let text = self.text(span.source);
        // A value that goes over several lines ends with its last character, not with the line feed after it.
        let trimmed = text.get(floor(text, span.start)..floor(text, start)).map_or(start, |inside| span.start + inside.trim_end().len());
        self.position(Span { start: trimmed.max(span.start + 1), ..span })
    }

    /// The source's name.
    pub(crate) fn name(&self, span: Span) -> &str {
        self.sources.get(span.source).map_or("", |source| &source.name)
    }

    /// All findings, for a terminal, with a blank line between.
    pub(crate) fn render(&self) -> String {
        let shown: Vec<String> = self.diagnostics.iter().take(SHOWN_MAX).map(|found| self.render_one(found)).collect();
        let mut out = shown.join("\n");
        if let Some(more) = self.diagnostics.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
            let _ = write!(out, "\n… and {more} more\n");
        }
        out
    }

    fn render_one(&self, found: &Diagnostic) -> String {
        let row = found.finding.row();
        let (line, column) = self.position(found.span);
        let gutter = line.to_string().len();
        let place = if found.path.is_empty() { String::new() } else { format!(" ({})", mask::shown(&found.path)) };
        let mut out = format!("{}[AIMUX-{}]: {}\n", found.severity.name(), row.id, mask::shown(&found.message));
        let _ = writeln!(out, "{:gutter$}--> {}:{line}:{column}{place}", "", mask::shown(self.name(found.span)));
        let (text, from, marks) = self.excerpt(found.span);
        let _ = writeln!(out, "{:gutter$} |", "");
        let _ = writeln!(out, "{line} | {text}");
        let _ = writeln!(out, "{:gutter$} | {:from$}{} {}", "", "", "^".repeat(marks), mask::shown(&found.label));
        let _ = writeln!(out, "{:gutter$} = help: {}", "", found.advice());
        for note in &found.notes {
            let _ = writeln!(out, "{:gutter$} |   {}", "", mask::shown(note));
        }
        out
    }

    /// The line of a span as it may be shown, how many columns come before the marks, and how many marks there are.
    fn excerpt(&self, span: Span) -> (String, usize, usize) {
        let text = self.text(span.source);
        let start = floor(text, span.start);
        let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line_end = text.get(start..).and_then(|after| after.find('\n')).map_or(text.len(), |at| start + at);
        let line = text.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let hidden = self.hidden(span.source, line, line_start);
        let mut columns = Columns { start: span.start, end: span.end.max(span.start + 1), out: Vec::new(), from: None, to: 0 };
        let mut skip_to = 0;
        for (at, c) in line.char_indices() {
            if at < skip_to {
                continue;
            }
            let (width, shown) = match hidden.iter().find(|range| range.contains(&at)) {
                Some(range) => (range.end - at, mask::DOTS.to_owned()),
                None => {
                    let mut shown = String::new();
                    mask::push_visible(&mut shown, c);
                    (c.len_utf8(), shown)
                }
            };
            skip_to = at + width;
            columns.push(line_start + at, line_start + at + width, &shown);
        }
        columns.cropped()
    }

    /// Ranges of a line, relative to it, that are not shown.
    fn hidden(&self, source: usize, line: &str, line_start: usize) -> Vec<std::ops::Range<usize>> {
        let line_end = line_start + line.len();
        let known = self.secrets.iter().filter(|secret| secret.source == source && secret.start < line_end && secret.end > line_start);
        let mut hidden: Vec<_> =
            known.map(|secret| secret.start.saturating_sub(line_start)..secret.end.min(line_end) - line_start).collect();
        hidden.extend(mask::keys_in(line));
        hidden
    }

    fn text(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |source| &source.text)
    }
}

/// A line in the making, by the columns of the terminal.
struct Columns {
    start: usize,
    end: usize,
    out: Vec<char>,
    from: Option<usize>,
    to: usize,
}

impl Columns {
    fn push(&mut self, start: usize, end: usize, shown: &str) {
        if start < self.end && end > self.start {
            self.from.get_or_insert(self.out.len());
            self.to = self.out.len() + shown.chars().count();
        }
        self.out.extend(shown.chars());
    }

    /// At most [`EXCERPT_MAX`] columns around the marks.
    fn cropped(self) -> (String, usize, usize) {
        let from = self.from.unwrap_or(self.out.len());
        let marks = self.to.saturating_sub(from).max(1);
        if self.out.len() <= EXCERPT_MAX {
            return (self.out.into_iter().collect(), from, marks);
        }
        let first = from.saturating_sub(EXCERPT_MAX / 2);
        let mut text: String = self.out.iter().skip(first).take(EXCERPT_MAX).collect();
        if first + EXCERPT_MAX < self.out.len() {
            text.push('…');
        }
        let marks = marks.min(EXCERPT_MAX - (from - first).min(EXCERPT_MAX - 1));
        if first == 0 { (text, from, marks) } else { (format!("…{text}"), from - first + 1, marks) }
    }
}

/// A sentence of the table, as messages begin and end.
fn lower(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// The nearest boundary of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_rise_and_stay_in_their_range() {
        let ids: Vec<&str> = Finding::ALL.iter().map(|finding| finding.row().id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        assert!(ids.iter().all(|id| ("E0110"..="E0179").contains(id)), "{ids:?}");
        let others: Vec<&str> = crate::error::Code::ALL.iter().map(|code| code.row().id).collect();
        assert!(ids.iter().all(|id| !others.contains(id)));
    }

    fn report(text: &str, start: usize, end: usize) -> String {
        let mut report = Report { sources: vec![Source { name: "c.yaml".into(), text: text.into() }], ..Report::default() };
        report.push(Diagnostic::new(Finding::BadValue, Span { source: 0, start, end }, "a.b", "a.b is wrong", "here").help("mend it"));
        report.render()
    }

    #[test]
    fn the_caret_stands_under_the_token() {
        let expected = "error[AIMUX-E0117]: a.b is wrong\n --> c.yaml:2:4 (a.b)\n  |\n2 | b: värd\n  |    ^^^^ here\n  = help: mend it\n";
        assert_eq!(report("a:\nb: värd\n", 6, 11), expected);
    }

    #[test]
    fn a_key_on_the_same_line_is_hidden_and_the_caret_follows() {
        let line = "{ key: sk-ant-0123456789, x: 1 }";
        let at = line.find('x').unwrap();
        let shown = report(line, at, at + 1);
        assert!(shown.contains("{ key: ••••••, x: 1 }\n  |                ^ here"), "{shown}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_token() {
        let line = format!("{} x {}", "ab ".repeat(1000), "cd ".repeat(1000));
        let at = line.find('x').unwrap();
        let shown = report(&line, at, at + 1);
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
        let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
        let caret = lines[4].iter().position(|c| *c == '^').unwrap();
        assert_eq!(lines[3][caret], 'x');
    }

    #[test]
    fn spans_beyond_the_text_do_no_harm() {
        for (text, start, end) in [("", 0, 0), ("", 9, 4), ("å", 1, 1), ("a\n", 2, 2), ("a\r\n", 1, 9)] {
            assert!(report(text, start, end).contains("c.yaml:"));
        }
    }
}
