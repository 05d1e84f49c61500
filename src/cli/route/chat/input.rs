//! What is typed: lines with their history and completion on a terminal, or the lines of a pipe. Both may go on in the next.
//!
//! Start with [`Input::next`].

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Stdin};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::config::Behavior;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::command::COMMANDS;
use crate::cli::route::attach::too_long;
use crate::cli::{output, visible};
use crate::error::{Code, Error};

/// Lines that are remembered for the arrow keys.
const LINES_MAX: usize = 1000;
/// A longer one is not: it was pasted.
const LINE_MAX: usize = 16 * 1024;
/// What is between two lines of it is one prompt, as it stands.
const QUOTES: &str = "\"\"\"";

/// Where lines come from.
pub(super) enum Input {
    Terminal(Box<Terminal>),
    Piped(BufReader<Stdin>),
}

pub(super) struct Terminal {
    editor: Editor<Aid, FileHistory>,
    /// Where lines are remembered; `None`: only until the end.
    file: Option<PathBuf>,
    has_colour: bool,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the pipe.
    End,
}

impl Input {
    /// The terminal, if a person sits there, with the names of models to complete and the file that remembers lines.
    ///
    /// # Errors
    /// When the terminal cannot be had.
    pub(super) fn new(models: Vec<String>, file: Option<PathBuf>, has_colour: bool) -> Result<Self, Error> {
        if !std::io::stdin().is_terminal() {
            return Ok(Self::Piped(BufReader::new(std::io::stdin())));
        }
        // Where answers go into a file, the prompt must not.
        let behavior = if output::is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm };
        let config = Config::builder().completion_type(CompletionType::List).behavior(behavior).history_ignore_space(true);
        let config = config.max_history_size(LINES_MAX).map_err(|error| unreadable(&error))?.build();
        let mut editor = Editor::with_config(config).map_err(|error| unreadable(&error))?;
        editor.set_helper(Some(Aid { models, files: FilenameCompleter::new() }));
        if let Some(file) = &file {
            // There is none yet; or it is of no use, and the next line replaces it.
            let _ = private(file);
            let _ = editor.load_history(file);
        }
        Ok(Self::Terminal(Box::new(Terminal { editor, file, has_colour })))
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next of what is typed, with all its lines; of `limit` bytes at most.
    ///
    /// # Errors
    /// When it cannot be read, is no text or is too long.
    pub(super) fn next(&mut self, limit: usize) -> Result<Line, Error> {
        let line = match self {
            Self::Terminal(terminal) => terminal.next()?,
            Self::Piped(pipe) => piped(pipe, limit)?,
        };
        Ok(match line {
            Line::Text(text) if text.len() > limit => return Err(too_long("the prompt", limit)),
            Line::Text(text) => Line::Text(meant(&text)),
            line => line,
        })
    }
}

impl Terminal {
    fn next(&mut self) -> Result<Line, Error> {
        let styled = if self.has_colour { "\u{1b}[1;36m> \u{1b}[0m" } else { "> " };
        match self.editor.readline(&("> ", styled)) {
            Ok(text) => {
                self.remember(&text);
                Ok(Line::Text(text))
            }
            // The window has another size, and the editor was not told in time.
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(unreadable(&error)),
        }
    }

    fn remember(&mut self, text: &str) {
        if text.len() > LINE_MAX || text.trim().is_empty() {
            return;
        }
        let added = self.editor.add_history_entry(text);
        let Some(file) = self.file.as_ref().filter(|_| matches!(added, Ok(true))) else { return };
        let kept = private(file).map_err(ReadlineError::from).and_then(|()| self.editor.append_history(file));
        if let Err(error) = kept {
            let line = format!("warning: lines are not remembered: {}: {error}", file.display());
            output::error(&format!("aimux: {}\n", visible::line(&line)));
            self.file = None;
        }
    }
}

/// Makes sure of the folder, and that the file is its owner's alone.
fn private(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match std::fs::metadata(file) {
        Ok(about) if about.permissions().mode() & 0o077 != 0 => std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)),
        // The editor makes it so.
        _ => Ok(()),
    }
}

fn unreadable(error: &ReadlineError) -> Error {
    Error::new(Code::Usage, format!("the terminal cannot be read: {error}"))
}

