//! TLS towards servers: made of what transports are configured with, once for each, and used for each connection.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use seaway_config::model::ServersTransport;
use seaway_routing::transport::{Connector, MakeConnector, Transport};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::ProxyError;

/// Largest file that is read: all authorities that there are take a fraction of it.
const MOST: u64 = 8 << 20;

/// Makes connectors; reads files.
#[derive(Debug)]
pub struct Connectors {
    usual: ServersTransport,
    system: OnceLock<Arc<RootCertStore>>,
}

impl Connectors {
    /// `usual` is for services that name no transport.
    pub fn new(usual: ServersTransport) -> Self {
        Self { usual, system: OnceLock::new() }
    }

    /// The system's authorities; Mozilla's where it has none, as in an image that holds nothing but this program.
    fn system(&self) -> Arc<RootCertStore> {
        Arc::clone(self.system.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            let (_added, _ignored) = roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            Arc::new(roots)
        }))
    }
}

impl MakeConnector for Connectors {
    fn make(&self, options: &ServersTransport) -> Result<Connector, String> {
        let crypto = Arc::new(crypto(&options.cipher_suites)?);
        let versions = versions(&options.min_version, &options.max_version)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&crypto))
            .with_protocol_versions(&versions)
            .map_err(|e| format!("minVersion, maxVersion, cipherSuites: {e}"))?;
        let verifier: Arc<dyn ServerCertVerifier> = if options.insecure_skip_verify {
            Arc::new(TrustAll(Arc::clone(&crypto)))
        } else {
            let roots = if options.root_cas.is_empty() { self.system() } else { Arc::new(roots(&options.root_cas)?) };
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&crypto))
                .build()
                .map_err(|e| format!("rootCAs: {e}"))?
        };
        let verifier = match options.peer_cert_uri.as_str() {
            "" => verifier,
            uri => Arc::new(WithUri { inner: verifier, uri: uri.to_owned() }),
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match options.certificates.as_slice() {
            [] => builder.with_no_client_auth(),
            [one] => {
                let key = PrivateKeyDer::from_pem_slice(&text("keyFile", &one.key_file)?)
                    .map_err(|e| format!("certificates.keyFile {}: {e}", shown(&one.key_file)))?;
                let chain = certificates("certificates.certFile", &one.cert_file)?;
                builder.with_client_auth_cert(chain, key).map_err(|e| format!("certificates: {e}"))?
            }
            more => return Err(format!("certificates: one is shown to servers, and {} are given", more.len())),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = match options.server_name.as_str() {
            "" => None,
            name => Some(
                ServerName::try_from(name.to_owned()).map_err(|_| format!("serverName: {name:?} is no host name"))?,
            ),
        };
        Ok(Arc::new(Tls { connector: TlsConnector::from(Arc::new(config)), name }))
    }

    fn default_options(&self) -> ServersTransport {
        self.usual.clone()
    }
}

/// How to begin TLS.
struct Tls {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

/// Begins TLS with a server that should have a certificate for `name`, unless the transport names another one.
pub(crate) async fn begin(
    transport: &Transport,
    name: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ProxyError> {
    // Tables have no servers with TLS whose transport has none.
    begin_with(transport.connector.get(), name, stream).await
}

/// The same with a connector that was made here.
pub(crate) async fn begin_with(
    connector: Option<&Connector>,
    name: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ProxyError> {
    let tls = connector.and_then(|connector| connector.downcast_ref::<Tls>());
    let Some(tls) = tls else { return Err(ProxyError::BadCertificate) };
    let name = match &tls.name {
        Some(name) => name.clone(),
        None => ServerName::try_from(name.to_owned()).map_err(|_| ProxyError::BadCertificate)?,
    };
    tls.connector.connect(name, stream).await.map_err(|error| failure(&error))
}

/// A certificate that is not trusted is nothing that another try would mend.
fn failure(error: &io::Error) -> ProxyError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(_) => ProxyError::BadCertificate,
        None => ProxyError::ConnectFailed,
    }
}

fn crypto(wanted: &[String]) -> Result<CryptoProvider, String> {
    // Named here, not taken from the process: who installs a default first is nobody's business.
    let mut crypto = aws_lc_rs::default_provider();
    if wanted.is_empty() {
        return Ok(crypto);
    }
    let name = |suite: &rustls::SupportedCipherSuite| suite.suite().as_str().unwrap_or_default();
    let known = |wanted: &String| crypto.cipher_suites.iter().any(|suite| name(suite) == wanted);
    if let Some(unknown) = wanted.iter().find(|wanted| !known(wanted)) {
        let all: Vec<_> = crypto.cipher_suites.iter().map(name).collect();
        return Err(format!("cipherSuites: there is no {unknown:?}; there are {}", all.join(", ")));
    }
    // Those of TLS 1.3 are not chosen from.
    crypto.cipher_suites.retain(|suite| suite.tls13().is_some() || wanted.iter().any(|wanted| name(suite) == wanted));
    Ok(crypto)
}

fn versions(min: &str, max: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let number = |option: &str, text: &str, none: u8| match text {
        "" => Ok(none),
        "VersionTLS10" => Ok(10),
        "VersionTLS11" => Ok(11),
        "VersionTLS12" => Ok(12),
        "VersionTLS13" => Ok(13),
        other => Err(format!("{option}: {other:?} is none of VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13")),
    };
    let (min, max) = (number("minVersion", min, 12)?, number("maxVersion", max, 13)?);
    if min > max {
        return Err("minVersion is newer than maxVersion".to_owned());
    }
    if max < 12 {
        return Err("maxVersion: nothing older than TLS 1.2 is spoken".to_owned());
    }
    let all = [(12, &TLS12), (13, &TLS13)];
    Ok(all.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, version)| version).collect())
}

