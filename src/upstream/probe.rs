//! Whether a provider accepts a key: one request that costs nothing, blocking, without a runtime.
//!
//! It follows no redirect, keeps no cookie and reads no proxy from the environment, as `serve` does not either. What it
//! tells never holds the key, even if the provider's answer does. Start with [`Prober::probe`].

use std::io::{self, Read as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::HeaderMap;
use http::{Request, StatusCode, Uri};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::client::tls;
use super::headers::upward;
use super::refusal::{retry_after, scrub};
use crate::chat::{Failure, FailureKind};
use crate::dialect::Dialect;
use crate::dialect::failure::{disguised_failure, read_failure};
use crate::provider::Check;
use crate::route::table::{Endpoint, Key, Provider};
use crate::secret::Secret;

/// For a whole probe: name, connection, TLS, answer.
#[cfg(not(test))]
const WHOLE: Duration = Duration::from_secs(15);
/// Short, so that the tests are fast.
#[cfg(test)]
const WHOLE: Duration = Duration::from_secs(2);
/// Connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// The part of an answer that is read, in bytes: a list of models may be longer, an error is not.
const BODY_MAX: u64 = 64 * 1024;
/// The part of a provider's sentence that is told, in characters.
const MESSAGE_MAX: usize = 300;

/// What a provider says to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// It is accepted.
    Good,
    /// It is not, or its account is not paid for.
    Refused {
        /// The answer's HTTP status; 401 where an answer of status 200 says so in its body.
        status: u16,
        /// The provider's words, without the key.
        message: String,
    },
    /// Too many requests: the key is known, which is all that can be told.
    RateLimited {
        /// `Retry-After`, as it came.
        retry_after: Option<String>,
    },
    /// Nothing can be told: no connection, or no answer that makes sense.
    Unreachable {
        /// Why, without the key.
        reason: String,
    },
}

/// Asks providers about keys. Cheap to clone; the TLS roots are read at the first probe that needs them.
#[derive(Debug, Clone, Default)]
pub struct Prober {
    agents: Arc<Agents>,
}

/// Blocking clients, made when first needed.
#[derive(Debug, Default)]
pub(super) struct Agents {
    plain: OnceLock<Agent>,
    secure: OnceLock<Agent>,
}

impl Prober {
    /// A prober with the system's TLS roots.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `provider` whether it accepts `secret`, in 15 seconds at most. Blocks: not for the server's own threads.
    #[must_use]
    pub fn probe(&self, provider: &Provider, secret: &Secret) -> Probed {
        let preferred = provider.endpoints.iter().find(|endpoint| endpoint.dialect == Dialect::OpenAiChat);
        let Some(endpoint) = preferred.or_else(|| provider.endpoints.first()) else {
            return Probed::Unreachable { reason: "it has no address".to_owned() };
        };
        let uri = match address(endpoint, &provider.query) {
            Ok(uri) => uri,
            Err(reason) => return Probed::Unreachable { reason },
        };
        let key = Key { name: String::new(), secret: secret.clone(), token: None };
        let mut request = Request::new(());
        *request.headers_mut() = upward(None, provider, endpoint, Some(&key));
        *request.uri_mut() = uri.clone();
        let agent = self.agents.of(&uri);
        let probed = match agent.run(request) {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let mut bytes = Vec::new();
                match body.into_reader().take(BODY_MAX).read_to_end(&mut bytes) {
                    Ok(_) => judge(head.status, &head.headers, &scrub(bytes.into(), Some(secret)), &uri),
                    Err(error) => unreachable(&ureq::Error::Io(error), &uri),
                }
            }
            Err(error) => unreachable(&error, &uri),
        };
        without(probed, secret)
    }
}

impl Agents {
    pub(super) fn of(&self, uri: &Uri) -> &Agent {
        match uri.scheme_str() {
            Some("https") => self.secure.get_or_init(|| agent(roots())),
            _ => self.plain.get_or_init(|| agent(RootCerts::WebPki)),
        }
    }
}

pub(super) fn roots() -> RootCerts {
    let found = crate::trust::system_certificates();
    match found.is_empty() {
        true => RootCerts::WebPki,
        false => found.iter().map(|root| Certificate::from_der(root).to_owned()).into(),
    }
}

pub(super) fn tls_settings(roots: RootCerts) -> TlsConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build()
}

fn agent(roots: RootCerts) -> Agent {
    let config = Agent::config_builder()
        .tls_config(tls_settings(roots))
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(WHOLE))
        .timeout_connect(Some(CONNECT))
        .max_idle_connections(0)
        .build();
    config.new_agent()
}

