//! HTTPS, for guardians without a proxy in front of them.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Longest file with certificates or a key, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Why certificate and key are not usable.
#[derive(Debug, thiserror::Error)]
pub enum ApiTlsError {
    /// A file can't be read.
    #[error("{path} can't be read: {error}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no {what} in PEM form")]
    Pem {
        /// Which file.
        path: String,
        /// A certificate or a key.
        what: &'static str,
    },
    /// They do not belong together, or are of a kind that is not supported.
    #[error("certificate and key are not usable: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS 1.3 with the certificate chain in one file and its key in another.
///
/// # Errors
/// [`ApiTlsError`].
pub fn tls_from_files(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, ApiTlsError> {
    let read = |path: &Path| {
        let found = crate::files::read_if_there(path, MAX_PEM_BYTES);
        let found = found.and_then(|bytes| bytes.ok_or(io::ErrorKind::NotFound.into()));
        found.map_err(|error| ApiTlsError::Io { path: path.display().to_string(), error })
    };
    let wrong = |path: &Path, what| ApiTlsError::Pem { path: path.display().to_string(), what };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificates)?)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(certificates, "certificate"))?;
    if chain.is_empty() {
        return Err(wrong(certificates, "certificate"));
    }
    let pem = zeroize::Zeroizing::new(read(key)?);
    let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| wrong(key, "private key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_that_are_not_usable_are_named() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str, content: &str| {
            let path = temp.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (cert, key) = (at("cert", &made.cert.pem()), at("key", &made.signing_key.serialize_pem()));
        let (empty, other) = (at("empty", ""), at("other", &other.signing_key.serialize_pem()));
        assert!(tls_from_files(&cert, &key).is_ok());
        let text = |cert: &Path, key: &Path| tls_from_files(cert, key).map(drop).unwrap_err().to_string();
        assert!(text(&empty, &key).ends_with("empty holds no certificate in PEM form"));
        assert!(text(&cert, &cert).ends_with("cert holds no private key in PEM form"));
        assert!(text(&cert, &temp.path().join("nowhere")).contains("nowhere can't be read"));
        assert!(text(&cert, &other).starts_with("certificate and key are not usable"));
    }
}
