//! Mutual TLS 1.3 with pinned certificates: no authority is asked, a peer is whoever holds the key of the one
//! certificate that the federation's guardians know of it.

mod fingerprint;
mod pinned;

use rekindle_protocol::encoding::{Decode, Encode};
use std::sync::Arc;

use rustls::{
    ClientConfig, Error, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    version::TLS13,
};
use zeroize::Zeroizing;

pub use fingerprint::Fingerprint;
use pinned::Pinned;

/// What every certificate is issued to: a name says nothing where certificates are pinned.
const NAME: &str = "guardian.invalid";

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("the guardian's certificate is not usable: {0}")]
pub struct TlsError(String);

impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// A guardian's certificate and its secret key. It has no `Debug`; the key is erased when dropped.
#[derive(Clone, Encode, Decode)]
pub struct TlsIdentity {
    certificate: Vec<u8>,
    key: SecretBytes,
}

/// Bytes that are erased when dropped.
#[derive(Clone, Encode, Decode)]
struct SecretBytes(Vec<u8>);

impl Drop for SecretBytes {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl TlsIdentity {
    /// A fresh self-signed certificate on the curve P-256, with the randomness of the operating system. It never
    /// expires: it is replaced when a guardian's peers agree on another one.
    ///
    /// # Errors
    /// [`TlsError`] if the library fails.
    pub fn generate() -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| TlsError(error.to_string());
        let pair = rcgen::KeyPair::generate().map_err(failed)?;
        let params = rcgen::CertificateParams::new(vec![NAME.into()]).map_err(failed)?;
        let certificate = params.self_signed(&pair).map_err(failed)?;
        let key = Zeroizing::new(pair.serialize_der());
        Ok(Self { certificate: certificate.der().to_vec(), key: SecretBytes(key.to_vec()) })
    }

    /// The fingerprint of the certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// How a guardian accepts connections, from holders of `pinned` certificates alone.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn server(&self, pinned: Vec<Fingerprint>) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(default_provider());
        let verifier = Arc::new(Pinned::new(pinned, &provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain(), self.private_key())?;
        Ok(Arc::new(config))
    }

    /// How a guardian connects to the holder of the certificate `pinned`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn client(&self, pinned: Fingerprint) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(default_provider());
        let verifier = Arc::new(Pinned::new(vec![pinned], &provider));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(self.chain(), self.private_key())?;
        Ok(Arc::new(config))
    }

    /// The name to connect under.
    pub fn server_name() -> ServerName<'static> {
        // A constant that is a valid name; an address would do as well, since nobody looks at it.
        ServerName::try_from(NAME).unwrap_or(ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()))
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from(self.certificate.clone())]
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// Whether both sides get through a handshake and can talk.
    async fn connects(
        client: &TlsIdentity,
        expected_server: Fingerprint,
        server: &TlsIdentity,
        clients: Vec<Fingerprint>,
    ) -> bool {
        let (near, far) = duplex(16 << 10);
        let connector = TlsConnector::from(client.client(expected_server).unwrap());
        let acceptor = TlsAcceptor::from(server.server(clients).unwrap());
        let client = async {
            let mut stream = connector.connect(TlsIdentity::server_name(), near).await?;
            stream.write_u8(7).await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let server = async {
            let mut stream = acceptor.accept(far).await?;
            let byte = stream.read_u8().await?;
            stream.write_u8(byte).await?;
            stream.flush().await?;
            Ok::<_, std::io::Error>(byte)
        };
        let (client, server) = tokio::join!(client, server);
        client.is_ok_and(|byte| byte == 7) && server.is_ok()
    }

    #[tokio::test]
    async fn both_sides_must_hold_the_pinned_certificate() {
        let [a, b, stranger] = [0; 3].map(|_| TlsIdentity::generate().unwrap());
        assert!(connects(&a, b.fingerprint(), &b, vec![a.fingerprint()]).await);
        assert!(connects(&a, b.fingerprint(), &b, vec![stranger.fingerprint(), a.fingerprint()]).await);
        assert!(!connects(&a, b.fingerprint(), &stranger, vec![a.fingerprint()]).await, "another server");
        assert!(!connects(&stranger, b.fingerprint(), &b, vec![a.fingerprint()]).await, "another client");
        // A certificate is public: showing it without its key is not enough.
        let thief = TlsIdentity { certificate: a.certificate.clone(), key: stranger.key.clone() };
        assert!(thief.client(b.fingerprint()).is_err(), "the library itself notices");
    }
}
