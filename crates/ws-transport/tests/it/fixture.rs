//! A server with a certificate of its own, and clients that trust it. Everything that is waited for has a deadline.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use ws_core::Flow;
use ws_core::frame::{self, Opcode};
use ws_transport::{Endpoint, Plain, PlainOptions, Tls};

pub(crate) const MIB: usize = 1024 * 1024;

/// Largest message that the server takes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * MIB;

/// The versions that there are.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

pub(crate) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A certificate for `localhost` and its key, in files that can be replaced.
#[derive(Debug)]
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Files { dir: TempDir::new().expect("a directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// Makes a new pair, and gives the certificate to whom it may convince.
    pub(crate) fn renew(&self) -> CertificateDer<'static> {
        let made = pair();
        self.write("cert.pem", &made.cert.pem());
        self.write("key.pem", &made.signing_key.serialize_pem());
        made.cert.der().clone()
    }

    pub(crate) fn load(&self) -> Tls {
        Tls::load(&self.path("cert.pem"), &self.path("key.pem")).expect("they fit")
    }
}

pub(crate) fn pair() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

#[derive(Debug)]
struct Echo;

impl Endpoint for Echo {
    fn text(&mut self, text: &str, _: u64, out: &mut Vec<u8>) -> Flow {
        frame::append(Opcode::Text, out, |out| out.extend_from_slice(text.as_bytes()));
        Flow::Continue
    }

    fn binary(&mut self, bytes: &[u8], _: u64, out: &mut Vec<u8>) -> Flow {
        frame::append(Opcode::Binary, out, |out| out.extend_from_slice(bytes));
        Flow::Continue
    }
}

/// Starts a server that echoes.
pub(crate) fn serve(tls: Tls, handshake_timeout: Duration) -> SocketAddr {
    let options = PlainOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        outbox_bytes_max: MIB,
        handshake_timeout,
        keep_alive: handshake_timeout,
        tls: Some(tls),
    };
    let server = Plain::bind(SocketAddr::from(([127, 0, 0, 1], 0)), options, || Echo).expect("port 0");
    let addr = server.local_addr().expect("an address");
    tokio::spawn(server.serve());
    addr
}

/// The same with a certificate of its own, and a client that trusts it.
pub(crate) fn start() -> (SocketAddr, Trust) {
    let files = Files::new();
    let trust = Trust::in_certificate(&files.renew());
    (serve(files.load(), Duration::from_secs(10)), trust)
}

/// How clients connect.
#[derive(Debug, Clone)]
pub(crate) struct Trust(pub(crate) ClientConfig);

impl Trust {
    pub(crate) fn in_certificate(cert: &CertificateDer<'static>) -> Self {
        Self::with_versions(cert, &VERSIONS)
    }

    pub(crate) fn with_versions(
        cert: &CertificateDer<'static>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(cert.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions that there are")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Trust(config)
    }

    pub(crate) fn speaking(mut self, protocols: &[&str]) -> Self {
        self.0.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// A TLS handshake on `stream`.
    pub(crate) async fn on(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(self.0.clone()));
        within("the TLS handshake", connector.connect(name, stream)).await
    }

    pub(crate) async fn tls(&self, addr: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        self.on(tcp(addr).await).await
    }

    /// A WebSocket.
    pub(crate) async fn connect(&self, addr: SocketAddr) -> Socket {
        websocket(self.tls(addr).await.expect("TLS")).await
    }

    /// The same with a receive buffer of the system of about this size.
    pub(crate) async fn with_receive_buffer(&self, addr: SocketAddr, bytes: u32) -> Socket {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a buffer size");
        let stream = within("a TCP connection", socket.connect(addr)).await.expect("the server listens");
        websocket(self.on(stream).await.expect("TLS")).await
    }
}

pub(crate) async fn tcp(addr: SocketAddr) -> TcpStream {
    within("a TCP connection", TcpStream::connect(addr)).await.expect("the server listens")
}

async fn websocket(stream: TlsStream<TcpStream>) -> Socket {
    let request = "wss://localhost/ws".into_client_request().expect("a URL");
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let handshake = client_async_with_config(request, stream, Some(config));
    within("the handshake", handshake).await.expect("the handshake succeeds").0
}

/// Waits for something that must happen soon.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Bytes that are not the same anywhere.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// Whether a file is there, for messages of tests.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
