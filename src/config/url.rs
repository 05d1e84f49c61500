//! Base URLs: what a provider's own SDK takes.

use std::net::IpAddr;

use super::diagnostic::{Diagnostic, Finding};
use super::mask;
use super::reader::{Reader, Section};
use crate::dialect::Dialect;

/// A base URL that has passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Without a slash at the end.
    pub(crate) text: String,
    /// `http`, not `https`.
    pub(crate) is_plain: bool,
    /// The host is this machine.
    pub(crate) is_loopback: bool,
}

/// Reads a base URL.
///
/// # Errors
/// With what is wrong about it, in a few words.
pub(crate) fn parse(text: &str) -> Result<BaseUrl, &'static str> {
    if text.len() > 2048 {
        return Err("it is longer than 2048 bytes");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it has a blank or a character outside of ASCII");
    }
    let (scheme, rest) = text.split_once("://").ok_or("it has no scheme; begin with https://")?;
    let is_plain = match scheme.to_ascii_lowercase().as_str() {
        "https" => false,
        "http" => true,
        _ => return Err("its scheme is neither https nor http"),
    };
    if rest.contains('#') {
        return Err("it has a fragment (#)");
    }
    if rest.contains('?') {
        return Err("it has a query (?)");
    }
    if rest.contains('\\') {
        return Err("it has a backslash");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it has a user or password before the host");
    }
    let host = host(authority)?;
    text.parse::<http::Uri>().map_err(|_| "it is malformed")?;
    let is_loopback = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    Ok(BaseUrl { text: text.trim_end_matches('/').to_owned(), is_plain, is_loopback })
}

/// The URL of a field; what is wrong about it is noted.
pub(crate) fn field(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, plain_http: bool) -> Option<BaseUrl> {
    let given = reader.text(section, name)?;
    let path = section.at(name);
    let has_password = given.text.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'));
    if has_password || mask::looks_like_key(&given.text) {
        reader.report.secrets.push(given.span);
        let message = format!("{path} holds a user, password or key");
        let diagnostic = Diagnostic::new(Finding::ClearKey, given.span, path, message, "a secret in clear");
        reader.found_with(
            diagnostic.help("take it out of the URL and store it with `aimux keys add NAME`; replace it if the file was shared"),
        );
        return None;
    }
    match parse(&given.text) {
        Err(reason) => {
            let shown = reader.written(given.span);
            reader.found(Finding::BadUrl, given.span, &path, format!("{path} is \"{shown}\", which is not a base URL: {reason}"), reason);
            None
        }
        Ok(base) => {
            if base.is_plain && !base.is_loopback && !plain_http {
                let shown = reader.written(given.span);
                reader.found(
                    Finding::PlainHttp,
                    given.span,
                    &path,
                    format!("{path} is \"{shown}\", plain http to another machine"),
                    "not encrypted",
                );
            }
            Some(base)
        }
    }
}

/// The host of `host[:port]`, without brackets.
fn host(authority: &str) -> Result<&str, &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("its address has no closing bracket")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "what stands in brackets is no IPv6 address")?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("its host is malformed"),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err("it has no host");
    }
    if port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err("its port is not a number from 1 to 65535");
    }
    let is_v6 = authority.starts_with('[');
    if !is_v6 && !is_host(host) {
        return Err("its host is malformed");
    }
    Ok(host)
}

/// Whether a text may be the name or the IPv4 address of a host.
pub(crate) fn is_host(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = text.rsplit('.').next().is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label) && (!numeric || text.parse::<std::net::Ipv4Addr>().is_ok())
}

/// What is wrong about a base URL for a dialect: the endpoint's own path is appended, so it must not be there already.
pub(crate) fn misfit(base: &BaseUrl, dialect: Dialect) -> Option<&'static str> {
    let path = base.text.as_str();
    match dialect {
        _ if path.ends_with("/chat/completions") || path.ends_with("/messages") => Some("it ends with the endpoint, which aimux appends"),
        Dialect::AnthropicMessages if path.ends_with("/v1") => Some("it ends with /v1, which aimux appends for this dialect"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_pass_and_say_what_they_are() {
        for (text, base, is_plain, is_loopback) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1", false, false),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1", false, false),
            ("HTTP://LOCALHOST:8080", "HTTP://LOCALHOST:8080", true, true),
            ("http://127.9.9.9:1", "http://127.9.9.9:1", true, true),
            ("http://[::1]:65535/v1", "http://[::1]:65535/v1", true, true),
            ("http://localhost.example.com", "http://localhost.example.com", true, false),
            ("http://my_host-1:80/a/b", "http://my_host-1:80/a/b", true, false),
        ] {
            let url = parse(text).unwrap();
            assert_eq!((url.text.as_str(), url.is_plain, url.is_loopback), (base, is_plain, is_loopback), "{text}");
        }
    }

    #[test]
    fn bad_urls_are_refused() {
        for text in [
            "",
            "api.openai.com",
            "ftp://a",
            "http://",
            "https:///v1",
            "https://:80",
            "https://a:0",
            "https://a:65536",
            "https://a:x",
            "https://a:",
            "https://u:p@a",
            "https://a?b=c",
            "https://a/#x",
            "https://a b",
            "https://a..b",
            "https://-a",
            "https://[::1",
            "https://[x]",
            "https://300.1.1.1",
            "http://127.0.0.1\\@evil.com",
            "https://ä.example",
            "file:///etc/passwd",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
