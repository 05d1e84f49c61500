//! From a path to a config that is ready: find it, read it, override it, check it, open its keys.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{self, Checked};
use super::diagnostic::{Diagnostic, Finding, Report, Severity, Source, Span};
use super::environment::Environment;
use super::key_sources::Source as KeySource;
use super::tree::{self, Node};
use super::{
    DatabaseKey, LoadError, McpServer, Options, Ready, Server, allowances, database, made, mcp, overrides, providers, route_tests,
};
use crate::database::Place;
use crate::error::{Code, Error};
use crate::keys::Store;
use crate::keys::oauth::Gives;
use crate::provider::measured::{self, Measured};
use crate::route::Table;
use crate::route::table::{Key, Provider, Token};
use crate::secret::Secret;

/// The most bytes of a config file.
pub(crate) const FILE_MAX: u64 = 1 << 20;

/// A config that has been read and checked, its keys still closed.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The file; `None`: made from the keys at hand.
    pub(crate) path: Option<PathBuf>,
    /// What it says; `None` where it could not be read as YAML.
    pub(crate) checked: Option<Checked>,
    /// What was found.
    pub(crate) report: Report,
    /// Lines for the user.
    pub(crate) notes: Vec<String>,
}

/// Finds, reads and checks the config.
///
/// # Errors
/// When there is none, or it cannot be read at all.
pub(crate) fn load(options: &Options, environment: &Environment, store: &Store) -> Result<Loaded, Error> {
    let Found { path, name, bytes, notes } = find(options, environment, store)?;
    let (checked, report) = examine(&name, &bytes, options, environment, store);
    Ok(Loaded { path, checked, report, notes })
}

/// A config that has been found and read, not yet looked into.
#[derive(Debug)]
pub(crate) struct Found {
    /// The file; `None`: made from the keys at hand.
    pub(crate) path: Option<PathBuf>,
    /// What it is called in messages.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Lines for the user.
    pub(crate) notes: Vec<String>,
}

/// Finds and reads the config.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) fn find(options: &Options, environment: &Environment, store: &Store) -> Result<Found, Error> {
    if let Some(path) = locate(options, environment) {
        let bytes = read(&path)?;
        return Ok(Found { name: path.display().to_string(), path: Some(path), bytes, notes: Vec::new() });
    }
    let Some(made) = made::make(environment, store) else {
        let folder = environment.config_folder();
        let message = format!("there is no config at {} and no provider's key at hand", folder.join("config.yaml").display());
        return Err(Error::new(Code::ConfigMissing, message));
    };
    Ok(Found { path: None, name: "made from the keys at hand".to_owned(), bytes: made.text.into_bytes(), notes: vec![made.note] })
}

/// `--config`, else `AIMUX_CONFIG`, else the file in the config folder if there is one. Never the working folder.
pub(crate) fn locate(options: &Options, environment: &Environment) -> Option<PathBuf> {
    options.path.clone().or_else(|| environment.get("AIMUX_CONFIG").map(PathBuf::from)).or_else(|| {
        let usual = environment.config_folder().join("config.yaml");
        usual.symlink_metadata().is_ok().then_some(usual)
    })
}

/// The same, be it there or not.
pub(crate) fn usual(options: &Options, environment: &Environment) -> PathBuf {
    locate(options, environment).unwrap_or_else(|| environment.config_folder().join("config.yaml"))
}