pub(super) fn address(endpoint: &Endpoint, query: &str) -> Result<Uri, String> {
    let base = &endpoint.base_url;
    let mut url = match endpoint.check {
        Check::Below(path) => format!("{base}{path}"),
        Check::AtHost(path) => {
            let host_at = base.find("://").map_or(0, |at| at + 3);
            let (scheme, rest) = base.split_at(host_at);
            format!("{scheme}{}{path}", rest.split('/').next().unwrap_or_default())
        }
    };
    if !query.is_empty() {
        url.push('?');
        url.push_str(query);
    }
    Uri::try_from(url).map_err(|error| format!("its base URL cannot be used: {error}"))
}

fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], uri: &Uri) -> Probed {
    let path = uri.path();
    // What was cut off is a long answer, and no error.
    let is_whole = u64::try_from(body.len()).is_ok_and(|length| length < BODY_MAX);
    let failure = match status.as_u16() {
        200..=299 if is_whole => match disguised_failure(body) {
            Some(failure) => failure,
            None => return Probed::Good,
        },
        200..=299 => return Probed::Good,
        status @ 300..=399 => {
            let reason = format!("{path} is answered with {status}, a redirect, which is not followed: check base_url");
            return Probed::Unreachable { reason };
        }
        status => read_failure(status, body),
    };
    if names_a_missing_scope(&failure) {
        return Probed::Good;
    }
    match failure.kind {
        FailureKind::Authentication | FailureKind::Permission | FailureKind::Billing => {
            Probed::Refused { status: failure.status, message: failure.message }
        }
        FailureKind::RateLimit => Probed::RateLimited { retry_after: retry_after(headers).or(failure.retry_after).map(|after| after.text) },
        FailureKind::NotFound => {
            let reason = format!("{path} is not there ({}), so nothing is told about the key: check base_url", failure.status);
            Probed::Unreachable { reason }
        }
        _ => Probed::Unreachable { reason: format!("{path} is answered with {}: {}", failure.status, failure.message) },
    }
}

/// A restricted key of OpenAI's may talk to models without being let list them; whoever is told so is known
/// (charonn0/Xojo-OpenAI#8, 2024-10; the words: microsoft/PowerToys#32989, 2024-05).
fn names_a_missing_scope(failure: &Failure) -> bool {
    matches!(failure.status, 401 | 403) && failure.message.contains("Missing scopes: api.model.read")
}

fn unreachable(error: &ureq::Error, uri: &Uri) -> Probed {
    Probed::Unreachable { reason: unreachable_because(error, uri) }
}

fn is_timeout(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<ureq::Error>());
    error.kind() == io::ErrorKind::TimedOut || matches!(cause, Some(ureq::Error::Timeout(_)))
}

/// Why there is no answer, in a few words.
pub(super) fn unreachable_because(error: &ureq::Error, uri: &Uri) -> String {
    let host = uri.authority().map_or("", |authority| authority.as_str());
    match error {
        ureq::Error::Timeout(_) => format!("{host} took too long"),
        // While the body is read, the limit comes in a wrapper.
        ureq::Error::Io(error) if is_timeout(error) => format!("{host} took too long"),
        ureq::Error::HostNotFound => format!("the name {host} was not found: check base_url, and the network"),
        ureq::Error::Rustls(error) => tls_failure(host, &io::Error::other(error.clone())),
        ureq::Error::Io(error) if error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => tls_failure(host, error),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => format!("{host} took too long"),
        ureq::Error::Io(error) if uri.scheme_str() == Some("https") && error.kind() == io::ErrorKind::UnexpectedEof => {
            tls_failure(host, error)
        }
        ureq::Error::Io(error) => format!("{host} cannot be talked to: {error}"),
        _ => format!("{host} answers with what is not HTTP"),
    }
}

fn tls_failure(host: &str, error: &io::Error) -> String {
    format!("TLS with {host} failed: {error} ({})", tls::advice(error))
}

/// Once more without the key, which the body may have had in an escaped form, and then in a length that can be read.
fn without(probed: Probed, secret: &Secret) -> Probed {
    let clean = |text: String| {
        let text = if secret.expose().is_empty() { text } else { text.replace(secret.expose(), "[redacted]") };
        match text.char_indices().nth(MESSAGE_MAX) {
            Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
            None => text,
        }
    };
    match probed {
        Probed::Refused { status, message } => Probed::Refused { status, message: clean(message) },
        Probed::Unreachable { reason } => Probed::Unreachable { reason: clean(reason) },
        Probed::RateLimited { retry_after } => Probed::RateLimited { retry_after: retry_after.map(clean) },
        Probed::Good => Probed::Good,
    }
}

#[cfg(test)]
mod tests;
