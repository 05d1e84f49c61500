//! The config: what the strict validator says of it, and where its values come from.

use std::os::unix::fs::PermissionsExt as _;

use super::At;
use super::finding::{Finding, Fix, Group};
use crate::config::{self, Checks, Extent, FindingLine, Keys, Origin, ShownValue, Strict};
use crate::error::{Code, Error};

/// So many of the validator's findings are told one by one.
const TOLD_MAX: usize = 12;

pub(super) fn check(at: &At<'_>) -> Vec<Finding> {
    // Key files are looked into by their own checks.
    let checks = Checks { strict: Strict::No, keys: Keys::Closed };
    let validation = match config::validate_found(&at.options(), at.environment, &at.store, checks) {
        Ok(validation) => validation,
        Err(error) => return vec![unusable(at, &error)],
    };
    let mut found: Vec<Finding> = validation.findings.iter().take(TOLD_MAX).map(told).collect();
    if let Some(more) = validation.findings.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
        found.push(Finding::warning(Group::Config, "config", format!("{more} more findings")).mend("aimux config validate"));
    }
    if validation.findings.is_empty() {
        found.push(Finding::ok(Group::Config, "config", format!("{} is valid", validation.name)));
    }
    found.extend(origins(at));
    found
}

fn unusable(at: &At<'_>, error: &Error) -> Finding {
    let found = Finding::error(Group::Config, "config", &error.message).why(error.advice());
    if error.code == Code::ConfigMissing {
        return found.mend("aimux keys add anthropic");
    }
    let mode = config::locate(&at.options(), at.environment)
        .and_then(|path| Some((path.metadata().ok().filter(std::fs::Metadata::is_file)?.permissions().mode() & 0o777, path)));
    match mode {
        Some((mode, path)) if mode & 0o002 != 0 => found.fix(Fix::Mode(path, mode & !0o022)),
        _ => found.mend("aimux config init"),
    }
}

fn told(finding: &FindingLine) -> Finding {
    let what = format!("{}:{}: {}", finding.file, finding.line, finding.message);
    let found = if finding.severity == "error" {
        Finding::error(Group::Config, "config", what)
    } else {
        Finding::warning(Group::Config, "config", what)
    };
    let found = if finding.help.is_empty() { found } else { found.why(&finding.help) };
    found.mend(if finding.fixable {
        "aimux config validate --fix".to_owned()
    } else {
        format!("aimux config validate --explain {}", finding.code.trim_start_matches("AIMUX-"))
    })
}

/// Where the values come from, in short: what overrides the file is what its reader would not guess.
fn origins(at: &At<'_>) -> Option<Finding> {
    let shown = config::show(&at.options(), at.environment, &at.store, Extent::Given).ok()?;
    let (mut of_file, mut variables) = (0_usize, Vec::new());
    for row in &shown.rows {
        match &row.value {
            ShownValue::Given { origin: Origin::File(..), .. } => of_file += 1,
            ShownValue::Given { origin: Origin::Variable(name), .. } => variables.push(format!("{name} sets {}", row.path)),
            _ => {}
        }
    }
    let noun = if of_file == 1 { "value comes" } else { "values come" };
    let from = if config::locate(&at.options(), at.environment).is_some() { "the file" } else { "the keys at hand, as there is no file" };
    Some(if variables.is_empty() {
        Finding::ok(Group::Config, "origin", format!("{of_file} {noun} from {from}, all others are defaults"))
    } else {
        let what = format!("{of_file} {noun} from {from}, {} from the environment", variables.len());
        Finding::ok(Group::Config, "origin", what).why(variables.join("\n"))
    })
}