/// Reads a config file.
///
/// # Errors
/// When it is no file, too large, or everybody may write to it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |what: String| Error::new(Code::ConfigUnreadable, format!("config {}: {what}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(format!("cannot be opened: {error}")))?;
    let about = file.metadata().map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if about.is_dir() {
        return Err(unreadable("is a folder".to_owned()).hint("name the file in it"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if about.is_file() && about.permissions().mode() & 0o002 != 0 {
            return Err(unreadable("may be written by everybody".to_owned()).hint(format!("chmod o-w {}", path.display())));
        }
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(unreadable(format!("is larger than {FILE_MAX} bytes")).hint("is it the right file?"));
    }
    Ok(bytes)
}

/// Whose file it is, when it is neither ours nor the system's: they decide where our keys are sent. Containers often
/// mount one so; it is said, not refused.
fn foreign_owner(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let about = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    is_foreign(about.uid(), rustix::process::geteuid().as_raw())
        .then(|| format!("{} belongs to another user (uid {}), who decides where your keys are sent", path.display(), about.uid()))
}

fn is_foreign(owner: u32, own: u32) -> bool {
    owner != own && owner != 0
}

/// Checks the bytes of a config: the one validator.
pub(crate) fn examine(name: &str, bytes: &[u8], options: &Options, environment: &Environment, store: &Store) -> (Option<Checked>, Report) {
    let (root, report) = parsed(name, bytes, options, environment);
    let Some(root) = root else { return (None, report) };
    let (mut checked, mut report) = check::check(root, report, environment, store);
    if !checked.tests.is_empty() && report.errors() == 0 {
        checked.table.providers = checked.providers.iter().map(|provider| Arc::new(providers::closed(provider.clone()))).collect();
        route_tests::run(&checked.tests, &checked.table, &mut report);
    }
    (Some(checked), report)
}

/// The bytes as a tree, with the overrides of the environment and the command line in their places; `None` where they are
/// no YAML.
pub(crate) fn parsed(name: &str, bytes: &[u8], options: &Options, environment: &Environment) -> (Option<Node>, Report) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut report = Report { sources: vec![Source { name: name.to_owned(), text }], ..Report::default() };
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        let span = Span { source: 0, start: at, end: at + 1 };
        let diagnostic = Diagnostic::new(Finding::Syntax, span, "", "the file is not UTF-8", "this byte is no character");
        report.push(diagnostic.help("save it as UTF-8, if it is a config at all"));
        return (None, report);
    }
    let text = report.sources.first().map(|source| source.text.clone()).unwrap_or_default();
    let mut root = match tree::parse(&text, 0) {
        Ok(root) => root,
        Err(diagnostic) => {
            report.secrets = suspicious_values(&text);
            report.push(*diagnostic);
            return (None, report);
        }
    };
    if matches!(root.value, tree::Value::Map(_)) || root.is_null() {
        overrides::apply(&mut root, &mut report, environment);
        if let Some(listen) = options.listen {
            let path = ["server".to_owned(), "listen".to_owned()];
            overrides::set(&mut root, &mut report, "--listen", &format!("\"{listen}\""), &path);
        }
        overrides::strangers(&mut report, environment);
    }
    (Some(root), report)
}

/// What stands after the colon of fields that may hold a secret, found without a tree.
fn suspicious_values(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let word = |word: &str| super::mask::looks_like_secret_field(word);
        let is_suspicious = line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).any(word);
        if let Some(colon) = line.find(':').filter(|_| is_suspicious) {
            spans.push(Span { source: 0, start: start + colon + 1, end: start + line.trim_end().len() });
        }
        start += line.len();
    }
    spans
}

/// Loads, checks and opens: see [`super::ready`].
pub(crate) fn ready(
    options: &Options,
    environment: &Environment,
    store: &Store,
    passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
) -> Result<Ready, LoadError> {
    let mut loaded = load(options, environment, store).map_err(LoadError::Other)?;
    strict(&mut loaded.report);
    allowances::apply(&mut loaded.report);
    loaded.notes.extend(loaded.path.as_deref().and_then(foreign_owner));
    compiled(loaded, environment, Opener::new(environment, store, Some(passphrase)))
}

/// The same, opening only what these providers need: see [`super::ready_for`].
pub(crate) fn ready_for(
    options: &Options,
    environment: &Environment,
    store: &Store,
    passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
    providers: &[String],
) -> Result<Ready, LoadError> {
    let mut loaded = load(options, environment, store).map_err(LoadError::Other)?;
    allowances::apply(&mut loaded.report);
    compiled(loaded, environment, Opener { only: Some(providers), ..Opener::new(environment, store, Some(passphrase)) })
}

/// Loads and checks, but opens no key: see [`super::outline`].
pub(crate) fn outline(options: &Options, environment: &Environment, store: &Store) -> Result<Ready, LoadError> {
    let mut loaded = load(options, environment, store).map_err(LoadError::Other)?;
    allowances::apply(&mut loaded.report);
    compiled(loaded, environment, Opener::new(environment, store, None))
}

/// A provider, without its keys, and where they are.
pub(super) type Used = (Arc<Provider>, Vec<KeySource>);

