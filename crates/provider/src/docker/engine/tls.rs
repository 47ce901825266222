//! TLS towards a TCP endpoint.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use seaway_config::statics::DockerTls;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::EngineError;

/// How to begin TLS with one engine.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the files now: a wrong path is a mistake of the configuration, not of the engine.
    pub(super) fn new(host: &str, options: Option<&DockerTls>) -> Result<Self, EngineError> {
        let wrong = |what: String| EngineError::config(format!("providers.docker.tls: {what}"));
        let options = options.cloned().unwrap_or_default();
        // Named here, not taken from the process: who installs a default first is nobody's business.
        let crypto = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&crypto))
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(e.to_string()))?;
        let builder = if options.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAll(crypto)))
        } else {
            if options.ca.is_empty() {
                return Err(wrong(
                    "ca is not given: name the file with the authority that signed the engine's certificate \
                                  (or set insecureSkipVerify)"
                        .to_owned(),
                ));
            }
            let mut roots = RootCertStore::empty();
            for certificate in certificates("ca", &options.ca)? {
                roots.add(certificate).map_err(|e| wrong(format!("ca {}: {e}", shown(&options.ca))))?;
            }
            builder.with_root_certificates(roots)
        };
        let config = match (options.cert.is_empty(), options.key.is_empty()) {
            (true, true) => builder.with_no_client_auth(),
            (false, false) => {
                let key = PrivateKeyDer::from_pem_slice(&text("key", &options.key)?)
                    .map_err(|e| wrong(format!("key {}: {e}", shown(&options.key))))?;
                builder
                    .with_client_auth_cert(certificates("cert", &options.cert)?, key)
                    .map_err(|e| wrong(format!("cert and key: {e}")))?
            }
            _ => return Err(wrong("cert and key belong together, and only one is given".to_owned())),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong(format!("{host:?} is no host name")))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    pub(super) async fn connect(&self, shown: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, EngineError> {
        let handshake = self.connector.connect(self.name.clone(), stream).await;
        handshake.map_err(|e| EngineError::talk(format!("{shown}: the TLS handshake failed: {e}")))
    }
}

fn certificates(option: &str, value: &str) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let wrong = |what: &str| EngineError::config(format!("providers.docker.tls.{option}: {}: {what}", shown(value)));
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text(option, value)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong("no certificate in it")),
        Ok(found) => Ok(found),
        Err(e) => Err(wrong(&e.to_string())),
    }
}

/// The PEM text: the value itself, or the file that it names.
fn text(option: &str, value: &str) -> Result<Vec<u8>, EngineError> {
    if value.trim_start().starts_with("-----BEGIN") {
        return Ok(value.as_bytes().to_vec());
    }
    std::fs::read(value).map_err(|e| EngineError::config(format!("providers.docker.tls.{option}: {value}: {e}")))
}

/// A file's name can be shown, a key's text must not.
fn shown(value: &str) -> &str {
    if value.trim_start().starts_with("-----BEGIN") { "(PEM text)" } else { value }
}

/// `insecureSkipVerify`: signatures are checked, who signed is not.
#[derive(Debug)]
struct TrustAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
