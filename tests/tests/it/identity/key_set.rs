//! Keys that an identity provider publishes: fetched before the server listens, and again.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use ws_server::app::{App, StartError};
use ws_server::config::{Config, SecureUrl};
use ws_tests::prelude::*;
use ws_tests::tls::Certificate;

use super::operator::run;
use crate::SERVER;

/// An identity provider: answers every request with the configured status and body, or never, if the status is 0.
#[derive(Debug)]
struct Provider {
    addr: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Provider {
    async fn start(status: u16, body: &str) -> Self {
        Self::with(status, body, None).await
    }

    /// Over TLS if there is an acceptor.
    async fn with(status: u16, body: &str, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0");
        let addr = listener.local_addr().expect("bound");
        let answer = Arc::new(Mutex::new((status, body.to_owned())));
        let answers = answer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.lock().expect("no panic while locked").clone();
                // A client that does not trust the certificate disconnects.
                let _ = match &acceptor {
                    None => say(stream, answer).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => say(stream, answer).await,
                        Err(error) => Err(error),
                    },
                };
            }
        });
        Provider { addr, answer }
    }

    fn set(&self, status: u16, body: &str) {
        *self.answer.lock().expect("no panic while locked") = (status, body.to_owned());
    }

    fn configure(&self, config: &mut Config) {
        config.auth.audience = Some("*".to_owned());
        config.auth.jwks_url = SecureUrl::parse(&format!("http://{}/keys", self.addr));
        config.auth.jwks_refresh = Duration::from_millis(50);
    }

    /// The same, without scheduled fetches.
    fn configure_once(&self, config: &mut Config) {
        self.configure(config);
        config.auth.jwks_refresh = Duration::from_secs(86_400);
    }
}

/// Answers one request.
async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, (status, body): (u16, String)) -> io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await
}

/// A key pair of the tests of ws-auth: its public half as a key set, and a token that the private half has signed.
fn pair(name: &str) -> (String, String) {
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let (pem, algorithm): (&[u8], _) = match name {
        "es256" => (include_bytes!("../../../../crates/ws-auth/tests/keys/p256.pem"), Algorithm::ES256),
        _ => (include_bytes!("../../../../crates/ws-auth/tests/keys/rsa.pem"), Algorithm::RS256),
    };
    let key = if name == "es256" { EncodingKey::from_ec_pem(pem) } else { EncodingKey::from_rsa_pem(pem) };
    let key = key.expect("a private key");
    let mut jwk = Jwk::from_encoding_key(&key, algorithm).expect("its public half");
    jwk.common.key_id = Some(name.to_owned());
    let header = Header { kid: Some(name.to_owned()), ..Header::new(algorithm) };
    let token = encode(&header, &json!({"sub": name}), &key).expect("it signs");
    (json!({"keys": [jwk]}).to_string(), token)
}

