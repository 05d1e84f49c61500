//! The providers, all at once: name, connection, TLS, clock, whether each key is accepted, whether the config's models are listed.
//!
//! What costs money is not asked. Start with [`check`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::At;
use super::finding::{Finding, Group};
use super::state::now_ms;
use crate::audit::Log;
use crate::cli::console::ask_passphrase;
use crate::cli::fresh::Fresh;
use crate::cli::progress::Progress;
use crate::config::{self, KeyOpener, KeyUse};
use crate::date;
use crate::error::Error;
use crate::provider::lists::Lists;
use crate::route::registry::registry;
use crate::route::table::Provider;
use crate::secret::Secret;
use crate::upstream::{Answered, Lister, Probed, Prober, Reached, Reacher, Validity};

/// Providers asked at a time.
const AT_ONCE: usize = 8;
/// A clock that is off by more than this, in seconds, is told of: tokens and certificates go by it.
const SKEW_S: u64 = 60;
const DAY_S: u64 = 86_400;
/// A certificate that ends in fewer days is told of.
const CERTIFICATE_DAYS: u64 = 14;
/// So many models that a provider does not list are named.
const NAMED_MAX: usize = 5;

/// A key of a provider, opened if it can be.
type Opened = (KeyUse, Result<Secret, Error>);

/// What there is to ask with.
#[derive(Debug, Default)]
struct Askers {
    reacher: Reacher,
    prober: Prober,
    lister: Lister,
}

/// What one provider gave.
struct Told {
    findings: Vec<Finding>,
    ahead_s: Option<i64>,
    listed: Option<Answered>,
}

/// Asks all providers of the config. What was opened on the way goes into `secrets`, for who has to keep it out of a report.
pub(super) fn check(at: &At<'_>, secrets: &mut Vec<Secret>) -> Vec<Finding> {
    let Some(ready) = at.outline() else { return Vec::new() };
    let providers = &ready.table.providers;
    let opened = open(at);
    let told = ask_all(providers, &opened);
    let mut found: Vec<Finding> = proxies(at).into_iter().collect();
    let mut lists = Lists::default();
    for (provider, told) in providers.iter().zip(&told) {
        if let Some(Answered { base_url, models }) = &told.listed {
            lists.put(&provider.name, base_url, now_ms() / 1000, models);
        }
    }
    found.extend(clock(told.iter().filter_map(|told| told.ahead_s).collect()));
    let entries = registry(&ready.table, &lists, false);
    for (provider, told) in providers.iter().zip(told) {
        found.extend(told.findings);
        if told.listed.is_none() {
            continue;
        }
        let wanted = |entry: &&crate::route::registry::Entry| {
            entry.provider == provider.name && !(entry.asked_as.is_empty() && entry.rules.is_empty())
        };
        let missing: Vec<&str> =
            entries.iter().filter(wanted).filter(|entry| entry.listed == Some(false)).map(|entry| entry.model.as_str()).collect();
        found.push(models(&provider.name, entries.iter().filter(wanted).count(), &missing));
    }
    secrets.extend(opened.into_iter().filter_map(|(_, secret)| secret.ok()));
    found
}

fn models(provider: &str, wanted: usize, missing: &[&str]) -> Finding {
    if missing.is_empty() {
        let noun = if wanted == 1 { "model" } else { "models" };
        return Finding::ok(Group::Providers, "models", format!("{provider} lists the config's {wanted} {noun}"));
    }
    let named: Vec<&str> = missing.iter().take(NAMED_MAX).copied().collect();
    let more = missing.len().checked_sub(NAMED_MAX).filter(|more| *more > 0).map_or_else(String::new, |more| format!(" and {more} more"));
    let found = Finding::warning(Group::Providers, "models", format!("{provider} does not list {}{more}", named.join(", ")));
    found
        .why("the config routes there; a request would be answered with 404, or the provider does not list all it has")
        .mend("aimux models --refresh")
}

/// Every key of the config. An identity with a passphrase asks for it here, once, and on a terminal only.
fn open(at: &At<'_>) -> Vec<Opened> {
    let log = Log::new(&at.environment.state_folder(), "doctor");
    let fresh = Fresh { store: &at.store, log: &log, environment: at.environment, path: at.path.clone() };
    let uses = config::key_uses(&at.options(), at.environment, &at.store).unwrap_or_default();
    let mut ask = ask_passphrase;
    let mut opener = KeyOpener::new(at.environment, &at.store, &mut ask);
    uses.into_iter()
        .map(|used| {
            let secret = fresh.secret(&used, &mut opener);
            (used, secret)
        })
        .collect()
}

