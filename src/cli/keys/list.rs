//! What `aimux keys list` shows: names, masked keys, ages.

use crate::error::{Code, Error};
use crate::keys::{Opener, Store};

const DAY_S: u64 = 86_400;

/// What `list` shows.
pub(super) struct Listing {
    protected: Option<bool>,
    recipients: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    masked: Option<String>,
    age_days: Option<u64>,
    problem: Option<String>,
}

impl Listing {
    pub(super) fn read(store: &Store, now: u64) -> Result<Self, Error> {
        let protected = store.protected()?;
        let mut nobody = || Err(Error::new(Code::KeyUnavailable, "not asked for in a list"));
        let opener = if protected == Some(false) { Some(store.opener(&mut nobody)?) } else { None };
        let rows = store.names()?.into_iter().map(|name| Row::read(store, opener.as_ref(), name, now)).collect();
        Ok(Self { protected, recipients: store.recipients()?, rows })
    }

    pub(super) fn json(&self) -> String {
        let row =
            |row: &Row| serde_json::json!({ "name": row.name, "masked": row.masked, "age_days": row.age_days, "problem": row.problem });
        let keys: Vec<serde_json::Value> = self.rows.iter().map(row).collect();
        let identity = serde_json::json!({ "present": self.protected.is_some(), "protected": self.protected.unwrap_or(false) });
        let all = serde_json::json!({ "identity": identity, "recipients": self.recipients, "keys": keys });
        format!("{all:#}")
    }

    pub(super) fn table(&self, store: &Store) -> String {
        if self.rows.is_empty() {
            return format!("no keys in {}; add one with `aimux keys add anthropic`", store.folder.display());
        }
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(4);
        let mut lines = vec![format!("{:width$}  {:10}  {}", "NAME", "KEY", "AGE")];
        lines.extend(self.rows.iter().map(|row| row.line(width)));
        lines.push(String::new());
        lines.push(match self.protected {
            None => format!("no identity at {}: the keys cannot be opened", store.identity.display()),
            Some(true) => format!("identity {}, protected by a passphrase", store.identity.display()),
            Some(false) => format!("identity {}", store.identity.display()),
        });
        lines.extend(self.recipients.iter().map(|public| format!("recipient {public}")));
        lines.join("\n")
    }
}

impl Row {
    fn read(store: &Store, opener: Option<&Opener<'_>>, name: String, now: u64) -> Self {
        let days = |created: u64| Some(now.saturating_sub(created) / DAY_S);
        let read = match opener {
            Some(opener) => opener.read(&name).map(|key| (Some(key.secret.masked()), days(key.created))),
            None => store.changed(&name).map(|changed| (None, days(changed))),
        };
        match read {
            Ok((masked, age_days)) => Self { name, masked, age_days, problem: None },
            Err(error) => Self { name, masked: None, age_days: None, problem: Some(error.message) },
        }
    }

    fn line(&self, width: usize) -> String {
        let masked = self.masked.as_deref().unwrap_or("—");
        let rest = match (&self.problem, self.age_days) {
            (Some(problem), _) => problem.clone(),
            (None, Some(1)) => "1 day".to_owned(),
            (None, Some(days)) => format!("{days} days"),
            (None, None) => "—".to_owned(),
        };
        format!("{:width$}  {masked:10}  {rest}", self.name)
    }
}
