//! How long a server's TLS certificate is good: read off a handshake that trusts anybody, over which nothing is ever sent.
//!
//! It lacks all else that a certificate says. Start with [`look`]; `dates` reads the two times out of the DER.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use crate::date;

/// For the handshake.
const WHOLE: Duration = Duration::from_secs(5);

/// When a certificate is good, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub from_s: u64,
    /// Until then.
    pub until_s: u64,
}

/// The validity of the certificate that `host` shows on a connection; `None`: there was none that could be read.
pub(super) fn look(mut stream: TcpStream, host: &str) -> Option<Validity> {
    let end = Instant::now() + WHOLE;
    stream.set_write_timeout(Some(WHOLE)).ok()?;
    let seen = Arc::new(Seen::default());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::<Seen>::clone(&seen)).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    while connection.is_handshaking() {
        if let Some(found) = seen.found() {
            return Some(found);
        }
        if connection.wants_write() {
            connection.write_tls(&mut stream).ok()?;
            continue;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        stream.set_read_timeout(Some(left)).ok()?;
        if connection.read_tls(&mut stream).ok()? == 0 || connection.process_new_packets().is_err() {
            break;
        }
    }
    seen.found()
}

/// Notes the certificate, and trusts whoever it is of: who is looked at is told nothing.
#[derive(Debug, Default)]
struct Seen {
    found: Mutex<Option<Validity>>,
}

impl Seen {
    fn found(&self) -> Option<Validity> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = dates(end_entity);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The validity in a certificate's DER (RFC 5280, 4.1): within the outer sequence the one that is signed; in it a version, a serial
/// number, an algorithm and an issuer come before.
fn dates(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut signed, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(signed, VERSION) {
        signed = rest;
    }
    let (_, signed) = element(signed, INTEGER)?;
    let (_, signed) = element(signed, SEQUENCE)?;
    let (_, signed) = element(signed, SEQUENCE)?;
    let (validity, _) = element(signed, SEQUENCE)?;
    let (from_s, rest) = time(validity)?;
    let (until_s, _) = time(rest)?;
    Some(Validity { from_s, until_s })
}

/// The content of the element of this tag that bytes begin with, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

/// A time, in seconds since 1970, and what follows it; one before 1970 is 0.
fn time(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = match element(bytes, UTC_TIME) {
        // Two digits of the year: up to 49 of this century, from 50 on of the last.
        Some((digits, rest)) => {
            let century = if digits.first()? < &b'5' { "20" } else { "19" };
            (century.to_owned() + std::str::from_utf8(digits).ok()?, rest)
        }
        None => {
            let (digits, rest) = element(bytes, GENERALIZED_TIME)?;
            (std::str::from_utf8(digits).ok()?.to_owned(), rest)
        }
    };
    let part = |from: usize, to: usize| digits.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let [year, month, day] = [part(0, 4)?, part(4, 6)?, part(6, 8)?];
    let [hour, minute, second] = [part(8, 10)?, part(10, 12)?, part(12, 14)?];
    let moment = date::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"));
    if digits.get(14..) != Some("Z") {
        return None;
    }
    Some((moment.or_else(|| (year < "1970").then_some(0))?, rest))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        CertificateDer::from_pem_file(path).unwrap().to_vec()
    }

    #[test]
    fn both_times_are_read_in_either_form() {
        let at = |text: &str| date::parse(text).unwrap();
        let from_s = at("2020-01-01T00:00:00Z");
        for (name, until) in
            [("good.pem", "2120-01-01T00:00:00Z"), ("expired.pem", "2021-01-01T00:00:00Z"), ("ca.pem", "2120-01-01T00:00:00Z")]
        {
            assert_eq!(dates(&fixture(name)), Some(Validity { from_s, until_s: at(until) }), "{name}");
        }
        assert_eq!(time(b"\x17\x0d991231235959Z"), Some((at("1999-12-31T23:59:59Z"), &[][..])));
        assert_eq!(time(b"\x17\x0d500101000000Z"), Some((0, &[][..])), "before 1970");
    }

    #[test]
    fn what_is_no_certificate_is_none_and_never_panics() {
        let good = fixture("good.pem");
        for cut in 0..good.len() {
            let _ = dates(&good[..cut]);
        }
        for at in 0..good.len().min(200) {
            for byte in [0x00, 0x7f, 0x80, 0x84, 0xff] {
                let mut broken = good.clone();
                broken[at] = byte;
                let _ = dates(&broken);
            }
        }
        for bytes in
            [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80\x00\x00", b"\x17\x0d20010100000\xE9Z", b"\x17\x0d209901000000Z"]
        {
            assert_eq!((dates(bytes), time(bytes)), (None, None));
        }
    }
}
