//! Self-signed certificates, and TLS clients that trust them.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::wait::within;

/// A certificate for `localhost` in a temporary directory.
#[derive(Debug)]
pub struct Certificate {
    dir: tempfile::TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes a new one.
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let dir = tempfile::tempdir().expect("a directory");
        let certificate = Certificate { dir, der: made.cert.der().clone() };
        std::fs::write(certificate.cert_file(), made.cert.pem()).expect("room");
        std::fs::write(certificate.key_file(), made.signing_key.serialize_pem()).expect("room");
        certificate
    }

    /// Path of the certificate.
    pub fn cert_file(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// Path of its key.
    pub fn key_file(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// An acceptor for a server with this certificate.
    pub fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from_pem_file(self.key_file()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that ring has")
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], key);
        TlsAcceptor::from(Arc::new(config.expect("a certificate and its key")))
    }

    /// Replaces other files with those of this certificate.
    pub fn replace(&self, cert_file: &Path, key_file: &Path) {
        std::fs::copy(self.cert_file(), cert_file).expect("room");
        std::fs::copy(self.key_file(), key_file).expect("room");
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

/// A client's TLS settings.
#[derive(Debug, Clone)]
pub struct Trust {
    roots: RootCertStore,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: Vec<Vec<u8>>,
    receive_bytes: Option<u32>,
}

impl Trust {
    /// Trusts only this certificate; speaks TLS 1.3 or 1.2, and HTTP/1.1.
    pub fn new(certificate: &Certificate) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der.clone()).expect("a certificate");
        Trust { roots, versions: rustls::DEFAULT_VERSIONS, alpn: vec![b"http/1.1".to_vec()], receive_bytes: None }
    }

    /// Only these versions.
    #[must_use]
    pub fn versions(self, versions: &'static [&'static SupportedProtocolVersion]) -> Self {
        Trust { versions, ..self }
    }

    /// Only this protocol in ALPN.
    #[must_use]
    pub fn alpn(self, protocol: &str) -> Self {
        Trust { alpn: vec![protocol.as_bytes().to_vec()], ..self }
    }

    /// A receive buffer in the kernel of about this size.
    #[must_use]
    pub fn receive_bytes(self, bytes: u32) -> Self {
        Trust { receive_bytes: Some(bytes), ..self }
    }

    /// A handshake.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn connect(&self, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        self.receive_bytes.map_or(Ok(()), |bytes| socket.set_recv_buffer_size(bytes))?;
        let stream = within("a TCP connection", socket.connect(addr)).await?;
        stream.set_nodelay(true)?;
        self.over(stream).await
    }

    /// The same over a socket that is open already.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)
            .expect("versions that ring has")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols.clone_from(&self.alpn);
        let name = ServerName::try_from("localhost").expect("a name");
        within("a TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    /// A WebSocket that has read its `connected`.
    pub async fn websocket(&self, addr: SocketAddr) -> TlsClient {
        let stream = self.connect(addr).await.expect("a TLS handshake");
        let handshake = client_async(format!("wss://localhost:{}/ws", addr.port()), stream);
        let (socket, _) = within("the handshake", handshake).await.expect("the handshake succeeds");
        let mut client = TlsClient(socket);
        assert_eq!(client.json().await["data"]["event"], "connected");
        client
    }
}

/// A WebSocket over TLS.
#[derive(Debug)]
pub struct TlsClient(pub WebSocketStream<TlsStream<TcpStream>>);

impl TlsClient {
    /// The next text frame.
    pub async fn json(&mut self) -> Value {
        loop {
            match within("a frame", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("waited for a text frame, got {other:?}"),
            }
        }
    }

    /// Sends a request without waiting for its answer.
    pub async fn send(&mut self, id: &str, action: &str, payload: Value) {
        let request = json!({"id": id, "type": "request", "action": action, "payload": payload});
        within("room to send", self.0.send(Message::text(request.to_string()))).await.expect("the server takes it");
    }

    /// Sends a request and returns its answer; anything before it is skipped.
    pub async fn ask(&mut self, action: &str, payload: Value) -> Value {
        self.send(action, action, payload).await;
        loop {
            let frame = self.json().await;
            if frame["id"] == action {
                return frame;
            }
        }
    }
}
