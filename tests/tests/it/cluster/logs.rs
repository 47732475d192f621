//! What servers say while Redis is away: what broke, once, and that it is well again, once; and no secret. And what they say
//! of each other.

use std::collections::BTreeSet;

use super::*;
use crate::SERVER;

const PASSWORD: &str = "open-sesame";

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_once_and_so_is_its_end() {
    let mut redis = Redis::start_with(&["--requirepass", PASSWORD]).await;
    let password = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(password.path(), PASSWORD).expect("room");
    let url = redis.url();
    let variables = [
        ("WS_SERVER__ENGINE__TYPE", "redis"),
        ("WS_SERVER__ENGINE__REDIS__URL", url.as_str()),
        ("WS_SERVER__ENGINE__REDIS__PASSWORD_FILE", password.path().to_str().expect("UTF-8")),
        ("RUST_LOG", "debug"),
    ];
    let mut server = Process::start(SERVER, &variables).await;
    let addr = server.addr();
    let ready = async || http::get(addr, "/ready").await;
    until("it to be ready", async || (ready().await.status == 200).then_some(())).await;
    let log = server.follow_log();
    redis.kill().await;
    let said = until("it to notice", async || Some(ready().await).filter(|ready| ready.status == 503)).await;
    let reason = said.text().to_owned();
    // Some dials fail.
    until("it to dial in vain", async || {
        (http::metrics(addr).await.get(r#"ws_engine_dials_total{result="failed"}"#) > 3.0).then_some(())
    })
    .await;
    redis.restart().await;
    until("it to be ready again", async || (ready().await.status == 200).then_some(())).await;
    // It says so at most once a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.kill().await;

    let log = log.await.expect("it was read");
    let count = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    let told: Vec<_> = log.iter().filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\"")).collect();
    // Of an outage that lasts, another reason is told too.
    let reasons = log.iter().filter_map(|line| line.split_once("Redis is not available: ")).map(|(_, reason)| reason);
    let different: BTreeSet<_> = reasons.clone().collect();
    assert!(!different.is_empty() && different.len() == reasons.count(), "{told:#?}");
    let healed = log.iter().skip_while(|line| !line.contains("Redis is not available: "));
    assert_eq!(healed.filter(|line| line.contains("\"Redis is available\"")).count(), 1, "{log:#?}");
    assert!(reason.contains("Redis") || reason.contains("redis"), "{reason}");
    assert!(!reason.contains(PASSWORD) && count(PASSWORD) == 0, "a secret: {reason}, {log:#?}");
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_configured_otherwise_say_so() {
    let redis = Redis::start().await;
    let url = redis.url();
    let start = async |history_size: &str| {
        let variables = [
            ("WS_SERVER__ENGINE__TYPE", "redis"),
            ("WS_SERVER__ENGINE__REDIS__URL", url.as_str()),
            ("WS_SERVER__ENGINE__REDIS__LEASE", "3s"),
            ("WS_SERVER__CHANNELS__HISTORY_SIZE", history_size),
        ];
        Process::start(SERVER, &variables).await
    };
    let (mut a, b) = (start("100").await, start("200").await);
    // So does the other one, before it listens.
    let said = a.logged("configured otherwise").await;
    assert!(said.contains(r#""differs":"[channels]""#), "{said}");
    b.kill().await;
    a.logged("all servers of this cluster are configured the same").await;
}