/// The user that a token names now.
async fn user(server: &Server, token: &str) -> Option<String> {
    let mut client = Client::unread(server.addr(), "/ws", Some(token)).await;
    let frame = client.json().await;
    frame["data"]["user"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_followed_and_the_last_good_ones_stay() {
    let ((first, first_token), (second, second_token)) = (pair("es256"), pair("rs256"));
    let provider = Provider::start(200, &first).await;
    let server = Server::with(|config| provider.configure(config)).await;
    assert_eq!(user(&server, &first_token).await.as_deref(), Some("es256"), "known from the first moment");
    assert_eq!(user(&server, &second_token).await, None);
    provider.set(200, &second);
    until("the new key", async || user(&server, &second_token).await).await;
    until("the old one to be gone", async || user(&server, &first_token).await.is_none().then_some(())).await;
    for (status, body) in
        [(500, "broken"), (200, "<html>"), (200, r#"{"keys":[]}"#), (302, ""), (200, &"x".repeat(70_000))]
    {
        let failures = server.metrics().await.get("ws_key_set_failures_total");
        provider.set(status, body);
        until("a failure", async || (server.metrics().await.get("ws_key_set_failures_total") > failures).then_some(()))
            .await;
        assert_eq!(user(&server, &second_token).await.as_deref(), Some("rs256"), "{status} {body:.20}");
    }
}

/// A provider that signs with a new key as soon as it has published it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_a_new_key_lets_the_set_be_fetched() {
    let ((first, _), (second, second_token)) = (pair("es256"), pair("rs256"));
    for in_handshake in [true, false] {
        let provider = Provider::start(200, &first).await;
        let server = Server::with(|config| provider.configure_once(config)).await;
        provider.set(200, &second);
        if in_handshake {
            assert_eq!(user(&server, &second_token).await.as_deref(), Some("rs256"));
        } else {
            let mut client = server.connect().await;
            let data = client.ask("authenticate", json!({"token": second_token})).await;
            assert_eq!(data, json!({"user": "rs256"}));
        }
        assert_eq!(server.metrics().await.get("ws_key_set_fetches_total"), 1.0);
    }
}

/// Anybody can invent a key id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_with_made_up_keys_are_refused_and_cost_few_fetches() {
    let provider = Provider::start(200, &pair("es256").0).await;
    let server = Server::with(|config| provider.configure_once(config)).await;
    let (_, unknown) = pair("rs256");
    let attempts: Vec<_> = (0..50).map(|_| Client::unread(server.addr(), "/ws", Some(&unknown))).collect();
    for mut client in futures_util::future::join_all(attempts).await {
        let (code, before) = client.closed().await;
        assert_eq!((code, &before[0]["error"]["code"]), (4501, &json!("invalid_token")));
    }
    let fetches = server.metrics().await.get("ws_key_set_fetches_total");
    assert!((1.0..=2.0).contains(&fetches), "one, and one for those who came too late for it: {fetches}");
    provider.set(500, "");
    assert_eq!(user(&server, &pair("es256").1).await.as_deref(), Some("es256"), "known keys need no provider");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_set_the_server_does_not_start() {
    let start = async |provider: &Provider| {
        let mut config = Config { addr: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()], ..Config::default() };
        provider.configure(&mut config);
        match App::bind(&config).await {
            Err(StartError::KeySet { error, .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let provider = Provider::start(404, "").await;
    assert_eq!(start(&provider).await, "cannot be fetched: the answer is 404 Not Found");
    provider.set(200, "[]");
    let told = start(&provider).await;
    assert!(told.starts_with("cannot be used: it is not a JSON Web Key Set"), "{told}");
    provider.set(200, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    assert_eq!(start(&provider).await, "has 1 keys, none of which can be used");
    let gone = Provider { addr: SocketAddr::from(([127, 0, 0, 1], 1)), answer: Arc::default() };
    let told = start(&gone).await;
    assert!(told.starts_with("cannot be fetched: ") && told.contains("refused"), "{told}");
}

/// Keys are not accepted from a server whose certificate the system does not trust.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_known_by_its_certificate() {
    let (keys, token) = pair("es256");
    let certificate = Certificate::new();
    let provider = Provider::with(200, &keys, Some(certificate.acceptor())).await;
    let url = format!("https://localhost:{}/keys", provider.addr.port());
    let url = ("WS_SERVER__AUTH__JWKS_URL", url.as_str());
    let file = certificate.cert_file();
    let trusted = ("SSL_CERT_FILE", file.to_str().expect("UTF-8"));
    let any = ("WS_SERVER__AUTH__AUDIENCE", "*");
    let server = Process::start(SERVER, &[url, any, trusted]).await;
    assert_eq!(Client::with_token(server.addr(), &token).await.connected["user"], "es256");

    let (status, _, told) = run(&["--addr", "127.0.0.1:0"], &[url, any]).await;
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("cannot be fetched") && told.contains("certificate"), "{told}");
}

/// A made-up key id makes a handshake wait for a fetch. Whoever has a good token does not need its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_made_up_key_id_takes_no_place() {
    let ((known, good), (_, made_up)) = (pair("es256"), pair("rs256"));
    let provider = Provider::start(200, &known).await;
    let server = Server::with(|config| {
        provider.configure_once(config);
        config.auth.anonymous = false;
        config.auth.unauthenticated_max = 2;
        config.limits.connections_max = 1;
    })
    .await;
    provider.set(0, "");
    let headers = [raw::handshake_headers(), vec![("Authorization", "Bearer ")]].concat();
    let handshake = raw::request("GET", "/ws", &headers).replace("Bearer ", &format!("Bearer {made_up}"));
    let (mut first, mut second) = (Raw::connect(server.addr()).await, Raw::connect(server.addr()).await);
    first.write(handshake.as_bytes()).await;
    second.write(handshake.as_bytes()).await;
    server.wait_for_metric("ws_connections_unauthenticated", 2.0).await;
    assert_eq!(user(&server, &good).await.as_deref(), Some("es256"));
    let mut third = Raw::connect(server.addr()).await;
    third.write(handshake.as_bytes()).await;
    let answer = third.response(true).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "overloaded"), "no room to wait");
}
