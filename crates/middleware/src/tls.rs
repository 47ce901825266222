//! TLS to servers that middlewares ask: what it is made of here, and what `proxy` made of it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use seaway_config::Files;
use seaway_config::model::{AuthTls, ClientCertificate, ServersTransport};

/// What connects by TLS. Nobody looks into it who has not made it.
pub type Connector = Arc<dyn Any + Send + Sync>;

/// How to connect to one server by TLS. Without a connector nothing is connected to.
pub struct Tls {
    at: &'static str,
    options: ServersTransport,
    connector: OnceLock<Connector>,
}

impl Tls {
    /// `at` is where the options stand, for errors. Files are put into the options as their texts.
    pub(crate) fn compile(at: &'static str, options: Option<&AuthTls>, files: &Files) -> Result<Self, String> {
        let mut made = ServersTransport::default();
        if let Some(given) = options {
            let (cert, key) = (given.cert.trim(), given.key.expose().trim());
            if cert.is_empty() != key.is_empty() {
                let (one, other) = if key.is_empty() { ("cert", "key") } else { ("key", "cert") };
                return Err(format!("{at}.{one} is given without {at}.{other}; a certificate is shown with its key"));
            }
            let text = |option, value| text(at, option, value, files);
            if !given.ca.trim().is_empty() {
                made.root_cas.push(text("ca", given.ca.trim())?);
            }
            if !cert.is_empty() {
                let (cert_file, key_file) = (text("cert", cert)?, text("key", key)?);
                made.certificates.push(ClientCertificate { cert_file, key_file });
            }
            made.insecure_skip_verify = given.insecure_skip_verify;
        }
        Ok(Self { at, options: made, connector: OnceLock::new() })
    }

    /// What a connector is to be made of; names no files.
    pub fn options(&self) -> &ServersTransport {
        &self.options
    }

    /// Takes the connector that was made.
    ///
    /// # Errors
    ///
    /// Why there is none, in the words of this middleware's options.
    pub fn connect_with(&self, made: Result<Connector, String>) -> Result<(), String> {
        let named = |e: String| {
            let e = e.replace("certificates.keyFile", "key").replace("certificates.certFile", "cert");
            format!("{}: {}", self.at, e.replace("rootCAs", "ca"))
        };
        let made = made.map_err(named)?;
        self.connector.get_or_init(|| made);
        Ok(())
    }

    /// The connector.
    pub fn connector(&self) -> Option<&Connector> {
        self.connector.get()
    }
}

/// A key may be in the options.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("at", &self.at).finish_non_exhaustive()
    }
}

/// The PEM text: the value itself, or what the file has that it names.
fn text(at: &str, option: &str, value: &str, files: &Files) -> Result<String, String> {
    const BEGIN: &str = "-----BEGIN";
    if value.contains(BEGIN) {
        return Ok(value.to_owned());
    }
    let text = files.text(value).map_err(|why| format!("{at}.{option} {value}: {why}"))?;
    // What people write in front of it is for people.
    let begin = text.find(BEGIN).ok_or_else(|| format!("{at}.{option} {value}: no PEM text in it"))?;
    Ok(text.get(begin..).unwrap_or_default().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seaway_config::Secret;
    use seaway_config::files::FileText;

    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----";

    fn options(ca: &str, cert: &str, key: &str) -> AuthTls {
        AuthTls { ca: ca.to_owned(), cert: cert.to_owned(), key: Secret::new(key), insecure_skip_verify: false }
    }

    #[test]
    fn files_become_their_texts() {
        let texts = [("/ca", format!("subject: x\n{PEM}")), ("/cert", PEM.to_owned()), ("/key", PEM.to_owned())];
        let files: Files = texts.iter().map(|(path, text)| (Box::from(*path), FileText::new(text))).collect();
        let tls = Tls::compile("a.tls", Some(&options("/ca", "/cert", PEM)), &files).unwrap();
        assert_eq!(tls.options().root_cas, [PEM]);
        assert_eq!(tls.options().certificates[0].cert_file, PEM);
        assert_eq!(tls.options().certificates[0].key_file, PEM);
        assert!(!format!("{tls:?}").contains("BEGIN"));
    }

    #[test]
    fn what_is_missing_is_told_with_its_option() {
        let files: Files = [(Box::from("/empty"), FileText::new("secret"))].into_iter().collect();
        for (given, want) in [
            (options("/gone", "", ""), "a.tls.ca /gone: it was not read"),
            (options("/empty", "", ""), "a.tls.ca /empty: no PEM text in it"),
            (options("", PEM, ""), "a.tls.cert is given without a.tls.key; a certificate is shown with its key"),
            (options("", "", PEM), "a.tls.key is given without a.tls.cert; a certificate is shown with its key"),
        ] {
            assert_eq!(Tls::compile("a.tls", Some(&given), &files).unwrap_err(), want);
        }
        let tls = Tls::compile("a.tls", None, &files).unwrap();
        assert_eq!(tls.connect_with(Err("rootCAs (PEM text): x".to_owned())).unwrap_err(), "a.tls: ca (PEM text): x");
        assert!(tls.connector().is_none());
    }
}
