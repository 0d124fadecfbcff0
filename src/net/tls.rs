//! TLS: this machine's certificate shown to others, and theirs checked against the one that is expected.
//!
//! There are no authorities. A certificate is trusted because its fingerprint was exchanged when the machines were paired.
//! That its sender has the key is proved by the handshake's signature, which is always checked.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::network::Stream;
use crate::base::sync::lock;
use crate::base::{Error, Fingerprint, Result};

/// The name in every handshake. Certificates are told by their fingerprints, so that a name would tell only listeners.
const NAME: &str = "loopsy";

/// This program's cryptography: ring's, with the fastest of its ciphers first.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let made = || {
        let mut provider = ring::default_provider();
        provider.cipher_suites.sort_by_key(|suite| !format!("{:?}", suite.suite()).contains("AES_128_GCM"));
        Arc::new(provider)
    };
    PROVIDER.get_or_init(made).clone()
}

/// A certificate with its key, as a server shows it.
pub struct Credentials {
    /// The certificate, then the one that it took over from, where it did.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// The serving half. Clones are the same.
#[derive(Clone)]
pub struct Server(Arc<Mutex<TlsAcceptor>>);

fn acceptor(credentials: Credentials) -> Result<TlsAcceptor> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::internal("TLS can't be set up", cause))?
        .with_no_client_auth()
        .with_single_cert(credentials.chain, credentials.key)
        .map_err(|cause| Error::internal("the certificate and its key do not fit together", cause))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Server {
    /// Shows these credentials, and speaks HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` where certificate and key are not a pair.
    pub fn new(credentials: Credentials) -> Result<Self> {
        acceptor(credentials).map(|acceptor| Self(Arc::new(Mutex::new(acceptor))))
    }
    /// Shows others from the next connection on, also to those who could resume an earlier one: who resumes sees no certificate.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn renew(&self, credentials: Credentials) -> Result<()> {
        *lock(&self.0) = acceptor(credentials)?;
        Ok(())
    }
    /// The handshake with a client that begins one.
    pub async fn accept(&self, stream: Stream) -> io::Result<Stream> {
        let acceptor = lock(&self.0).clone();
        acceptor.accept(stream).await.map(|secured| Stream::tls(TlsStream::Server(secured)))
    }
}

/// Another certificate was shown than the one that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The one that was expected.
    pub expected: Fingerprint,
    /// The one that was shown.
    pub shown: Fingerprint,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the certificate is {}, expected was {}", self.shown, self.expected)
    }
}

impl std::error::Error for Mismatch {}

/// Why there is no TLS with the other end.
#[derive(Debug)]
pub enum Refused {
    /// It has another certificate.
    Mismatch(Mismatch),
    /// It does not speak TLS, or not as it should.
    Failed(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause)))) = inner
            && let Some(mismatch) = cause.downcast_ref::<Mismatch>()
        {
            return Refused::Mismatch(*mismatch);
        }
        Refused::Failed(error)
    }
}

/// The asking half. Clones share what they remember of earlier handshakes.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    /// Takes the certificate with this fingerprint, or one that it was handed over to; any where none is expected.
    ///
    /// Only HTTP/1.1 is offered: a request under way has its connection to itself, and WebSockets need it.
    pub fn new(expected: Option<Fingerprint>) -> Result<Self> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|cause| Error::internal("TLS can't be set up", cause))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { expected }))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if expected.is_none() {
            // What was never proved is not to be remembered.
            config.resumption = Resumption::disabled();
        }
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
    /// The handshake; answers the certificate that was shown as well.
    pub async fn connect(&self, stream: Stream) -> std::result::Result<(Stream, Fingerprint), Refused> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let secured = self.0.connect(name, stream).await?;
        let shown = secured.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|first| Fingerprint::of(first));
        let shown = shown.ok_or_else(|| io::Error::other("no certificate was shown"))?;
        Ok((Stream::tls(TlsStream::Client(secured)), shown))
    }
}

/// Checks a certificate against the one that is expected.
#[derive(Debug)]
struct Verifier {
    expected: Option<Fingerprint>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let Some(expected) = self.expected else { return Ok(ServerCertVerified::assertion()) };
        let fingerprint = Fingerprint::of(shown);
        let handed_over = || intermediates.first().is_some_and(|old| Fingerprint::of(old) == expected && is_signed_by(shown, old, now));
        if fingerprint == expected || handed_over() {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = Mismatch { expected, shown: fingerprint };
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(mismatch)))))
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a certificate is valid now and was signed with another's key: how a machine hands its trust over to a renewed one.
fn is_signed_by(certificate: &CertificateDer<'_>, signer: &CertificateDer<'_>, now: UnixTime) -> bool {
    verify(certificate, signer, now).is_ok()
}

fn verify(certificate: &CertificateDer<'_>, signer: &CertificateDer<'_>, now: UnixTime) -> std::result::Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(signer.clone().into_owned())?;
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&ParsedCertificate::try_from(certificate)?, &roots, &[], now, algorithms)
}

/// Until when a certificate is valid, milliseconds since the epoch. `signer` is itself for one that signed itself.
///
/// # Errors
/// `INTERNAL_ERROR` where it can't be read as one of ours.
pub fn valid_until(certificate: &CertificateDer<'_>) -> Result<u64> {
    // The verifier tells it when asked about a time after all times; dates come before signatures.
    let end_of_time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(253_402_300_000));
    match verify(certificate, certificate, end_of_time) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => Ok(not_after.as_secs() * 1000),
        other => Err(Error::internal("the certificate can't be read", format!("{other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, generate_simple_self_signed};
    use tokio_rustls::rustls::SupportedProtocolVersion;
    use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
    use tokio_rustls::rustls::version::{TLS12, TLS13};

    use super::*;
    use crate::net::memory::Memory;
    use crate::net::{Address, Network};

    /// A server that shows this certificate and signs with this key, fit together or not.
    fn showing(certificate: &CertificateDer<'static>, key: &KeyPair, version: &'static SupportedProtocolVersion) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = provider().key_provider.load_private_key(key).unwrap();
        let shown = Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate.clone()], key)));
        let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
        TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_cert_resolver(shown)))
    }

    async fn handshake(server: TlsAcceptor, expected: Option<Fingerprint>) -> std::result::Result<Fingerprint, Refused> {
        let network = Network::Memory(Memory::default().host("kai"));
        let mut listener = network.listen("0.0.0.0", 0).await.unwrap();
        let address = Address::new("127.0.0.1", listener.port()).unwrap();
        let serving = async { server.accept(listener.accept().await.unwrap().0).await };
        let client = Client::new(expected).unwrap();
        let asking = async { client.connect(network.dial(&address).await.unwrap()).await.map(|(_, shown)| shown) };
        tokio::join!(serving, asking).1
    }

    /// known fault 5: a certificate is no secret. Who shows the pinned one without having its key is refused, also by those who
    /// expect none.
    #[tokio::test]
    async fn a_certificate_without_its_key_proves_nothing() {
        let made = generate_simple_self_signed(vec!["loopsy".into()]).unwrap();
        let stranger = KeyPair::generate().unwrap();
        let certificate = made.cert.der();
        let pin = Fingerprint::of(certificate);
        for version in [&TLS12, &TLS13] {
            for expected in [Some(pin), None] {
                assert_eq!(handshake(showing(certificate, &made.signing_key, version), expected).await.unwrap(), pin);
                let refused = handshake(showing(certificate, &stranger, version), expected).await.unwrap_err();
                assert!(matches!(&refused, Refused::Failed(error) if error.kind() == io::ErrorKind::InvalidData), "{refused:?}");
            }
        }
    }
}
