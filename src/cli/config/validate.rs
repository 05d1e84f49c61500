//! `aimux config validate`: every mistake of a config, for people and for programs.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{CliError, output};
use crate::config::{Environment, Options, Strict, Validation, explain, validate};
use crate::error::{Code, Error};
use crate::keys::Store;

/// Exit code of a config with errors.
const EX_CONFIG: u8 = 78;

/// Arguments of `aimux config validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// The file, `-` for standard input; else AIMUX_CONFIG, else the usual one
    file: Option<PathBuf>,
    /// Take a key file or variable that is not there as an error, as `serve` does
    #[arg(long)]
    strict: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Explain a code, `E0114` say, and do nothing else
    #[arg(long, value_name = "CODE", conflicts_with_all = ["file", "strict", "json"])]
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
    let Some(code) = &args.explain else { return check(args, path, environment) };
    match explain(code) {
        Some(stdout) => Ok(Output { stdout, ..Output::default() }),
        None => Err(Error::new(Code::Usage, "no finding has that code").hint("docs/config.md lists them")),
    }
}

fn check(args: &ValidateArgs, path: Option<PathBuf>, environment: &Environment) -> Result<Output, Error> {
    let identity = environment.get("AIMUX_IDENTITY").map(PathBuf::from);
    let store = Store::new(&environment.config_folder(), identity.as_deref());
    let strict = if args.strict { Strict::Yes } else { Strict::No };
    let file = args.file.as_ref().map(|file| if file.as_os_str() == "-" { PathBuf::from("/dev/stdin") } else { file.clone() });
    let options = Options { path: file.or(path), listen: None };
    let found = validate(&options, environment, &store, strict)?;
    if args.json { json(&found) } else { Ok(text(&found)) }
}

fn exit(found: &Validation) -> u8 {
    if found.errors > 0 { EX_CONFIG } else { 0 }
}

fn text(found: &Validation) -> Output {
    let notes: String = found.notes.iter().map(|note| format!("note: {note}\n")).collect();
    let gap = if found.rendered.is_empty() { "" } else { "\n" };
    let stdout = format!("{}{gap}{}: {}\n", found.rendered, found.name, summary(found));
    Output { stdout, stderr: notes, exit: exit(found) }
}

fn summary(found: &Validation) -> String {
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    match (found.errors, found.warnings) {
        (0, 0) => "valid".to_owned(),
        (0, warnings) => format!("valid, {}", count(warnings, "warning")),
        (errors, 0) => count(errors, "error"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

fn json(found: &Validation) -> Result<Output, Error> {
    #[derive(serde::Serialize)]
    struct Shape<'a> {
        file: &'a str,
        errors: usize,
        warnings: usize,
        findings: &'a [crate::config::FindingLine],
    }
    let shape = Shape { file: &found.name, errors: found.errors, warnings: found.warnings, findings: &found.findings };
    let text = serde_json::to_string_pretty(&shape)
        .map_err(|error| Error::new(Code::Bug, "the findings could not be written").caused_by(error))?;
    Ok(Output { stdout: text + "\n", stderr: String::new(), exit: exit(found) })
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
    fn a_good_file_is_valid_and_ends_with_zero() {
        let (_folder, path) = file(LOCAL);
        let output = output(&[&path], &[]);
        assert_eq!(output, Output { stdout: format!("{path}: valid\n"), ..Output::default() });
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
            let error = failure(&[path], &[]);
            assert_eq!((error.code, error.code.row().exit), (Code::ConfigUnreadable, 78), "{error}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::write(&path, LOCAL).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
            assert!(failure(&[&path], &[]).message.contains("written by everybody"));
        }
    }

    #[test]
    fn each_code_is_explained_and_a_strange_one_is_not() {
        assert!(output(&["--explain", "E0114"], &[]).stdout.starts_with("AIMUX-E0114: unknown key"));
        assert!(output(&["--explain", "aimux-e0201"], &[]).stdout.starts_with("AIMUX-E0201"));
        assert_eq!(failure(&["--explain", "E9999"], &[]).code.row().exit, 64);
    }
}
