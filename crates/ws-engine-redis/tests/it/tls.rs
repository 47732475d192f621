//! Redis over TLS: whom the engine trusts, what it shows, and that it uses what the files say at the moment.

use std::time::Duration;

use ws_core::engine::Engine;
use ws_engine_redis::{Address, Identity, Location, RedisEngine, RedisOptions, TlsOptions};

use crate::authority::Authority;
use crate::fixture::{Redis, options, until};
use crate::node::{Node, delivered};

/// Options for one that is reached by this name.
fn over_tls(redis: &Redis, host: &str, tls: TlsOptions) -> RedisOptions {
    let locations = vec![Location::Server(Address::Tcp(host.to_owned(), redis.port()))];
    RedisOptions { locations, tls: Some(tls), ..options(redis) }
}

async fn refusal(options: RedisOptions) -> String {
    let options = RedisOptions { start_timeout: Duration::from_millis(1), ..options };
    RedisEngine::open(options).await.expect_err("it cannot be used").to_string()
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_over_tls() {
    let authority = Authority::new();
    let redis = authority.redis(&authority.identity(&["localhost", "127.0.0.1"]), "no").await;
    let a = Node::start(over_tls(&redis, "localhost", authority.tls())).await;
    let b = Node::start(over_tls(&redis, "127.0.0.1", authority.tls())).await;
    b.follow("c").await;
    for n in 1..=3 {
        a.publish("c", n, None).await.expect("it is published");
    }
    b.is_told("c", &[delivered(1, 1), delivered(2, 2), delivered(3, 3)]).await;
    // More than a socket and a session take at once.
    let large = "1".repeat(8 << 20);
    a.publish_data("large", &large).await.expect("it is published");
    let history = b.history("large").await.expect("a history");
    assert!(history.publications[0].body.len() > large.len());
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_it_cannot_trust_it_tells_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let redis = authority.redis(&authority.identity(&["redis.example"]), "no").await;
    let tls = |ca_file| TlsOptions { ca_file, identity: None };
    let stranger = refusal(over_tls(&redis, "127.0.0.1", other.tls())).await;
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let name = refusal(over_tls(&redis, "127.0.0.1", authority.tls())).await;
    assert!(name.contains("not valid for name"), "{name}");
    let system = refusal(over_tls(&redis, "127.0.0.1", tls(None))).await;
    assert!(system.contains("UnknownIssuer") || system.contains("tls_ca_file"), "{system}");
    let missing = authority.ca_file().with_file_name("missing.pem");
    let nothing = refusal(over_tls(&redis, "127.0.0.1", tls(Some(missing.clone())))).await;
    assert!(nothing.contains(&missing.display().to_string()), "{nothing}");
    let key = authority.identity(&["127.0.0.1"]).key_file;
    let no_ca = refusal(over_tls(&redis, "127.0.0.1", tls(Some(key.clone())))).await;
    assert!(no_ca.contains(&format!("{}: no certificate in PEM in it", key.display())), "{no_ca}");
    // It speaks, but not TLS.
    let plain = Redis::on_port(|port| vec!["--port".to_owned(), port.to_string()]).await;
    let command_timeout = Duration::from_millis(300);
    let silent = RedisOptions { command_timeout, ..over_tls(&plain, "127.0.0.1", authority.tls()) };
    let silent = refusal(silent).await;
    assert!(silent.contains("no connection within 300ms"), "{silent}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_shown_where_it_is_demanded() {
    let (authority, other) = (Authority::new(), Authority::new());
    let redis = authority.redis(&authority.identity(&["127.0.0.1"]), "yes").await;
    let with = |identity| over_tls(&redis, "127.0.0.1", TlsOptions { identity, ..authority.tls() });
    let nothing = refusal(with(None)).await;
    assert!(nothing.contains("engine.redis.tls_cert_file"), "{nothing}");
    refusal(with(Some(other.identity(&["client"])))).await;
    let (own, another) = (authority.identity(&["client"]), authority.identity(&["another"]));
    let mixed = Identity { key_file: another.key_file, ..own.clone() };
    let not_its_key = refusal(with(Some(mixed.clone()))).await;
    for file in [&mixed.cert_file, &mixed.key_file] {
        assert!(not_its_key.contains(&file.display().to_string()), "{not_its_key}");
    }
    RedisEngine::open(with(Some(own))).await.expect("it is known");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_were_renewed_are_used_from_the_next_dial_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let [identity, renewed] = [&old, &new].map(|authority| authority.identity(&["127.0.0.1"]));
    let mut redis = old.redis(&identity, "no").await;
    let a = Node::start(over_tls(&redis, "127.0.0.1", old.tls())).await;
    redis.kill().await;
    std::fs::copy(&renewed.cert_file, &identity.cert_file).expect("room");
    std::fs::copy(&renewed.key_file, &identity.key_file).expect("room");
    redis.restart().await;
    let trouble = until("the stranger to be refused", async || {
        a.engine.health().err().filter(|trouble| trouble.contains("UnknownIssuer"))
    });
    trouble.await;
    std::fs::copy(new.ca_file(), old.ca_file()).expect("room");
    a.is_well().await;
    a.publish("c", 1, None).await.expect("it is published");
}