fn ask_all(providers: &[std::sync::Arc<Provider>], opened: &[Opened]) -> Vec<Told> {
    let (askers, progress) = (Askers::default(), Progress::new());
    progress.say("asking providers");
    let (next, done, results) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((at, provider)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, providers.get(at)?))) {
            let keys: Vec<&Opened> = opened.iter().filter(|(used, _)| used.provider.name == provider.name).collect();
            let told = ask(&askers, provider, &keys);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, told));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress.at(done as u64, providers.len() as u64);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(providers.len()) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, told)| told).collect()
}

fn ask(askers: &Askers, provider: &Provider, keys: &[&Opened]) -> Told {
    let name = &provider.name;
    let (mut findings, mut listed) = (Vec::new(), None);
    let error = |check, reason: &str| Finding::error(Group::Providers, check, format!("{name}: {reason}"));
    let url = provider.endpoints.first().map_or("", |endpoint| endpoint.base_url.as_str());
    let host = url.split("://").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    let ahead_s = match askers.reacher.reach(provider) {
        Reached::Answered { host, ms, ahead_s, certificate } => {
            findings.extend(certificate.map(|validity| self::certificate(name, &host, validity, now_ms() / 1000)));
            findings.push(Finding::ok(Group::Providers, "reach", format!("{name} answers on {host} in {ms} ms")));
            ahead_s
        }
        Reached::NoName(reason) => {
            findings.push(
                error("dns", &reason)
                    .why("the name server does not know it, or there is no network; or base_url has a slip")
                    .mend(format!("getent hosts {host}")),
            );
            return Told { findings, ahead_s: None, listed };
        }
        Reached::NoConnection(reason) => {
            let why = "nothing listens there, or a firewall is in between; aimux uses no proxy";
            findings.push(error("connect", &reason).why(why).mend(format!("curl -v {url}")));
            return Told { findings, ahead_s: None, listed };
        }
        Reached::NoAnswer { host, reason, certificate } => {
            findings.extend(certificate.map(|validity| self::certificate(name, &host, validity, now_ms() / 1000)));
            findings.push(
                error("tls", &reason).why("the connection is there, but no answer that can be trusted").mend(format!("curl -v {url}")),
            );
            return Told { findings, ahead_s: None, listed };
        }
    };
    let mut good = None;
    for (used, secret) in keys {
        match secret {
            Ok(secret) => {
                let probed = askers.prober.probe(provider, secret);
                if probed == Probed::Good {
                    good = good.or(Some(secret));
                }
                findings.push(judged(used, name, &probed));
            }
            Err(failure) => {
                let what = format!("the key \"{}\" cannot be had: {}", used.name, failure.message);
                findings.push(error("key", &what).why(failure.advice()).mend(add(used)));
            }
        }
    }
    // A provider that takes none of the keys has said so.
    if good.is_some() || keys.is_empty() {
        match askers.lister.list(provider, good) {
            Ok(answered) => listed = Some(answered),
            Err(reason) if reason.contains("no list of models") => {}
            Err(reason) => {
                let what = format!("{name} gave no list of models: {reason}");
                findings.push(
                    Finding::warning(Group::Providers, "models", what)
                        .why("whether it has the config's models is not known")
                        .mend("aimux models --refresh"),
                );
            }
        }
    }
    Told { findings, ahead_s, listed }
}

/// How long a provider's certificate is good, as of `now_s`.
fn certificate(provider: &str, host: &str, validity: Validity, now_s: u64) -> Finding {
    let day = |moment_s: u64| date::rfc3339(moment_s).chars().take(10).collect::<String>();
    let Validity { from_s, until_s } = validity;
    let server = if host.contains(':') { host.to_owned() } else { format!("{host}:443") };
    let mend = format!("openssl s_client -connect {server} </dev/null | openssl x509 -noout -dates");
    if now_s >= until_s {
        let found =
            Finding::error(Group::Providers, "certificate", format!("{provider}: the certificate of {host} ended on {}", day(until_s)));
        return found
            .why("no request is sent there until its operator renews it; if others reach it, this machine's clock is wrong")
            .mend(mend);
    }
    if now_s < from_s {
        let what = format!("{provider}: the certificate of {host} is good from {} on", day(from_s));
        let found = Finding::error(Group::Providers, "certificate", what);
        return found.why("no request is sent there before; most likely this machine's clock is wrong").mend(mend);
    }
    let left = (until_s - now_s) / DAY_S;
    if left < CERTIFICATE_DAYS {
        let noun = if left == 1 { "day" } else { "days" };
        let what = format!("{provider}: the certificate of {host} ends in {left} {noun}, on {}", day(until_s));
        let found = Finding::warning(Group::Providers, "certificate", what);
        return found.why("most are renewed earlier; after that day no request is sent there").mend(mend);
    }
    Finding::ok(Group::Providers, "certificate", format!("{provider}: the certificate of {host} is good until {}", day(until_s)))
}

