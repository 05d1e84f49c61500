//! Which headers travel, and which stop here.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::dialect::Dialect;
use crate::provider::Auth;
use crate::route::room::Room;
use crate::route::table::{Endpoint, Key, Provider};

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Whether a client's header stays here: hop-by-hop ones (RFC 9110, section 7.6.1), credentials, and what would tell an
/// upstream about the client's side or make its answer unreadable for the tap.
fn is_kept_back(name: &HeaderName) -> bool {
    // A match, which the compiler sorts by length, where a list would be walked for each header.
    matches!(
        name.as_str(),
        "authorization"
            | "x-api-key"
            | "proxy-authorization"
            | "cookie"
            | "host"
            | "origin"
            | "referer"
            | "accept-encoding"
            | "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "x-real-ip"
            | "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "content-encoding"
            | "expect"
            | "x-request-id"
            | "x-aimux-project"
            | "x-aimux-role"
            | "sec-fetch-site"
            | "sec-fetch-mode"
            | "sec-fetch-dest"
    )
}

/// Headers of a request to `endpoint`. `client` are the client's own headers when it speaks the endpoint's dialect.
#[must_use]
pub(super) fn upward(client: Option<&HeaderMap>, provider: &Provider, endpoint: &Endpoint, key: Option<&Key>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(24);
    if let Some(client) = client {
        let dropped_by_connection: Vec<&str> = client
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        for (name, value) in client {
            let hop = dropped_by_connection.iter().any(|dropped| dropped.eq_ignore_ascii_case(name.as_str()));
            if !hop && !is_kept_back(name) {
                headers.append(name.clone(), value.clone());
            }
        }
    } else {
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("aimux/", env!("CARGO_PKG_VERSION"))));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if endpoint.dialect == Dialect::AnthropicMessages {
        headers.entry(ANTHROPIC_VERSION).or_insert(HeaderValue::from_static("2023-06-01"));
    }
    for (name, value) in &provider.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if let Some(key) = key {
        let secret = key.secret.expose();
        let (name, value) = match endpoint.auth {
            Auth::Bearer => (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {secret}"))),
            Auth::XApiKey => (HeaderName::from_static("x-api-key"), HeaderValue::try_from(secret)),
            Auth::None => return headers,
        };
        if let Ok(mut value) = value {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    headers
}

/// Drops what a provider sends back of the key.
pub(super) fn forget(headers: &mut HeaderMap, key: Option<&Key>) {
    // A few characters stand in every header by chance.
    let Some(secret) = key.map(|key| key.secret.expose()).filter(|secret| secret.len() >= 8) else { return };
    let tells = |value: &HeaderValue| value.len() >= secret.len() && memchr::memmem::find(value.as_bytes(), secret.as_bytes()).is_some();
    let told: Vec<HeaderName> = headers.iter().filter(|(_, value)| tells(value)).map(|(name, _)| name.clone()).collect();
    for name in told {
        headers.remove(name);
    }
}

/// What an answer's headers say of the room that is left of the key's limits.
pub(super) fn room(headers: &HeaderMap) -> Option<Room> {
    let mut texts = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).peekable();
    texts.peek()?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Room::read(texts, u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// The upstream's headers that a client gets. `same` says whether both speak one dialect.
#[must_use]
pub(super) fn downward(upstream: &HeaderMap, same: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    for (name, value) in upstream {
        let text = name.as_str();
        let everywhere = matches!(text, "retry-after" | "retry-after-ms");
        let family = text.starts_with("anthropic-")
            || text.starts_with("x-ratelimit-")
            || matches!(text, "x-should-retry" | "request-id" | "openai-processing-ms" | "openai-version");
        if everywhere || (same && family) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_stay_in_the_family_and_retry_after_goes_everywhere() {
        let mut upstream = HeaderMap::new();
        for name in ["retry-after", "anthropic-ratelimit-requests-remaining", "x-should-retry", "set-cookie", "server"] {
            upstream.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        assert_eq!(downward(&upstream, true).len(), 3);
        assert_eq!(downward(&upstream, false).keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["retry-after"]);
    }
}
