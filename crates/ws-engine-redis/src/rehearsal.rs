//! Before the start, everything that is done about the cluster is done once, under a prefix of its own, so that what Redis
//! refuses is known.

use uuid::Uuid;
use ws_core::engine::cluster::Member;

use crate::keys::Keys;
use crate::link::Link;
use crate::member::encode;
use crate::op::{Op, Put};
use crate::options::RedisOptions;
use crate::phrase::Args;
use crate::prepare::PrepareError;
use crate::scripts::{Hashes, Script};
use crate::shared::Shared;

/// Runs every script about the cluster.
///
/// # Errors
/// [`PrepareError`].
pub(crate) async fn rehearse(
    link: &Link,
    options: &RedisOptions,
    keys: &Keys,
    hashes: Hashes,
) -> Result<(), PrepareError> {
    let keys = keys.with_prefix(&format!("{}:test:{}", options.prefix, Uuid::new_v4().simple()));
    let name = keys.name_within();
    let (user, channel, partition) = (&*name, &*name, keys.partition(&name));
    let shared = Shared::alone(options.clone(), keys, hashes);
    let own = shared.nodes.own_name();
    let run = async |what: &str, args: Args| {
        let failed = PrepareError::failed(format!("the script {what} fails"));
        match link.call(args).await.map_err(failed)?.as_bytes() {
            Some(b"LAPSED") => {
                Err(PrepareError::Late(format!("the lease was over before the script {what} was tried")))
            }
            _ => Ok(()),
        }
    };
    run("lease", shared.lease_args(shared.nodes.own(), 0)).await?;
    let member = Member { connection: Uuid::nil(), user: Some(user.into()), client: b"{}".to_vec() };
    let put = Put { is_announced: Some(true), members: vec![encode(&member)], ..Put::nobody(channel) };
    run("enter", shared.put_args(&put, &own)).await?;
    let op = Op::Members { channel: channel.into(), after: None, limit: 1, done: Box::new(drop) };
    run("members", shared.phrase(&op)).await?;
    run("counts", shared.counts_args(partition, &[channel])).await?;
    run("admit", shared.phrase(&Op::Dismiss(user.into()))).await?;
    run("users", shared.users_args(partition, &own, &[(user, 1), (user, 0)])).await?;
    run("nodes", shared.phrase(&Op::Nodes(Box::new(drop)))).await?;
    run("send", shared.phrase(&Op::Send { to: None, message: Vec::new(), done: Box::new(drop) })).await?;
    run("held", shared.held_args(partition, &own)).await?;
    run("leave", shared.put_args(&Put::nobody(channel), &own)).await?;
    run("forget", shared.forget_args(&own)).await?;
    run("end", shared.end_args(shared.nodes.own().node)).await?;
    if options.replicas_min > 0 {
        // As many as there are: this is about the right.
        link.call(["WAIT", "0", "1"]).await.map_err(PrepareError::failed("WAIT"))?;
    }
    let keys = [shared.keys.nodes(), shared.keys.connections()].map(String::into_bytes).to_vec();
    run("expire", shared.eval(Script::Expire, keys)).await
}
