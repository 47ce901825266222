//! How servers are connected to.

use crate::decode::options;
use crate::statics::ForwardingTimeouts;

options! {
    /// `http.serversTransports.<name>`, and the static `serversTransport`.
    section struct ServersTransport {
        server_name: String = String::new(), "serverName", "", "The name that the server's certificate must have, sent as SNI; the host of the server's URL if not given.";
        insecure_skip_verify: bool = false, "insecureSkipVerify", "false", "Take any certificate.";
        root_cas: Vec<String> = Vec::new(), "rootCAs", "", "Authorities that server certificates may be signed by: files, or PEM text; those of the system if not given.";
        certificates: Vec<ClientCertificate> = Vec::new(), "certificates", "", "Certificates to show to servers that ask for one.";
        cipher_suites: Vec<String> = Vec::new(), "cipherSuites", "", "Cipher suites of TLS 1.2; the library's choice if not given.";
        min_version: String = String::new(), "minVersion", "VersionTLS12", "Oldest version of TLS: VersionTLS12 or VersionTLS13.";
        max_version: String = String::new(), "maxVersion", "VersionTLS13", "Newest version of TLS.";
        max_idle_conns_per_host: u64 = 200, "maxIdleConnsPerHost", "200", "Unused connections kept for each server.";
        forwarding_timeouts: ForwardingTimeouts = ForwardingTimeouts::default(), "forwardingTimeouts", "", "Time limits towards servers.";
        disable_http2: bool = false, "disableHTTP2", "false", "Accepted for compatibility: servers are spoken to in HTTP/1.1.";
        peer_cert_uri: String = String::new(), "peerCertURI", "", "URI that the server's certificate must carry.";
    }

    /// `http.serversTransports.<name>.certificates[n]`.
    section struct ClientCertificate {
        cert_file: String = String::new(), "certFile", "", "File with the certificate, or PEM text.";
        key_file: String = String::new(), "keyFile", "", "File with its key, or PEM text.";
    }
}
