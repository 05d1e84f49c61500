//! `aimux statusline`: what really answers a session of Claude Code, what it cost, how much came from a cache, and what failed. One line,
//! from the running server; the config is not read, so that it takes milliseconds.
//!
//! It never fails: a status line that is an error message helps nobody.

use std::borrow::Cow;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;

use super::{CliError, known, output};
use crate::config::Environment;
use crate::server::control::{self, SessionTold};

/// The longest that is read, in bytes.
const INPUT_MAX: u64 = 1 << 20;

/// What Claude Code says, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    #[serde(borrow)]
    session_id: Option<Cow<'a, str>>,
}

/// Prints the line.
pub(crate) fn run(path: Option<PathBuf>, environment: &Environment) -> Result<ExitCode, CliError> {
    let mut input = String::new();
    // What is not text has no session in it.
    let _ = std::io::stdin().take(INPUT_MAX).read_to_string(&mut input);
    let said: Said<'_> = serde_json::from_str(&input).unwrap_or_default();
    let is_id =
        |id: &str| !id.is_empty() && id.len() <= 200 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    let line = match said.session_id.as_deref().filter(|id| is_id(id)) {
        None => "aimux".to_owned(),
        Some(id) => {
            let socket = known::socket(path, environment);
            control::session(&socket, id).map_or_else(|_| "aimux: no server runs".to_owned(), |told| line(&told))
        }
    };
    output::print(&format!("{}\n", output::printable(&line)));
    Ok(ExitCode::SUCCESS)
}

fn line(told: &SessionTold) -> String {
    let mut parts = Vec::new();
    if let Some(sum) = &told.sum {
        if !sum.model.is_empty() {
            parts.push(format!("{}/{}", sum.provider, sum.model));
        }
        // All unpriced: nobody knows.
        if sum.unpriced < sum.requests {
            let more = if sum.unpriced > 0 { "+" } else { "" };
            let micro = sum.cost_micro_usd;
            parts.push(format!("${}.{:04}{more}", micro / 1_000_000, micro % 1_000_000 / 100));
        }
        if let Some(share) = sum.cache_share {
            parts.push(format!("cache {:.0} %", share * 100.0));
        }
        match sum.failovers {
            0 => {}
            1 => parts.push("1 failover".to_owned()),
            count => parts.push(format!("{count} failovers")),
        }
    }
    if let Some(model) = &told.switched {
        parts.push(format!("switched to {model}"));
    }
    if parts.is_empty() { "aimux".to_owned() } else { parts.join(" · ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::SessionSum;

    #[test]
    fn the_line_has_what_is_known() {
        let sum = SessionSum {
            provider: "zai".to_owned(),
            model: "glm-5.1".to_owned(),
            requests: 3,
            cost_micro_usd: 1_234_567,
            unpriced: 0,
            cache_share: Some(0.874),
            failovers: 2,
        };
        let told = |sum: Option<SessionSum>, switched: Option<&str>| line(&SessionTold { sum, switched: switched.map(str::to_owned) });
        assert_eq!(told(Some(sum.clone()), None), "zai/glm-5.1 · $1.2345 · cache 87 % · 2 failovers");
        let partly = SessionSum { unpriced: 1, failovers: 1, cache_share: None, ..sum.clone() };
        assert_eq!(told(Some(partly), Some("local/x")), "zai/glm-5.1 · $1.2345+ · 1 failover · switched to local/x");
        assert_eq!(told(Some(SessionSum { unpriced: 3, failovers: 0, cache_share: None, ..sum }), None), "zai/glm-5.1");
        assert_eq!(told(None, None), "aimux");
    }
}
