//! Passwords and rights that change while servers run: they go on when what they have is right again.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;
use ws_core::engine::Engine;
use ws_engine_redis::{RedisEngine, RedisOptions, StartError};

use crate::fixture::{Redis, options, until};
use crate::node::Node;

/// A file whose content changes.
struct Password(TempDir);

impl Password {
    fn new(text: &str) -> Self {
        let password = Password(tempfile::tempdir().expect("a directory"));
        password.set(text);
        password
    }

    fn set(&self, text: &str) {
        std::fs::write(self.path(), text).expect("room");
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("password")
    }
}

/// Waits until a node says that it does not work, for this reason.
async fn is_in_trouble(node: &Node, reason: &str) {
    until(reason, async || node.engine.health().err().filter(|trouble| trouble.contains(reason))).await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_is_an_outage_until_the_file_has_it() {
    let redis = Redis::start().await;
    redis.ask(&["ACL", "SETUSER", "app", "on", ">first", "~ws:*", "&ws:*", "+@all", "-@dangerous", "+info"]).await;
    let password = Password::new("first\n");
    let (username, password_file) = ("app".to_owned(), Some(password.path()));
    let options = RedisOptions { username, password_file, ..options(&redis) };
    let a = Node::start(options.clone()).await;
    a.publish("c", 1, None).await.expect("it is published");

    redis.ask(&["ACL", "SETUSER", "app", "resetpass", ">second"]).await;
    a.publish("c", 2, None).await.expect("connections that are there stay");
    redis.ask(&["CLIENT", "KILL", "USER", "app"]).await;
    is_in_trouble(&a, "WRONGPASS").await;
    let error = RedisEngine::open(options).await.expect_err("a start with a wrong password");
    assert!(matches!(error, StartError::Unusable(_)), "{error}");
    std::fs::remove_file(password.path()).expect("it is there");
    is_in_trouble(&a, &password.path().display().to_string()).await;

    let (published, ()) = tokio::join!(a.publish("c", 3, None), async {
        sleep(Duration::from_millis(100)).await;
        password.set("second");
    });
    assert_eq!(published.expect("it waited").position.map(|(_, offset)| offset), Some(3));
    a.is_well().await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_demanded_from_now_on_is_an_outage_too() {
    let redis = Redis::start().await;
    let a = Node::start(options(&redis)).await;
    redis.ask(&["CONFIG", "SET", "requirepass", "new"]).await;
    redis.ask_with("new", &["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]).await;
    is_in_trouble(&a, "NOAUTH").await;
    redis.ask_with("new", &["CONFIG", "SET", "requirepass", ""]).await;
    a.is_well().await;
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_redis_quotes_is_not_told() {
    let redis = Redis::start_with(&["--rename-command", "HELLO", ""]).await;
    let password = Password::new("hunter2secret");
    let options = RedisOptions { password_file: Some(password.path()), ..options(&redis) };
    let words = RedisEngine::open(options).await.expect_err("it knows no HELLO").to_string();
    assert!(words.contains("does not speak RESP3") && !words.contains("hunter2"), "{words}");
}

#[cfg_attr(not(found_redis), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_that_are_taken_away_are_an_outage_until_they_are_back() {
    let redis = Redis::start().await;
    let user =
        |rights: &[&'static str]| [&["ACL", "SETUSER", "app", "on", ">secret", "~ws:*", "&ws:*"], rights].concat();
    redis.ask(&user(&["+@all", "-@dangerous", "+info"])).await;
    let password = Password::new("secret");
    let (username, password_file) = ("app".to_owned(), Some(password.path()));
    let a = Node::start(RedisOptions { username, password_file, ..options(&redis) }).await;
    redis.ask(&user(&["-@scripting"])).await;
    is_in_trouble(&a, "NOPERM").await;
    redis.ask(&user(&["+@scripting"])).await;
    a.is_well().await;
    a.publish("c", 1, None).await.expect("it is published");
}
