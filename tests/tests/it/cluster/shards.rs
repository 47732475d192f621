//! Two servers on two shards: clients see one cluster, and a shard that is away is away alone.

use std::collections::BTreeMap;

use ws_tests::api::Api;
use ws_tests::redis::configure;

use super::outage::ready;
use super::*;

async fn server(url: &str) -> Server {
    Server::with(|config| {
        configure(config, &[("URL", url), ("PARTITIONS", "8")]);
        let anyone = ws_server::config::Access::ANYONE;
        (config.channels.read_presence, config.channels.read_history) = (anyone, anyone);
        ws_tests::api::with_key(config);
    })
    .await
}

/// Waits until one connection is in a channel.
async fn is_present(client: &mut Client, channel: &str) {
    until("the presence", async || {
        let presence = client.ask("get_presence", json!({"channel": channel})).await;
        (presence["connections"] == 1).then_some(())
    })
    .await;
}

#[cfg_attr(not(found = "redis-server"), ignore = "redis-server is missing")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_one_cluster_and_fail_alone() {
    let mut shards = [Redis::start().await, Redis::start().await];
    let url = format!("{},{}", shards[0].url(), shards[1].url());
    let (a, b) = (server(&url).await, server(&url).await);
    let (mut publisher, mut reader) = (a.connect().await, b.connect().await);
    let channels: Vec<_> = (0..16).map(|n| format!("room{n}")).collect();
    for channel in &channels {
        reader.ask("subscribe", json!({"channel": channel})).await;
        let answer = publisher.ask("publish", json!({"channel": channel, "data": channel})).await;
        assert_eq!(answer["ack"], "replicated", "{answer}");
        assert_eq!(next(&mut reader).await, *channel);
        is_present(&mut publisher, channel).await;
    }
    let mut api = Api::connect(a.addr()).await;
    let all = api.ok("GET", "/connections", Value::Null).await;
    assert_eq!(all["connections"].as_array().map(Vec::len), Some(2), "{all}");

    shards[1].kill().await;
    for server in [&a, &b] {
        until("the servers to notice it", async || (ready(server).await == 503).then_some(())).await;
    }
    let mut answers = BTreeMap::<&str, usize>::new();
    for channel in &channels {
        let history = publisher.request(channel, "get_history", json!({"channel": channel})).await;
        if history["type"] == "response" {
            publisher.ask("publish", json!({"channel": channel, "data": 2})).await;
            assert_eq!(next(&mut reader).await, 2, "{channel}");
            *answers.entry("there").or_default() += 1;
        } else {
            assert_eq!(history["error"]["code"], "engine_unavailable", "{history}");
            *answers.entry("away").or_default() += 1;
        }
    }
    assert!(answers.len() == 2, "each shard has some of the channels: {answers:?}");

    shards[1].restart().await;
    for server in [&a, &b] {
        until("the servers to be ready", async || (ready(server).await == 200).then_some(())).await;
    }
    for channel in &channels {
        publisher.ask("publish", json!({"channel": channel, "data": 3})).await;
        is_present(&mut publisher, channel).await;
    }
}
