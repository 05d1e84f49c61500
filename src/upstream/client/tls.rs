//! TLS for upstreams: the system's roots, or Mozilla's where the system has none.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Origin;
use crate::trust;

/// Makes TLS connections. The roots are read at the first one: on some systems that takes longer than all else at the start.
#[derive(Debug)]
pub(super) struct Tls {
    configs: OnceCell<Configs>,
}

/// The same but for the versions of HTTP that they offer.
#[derive(Debug)]
struct Configs {
    one: Arc<ClientConfig>,
    both: Arc<ClientConfig>,
}

impl Tls {
    /// Not loaded yet; the TLS library's defaults are checked.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        config(RootCertStore::empty())?;
        Ok(Self { configs: OnceCell::new() })
    }

    /// With these roots and no others.
    #[cfg(test)]
    pub(super) fn with_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        Ok(Self { configs: OnceCell::new_with(Some(config(roots)?)) })
    }

    /// Speaks TLS with `origin` over `tcp`.
    pub(super) async fn connect(&self, origin: &Origin, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(origin.host.to_string()).map_err(io::Error::other)?;
        let configs = self.configs.get_or_try_init(load).await?;
        let config = if origin.offers_http2 { &configs.both } else { &configs.one };
        TlsConnector::from(Arc::clone(config)).connect(name, tcp).await
    }
}

/// Reads the system's roots, off the runtime's threads: it is a walk over files.
async fn load() -> io::Result<Configs> {
    let roots = tokio::task::spawn_blocking(trust::system_roots).await.map_err(io::Error::other)?;
    config(roots).map_err(io::Error::other)
}

/// The variables that name roots in place of the system's: a file, and a list of folders.
pub const ROOTS_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What is wrong with the roots that a variable of [`ROOTS_VARIABLES`] names: sentences with the variable, the path and the
/// reason; none where each path gives a certificate. Reads files, so it blocks.
#[must_use]
pub fn root_faults(variable: &str, value: &str) -> Vec<String> {
    let is_file = variable == ROOTS_VARIABLES[0];
    let paths: Vec<PathBuf> =
        if is_file { vec![value.into()] } else { value.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect() };
    let fault = |path: PathBuf| {
        let found = rustls_native_certs::load_certs_from_paths(is_file.then_some(&path), (!is_file).then_some(&path));
        let (taken, _) = RootCertStore::empty().add_parsable_certificates(found.certs);
        let reason = match found.errors.into_iter().next().map(|error| error.kind) {
            _ if taken > 0 => return None,
            Some(rustls_native_certs::ErrorKind::Io { inner, .. }) => inner.to_string(),
            Some(rustls_native_certs::ErrorKind::Pem(error)) => error.to_string(),
            _ => "no certificate in PEM form is in it".to_owned(),
        };
        Some(format!("{variable} names {:?}, which gives no TLS roots: {reason}", path.display().to_string()))
    };
    paths.into_iter().filter_map(fault).collect()
}

fn config(roots: RootCertStore) -> Result<Configs, rustls::Error> {
    let mut config = trust::client(roots)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut both = config.clone();
    both.alpn_protocols.insert(0, b"h2".to_vec());
    Ok(Configs { one: Arc::new(config), both: Arc::new(both) })
}

/// What to do about a handshake that failed.
pub(in crate::upstream) fn advice(error: &io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            CertificateError::UnknownIssuer => "for a CA of your own, set SSL_CERT_FILE to its certificate",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name: check the host in base_url"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "renew the certificate, or check this machine's clock",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "check this machine's clock",
            _ => "the provider's certificate cannot be used",
        },
        Some(rustls::Error::InvalidMessage(_)) => "the port speaks no TLS: plain http needs an http:// base_url",
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "the port may speak no TLS: plain http needs an http:// base_url",
        _ => "check base_url; a proxy may stand in between",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_cannot_be_read_are_told_by_variable_path_and_reason() {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        assert!(root_faults("SSL_CERT_FILE", &format!("{fixtures}/tls/ca.pem")).is_empty());
        assert!(root_faults("SSL_CERT_DIR", &format!("{fixtures}/tls")).is_empty());
        for (variable, value, reason) in [
            ("SSL_CERT_FILE", "/absent/ca.pem".to_owned(), "No such file"),
            ("SSL_CERT_FILE", format!("{fixtures}/tls/server.key"), "no certificate"),
            ("SSL_CERT_FILE", String::new(), "No such file"),
            ("SSL_CERT_DIR", format!("{fixtures}/openai_chat"), "no certificate"),
            ("SSL_CERT_DIR", format!("{fixtures}/tls:/absent"), "No such file"),
        ] {
            let faults = root_faults(variable, &value);
            let path = value.rsplit(':').next().unwrap_or_default();
            assert!(matches!(faults.as_slice(), [one] if [variable, path, reason].iter().all(|part| one.contains(part))), "{faults:?}");
        }
    }
}