/// The providers and their keys' places: see [`super::key_uses()`].
pub(super) fn uses(options: &Options, environment: &Environment, store: &Store) -> Result<Vec<Used>, LoadError> {
    let loaded = load(options, environment, store).map_err(LoadError::Other)?;
    let errors = loaded.report.errors();
    let (Some(checked), 0) = (loaded.checked, errors) else {
        return Err(LoadError::Invalid { rendered: loaded.report.render(), errors });
    };
    let mut closed = Opener::new(environment, store, None);
    let with_sources = |provider: super::providers::Provider| {
        let sources = provider.keys.clone();
        Ok((Arc::new(closed.open(provider).map_err(LoadError::Other)?), sources))
    };
    checked.providers.into_iter().map(with_sources).collect()
}

/// The servers of tools: see [`super::mcp_servers`].
pub(super) fn mcp_servers(
    options: &Options,
    environment: &Environment,
    store: &Store,
    passphrase: &mut dyn FnMut() -> Result<Secret, Error>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<McpServer>, LoadError> {
    let loaded = load(options, environment, store).map_err(LoadError::Other)?;
    let errors = loaded.report.errors();
    let (Some(checked), 0) = (loaded.checked, errors) else {
        return Err(LoadError::Invalid { rendered: loaded.report.render(), errors });
    };
    let mut opener = Opener::new(environment, store, Some(passphrase));
    let mut opened = |mcp::Read { mut server, key }: mcp::Read| {
        if let Some((place, source)) = key.filter(|_| is_wanted(&server.name)) {
            let key = opener.key(&source, &format!("mcp.{}", server.name)).map_err(LoadError::Other)?;
            server.key = Some((place, key.secret));
        }
        Ok(server)
    };
    checked.mcp.into_iter().map(&mut opened).collect()
}

fn compiled(loaded: Loaded, environment: &Environment, mut opener: Opener<'_>) -> Result<Ready, LoadError> {
    let errors = loaded.report.errors();
    let (Some(checked), 0) = (loaded.checked, errors) else {
        return Err(LoadError::Invalid { rendered: loaded.report.render(), errors });
    };
    let mut notes = loaded.notes;
    for found in &loaded.report.diagnostics {
        let (line, column) = loaded.report.position(found.span);
        let place = format!("{}:{line}:{column}", loaded.report.name(found.span));
        notes.push(format!("{place}: {}[AIMUX-{}]: {}", found.severity.name(), found.finding.row().id, super::mask::shown(&found.message)));
    }
    let token = checked.server.token.as_deref().map(|name| client_token(name, environment)).transpose().map_err(LoadError::Other)?;
    let super::check::Server { listen, token: _, hosts, watch, idle_exit } = checked.server;
    let server = Server { listen, token, hosts, watch, idle_exit };
    // What cannot be read is no reason to serve nobody: then it is as if nothing had been measured.
    let measured = Measured::load(&environment.state_folder().join(measured::FILE)).unwrap_or_else(|error| {
        notes.push(format!("{}: {}", error.message, error.advice()));
        Measured::default()
    });
    let (mut ledger, mut history) = (checked.ledger, checked.history);
    let places = [&mut ledger.place, &mut history.place];
    // Elsewhere it is opened by who asks the database.
    if opener.passphrase.is_some() && opener.only.is_none() && places.iter().any(|place| matches!(place, Place::Postgres(_))) {
        let password = database::password(&mut opener, checked.database_key.as_ref()).map_err(LoadError::Other)?;
        places.into_iter().for_each(|place| database::put(place, Ok(&password)));
    }
    let mut providers = Vec::new();
    for provider in checked.providers {
        let mut opened = opener.open(provider).map_err(LoadError::Other)?;
        let base_urls: Vec<&str> = opened.endpoints.iter().map(|endpoint| endpoint.base_url.as_str()).collect();
        opened.measured = measured.of(&opened.name, &base_urls).cloned().collect();
        providers.push(Arc::new(opened));
    }
    Ok(Ready {
        path: loaded.path,
        server,
        limits: checked.limits,
        ledger,
        history,
        database_key: DatabaseKey::new(checked.database_key),
        table: Table { providers, ..checked.table },
        notes,
        written: checked.written,
    })
}

fn client_token(name: &str, environment: &Environment) -> Result<Secret, Error> {
    let missing = || Error::new(Code::KeyUnavailable, format!("the variable {name}, the server's client token, is not set"));
    environment.get(name).map(|token| Secret::new(token.to_owned())).ok_or_else(|| missing().hint("set it to what the server has"))
}

/// Makes an absent secret an error: where requests are to be served, it is one. Servers of tools are none of that.
pub(crate) fn strict(report: &mut Report) {
    for found in report.diagnostics.iter_mut().filter(|found| !found.path.starts_with("mcp.")) {
        if matches!(found.finding, Finding::KeyAbsent | Finding::KeyClosed) {
            found.severity = Severity::Error;
        }
    }
}

/// Opens keys; the identity once, and only when there is a file to open.
pub(super) struct Opener<'a> {
    pub(super) environment: &'a Environment,
    pub(super) store: &'a Store,
    /// `None`: nothing is opened.
    pub(super) passphrase: Option<&'a mut dyn FnMut() -> Result<Secret, Error>>,
    pub(super) identity: Option<crate::keys::Opener<'a>>,
    /// The providers whose keys are wanted; `None`: all.
    pub(super) only: Option<&'a [String]>,
}

