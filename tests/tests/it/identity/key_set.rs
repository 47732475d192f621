//! Keys that an identity provider publishes: fetched before the server listens, and again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use ws_server::app::{App, StartError};
use ws_server::config::{Config, SecureUrl};
use ws_tests::prelude::*;

/// An identity provider: answers every request with what it is told to.
#[derive(Debug)]
struct Provider {
    addr: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Provider {
    async fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0");
        let addr = listener.local_addr().expect("bound");
        let answer = Arc::new(Mutex::new((status, body.to_owned())));
        let answers = answer.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (status, body) = answers.lock().expect("no panic while locked").clone();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Provider { addr, answer }
    }

    fn set(&self, status: u16, body: &str) {
        *self.answer.lock().expect("no panic while locked") = (status, body.to_owned());
    }

    fn configure(&self, config: &mut Config) {
        config.auth.jwks_url = SecureUrl::parse(&format!("http://{}/keys", self.addr));
        config.auth.jwks_refresh = Duration::from_millis(50);
    }
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

/// Whom a token names now.
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
    assert_eq!(user(&server, &first_token).await, None, "the old one is gone");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_set_the_server_does_not_start() {
    let start = async |provider: &Provider| {
        let mut config = Config { addr: vec![SocketAddr::from(([127, 0, 0, 1], 0))], ..Config::default() };
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
    assert!(told.starts_with("cannot be used: it is no JSON Web Key Set"), "{told}");
    provider.set(200, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    assert_eq!(start(&provider).await, "has no key that could be used among 1");
    let gone = Provider { addr: SocketAddr::from(([127, 0, 0, 1], 1)), answer: Arc::default() };
    let told = start(&gone).await;
    assert!(told.starts_with("cannot be fetched: ") && told.contains("refused"), "{told}");
}
