//! What `aimux keys list` shows: names, masked keys, ages, who opens them, and former keys.

use super::recipients::described;
use crate::date;
use crate::error::{Code, Error};
use crate::keys::{Opener, Retired, Store};

const DAY_S: u64 = 86_400;
/// From which age on a key is called stale.
pub(super) const STALE_DAYS: u64 = 90;

/// What `list` shows.
pub(super) struct Listing {
    protected: Option<bool>,
    /// What the identity needs to open anything.
    plugins: Vec<String>,
    recipients: Vec<String>,
    rows: Vec<Row>,
    retired: Vec<Retired>,
}

struct Row {
    name: String,
    masked: Option<String>,
    age_days: Option<u64>,
    stale: bool,
    problem: Option<String>,
}

impl Listing {
    pub(super) fn read(store: &Store, now: u64, stale_days: u64) -> Result<Self, Error> {
        let protected = store.protected()?;
        let mut nobody = || Err(Error::new(Code::KeyUnavailable, "not asked for in a list"));
        // A plugin may want a device to be touched, for each key: a list asks nobody.
        let plugins = store.plugins()?;
        let opener = if protected == Some(false) && plugins.is_empty() { Some(store.opener(&mut nobody)?) } else { None };
        let rows = store.names()?.into_iter().map(|name| Row::read(store, opener.as_ref(), name, now).judged(stale_days)).collect();
        Ok(Self { protected, plugins, recipients: store.recipients()?, rows, retired: store.retired()? })
    }

    pub(super) fn json(&self) -> String {
        let row = |row: &Row| serde_json::json!({ "name": row.name, "masked": row.masked, "age_days": row.age_days, "stale": row.stale, "problem": row.problem });
        let retired = |retired: &Retired| {
            let until = retired.until.map(date::rfc3339);
            serde_json::json!({ "name": retired.name, "since": date::rfc3339(retired.since), "until": until, "path": retired.path.display().to_string() })
        };
        let retired: Vec<serde_json::Value> = self.retired.iter().map(retired).collect();
        let keys: Vec<serde_json::Value> = self.rows.iter().map(row).collect();
        let identity = serde_json::json!({ "present": self.protected.is_some(), "protected": self.protected.unwrap_or(false), "plugins": self.plugins });
        let all = serde_json::json!({ "identity": identity, "recipients": self.recipients, "keys": keys, "retired": retired });
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
            Some(false) if self.plugins.is_empty() => format!("identity {}", store.identity.display()),
            Some(false) => format!("identity {}, opened by age-plugin-{}", store.identity.display(), self.plugins.join(", age-plugin-")),
        });
        lines.extend(self.recipients.iter().map(|public| format!("recipient {}", described(public))));
        lines.extend(self.retired.iter().map(|retired| {
            let what = if retired.name.starts_with('.') { "former identity".to_owned() } else { format!("former {}", retired.name) };
            let until = retired.until.map_or_else(|| "for good".to_owned(), |until| format!("until {}", date::rfc3339(until)));
            format!("{what}, replaced {}, kept {until}", date::rfc3339(retired.since))
        }));
        lines.join("\n")
    }
}

impl Row {
    fn judged(self, stale_days: u64) -> Self {
        Self { stale: self.age_days.is_some_and(|days| days >= stale_days), ..self }
    }

    fn read(store: &Store, opener: Option<&Opener<'_>>, name: String, now: u64) -> Self {
        let days = |created: u64| Some(now.saturating_sub(created) / DAY_S);
        let read = match opener {
            Some(opener) => opener.read(&name).map(|key| (Some(key.secret.masked()), days(key.created))),
            None => store.changed(&name).map(|changed| (None, days(changed))),
        };
        match read {
            Ok((masked, age_days)) => Self { name, masked, age_days, stale: false, problem: None },
            Err(error) => Self { name, masked: None, age_days: None, stale: false, problem: Some(error.message) },
        }
    }

    fn line(&self, width: usize) -> String {
        let masked = self.masked.as_deref().unwrap_or("—");
        let rest = match (&self.problem, self.age_days) {
            (Some(problem), _) => problem.clone(),
            (None, Some(1)) if !self.stale => "1 day".to_owned(),
            (None, Some(days)) if self.stale => format!("{days} days, stale: `aimux keys rotate {}`", self.name),
            (None, Some(days)) => format!("{days} days"),
            (None, None) => "—".to_owned(),
        };
        format!("{:width$}  {masked:10}  {rest}", self.name)
    }
}