/// A key that was opened.
pub(super) struct Opened {
    name: String,
    pub(super) secret: Secret,
    /// The file's, where it can be refreshed.
    pub(super) token: Option<crate::keys::Key>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        store: &'a Store,
        passphrase: Option<&'a mut dyn FnMut() -> Result<Secret, Error>>,
    ) -> Self {
        Self { environment, store, passphrase, identity: None, only: None }
    }

    fn open(&mut self, provider: super::providers::Provider) -> Result<Provider, Error> {
        let is_wanted = self.only.is_none_or(|only| only.contains(&provider.name.text));
        let wanted = if self.passphrase.is_some() && is_wanted { provider.keys.clone() } else { Vec::new() };
        let mut opened = providers::closed(provider);
        for source in &wanted {
            let key = self.key(source, &opened.name)?;
            let oauth = opened.oauth.as_ref().filter(|oauth| oauth.gives == Gives::Tokens);
            let token = key.token.as_ref().and_then(|key| {
                Some(Token { oauth: Arc::clone(oauth?), login: key.created, fetched: key.fetched(), expires: key.expires })
            });
            opened.keys.push(Key { name: key.name, secret: key.secret, token });
        }
        Ok(opened)
    }

    pub(super) fn key(&mut self, source: &KeySource, provider: &str) -> Result<Opened, Error> {
        let mut token = None;
        let (name, secret) = match source {
            KeySource::File(name) => {
                let key = self.file(name)?;
                token = key.refresh.is_some().then(|| key.clone());
                (name.clone(), key.secret)
            }
            KeySource::Command(command) => (command.label(), command.run()?),
            KeySource::Variable(name) => {
                let value = self.environment.get(name).ok_or_else(|| {
                    Error::new(Code::KeyUnavailable, format!("the variable {name}, the key of provider \"{provider}\", is not set"))
                })?;
                (name.clone(), Secret::new(value.trim().to_owned()))
            }
        };
        if http::HeaderValue::from_str(secret.expose()).is_err() || secret.expose().is_empty() {
            let message = format!("the key \"{name}\" of provider \"{provider}\" is empty or has characters that no key has");
            return Err(Error::new(Code::KeyUnavailable, message).hint(format!("replace it: `aimux keys add {name}`")));
        }
        Ok(Opened { name, secret, token })
    }

    fn file(&mut self, name: &str) -> Result<crate::keys::Key, Error> {
        if let (None, Some(passphrase)) = (&self.identity, &mut self.passphrase) {
            self.identity = Some(self.store.opener(passphrase)?);
        }
        match &self.identity {
            Some(identity) => identity.read(name),
            None => Err(Error::new(Code::KeyUnavailable, format!("key \"{name}\" could not be opened"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_root_and_oneself_are_no_strangers() {
        assert!(super::is_foreign(1000, 0) && super::is_foreign(1001, 1000));
        assert!(!super::is_foreign(0, 1000) && !super::is_foreign(1000, 1000) && !super::is_foreign(0, 0));
    }
}
