//! `aimux config validate`: every mistake of some configs, for people and for programs.
//!
//! Start with [`run`]; `formats.rs` and `sarif.rs` are what programs read, `mend.rs` is `--fix`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::formats::{self, Format};
use super::mend::{Mended, mend};
use super::sarif::sarif;
use crate::cli::{CliError, console, known, output};
use crate::config::{self, Checks, Environment, Keys, Options, Strict, Validation};
use crate::error::{Code, Error};
use crate::keys::Store;

/// Exit code of a config with errors.
const EX_CONFIG: u8 = 78;
/// What standard input is called.
const STDIN: &str = "stdin";

/// Arguments of `aimux config validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// The files, `-` for standard input; else AIMUX_CONFIG, else the usual one
    files: Vec<PathBuf>,
    /// How the findings are shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Take warnings as errors; `serve` takes a key that is not there or cannot be opened as one
    #[arg(long)]
    strict: bool,
    /// Open no key file; only look whether it is there
    #[arg(long)]
    offline: bool,
    /// Mend in the files what can only have been meant in one way, then check them
    #[arg(long)]
    fix: bool,
    /// Explain a code, `E0114` say, and do nothing else
    #[arg(long, value_name = "CODE", conflicts_with_all = ["files", "format", "json", "strict", "offline", "fix"])]
    explain: Option<String>,
}

/// What a command says and how it ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Output {
    /// For standard output.
    stdout: String,
    /// For standard error.
    stderr: String,
    /// The exit code.
    exit: u8,
}

/// Runs `aimux config validate`; `path` is the one of `--config`.
pub(crate) fn run(args: &ValidateArgs, path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let said = outcome(args, path, environment)?;
    output::error(&said.stderr);
    output::print(&said.stdout);
    Ok(ExitCode::from(said.exit))
}

fn outcome(args: &ValidateArgs, path: Option<PathBuf>, environment: &Environment) -> Result<Output, Error> {
    if let Some(code) = &args.explain {
        return match config::explain(code) {
            Some(stdout) => Ok(Output { stdout, ..Output::default() }),
            None => Err(Error::new(Code::Usage, "nothing has that code").hint("docs/codes lists them")),
        };
    }
    let store = known::store(environment);
    let checks =
        Checks { strict: if args.strict { Strict::Yes } else { Strict::No }, keys: if args.offline { Keys::Closed } else { Keys::Opened } };
    let options = Options { path, listen: None };
    let located = || config::locate(&options, environment).into_iter().collect();
    let paths: Vec<PathBuf> = if args.files.is_empty() { located() } else { args.files.clone() };
    if args.fix && paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Error::new(Code::Usage, "standard input cannot be mended in its place").hint("name a file for --fix"));
    }
    let mut run = Run { environment, store, checks, said: String::new(), fix: args.fix };
    let files = match paths.as_slice() {
        [] => vec![config::validate_found(&options, environment, &run.store, checks)?],
        paths => paths.iter().map(|path| run.file(path)).collect(),
    };
    let format = if args.json { Format::Json } else { args.format };
    shown(format, &files, run.said)
}

/// One run over all files.
struct Run<'a> {
    environment: &'a Environment,
    store: Store,
    checks: Checks,
    /// What `--fix` did, for standard error.
    said: String,
    fix: bool,
}

impl Run<'_> {
    /// Checks a file; one that cannot be read is a finding like any other, and the next one is looked at.
    fn file(&mut self, path: &Path) -> Validation {
        let name = if path.as_os_str() == "-" { STDIN.to_owned() } else { path.display().to_string() };
        let bytes = if path.as_os_str() == "-" { stdin() } else { config::read(path) };
        match bytes {
            Ok(bytes) => {
                let bytes = if self.fix { self.mended(path, bytes) } else { bytes };
                config::validate_text(&name, &bytes, self.environment, &self.store, self.checks)
            }
            Err(error) => config::unreadable(&name, &error),
        }
    }

    /// The bytes after `--fix`.
    fn mended(&mut self, path: &Path, bytes: Vec<u8>) -> Vec<u8> {
        match mend(path, &bytes, self.environment, &self.store) {
            Ok(Mended::Nothing) => bytes,
            Ok(Mended::Written(fixed)) => {
                for change in &fixed.applied {
                    let (line, code) = (change.line, &change.code);
                    self.said += &format!("fixed: {}:{line}: {code}: {} → {}\n", path.display(), change.before, change.after);
                }
                fixed.text.into_bytes()
            }
            Err(error) => {
                self.said += &format!("warning[{}]: {}\n  = help: {}\n", error.code, error.message, error.advice());
                bytes
            }
        }
    }
}

fn stdin() -> Result<Vec<u8>, Error> {
    let unreadable =
        |error: std::io::Error| Error::new(Code::ConfigUnreadable, format!("standard input cannot be read: {error}")).caused_by(error);
    let most = usize::try_from(config::FILE_MAX).unwrap_or(usize::MAX);
    console::piped(most).map_err(unreadable)?.ok_or_else(|| {
        let message = format!("standard input is larger than {} bytes", config::FILE_MAX);
        Error::new(Code::ConfigUnreadable, message).hint("is it the right file?")
    })
}

