//! Whom TLS trusts: the system's roots, or Mozilla's where the system has none; or those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The system's roots; the built-in ones where it has none that can be read. Walks over files, so it blocks.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_certificates());
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// The system's roots; empty where it has none that can be read.
pub(crate) fn system_certificates() -> Vec<CertificateDer<'static>> {
    let mut found = rustls_native_certs::load_native_certs();
    found.certs.retain(|root| RootCertStore::empty().add(root.clone()).is_ok());
    if found.certs.is_empty() {
        let reason = found.errors.first().map(ToString::to_string);
        tracing::warn!(reason, "the system has no TLS roots; the built-in ones are used");
    }
    found.certs
}

/// The roots in a file, in PEM form. The error is why it gives none.
pub(crate) fn roots_in(path: &Path) -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_certs_from_paths(Some(path), None);
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(found.certs) {
        (0, _) => {
            let reason = found.errors.first().map_or_else(|| "no certificate in PEM form is in it".to_owned(), ToString::to_string);
            Err(format!("{} gives no TLS roots: {reason}", path.display()))
        }
        _ => Ok(roots),
    }
}

/// TLS that trusts these roots, and has no certificate of its own.
pub(crate) fn client(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
