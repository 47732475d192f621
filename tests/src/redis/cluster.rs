//! A Redis Cluster of three primaries, whose slots can be moved.

use std::time::Duration;

use tokio::time::sleep;

use super::server::{Redis, free};
use crate::wait::until;

/// Slots of each primary, as `redis-cli` deals them out.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// How many keys move at a time, and for how long they are in two places between.
const KEYS: &str = "10";
const BETWEEN: Duration = Duration::from_millis(10);

/// Its nodes end with their handle.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one of `redis-server` or `valkey-server`, and waits until all nodes know all others.
    pub async fn start(program: &str) -> Self {
        let mut nodes = Vec::new();
        for (nth, (first, last)) in SLOTS.iter().enumerate() {
            let bus = free([127, 0, 0, 1]).port();
            let node =
                Redis::on_port(program, |port| format!("--port {port} --cluster-enabled yes --cluster-port {bus}"));
            let node = node.await;
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(nth + 1).to_string()]).await;
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
            nodes.push((node, bus));
        }
        let (first, bus) = &nodes[0];
        let (port, bus) = (first.addr().port().to_string(), bus.to_string());
        for (node, _) in &nodes[1..] {
            node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
        for (node, _) in &nodes {
            until("the cluster to be well", async || {
                let info = node.ask(&["CLUSTER", "INFO"]).await;
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3\r")).then_some(())
            })
            .await;
        }
        RedisCluster { nodes: nodes.into_iter().map(|(node, _)| node).collect() }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// Moves a slot to the next primary, with its keys, as `redis-cli` does.
    pub async fn move_slot(&self, slot: u16) {
        let owner = self.owner_of(slot).await;
        let slot = slot.to_string();
        let (from, to) = (&self.nodes[owner], &self.nodes[(owner + 1) % self.nodes.len()]);
        let [from_id, to_id] = [id(from).await, id(to).await];
        let set = async |node: &Redis, rest: [&str; 2]| {
            let answer = node.ask(&["CLUSTER", "SETSLOT", &slot, rest[0], rest[1]]).await;
            assert!(answer.starts_with("+OK"), "{answer}");
        };
        set(to, ["IMPORTING", &from_id]).await;
        set(from, ["MIGRATING", &to_id]).await;
        let port = to.addr().port().to_string();
        loop {
            sleep(BETWEEN).await;
            let keys = keys_in(from, &slot).await;
            if keys.is_empty() {
                break;
            }
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let answer = from.ask(&[&migrate[..], &keys].concat()).await;
            assert!(answer.starts_with('+'), "{answer}");
        }
        // First where it goes, so that it is never nobody's. The others hear of it from them.
        set(to, ["NODE", &to_id]).await;
        set(from, ["NODE", &to_id]).await;
    }

    /// Who says that the slot is its own.
    async fn owner_of(&self, slot: u16) -> usize {
        until("a slot to be somebody's", async || {
            for (nth, node) in self.nodes.iter().enumerate() {
                let nodes = node.ask(&["CLUSTER", "NODES"]).await;
                let own = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default();
                if has_slot(own, slot) {
                    return Some(nth);
                }
            }
            None
        })
        .await
    }
}

/// Whether this line of `CLUSTER NODES` names the slot.
fn has_slot(line: &str, slot: u16) -> bool {
    line.split(' ').skip(8).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u16>().ok();
        number(first).is_some_and(|first| first <= slot) && number(last).is_some_and(|last| slot <= last)
    })
}

async fn id(node: &Redis) -> String {
    let answer = node.ask(&["CLUSTER", "MYID"]).await;
    answer.lines().last().unwrap_or_default().to_owned()
}

async fn keys_in(node: &Redis, slot: &str) -> Vec<String> {
    let keys = node.ask(&["CLUSTER", "GETKEYSINSLOT", slot, KEYS]).await;
    keys.lines().filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned).collect()
}