fn shown(format: Format, files: &[Validation], said: String) -> Result<Output, Error> {
    let exit = if files.iter().any(|file| file.errors > 0) { EX_CONFIG } else { 0 };
    let notes: String = files.iter().flat_map(|file| &file.notes).map(|note| format!("note: {note}\n")).collect();
    let stderr = output::printable(&(said + &notes));
    let summary = summary(files);
    let (stdout, stderr) = match format {
        Format::Text => {
            let parts = files.iter().map(|file| file.rendered.as_str()).chain([summary.as_str()]);
            (parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"), stderr)
        }
        // A runner shows every line that is no command as it stands: the summary belongs to the log.
        Format::Github => (formats::github(files), stderr + &summary),
        Format::Json => (formats::json(files)?, stderr),
        Format::Sarif => (sarif(files), stderr),
        Format::Junit => (formats::junit(files), stderr),
    };
    Ok(Output { stdout, stderr, exit })
}

/// One line about the whole run; nothing where nothing was found.
fn summary(files: &[Validation]) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let errors: usize = files.iter().map(|file| file.errors).sum();
    let warnings: usize = files.iter().map(|file| file.warnings).sum();
    let found = match (errors, warnings) {
        (0, 0) => return String::new(),
        (0, warnings) => format!("valid, {}", count(warnings, "warning")),
        (errors, 0) => count(errors, "error"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    match files {
        [only] => format!("{}: {found}\n", only.name),
        files => {
            let with = files.iter().filter(|file| !file.findings.is_empty()).count();
            format!("{with} of {}: {found}\n", count(files.len(), "file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Root {
        #[command(flatten)]
        args: ValidateArgs,
    }

    fn outcome_of(args: &[&str], variables: &[(&str, &str)]) -> Result<Output, Error> {
        let root = Root::try_parse_from(["validate"].iter().chain(args)).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        outcome(&root.args, None, &Environment::new(variables))
    }

    fn output(args: &[&str], variables: &[(&str, &str)]) -> Output {
        outcome_of(args, variables).unwrap()
    }

    fn failure(args: &[&str], variables: &[(&str, &str)]) -> Error {
        outcome_of(args, variables).unwrap_err()
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.yaml");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    const LOCAL: &str = "version: 1\nproviders: { a: { dialect: openai-chat, base_url: \"http://127.0.0.1:1/v1\" } }\n";

    #[test]
    fn a_good_file_is_silent_and_ends_with_zero() {
        let (_folder, path) = file(LOCAL);
        let output = output(&[&path], &[]);
        assert_eq!(output, Output::default());
    }

    #[test]
    fn a_bad_file_ends_with_78_and_a_count() {
        let (_folder, path) = file("version: 2\nprovider: {}\n");
        let text = output(&[&path], &[]);
        assert_eq!(text.exit, 78);
        assert!(text.stdout.ends_with("c.yaml: 3 errors\n"), "{}", text.stdout);
        let json = output(&["--json", &path], &[]);
        assert_eq!(json.exit, 78);
        let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(value["errors"], 3);
        assert_eq!(value["findings"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn an_absent_key_is_a_warning_and_an_error_only_when_strict() {
        let (_folder, path) = file(&LOCAL.replace("openai-chat,", "openai-chat, key: nowhere,"));
        let mild = output(&[&path], &[]);
        assert!(mild.exit == 0 && mild.stdout.ends_with("valid, 1 warning\n"), "{}", mild.stdout);
        assert_eq!(output(&["--strict", &path], &[]).exit, 78);
    }

    #[test]
    fn no_file_and_no_key_ends_with_78_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let error = failure(&[], &[("HOME", home), ("XDG_CONFIG_HOME", home)]);
        assert_eq!((error.code, error.code.row().exit), (Code::ConfigMissing, 78));
        assert!(error.advice().contains("aimux keys add"));
    }

    #[test]
    fn a_file_that_is_absent_a_folder_too_large_or_open_to_all_is_refused() {
        let (folder, path) = file(&"#".repeat(1 << 21));
        let absent = folder.path().join("absent.yaml");
        for path in [absent.to_str().unwrap(), folder.path().to_str().unwrap(), &path] {
            let output = output(&[path], &[]);
            assert!(output.exit == 78 && output.stdout.contains("error[AIMUX-E0104]"), "{output:?}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::write(&path, LOCAL).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
            assert!(output(&[&path], &[]).stdout.contains("written by everybody"));
        }
    }

    #[test]
    fn each_code_is_explained_and_a_strange_one_is_not() {
        assert!(output(&["--explain", "E0114"], &[]).stdout.starts_with("AIMUX-E0114: unknown key"));
        assert!(output(&["--explain", "aimux-e0201"], &[]).stdout.starts_with("AIMUX-E0201"));
        assert_eq!(failure(&["--explain", "E9999"], &[]).code.row().exit, 64);
    }
}
