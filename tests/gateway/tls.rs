//! TLS to an upstream: what a trusted one serves, and what every other kind is refused with.
//!
//! The certificates are in `tests/fixtures/tls`; their CA is made known as a user would, with `SSL_CERT_FILE`.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::gateway::{Gateway, KEY};
use crate::http::Whole;
use crate::replies::{Speaks, text};
use crate::upstream::{Act, Upstream};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

fn acceptor(certificate: CertificateDer<'static>, version: &'static rustls::SupportedProtocolVersion) -> TlsAcceptor {
    let chain = vec![certificate];
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

/// Ends TLS before an upstream, on a port of its own, until the test's process ends. `certificate` is asked for each connection.
pub(crate) fn front(
    certificate: impl Fn() -> &'static str + Send + 'static,
    version: &'static rustls::SupportedProtocolVersion,
    upstream: &Upstream,
) -> SocketAddr {
    front_with(move || CertificateDer::from_pem_file(fixture(certificate())).unwrap(), version, upstream)
}

/// The same with a certificate in its bytes.
fn front_with(
    certificate: impl Fn() -> CertificateDer<'static> + Send + 'static,
    version: &'static rustls::SupportedProtocolVersion,
    upstream: &Upstream,
) -> SocketAddr {
    let behind = upstream.address();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor(certificate(), version);
                tokio::spawn(async move {
                    let mut tls = acceptor.accept(stream).await?;
                    let mut plain = tokio::net::TcpStream::connect(behind).await?;
                    // An upstream that is cut is passed on as a TCP end, without TLS's own farewell.
                    let (mut from_plain, mut to_plain) = plain.split();
                    let (mut from_tls, mut to_tls) = tokio::io::split(&mut tls);
                    tokio::select! {
                        ended = tokio::io::copy(&mut from_plain, &mut to_tls) => ended,
                        ended = tokio::io::copy(&mut from_tls, &mut to_plain) => ended,
                    }
                });
            }
        });
    });
    address
}

/// A gateway before `https://HOST:PORT`, with these roots or the system's.
fn gateway(base: &str, roots: Option<&str>) -> Gateway {
    let config = format!(
        "version: 1\nserver: {{ listen: \"127.0.0.1:0\", token: {{ env: AIMUX_CLIENT_TOKEN }} }}\nproviders:\n  up0: {{ dialect: anthropic, base_url: \"{base}\", key: {{ env: UPSTREAM_KEY }} }}\nmodels:\n  \"*\": [up0/m]\nretry: {{ attempts_per_target: 1 }}\n"
    );
    let roots = roots.map(fixture);
    let variable: Vec<(&str, &Path)> = roots.iter().map(|roots| ("SSL_CERT_FILE", roots.as_path())).collect();
    Gateway::start_with(&config, &variable)
}

/// The https address of a server that answers everything with 400 in plain HTTP.
fn plain_server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut seen = [0; 4096];
            let count = stream.read(&mut seen).unwrap();
            assert!(!String::from_utf8_lossy(&seen[..count]).contains(KEY));
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
    });
    format!("https://{address}")
}

fn healthy() -> Upstream {
    Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("over TLS")]))
}

fn ask(is_stream: bool) -> Value {
    json!({"model": "claude-x", "max_tokens": 9, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]})
}

#[test]
fn an_upstream_with_a_trusted_certificate_is_served() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for host in ["localhost", "127.0.0.1"] {
            let upstream = healthy();
            let gateway = gateway(&format!("https://{host}:{}", front(|| "good.pem", version, &upstream).port()), Some("ca.pem"));
            for is_stream in [false, true] {
                let reply = gateway.messages(&ask(is_stream));
                assert_eq!((reply.status, reply.is_complete), (200, true), "{host}: {}", reply.text());
                assert!(reply.text().contains("over TLS"), "{host}: {}", reply.text());
            }
            assert_eq!(upstream.seen()[0].header("x-api-key"), Some(KEY));
        }
    }
}

#[test]
fn an_upstream_that_cannot_be_trusted_is_refused_before_it_hears_the_key() {
    let version = &rustls::version::TLS13;
    let (good, other, expired, own) = (healthy(), healthy(), healthy(), healthy());
    let secure = |certificate: &'static str, upstream: &Upstream| format!("https://{}", front(move || certificate, version, upstream));
    let (plain, ca) = (healthy(), Some("ca.pem"));
    for (what, base, roots, upstream, words) in [
        ("unknown CA", secure("good.pem", &good), None, &good, ["UnknownIssuer", "SSL_CERT_FILE"]),
        ("other name", secure("other-name.pem", &other), ca, &other, ["other.example", "check the host in base_url"]),
        ("expired", secure("expired.pem", &expired), ca, &expired, ["expired", "clock"]),
        ("self-signed", secure("self-signed.pem", &own), ca, &own, ["UnknownIssuer", "SSL_CERT_FILE"]),
        ("a plain server that says 400", plain_server(), ca, &plain, ["InvalidContentType", "http:// base_url"]),
        ("a plain server that hangs up", plain.url().replace("http:", "https:"), ca, &plain, ["eof", "http:// base_url"]),
    ] {
        let gateway = gateway(&base, roots);
        for reply in [gateway.messages(&ask(true)), gateway.chat(&ask(false))] {
            assert_refused(what, &reply, "AIMUX-E0508", &words);
        }
        assert!(upstream.seen().iter().all(|seen| seen.header("x-api-key").is_none()), "{what}: the key went out");
        assert!(!gateway.log().contains(KEY), "{what}: the key is in the log");
    }
}

