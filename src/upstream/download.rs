//! Fetches what the user of a command names by its address. Nothing that came in a request is ever fetched.

use std::io::Read as _;
use std::time::Duration;

use http::{Request, Uri, header};
use ureq::Agent;
use ureq::tls::RootCerts;

use super::probe::{roots, tls_settings, unreachable_because};

/// For all of it.
const WHOLE: Duration = Duration::from_secs(60);
/// Connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// Redirects that are followed: the user named where it begins.
const REDIRECTS_MAX: u32 = 3;

/// The bytes at an address, `limit` and one at most: whoever gets more than `limit` has not got all of it. Blocks.
///
/// # Errors
/// With the reason, in a few words.
pub fn download(url: &str, limit: usize) -> Result<Vec<u8>, String> {
    let uri: Uri = url.parse().map_err(|_| "it is no address".to_owned())?;
    let config = Agent::config_builder()
        .tls_config(tls_settings(if url.starts_with("https:") { roots() } else { RootCerts::WebPki }))
        .proxy(None)
        .max_redirects(REDIRECTS_MAX)
        .http_status_as_error(false)
        .timeout_global(Some(WHOLE))
        .timeout_connect(Some(CONNECT))
        .max_idle_connections(0)
        .build();
    let request = Request::get(&uri)
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, concat!("aimux/", env!("CARGO_PKG_VERSION")))
        .body(())
        .map_err(|_| "it is no address".to_owned())?;
    let answer = config.new_agent().run(request).map_err(|error| unreachable_because(&error, &uri))?;
    if !answer.status().is_success() {
        return Err(format!("it is answered with {}", answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = answer.into_body().into_reader().take(most).read_to_end(&mut bytes);
    read.map_err(|error| unreachable_because(&ureq::Error::Io(error), &uri))?;
    Ok(bytes)
}
