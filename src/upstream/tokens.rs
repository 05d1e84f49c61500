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
    let mut call = Request::post(&uri);
    if let Some(authorization) = &request.authorization {
        call = call.header(header::AUTHORIZATION, authorization.expose());
    }
    let call = call
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::keys::oauth::{Gives, OAuth, Redirect};
    use crate::secret::Secret;

    /// The limit is two seconds here, as in the tests of probes.
    #[test]
    fn an_answer_that_does_not_come_or_end_is_given_up_in_time() {
        for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"access_"] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/token", listener.local_addr().unwrap());
            let (done, is_done) = std::sync::mpsc::channel::<()>();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                std::io::Write::write_all(&mut stream, begun.as_bytes()).unwrap();
                // Held open until the test is over.
                let _ = is_done.recv();
            });
            let oauth = OAuth {
                gives: Gives::Tokens,
                auth_url: String::new(),
                token_url: url,
                client_id: "aimux".to_owned(),
                client_secret: None,
                scopes: Vec::new(),
                redirect: Redirect::parse("http://127.0.0.1/").unwrap(),
            };
            let started = Instant::now();
            let refused = fetch(&oauth.renewal(&Secret::new("refresh-0123456789".to_owned())), 0).unwrap_err();
            assert!(refused.message.contains("took too long") && !refused.is_final, "{refused:?}");
            assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&started.elapsed()), "{:?}", started.elapsed());
            drop(done);
            server.join().unwrap();
        }
    }
}
