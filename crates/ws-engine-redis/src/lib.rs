//! The cluster engine of ws-server: publications, positions and message ids in Redis or Valkey, one or several shards or a
//! Redis Cluster, which any number of servers share.
//!
//! ```text
//! append, remove ──► lane of the partition ──► writer ──► a script ─┬─► answer
//!                    one pipeline in flight                         │ SPUBLISH, in the script
//! sink (the hub) ◄── feed: in Redis's order ◄── subscriber ◄────────┘
//! history ──► pages ──► reader ──► a script ──► answer, once the feed has got so far
//! ```
//!
//! - A channel belongs to a **partition**, whose keys are in one slot. Each script does one thing to one partition, at once.
//! - A partition has a **generation**, a random number that changes with the identity of the Redis server. An epoch is a
//!   number of the channel XOR the generation, so whatever a failover or a restart may have lost becomes another epoch.
//! - To **follow** a channel is to subscribe and to ask for its position in one pipeline, over the connection on which its
//!   publications come: so a position covers exactly what was told before it.
//! - An **answer** waits until the sink of this server has been given what the answer includes.
//!
//! - Each shard, or each partition in a Redis Cluster, is a **unit** with connections and a lease of its own. Together they
//!   are one node of the cluster.
//!
//! Deliberately absent: frames, subscribers, rights, what other servers do.

mod agreement;
mod asked;
mod bytes;
mod channel;
mod check;
mod clock;
mod cluster;
mod connect;
mod deadline;
mod desk;
mod dial;
mod elsewhere;
mod engine;
mod examine;
#[cfg(test)]
mod fake;
mod feed;
mod find;
mod follow;
mod gauges;
mod generations;
mod job;
mod keys;
mod lane;
mod lease;
mod limits;
mod link;
mod location;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod many;
mod member;
mod message;
mod nodes;
mod op;
mod options;
#[cfg(test)]
mod order;
mod owned;
mod pages;
mod pass;
mod passed;
mod phrase;
mod positions;
mod prepare;
mod primary;
mod queue;
mod recount;
mod refusal;
mod refusing;
mod registry;
mod rehearsal;
mod replicas;
mod resp;
mod resync;
mod scripts;
mod shared;
mod slots;
mod stats;
mod subscribe;
mod sweep;
mod time;
mod tls;
#[cfg(test)]
mod told;
mod trouble;
#[cfg(test)]
mod turns;
mod units;
mod verdict;
mod waiting;
#[cfg(test)]
mod waits;
mod wrong;

pub use check::StartError;
pub use engine::RedisEngine;
pub use examine::{Examined, examine};
pub use location::{Address, Location};
pub use options::{Identity, RedisOptions, TlsOptions};
