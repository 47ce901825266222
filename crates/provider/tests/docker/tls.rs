//! TLS towards the engine, with certificates made for the occasion.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs};
use seaway_config::statics::{DockerOptions, DockerTls};
use seaway_provider::Update;
use seaway_provider::docker::client::Limits;
use seaway_testkit::engine::{FakeEngine, Spec};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Watched, by_events_only};

/// An authority, and what it signed for the server and the client; false where there is no `openssl`.
fn certificates(dir: &Path) -> bool {
    let run = |line: &str| {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(dir).stdin(Stdio::null()).output();
        done.is_ok_and(|done| done.status.success())
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let signed = |name: &str| {
        run(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"))
            && run(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile {name}.ext"
            ))
    };
    std::fs::write(dir.join("server.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    std::fs::write(dir.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"))
        && signed("server")
        && signed("client")
}

/// Takes TLS connections with a certificate of the client and passes what is in them on to the engine.
async fn terminate(dir: &Path, engine: &FakeEngine) -> SocketAddr {
    let read = |name: &str| CertificateDer::from_pem_file(dir.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read("ca.pem")).unwrap();
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto)).build().unwrap();
    let config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![read("server.pem")], PrivateKeyDer::from_pem_file(dir.join("server.key")).unwrap())
        .unwrap();
    let (acceptor, socket) = (TlsAcceptor::from(Arc::new(config)), engine.path());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut engine = UnixStream::connect(socket).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut stream, &mut engine).await);
            });
        }
    });
    address
}

#[tokio::test]
async fn tls_both_ways_and_what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    if !certificates(dir.path()) {
        eprintln!("skipped: no openssl to make certificates with");
        return;
    }
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("web-1"));
    let port = terminate(dir.path(), &engine).await.port();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let full = DockerTls {
        ca: file("ca.pem"),
        cert: file("client.pem"),
        key: file("client.key"),
        insecure_skip_verify: false,
    };
    let inline = DockerTls { key: std::fs::read_to_string(file("client.key")).unwrap(), ..full.clone() };
    let trusting = DockerTls { ca: String::new(), insecure_skip_verify: true, ..full.clone() };
    let options = |scheme: &str, tls: &DockerTls| DockerOptions {
        endpoint: format!("{scheme}://localhost:{port}"),
        tls: Some(tls.clone()),
        ..DockerOptions::default()
    };
    for (scheme, tls) in [("tcp", &full), ("https", &full), ("tcp", &inline), ("tcp", &trusting)] {
        let mut watched = Watched::options(&options(scheme, tls), by_events_only(), Limits::default());
        watched.snapshot_of(&["web-1"]).await;
        assert_eq!(watched.stale(), 0);
        let barrier = watched.barrier(&engine).await;
        engine.remove(&barrier);
    }
    // Signed by nobody that is trusted.
    let stranger = DockerTls { ca: file("client.pem"), ..full };
    let mut watched = Watched::options(&options("tcp", &stranger), by_events_only(), Limits::default());
    let stale = watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    assert!(format!("{stale:?}").contains("TLS handshake failed"), "{stale:?}");
}
