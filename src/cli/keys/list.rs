//! What `aimux keys list` shows: names, masked keys, ages, their use, who opens them, and former keys.

use std::collections::HashMap;

use super::life::{Life, ago};
use super::recipients::described;
use crate::date;
use crate::error::{Code, Error};
use crate::keys::{Opener, Retired, Store};
use crate::ledger::KeyRecord;

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

#[derive(Default)]
struct Row {
    name: String,
    masked: Option<String>,
    age_days: Option<u64>,
    stale: bool,
    problem: Option<String>,
    life: Life,
    /// What the ledger tells of it; `None`: nothing.
    record: Option<KeyRecord>,
    /// Seconds since 1970.
    now: u64,
}

impl Listing {
    /// `records`: what the ledger tells of keys, by name.
    pub(super) fn read(store: &Store, now: u64, stale_days: u64, mut records: HashMap<String, KeyRecord>) -> Result<Self, Error> {
        let protected = store.protected()?;
        let mut nobody = || Err(Error::new(Code::KeyUnavailable, "not asked for in a list"));
        // A plugin may want a device to be touched, for each key: a list asks nobody.
        let plugins = store.plugins()?;
        let opener = if protected == Some(false) && plugins.is_empty() { Some(store.opener(&mut nobody)?) } else { None };
        let row = |name: String| {
            let record = records.remove(&name);
            Row { record, ..Row::read(store, opener.as_ref(), name, now).judged(stale_days) }
        };
        let rows = store.names()?.into_iter().map(row).collect();
        Ok(Self { protected, plugins, recipients: store.recipients()?, rows, retired: store.retired()? })
    }

    pub(super) fn json(&self) -> String {
        let retired = |retired: &Retired| {
            let until = retired.until.map(date::rfc3339);
            serde_json::json!({ "name": retired.name, "since": date::rfc3339(retired.since), "until": until, "path": retired.path.display().to_string() })
        };
        let retired: Vec<serde_json::Value> = self.retired.iter().map(retired).collect();
        let keys: Vec<serde_json::Value> = self.rows.iter().map(Row::json).collect();
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
        // What is refreshed is new again, however old its login is.
        let renewed = self.life.refreshed.map(|refreshed| self.now.saturating_sub(refreshed) / DAY_S);
        Self { stale: renewed.or(self.age_days).is_some_and(|days| days >= stale_days), ..self }
    }

    fn read(store: &Store, opener: Option<&Opener<'_>>, name: String, now: u64) -> Self {
        let days = |created: u64| Some(now.saturating_sub(created) / DAY_S);
        let read = match opener {
            Some(opener) => opener.read(&name).map(|key| (Some(key.secret.masked()), days(key.created), Life::of(&key))),
            None => store.changed(&name).map(|changed| (None, days(changed), Life::default())),
        };
        let row = Self { name, now, ..Self::default() };
        match read {
            Ok((masked, age_days, life)) => Self { masked, age_days, life, ..row },
            Err(error) => Self { problem: Some(error.message), ..row },
        }
    }

    fn json(&self) -> serde_json::Value {
        let Life { expires, refreshed, .. } = self.life;
        let moment = |ms: u64| date::rfc3339(ms / 1000);
        let error = self.record.as_ref().and_then(|record| record.error.as_ref());
        let error = error.map(|error| serde_json::json!({ "time": moment(error.time_ms), "status": error.status, "code": error.code }));
        serde_json::json!({
            "name": self.name, "masked": self.masked, "age_days": self.age_days, "stale": self.stale, "problem": self.problem,
            "last_used": self.record.as_ref().map(|record| moment(record.used_ms)), "last_error": error,
            "expires": expires.map(date::rfc3339), "refreshed": refreshed.map(date::rfc3339), "renews": self.life.renews,
        })
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
        format!("{:width$}  {masked:10}  {rest}{}", self.name, self.told())
    }

    /// What else is known of it, behind its age.
    fn told(&self) -> String {
        let since = |ms: u64| ago(self.now.saturating_sub(ms / 1000));
        let mut told = Vec::from_iter(self.life.words(self.now));
        if let Some(record) = &self.record {
            told.push(format!("used {}", since(record.used_ms)));
            told.extend(record.error.as_ref().map(|error| {
                let status = error.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                format!("last error {status} (AIMUX-{}) {}", error.code, since(error.time_ms))
            }));
        }
        told.iter().fold(String::new(), |line, word| line + "; " + word)
    }
}
