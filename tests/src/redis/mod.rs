//! A Redis, or a Valkey, in a directory of its own, for servers in this process or in others; a replica of one, a
//! Sentinel that watches it, and a Redis Cluster.

mod cluster;
mod sentinel;
mod server;

pub use self::cluster::RedisCluster;
pub use self::sentinel::Sentinel;
pub use self::server::{Redis, configure};