fn add(used: &KeyUse) -> String {
    match used.kind {
        "file" => format!("aimux keys add {}", used.name),
        "env" => format!("export {}=…", used.name),
        _ => "aimux config validate".to_owned(),
    }
}

fn judged(used: &KeyUse, provider: &str, probed: &Probed) -> Finding {
    let key = &used.name;
    match probed {
        Probed::Good => Finding::ok(Group::Providers, "key", format!("{provider} accepts the key \"{key}\"")),
        Probed::Refused { status, message } => {
            let found = Finding::error(Group::Providers, "key", format!("{provider} refuses the key \"{key}\": {status}: {message}"));
            let mend = if used.kind == "file" { format!("aimux keys rotate {key}") } else { add(used) };
            found.why("it was revoked or is another provider's, or its account is not paid for").mend(mend)
        }
        Probed::RateLimited { .. } => {
            Finding::warning(Group::Providers, "key", format!("{provider} knows the key \"{key}\", which is limited now"))
                .why("requests go to the next target for as long as that lasts")
                .mend("aimux keys test")
        }
        Probed::Unreachable { reason } => {
            Finding::error(Group::Providers, "key", format!("{provider} tells nothing of the key \"{key}\": {reason}"))
                .why("the provider answers, but not as its dialect should")
                .mend("aimux config show --origin")
        }
    }
}

/// The middle of what the providers say: one of them may be wrong itself.
fn clock(mut ahead_s: Vec<i64>) -> Option<Finding> {
    ahead_s.sort_unstable();
    let ahead = *ahead_s.get(ahead_s.len() / 2)?;
    let noun = if ahead_s.len() == 1 { "a provider's" } else { "the providers'" };
    if ahead.unsigned_abs() <= SKEW_S {
        return Some(Finding::ok(Group::Providers, "clock", format!("this machine's clock agrees with {noun}")));
    }
    let way = if ahead > 0 { "behind" } else { "ahead of" };
    let found = Finding::warning(Group::Providers, "clock", format!("this machine's clock is {} s {way} {noun}", ahead.unsigned_abs()));
    Some(found.why("certificates, tokens that expire and waits for a limit go by it").mend("timedatectl set-ntp true"))
}

/// A proxy that aimux will not use.
fn proxies(at: &At<'_>) -> Option<Finding> {
    let is_local = |url: &str| ["://127.", "://localhost", "://[::1]"].iter().any(|local| url.contains(local));
    let ready = at.outline()?;
    let is_far = ready.table.providers.iter().flat_map(|provider| &provider.endpoints).any(|endpoint| !is_local(&endpoint.base_url));
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let name = names.into_iter().find(|name| at.environment.get(name).is_some()).filter(|_| is_far)?;
    let found = Finding::warning(Group::Providers, "proxy", format!("{name} is set, and aimux asks providers directly"));
    Some(
        found
            .why("where only the proxy leads out, no provider can be reached; name a gateway as base_url there")
            .mend(format!("unset {name}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn a_certificate_is_told_of_a_fortnight_before_its_end() {
        let at = |text: &str| date::parse(text).unwrap();
        let validity = Validity { from_s: at("2026-01-01T00:00:00Z"), until_s: at("2026-12-01T00:00:00Z") };
        for (now, level, part) in [
            ("2025-12-31T23:59:59Z", Level::Error, "good from 2026-01-01 on"),
            ("2026-01-01T00:00:00Z", Level::Ok, "good until 2026-12-01"),
            ("2026-11-17T00:00:00Z", Level::Ok, "good until 2026-12-01"),
            ("2026-11-17T00:00:01Z", Level::Warning, "ends in 13 days, on 2026-12-01"),
            ("2026-11-29T12:00:00Z", Level::Warning, "ends in 1 day, on"),
            ("2026-11-30T23:59:59Z", Level::Warning, "ends in 0 days, on"),
            ("2026-12-01T00:00:00Z", Level::Error, "ended on 2026-12-01"),
        ] {
            let found = certificate("one", "a.example", validity, at(now));
            assert!(found.level == level && found.what.contains(part), "{now}: {found:?}");
            assert!(found.mend.is_none_or(|mend| mend.contains("-connect a.example:443 ")), "{now}");
        }
    }
}
