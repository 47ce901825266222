//! TLS towards a TCP endpoint, and towards any other address that configuration comes from.

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
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the files now: a wrong path is a mistake of the configuration, not of the engine. An engine's authority has
    /// to be named.
    pub(super) fn new(host: &str, options: Option<&DockerTls>) -> Result<Self, EngineError> {
        Self::build("providers.docker.tls", host, options, false)
    }

    /// The same for options called `section`; without an authority of its own, those of the system count.
    pub(crate) fn trusting_system(section: &str, host: &str, options: Option<&DockerTls>) -> Result<Self, EngineError> {
        Self::build(section, host, options, true)
    }

    fn build(section: &str, host: &str, options: Option<&DockerTls>, system: bool) -> Result<Self, EngineError> {
        let wrong = |what: String| EngineError::config(format!("{section}: {what}"));
        let options = options.cloned().unwrap_or_default();
        // Named here, not taken from the process: who installs a default first is nobody's business.
        let crypto = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&crypto))
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong(e.to_string()))?;
        let builder = if options.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAll(crypto)))
        } else {
            let mut roots = RootCertStore::empty();
            if options.ca.is_empty() && system {
                let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if added == 0 {
                    return Err(wrong("this system knows no authorities: name a file with one by ca".to_owned()));
                }
            } else if options.ca.is_empty() {
                return Err(wrong(
                    "ca is not given: name the file with the authority that signed the engine's certificate \
                                  (or set insecureSkipVerify)"
                        .to_owned(),
                ));
            }
            let named = if options.ca.is_empty() { Vec::new() } else { certificates(section, "ca", &options.ca)? };
            for certificate in named {
                roots.add(certificate).map_err(|e| wrong(format!("ca {}: {e}", shown(&options.ca))))?;
            }
            builder.with_root_certificates(roots)
        };
        let config = match (options.cert.is_empty(), options.key.is_empty()) {
            (true, true) => builder.with_no_client_auth(),
            (false, false) => {
                let key = PrivateKeyDer::from_pem_slice(&text(section, "key", &options.key)?)
                    .map_err(|e| wrong(format!("key {}: {e}", shown(&options.key))))?;
                builder
                    .with_client_auth_cert(certificates(section, "cert", &options.cert)?, key)
                    .map_err(|e| wrong(format!("cert and key: {e}")))?
            }
            _ => return Err(wrong("cert and key belong together, and only one is given".to_owned())),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong(format!("{host:?} is no host name")))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    pub(crate) async fn connect(&self, shown: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, EngineError> {
        let handshake = self.connector.connect(self.name.clone(), stream).await;
        handshake.map_err(|e| EngineError::talk(format!("{shown}: the TLS handshake failed: {e}")))
    }
}

fn certificates(section: &str, option: &str, value: &str) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let wrong = |what: &str| EngineError::config(format!("{section}.{option}: {}: {what}", shown(value)));
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text(section, option, value)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong("no certificate in it")),
        Ok(found) => Ok(found),
        Err(e) => Err(wrong(&e.to_string())),
    }
}

/// The PEM text: the value itself, or the file that it names.
fn text(section: &str, option: &str, value: &str) -> Result<Vec<u8>, EngineError> {
    if value.trim_start().starts_with("-----BEGIN") {
        return Ok(value.as_bytes().to_vec());
    }
    std::fs::read(value).map_err(|e| EngineError::config(format!("{section}.{option}: {value}: {e}")))
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
