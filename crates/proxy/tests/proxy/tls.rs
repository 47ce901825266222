//! TLS towards servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use seaway_config::files::FileText;
use seaway_config::model::{Address, AuthTls, ClientCertificate, ForwardAuth, Middleware, Server, ServersTransport};
use seaway_config::{Code, Declared, Origin, Secret};
use seaway_testkit::upstream::{Behaviour, Step, Upstream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Setup, add_router, add_service, get, name, post, server, web};

/// An authority of this test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: rustls::pki_types::CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).unwrap();
        Self { pem: own.pem(), der: own.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name` and its key, as PEM and as they are.
    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://test/app".try_into().unwrap()));
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// TLS in front of an upstream, with a certificate for `name`; one is asked of clients if `asks`.
async fn in_front_of(upstream: &Upstream, authority: &Authority, name: &str, asks: bool) -> SocketAddr {
    let (certificate, key) = authority.issue(name);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match asks {
        false => builder.with_no_client_auth(),
        true => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, to) = (listener.local_addr().unwrap(), upstream.address());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

fn secure(n: usize, upstream: &Upstream, address: SocketAddr) -> Server {
    let mut server = server(n, upstream);
    server.url = format!("https://{address}").into();
    server.address = Address::Ip(address);
    server.identity.address = address.to_string().into();
    server
}

fn with(mut setup: Setup, transport: ServersTransport) -> Setup {
    setup.config.servers_transports.insert(name("own"), Declared::new(transport, Origin::resource("file", "f.yml")));
    setup.balancer(|balancer| balancer.servers_transport = "own".to_owned());
    setup
}

#[tokio::test]
async fn requests_go_over_tls_and_connections_are_kept() {
    let (upstream, authority) = (Upstream::start("a", Behaviour::echo()).await, Authority::new());
    let address = in_front_of(&upstream, &authority, "app.test", false).await;
    let transport = ServersTransport {
        server_name: "app.test".to_owned(),
        root_cas: vec![authority.pem.clone()],
        peer_cert_uri: "spiffe://test/app".to_owned(),
        ..ServersTransport::default()
    };
    let world = with(Setup::new(web(vec![secure(1, &upstream, address)])), transport).start().await;
    for _ in 0..3 {
        assert_eq!(world.get("/").await.field("x-upstream"), Some("a"));
    }
    // Larger than any buffer on the way, in both directions.
    let body = "0123456789abcdef".repeat(64 * 1024);
    let response = world.exchange(post("/", &body)).await;
    assert!(response.status == 200 && response.text().ends_with(&body), "{}", response.text().len());
    assert_eq!(upstream.log().connections.len(), 1, "one connection for all");
    world.finish(4).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_500() {
    let (upstream, authority) = (Upstream::start("a", Behaviour::echo()).await, Authority::new());
    let address = in_front_of(&upstream, &authority, "app.test", false).await;
    let trusted = ServersTransport {
        server_name: "app.test".to_owned(),
        root_cas: vec![authority.pem.clone()],
        ..ServersTransport::default()
    };
    let other_name = ServersTransport { server_name: "other.test".to_owned(), ..trusted.clone() };
    let other_root = ServersTransport { root_cas: vec![Authority::new().pem], ..trusted.clone() };
    let other_uri = ServersTransport { peer_cert_uri: "spiffe://test/other".to_owned(), ..trusted.clone() };
    for (transport, status) in [
        (ServersTransport { insecure_skip_verify: true, ..ServersTransport::default() }, 200),
        (trusted, 200),
        (other_name, 500),
        (other_root, 500),
        (other_uri, 500),
        (ServersTransport::default(), 500),
    ] {
        let world = with(Setup::new(web(vec![secure(1, &upstream, address)])), transport.clone()).start().await;
        let response = world.get("/").await;
        assert_eq!(response.status, status, "{transport:?}");
        assert!(world.state(1).is_ready(), "it is there, and says so to those who trust it");
        let lines = world.finish(1).await;
        assert_eq!(lines[0].error(), if status == 200 { "" } else { "bad_certificate" });
    }
}

#[tokio::test]
async fn servers_may_ask_for_a_certificate() {
    let (upstream, authority) = (Upstream::start("a", Behaviour::echo()).await, Authority::new());
    let address = in_front_of(&upstream, &authority, "app.test", true).await;
    let (certificate, key) = authority.issue("seaway.test");
    let folder = tempfile::tempdir().unwrap();
    let cert_file = folder.path().join("cert.pem");
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    let own = ClientCertificate { cert_file: cert_file.to_str().unwrap().to_owned(), key_file: key.serialize_pem() };
    let without = ServersTransport {
        server_name: "app.test".to_owned(),
        root_cas: vec![authority.pem.clone()],
        ..ServersTransport::default()
    };
    let shown = ServersTransport { certificates: vec![own], ..without.clone() };
    let world = with(Setup::new(web(vec![secure(1, &upstream, address)])), shown).start().await;
    assert_eq!(world.get("/").await.status, 200);
    world.finish(1).await;
    let world = with(Setup::new(web(vec![secure(1, &upstream, address)])), without).start().await;
    assert!(world.get("/").await.status >= 500);
    world.finish(1).await;
}

#[tokio::test]
async fn services_with_different_transports_share_no_connection() {
    let (upstream, authority) = (Upstream::start("a", Behaviour::echo()).await, Authority::new());
    let address = in_front_of(&upstream, &authority, "app.test", false).await;
    let mut setup = Setup::new(web(vec![secure(1, &upstream, address)]));
    add_service(&mut setup.config, "strict", vec![secure(1, &upstream, address)]);
    add_router(&mut setup.config, "strict", "PathPrefix(`/strict`)", "strict");
    let lax = ServersTransport { insecure_skip_verify: true, ..ServersTransport::default() };
    let world = with(setup, lax).start().await;
    assert_eq!(world.get("/").await.status, 200);
    assert_eq!(world.get("/strict").await.status, 500, "the connection that is there was made without looking");
    assert_eq!(world.get("/").await.status, 200);
    world.finish(3).await;
}

#[tokio::test]
async fn a_transport_that_cannot_be_used_takes_its_services_off() {
    let upstream = Upstream::start("a", Behaviour::echo()).await;
    let broken = ServersTransport { root_cas: vec!["/nowhere/ca.pem".to_owned()], ..ServersTransport::default() };
    let world = with(Setup::web(&[&upstream]), broken).start().await;
    assert_eq!(world.get("/").await.status, 503);
    let table = world.published.current();
    let told: Vec<_> = table.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(told, [Code::BadTransport, Code::BadTransport, Code::BrokenService]);
    assert!(table.diagnostics[0].message.contains("/nowhere/ca.pem"), "{:?}", table.diagnostics);
    assert_eq!(upstream.log().connections.len(), 0);
    world.finish(1).await;
}

#[tokio::test]
async fn an_upgrade_goes_over_tls_as_well() {
    let granted = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec();
    let upstream = Upstream::start("a", Behaviour::steps([Step::ReadHead, Step::Write(granted), Step::Tunnel])).await;
    let authority = Authority::new();
    let address = in_front_of(&upstream, &authority, "app.test", false).await;
    let lax = ServersTransport { insecure_skip_verify: true, ..ServersTransport::default() };
    let world = with(Setup::new(web(vec![secure(1, &upstream, address)])), lax).start().await;
    let mut client = world.client().await;
    let head = get("/").replace("\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    client.send(head).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    client.send("hello").await.unwrap();
    assert_eq!(client.bytes(5).await.unwrap(), b"hello");
    drop(client);
    world.finish(1).await;
}

#[tokio::test]
async fn who_is_asked_over_tls_is_who_its_certificate_says() {
    let yes = "HTTP/1.1 204 No Content\r\n\r\n";
    let (auth, authority) = (Upstream::start("auth", Behaviour::writes(yes)).await, Authority::new());
    let app = Upstream::start("app", Behaviour::echo()).await;
    let local = in_front_of(&auth, &authority, "localhost", true).await;
    let (certificate, key) = authority.issue("seaway.test");
    let tls = AuthTls {
        ca: "/ca.pem".to_owned(),
        cert: certificate.pem(),
        key: Secret::new(&key.serialize_pem()),
        insecure_skip_verify: false,
    };
    let other = Authority::new().pem;
    let nobody = AuthTls { cert: String::new(), key: Secret::default(), ..tls.clone() };
    let any = AuthTls { ca: String::new(), insecure_skip_verify: true, ..tls.clone() };
    for (host, tls, file, status) in [
        ("localhost", Some(tls.clone()), &authority.pem, 200),
        ("127.0.0.1", Some(tls.clone()), &authority.pem, 500),
        ("127.0.0.1", Some(any), &other, 200),
        ("localhost", Some(nobody), &authority.pem, 500),
        ("localhost", Some(tls), &other, 500),
        ("localhost", None, &other, 500),
    ] {
        let (asked, kept) = (auth.log().requests.len(), auth.log().connections.len());
        let mut setup = Setup::web(&[&app]);
        let address = format!("https://{host}:{}/verify", local.port());
        setup.middleware("auth", Middleware::ForwardAuth(ForwardAuth { address, tls, ..ForwardAuth::default() }));
        setup.config.files = [("/ca.pem".into(), FileText::new(file))].into_iter().collect();
        let world = setup.start().await;
        for _ in 0..2 {
            assert_eq!(world.get("/").await.status, status, "{host}");
        }
        let log = auth.log();
        let expected = if status == 200 { (2, 1) } else { (0, 0) };
        assert_eq!((log.requests.len() - asked, log.connections.len() - kept), expected, "{host}: over one connection");
        world.finish(2).await;
    }
}

#[tokio::test]
async fn unused_connections_are_kept_as_the_transport_says() {
    let (kept, closed) =
        (Upstream::start("kept", Behaviour::echo()).await, Upstream::start("closed", Behaviour::echo()).await);
    let mut setup = Setup::new(web(vec![server(1, &closed)]));
    add_service(&mut setup.config, "usual", vec![server(2, &kept)]);
    add_router(&mut setup.config, "usual", "PathPrefix(`/usual`)", "usual");
    let mut transport = ServersTransport::default();
    transport.forwarding_timeouts.idle_conn_timeout = Duration::from_millis(1);
    let world = with(setup, transport).start().await;
    assert_eq!((world.get("/usual").await.status, world.get("/").await.status), (200, 200));
    closed.wait_for("the end of its connection", |log| log.connections.iter().all(|it| it.closed)).await;
    assert!(!kept.log().connections.iter().any(|it| it.closed));
    world.finish(2).await;
}