fn assert_refused(what: &str, reply: &Whole, code: &str, words: &[&str]) {
    assert_eq!((reply.status, reply.header("x-aimux-error")), (502, Some(code)), "{what}: {}", reply.text());
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(words.iter().all(|word| message.contains(word)), "{what}: {message}");
    assert!(message.contains("up0") && !message.contains(KEY), "{what}: {message}");
}

#[test]
fn tls_that_ends_without_a_farewell_is_no_polite_end() {
    let upstream = Upstream::start(|seen, _| Speaks::Anthropic.answer(seen, &[text("a text that is cut in two")]).after(5, Act::Cut));
    let gateway = gateway(&format!("https://{}", front(|| "good.pem", &rustls::version::TLS13, &upstream)), Some("ca.pem"));
    let reply = gateway.messages(&ask(true));
    assert_eq!(reply.events().last().unwrap().name, "error", "{}", reply.text());
    assert!(!reply.text().contains("message_stop"), "{}", reply.text());
}

#[test]
fn a_roots_file_that_is_not_there_is_said_in_the_log_and_trusts_nobody_new() {
    let upstream = healthy();
    let base = format!("https://{}", front(|| "good.pem", &rustls::version::TLS13, &upstream));
    let gateway = gateway(&base, Some("absent.pem"));
    crate::gateway::until("the warning at the start", std::time::Duration::from_secs(5), || {
        let log = gateway.log();
        ["WARN", "SSL_CERT_FILE", "absent.pem", "No such file"].iter().all(|part| log.contains(part))
    });
    let reply = gateway.messages(&ask(false));
    assert_refused("absent roots", &reply, "AIMUX-E0508", &["UnknownIssuer"]);
    assert!(gateway.log().contains("TLS roots"), "{}", gateway.log());
}

/// What the doctor tells of the certificate of a provider behind this front.
fn told_of(front: SocketAddr) -> (String, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("aimux.yaml");
    let text =
        format!("version: 1\nproviders:\n  up0: {{ dialect: anthropic, base_url: \"https://{front}\", key: {{ env: UPSTREAM_KEY }} }}\n");
    std::fs::write(&path, text).unwrap();
    let mut command = crate::gateway::aimux(home.path());
    command.args(["doctor", "--json", "--config", path.to_str().unwrap()]).env("SSL_CERT_FILE", fixture("ca.pem"));
    let output = command.output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let found = told["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "certificate");
    let found = found.unwrap_or_else(|| panic!("{told:#}"));
    (found["level"].as_str().unwrap().to_owned(), found["what"].as_str().unwrap().to_owned())
}

#[test]
fn the_doctor_tells_how_long_a_providers_certificate_is_good() {
    let upstream = Upstream::start(|_, _| crate::upstream::Answer::json(200, r#"{"data":[]}"#));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (level, what) = told_of(front(|| "good.pem", version, &upstream));
        assert!(level == "ok" && what.ends_with("is good until 2120-01-01"), "{level} {what}");
        let (level, what) = told_of(front(|| "expired.pem", version, &upstream));
        assert!(level == "error" && what.ends_with("ended on 2021-01-01"), "{level} {what}");
        // One whose end was written over: nobody trusts it, and its dates are read all the same.
        let day = |days: u64| {
            let output = std::process::Command::new("date").args(["-u", "-d", &format!("{days} days"), "+%Y%m%d"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let ending = move |days: u64| {
            let der = CertificateDer::from_pem_file(fixture("good.pem")).unwrap().to_vec();
            let end = format!("{}000000Z", day(days));
            let at = der.windows(15).position(|window| window == b"21200101000000Z").unwrap();
            let mut der = der;
            der[at..at + 15].copy_from_slice(end.as_bytes());
            CertificateDer::from(der)
        };
        let (level, what) = told_of(front_with(move || ending(5), version, &upstream));
        assert!(level == "warning" && what.contains(" days, on 2"), "{level} {what}");
        let (level, _) = told_of(front_with(move || ending(40), version, &upstream));
        assert_eq!(level, "ok");
    }
}
