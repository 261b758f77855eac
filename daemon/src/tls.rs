//! The one TLS client configuration: ring, the platform's roots, and a private CA where one is
//! configured. There is no switch that accepts an unverified certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Why no TLS configuration could be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA file does not hold certificates.
    #[error("cannot read certificates from `tls.ca_file` {path}: it must be a PEM file ({why})")]
    CaFile {
        /// Which file.
        path: PathBuf,
        /// What was wrong.
        why: String,
    },
    /// The verifier or the protocol set-up failed.
    #[error("cannot set up TLS ({0}); is the system's CA bundle (ca-certificates) installed?")]
    SetUp(String),
}

/// A connector that verifies against the platform's roots and the certificates in `ca_file`.
///
/// # Errors
/// When `ca_file` cannot be read or holds no certificate.
pub fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let extra_roots = ca_file
        .map(read_certificates)
        .transpose()?
        .unwrap_or_default();
    let verifier = if extra_roots.is_empty() {
        Verifier::new(provider.clone())
    } else {
        Verifier::new_with_extra_roots(extra_roots, provider.clone())
    }
    .map_err(|error| TlsError::SetUp(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::SetUp(error.to_string()))?
        .dangerous() // rustls' word for any verifier of another crate; this one verifies
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |why: String| TlsError::CaFile {
        path: path.to_owned(),
        why,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_certificates_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "not a certificate").unwrap();
        let error = connector(Some(&path)).err().unwrap().to_string();
        assert!(
            error.contains("ca.pem") && error.contains("tls.ca_file"),
            "{error}"
        );
    }
}
