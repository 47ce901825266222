//! `passTLSClientCert`: what the server is told of the client's certificate is told by Seaway alone.
//!
//! Without TLS no client shows a certificate, so all that is to be done is to take away what a client claims.

use http::HeaderName;
use seaway_config::model;
use seaway_head::RequestHead;

use crate::Flow;

const PEM: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert");
const INFO: HeaderName = HeaderName::from_static("x-forwarded-tls-client-cert-info");

/// Removes what a client says of its certificate.
#[derive(Clone, Debug)]
pub struct PassTlsClientCert;

impl PassTlsClientCert {
    pub(crate) fn compile(_options: &model::PassTlsClientCert) -> Result<Self, String> {
        Ok(Self)
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        head.headers.remove(PEM);
        head.headers.remove(INFO);
        Flow::Next
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::testing::get;

    #[test]
    fn what_a_client_claims_is_removed_whatever_is_passed_on() {
        for options in [
            model::PassTlsClientCert::default(),
            model::PassTlsClientCert {
                pem: true,
                info: Some(model::ClientCertInfo { sans: true, ..Default::default() }),
            },
        ] {
            let mut head = get("/");
            for name in [PEM, INFO] {
                head.headers.append(&name, HeaderValue::from_static("forged"));
                head.headers.append(name, HeaderValue::from_static("twice"));
            }
            head.headers.insert("x-other", HeaderValue::from_static("1"));
            let flow = PassTlsClientCert::compile(&options).unwrap().on_request(&mut head);
            assert!(matches!(flow, Flow::Next));
            assert!(!head.headers.contains_key(PEM) && !head.headers.contains_key(INFO));
            assert!(head.headers.contains_key("x-other"));
        }
    }
}
