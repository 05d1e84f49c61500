//! Fetches keys and tokens from a provider's login: one POST, blocking, over a connection of its own.
//!
//! It is never sent twice: a code is good once, and a refresh token that comes a second time makes some providers revoke
//! everything. That is why the server uses it too, on a thread that may block, and not its pool of connections, which sends
//! again where a kept one turns out dead. Start with [`fetch`].

use std::io::Read as _;

use http::{Request, Uri, header};

use super::probe::{Agents, unreachable_because};
use crate::keys::oauth::{Grant, Refused, TokenRequest};

/// The longest answer that is read, in bytes.
const BODY_MAX: u64 = 64 * 1024;

/// Sends a request for tokens and reads the answer, in 15 seconds at most. No redirect is followed: it would carry the code
/// elsewhere. `now` is in seconds since 1970.
///
/// # Errors
/// When nothing was granted; the message holds no secret.
pub fn fetch(request: &TokenRequest, now: u64) -> Result<Grant, Refused> {
    let refused = |message: String| Refused { is_final: false, message };
    let uri: Uri = request.url.parse().map_err(|_| refused("its address cannot be used".to_owned()))?;
    let call = Request::post(&uri)
        .header(header::CONTENT_TYPE, request.content_type)
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, concat!("aimux/", env!("CARGO_PKG_VERSION")))
        .body(request.body.as_bytes())
        .map_err(|_| refused("its address cannot be used".to_owned()))?;
    let agents = Agents::default();
    let answer = agents.of(&uri).run(call).map_err(|error| refused(unreachable_because(&error, &uri)))?;
    let (head, body) = answer.into_parts();
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(usize::try_from(BODY_MAX).unwrap_or(usize::MAX)));
    body.into_reader()
        .take(BODY_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(unreachable_because(&ureq::Error::Io(error), &uri)))?;
    request.read(head.status.as_u16(), &bytes, now)
}
