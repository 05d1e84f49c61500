//! Who may ask: the Host and Origin checks against web pages, the client token.

use http::{HeaderMap, Uri, header};

use super::Snapshot;
use crate::error::{Code, Error};

/// Refuses a Host that this server is not known by: behind it may stand a web page whose name was rebound to us.
pub(super) fn check_host(current: &Snapshot, uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
    let host = uri.host().or_else(|| headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(without_port));
    let host = host.unwrap_or_default();
    let is_known = is_loopback(host) || is_local_name(host) || current.server.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    if is_known { Ok(()) } else { Err(Error::new(Code::HostRefused, "this server is not known by the name in the Host header")) }
}

/// Refuses requests that a browser sends from another site, even with a valid token.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Error> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()).and_then(|uri| uri.host().map(str::to_owned));
    if host.as_deref().is_some_and(is_loopback) {
        Ok(())
    } else {
        Err(Error::new(Code::OriginRefused, "requests from another site's pages are refused"))
    }
}

/// Wants the client token, as a Bearer or as an API key in either dialect's header.
pub(super) fn check_token(current: &Snapshot, headers: &HeaderMap) -> Result<(), Error> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(bearer_token);
    let candidates = [bearer, text(header::HeaderName::from_static("x-api-key"))];
    if candidates.into_iter().flatten().any(|candidate| current.token.matches(candidate)) {
        return Ok(());
    }
    let message = if candidates.iter().all(Option::is_none) {
        "the client token is missing: send it as a Bearer or as x-api-key"
    } else {
        "the client token is not accepted"
    };
    Err(Error::new(Code::Unauthorized, message).hint("`aimux env` prints it"))
}

/// The token of an `Authorization: Bearer …` value. Allocates nothing.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A name without a dot, `aimux` in a container network say: no public DNS holds one, so no page can be rebound to it.
fn is_local_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_several_names_and_a_rebound_one_is_not_among_them() {
        for host in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
        assert!(is_local_name("aimux") && !is_local_name("evil.example") && !is_local_name(""));
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        assert_eq!(bearer_token("bearer  x "), Some("x"));
        assert_eq!(bearer_token("Basic x"), None);
        assert_eq!(bearer_token("x"), None);
    }
}