fn roots(given: &[String]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for value in given {
        for certificate in certificates("rootCAs", value)? {
            roots.add(certificate).map_err(|e| format!("rootCAs {}: {e}", shown(value)))?;
        }
    }
    Ok(roots)
}

fn certificates(option: &str, value: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text(option, value)?).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("{option} {}: no certificate in it", shown(value))),
        Ok(found) => Ok(found),
        Err(e) => Err(format!("{option} {}: {e}", shown(value))),
    }
}

/// The PEM text: the value itself, or the file that it names.
fn text(option: &str, value: &str) -> Result<Vec<u8>, String> {
    if is_pem(value) {
        return Ok(value.as_bytes().to_vec());
    }
    let failed = |e: io::Error| format!("{option} {value}: {e}");
    // A pipe or a device would keep everything waiting, or give without end.
    if !std::fs::metadata(value).map_err(failed)?.is_file() {
        return Err(format!("{option} {value}: it is no file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(value).map_err(failed)?.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(format!("{option} {value}: it has more than {} MiB", MOST >> 20));
    }
    Ok(bytes)
}

/// A file's name can be shown, a key's text must not.
fn shown(value: &str) -> &str {
    if is_pem(value) { "(PEM text)" } else { value }
}

fn is_pem(value: &str) -> bool {
    value.trim_start().starts_with("-----BEGIN")
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

/// `peerCertURI`: whatever else is asked of it, the certificate must carry this URI.
struct WithUri {
    inner: Arc<dyn ServerCertVerifier>,
    uri: String,
}

impl fmt::Debug for WithUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithUri").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for WithUri {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(certificate, between, name, ocsp, now)?;
        let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
        if parsed.valid_uri_names().any(|uri| uri == self.uri) {
            return Ok(verified);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seaway_config::model::ClientCertificate;

    use super::*;

    fn fault(change: impl FnOnce(&mut ServersTransport)) -> Option<String> {
        let mut options = ServersTransport::default();
        change(&mut options);
        Connectors::new(ServersTransport::default()).make(&options).err()
    }

    #[test]
    fn what_cannot_be_followed_is_told_with_its_option() {
        assert_eq!(fault(|_| {}), None);
        assert_eq!(fault(|o| o.min_version = "VersionTLS13".to_owned()), None);
        assert_eq!(fault(|o| o.cipher_suites = vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned()]), None);
        type Change = fn(&mut ServersTransport);
        let cases: [(&str, Change); 10] = [
            ("minVersion: \"TLS12\"", |o| o.min_version = "TLS12".to_owned()),
            ("maxVersion: nothing older", |o| {
                (o.min_version, o.max_version) = ("VersionTLS10".into(), "VersionTLS11".into())
            }),
            ("minVersion is newer", |o| {
                (o.min_version, o.max_version) = ("VersionTLS13".into(), "VersionTLS12".into())
            }),
            ("cipherSuites: there is no \"RC4\"", |o| o.cipher_suites = vec!["RC4".to_owned()]),
            ("serverName", |o| o.server_name = "a b".to_owned()),
            ("rootCAs /nowhere/ca.pem", |o| o.root_cas = vec!["/nowhere/ca.pem".to_owned()]),
            ("rootCAs /dev/zero: it is no file", |o| o.root_cas = vec!["/dev/zero".to_owned()]),
            ("rootCAs (PEM text)", |o| o.root_cas = vec!["-----BEGIN NOTHING-----".to_owned()]),
            ("keyFile /nowhere/key.pem", |o| {
                let (cert_file, key_file) = ("/nowhere/cert.pem".to_owned(), "/nowhere/key.pem".to_owned());
                o.certificates = vec![ClientCertificate { cert_file, key_file }];
            }),
            ("certificates: one is shown", |o| o.certificates = vec![ClientCertificate::default(); 2]),
        ];
        for (expected, change) in cases {
            let found = fault(change).unwrap();
            assert!(found.starts_with(expected), "{expected}: {found}");
        }
    }
}