fn piped(pipe: &mut BufReader<Stdin>, limit: usize) -> Result<Line, Error> {
    let unreadable = |error: std::io::Error| Error::new(Code::Usage, format!("standard input cannot be read: {error}")).caused_by(error);
    let mut text = String::new();
    loop {
        let left = limit.saturating_add(1).saturating_sub(text.len());
        let length = pipe.take(u64::try_from(left).unwrap_or(u64::MAX)).read_line(&mut text).map_err(unreadable)?;
        if text.len() > limit {
            return Err(too_long("a line of standard input", limit));
        }
        let is_over = length == 0;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if is_over && line.is_empty() {
            return Ok(Line::End);
        }
        if is_over || !goes_on(line) {
            return Ok(Line::Text(line.to_owned()));
        }
    }
}

/// Whether the text is not all there: its last line ends with a backslash, or quotes are open.
fn goes_on(text: &str) -> bool {
    match text.trim().strip_prefix(QUOTES) {
        Some(rest) => !rest.ends_with(QUOTES),
        None => text.ends_with('\\'),
    }
}

/// The text without what said that it goes on.
fn meant(text: &str) -> String {
    let quoted = text.trim().strip_prefix(QUOTES);
    if let Some(inner) = quoted.map(|rest| rest.strip_suffix(QUOTES).unwrap_or(rest)) {
        return inner.trim_matches('\n').to_owned();
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let (last, former) = lines.split_last().map_or(("", &[][..]), |(last, former)| (*last, former));
    if former.is_empty() || !former.iter().all(|line| line.ends_with('\\')) {
        return text.to_owned();
    }
    let former = former.iter().map(|line| line.strip_suffix('\\').unwrap_or(line).to_owned() + "\n");
    former.collect::<String>() + last
}

/// What helps to type: whether a line goes on, and what it may become.
struct Aid {
    models: Vec<String>,
    files: FilenameCompleter,
}

impl Helper for Aid {}
impl Highlighter for Aid {}
impl Hinter for Aid {
    type Hint = String;
}

impl Validator for Aid {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if goes_on(context.input()) { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Aid {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..at).unwrap_or_default();
        let pair = |shown: &str, end: &str| Pair { display: shown.to_owned(), replacement: format!("{shown}{end}") };
        match typed.split_once(' ') {
            None if typed.starts_with('/') => {
                let names = COMMANDS.iter().map(|(name, behind, _)| (format!("/{name}"), if behind.is_empty() { "" } else { " " }));
                Ok((0, names.filter(|(name, _)| name.starts_with(typed)).map(|(name, end)| pair(&name, end)).collect()))
            }
            Some(("/model", begin)) => {
                let fitting = self.models.iter().filter(|name| name.starts_with(begin));
                Ok((at - begin.len(), fitting.map(|name| pair(name, "")).collect()))
            }
            Some(("/attach" | "/save", _)) => self.files.complete_path(line, at),
            _ => Ok((at, Vec::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_behind_a_backslash_and_between_quotes() {
        for (text, is_open, words) in [
            ("one", false, "one"),
            ("one \\", true, "one \\"),
            ("one\\\ntwo", false, "one\ntwo"),
            ("a\\\nb\\\nc", false, "a\nb\nc"),
            ("pasted\nls \\\n  -l", false, "pasted\nls \\\n  -l"),
            ("\"\"\"", true, ""),
            ("\"\"\"\nfn a() {}\\\n\n", true, "fn a() {}\\"),
            ("\"\"\"\n a\n\n b\n\"\"\"", false, " a\n\n b"),
            ("\"\"\"one\"\"\"", false, "one"),
            ("", false, ""),
        ] {
            assert_eq!((goes_on(text), meant(text).as_str()), (is_open, words), "{text:?}");
        }
    }

    #[test]
    fn commands_models_and_files_are_completed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cat.png"), "").unwrap();
        let aid = Aid { models: vec!["zai/glm-5.1".to_owned(), "mine".to_owned()], files: FilenameCompleter::new() };
        let history = rustyline::history::MemHistory::new();
        let complete = |line: &str| {
            let (at, found) = aid.complete(line, line.len(), &Context::new(&history)).unwrap();
            found.into_iter().map(|pair| format!("{}{}", &line[..at], pair.replacement)).collect::<Vec<_>>()
        };
        assert_eq!(complete("/mo"), ["/model "]);
        assert_eq!((complete("/e"), complete("/help")), (vec!["/explain ".to_owned(), "/exit".to_owned()], vec!["/help".to_owned()]));
        assert_eq!((complete("/model za"), complete("/model x")), (vec!["/model zai/glm-5.1".to_owned()], vec![]));
        let begin = format!("/attach {}/ca", folder.path().display());
        assert_eq!(complete(&begin), [begin.clone() + "t.png"]);
        assert!(complete("hello /mo").is_empty() && complete("/cost x").is_empty());
    }
}
