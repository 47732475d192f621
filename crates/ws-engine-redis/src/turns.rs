//! Tests of what goes to Redis in which turn, and of what is made right.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;
use ws_core::engine::EngineError;
use ws_core::engine::cluster::{Change, ClusterSink, Counts, Member};

use crate::fake::{self, Peer, connect};
use crate::keys::Keys;
use crate::limits::{FULL_BACKOFF, OPS_BATCH_MAX, OPS_MAX, RENEW_EVERY};
use crate::member::encode;
use crate::op::{Op, Put};
use crate::options::RedisOptions;
use crate::shared::Shared;

/// The members of this server, by channel, and in which channels it was asked for them.
#[derive(Debug, Default)]
struct Hub(Mutex<Vec<(&'static str, Member)>>, Mutex<HashSet<&'static str>>);

impl ClusterSink for Hub {
    fn connections(&self) -> u64 {
        0
    }
    fn members(&self, is_wanted: &dyn Fn(&str) -> bool, enter: &mut dyn FnMut(&str, Member, bool)) {
        for (channel, member) in self.0.lock().iter().filter(|(channel, _)| is_wanted(channel)) {
            self.1.lock().insert(channel);
            enter(channel, member.clone(), true);
        }
    }
    fn changed(&self, _: &str, _: Change, _: Counts) {}
    fn received(&self, _: Uuid, _: &[u8]) {}
    fn ended(&self, _: Uuid) {}
    fn lapsed(&self) {}
    fn restored(&self) {}
}

/// A server with these members.
fn server(members: &[(&'static str, u128)]) -> Arc<Shared> {
    let (shared, _) = fake::server();
    has(&shared, members);
    shared
}

fn has(shared: &Shared, members: &[(&'static str, u128)]) -> Arc<Hub> {
    let members = members.iter().map(|(channel, n)| (*channel, member(*n))).collect();
    let hub = Arc::new(Hub(Mutex::new(members), Mutex::default()));
    shared.nodes.start(hub.clone());
    hub
}

fn member(n: u128) -> Member {
    Member { connection: Uuid::from_u128(n), user: None, client: b"{}".to_vec() }
}

/// One member enters a channel, or leaves it.
fn put(channel: &str, n: u128, enters: bool) -> Op {
    let (member, between) = (member(n), (Uuid::from_u128(n), Uuid::from_u128(n)));
    let members = if enters { vec![encode(&member)] } else { Vec::new() };
    Op::Put(Put { is_announced: Some(true), between, members, ..Put::nobody(channel) })
}

fn admit(shared: &Arc<Shared>, user: &str) -> Receiver<Result<bool, EngineError>> {
    let (called, calls) = channel();
    let done = Box::new(move |result| called.send(result).expect("somebody waits"));
    shared.order(Op::Admit { user: user.into(), max: 5, done });
    calls
}

/// Makes right what is wrong.
fn resync(shared: &Arc<Shared>) -> JoinHandle<Result<(), String>> {
    let (shared, writer) = (shared.clone(), shared.writer.read().clone().expect("a writer"));
    tokio::spawn(async move {
        let result = shared.resync(&writer).await;
        shared.open_desk();
        result
    })
}

/// Redis has nothing of this server.
async fn has_nothing(writer: &mut Peer, shared: &Shared) {
    for _ in 0..shared.keys.partitions() {
        writer.expect("held").await;
    }
    writer.say(&b"*2\r\n*0\r\n*0\r\n".repeat(shared.keys.partitions())).await;
}

/// Whether a command has such an argument.
#[track_caller]
fn assert_about(command: &[Vec<u8>], argument: &str) {
    let has = command.iter().any(|arg| arg == argument.as_bytes());
    assert!(has, "{argument} in {:?}", command.iter().map(|arg| String::from_utf8_lossy(arg)).collect::<Vec<_>>());
}

const DONE: &[u8] = b":1\r\n";
const FULL: &[u8] = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";

#[tokio::test(start_paused = true)]
async fn nothing_goes_to_a_new_store_before_what_this_server_has() {
    let shared = server(&[("c", 1)]);
    shared.count_user("u", true);
    shared.is_other();
    let (mut writer, _feed) = connect(&shared);
    let admitted = admit(&shared, "u");
    shared.order(put("c", 2, true));
    shared.tick_desk();
    writer.is_idle().await;
    let resync = resync(&shared);
    has_nothing(&mut writer, &shared).await;
    resync.await.expect("it ends").expect("it is made right");
    assert_about(&writer.expect("users").await, "u");
    writer.expect("admit").await;
    let enter = writer.expect("enter").await;
    assert_eq!(enter.last(), Some(&encode(&member(1))), "who is there, whatever was said before");
    writer.say(&DONE.repeat(3)).await;
    assert_eq!(admitted.try_recv(), Ok(Ok(true)));
    writer.is_idle().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_made_right_alone() {
    let (shared, _) = fake::server();
    let hub = has(&shared, &[("c", 1), ("other", 2)]);
    (0..OPS_MAX).for_each(|_| shared.order(put("full", 3, true)));
    shared.order(put("c", 1, true));
    let wrong = shared.nodes.desk.lock().wrong.channels.clone();
    assert_eq!(wrong, HashSet::from(["c".into()]));
    let (mut writer, _feed) = connect(&shared);
    resync(&shared).await.expect("it ends").expect("it is made right");
    assert_eq!(*hub.1.lock(), HashSet::from(["c"]), "nobody else is asked for");
    assert_about(&writer.expect("enter").await, "c");
    assert_about(&writer.expect("enter").await, "full");
    assert!(shared.nodes.desk.lock().wrong.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_unit_asks_for_the_members_in_its_own_channels_alone() {
    const CHANNELS: [&str; 4] = ["a", "b", "c", "d"];
    let options = RedisOptions::for_tests();
    let mut all = Vec::new();
    for keys in Keys::of_units(&options.prefix, options.partitions, 2) {
        let share = keys.share();
        let shared = Arc::new(Shared::alone(options.clone(), keys, fake::hashes()));
        let hub = has(&shared, &CHANNELS.map(|channel| (channel, 1)));
        let (mut writer, _feed) = connect(&shared);
        shared.is_other();
        let resync = resync(&shared);
        has_nothing(&mut writer, &shared).await;
        resync.await.expect("it ends").expect("it is made right");
        let asked = hub.1.lock().clone();
        assert!(asked.iter().all(|channel| share.has(channel)), "{asked:?} in {share:?}");
        all.extend(asked);
    }
    all.sort_unstable();
    assert_eq!(all, CHANNELS);
}

/// What a renewal answers where nobody else is.
const LEASED: &[u8] = b"*4\r\n*0\r\n*0\r\n$4\r\nKEPT\r\n*0\r\n";

#[tokio::test(start_paused = true)]
async fn who_has_ended_elsewhere_is_ended_by_the_living() {
    const LAPSED: &[u8] = b"+LAPSED\r\n";
    let shared = server(&[]);
    let (mut writer, mut feed) = connect(&shared);
    let links = [&shared.writer, &shared.subscriber].map(|slot| slot.read().clone().expect("a connection"));
    let (keeps, dead) = (shared.clone(), Uuid::from_u128(7));
    shared.nodes.to_end.lock().insert(dead);
    let keeping = tokio::spawn(async move { keeps.keep_lease(&links[0], &links[1]).await });
    writer.expect("lease").await;
    writer.say(LEASED).await;
    assert!(writer.expect("end").await.contains(&dead.simple().to_string().into_bytes()));
    // Its own lease is over by now.
    writer.say(LAPSED).await;
    assert!(shared.nodes.to_end.lock().contains(&dead), "nobody has ended it");
    let before = shared.units.node();
    writer.expect("lease").await;
    writer.say(LAPSED).await;
    assert!(writer.expect("end").await.contains(&before.simple().to_string().into_bytes()));
    writer.say(b":1\r\n").await;
    let topic = feed.expect("SSUBSCRIBE").await.remove(1);
    feed.confirm(&topic).await;
    feed.expect("SUNSUBSCRIBE").await;
    writer.expect("lease").await;
    assert!(shared.nodes.to_end.lock().is_empty(), "by what the dead have known, nobody is ended");
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_while_members_are_collected() {
    let shared = server(&[("c", 1)]);
    shared.is_other();
    let (mut writer, _feed) = connect(&shared);
    let links = [&shared.writer, &shared.subscriber].map(|slot| slot.read().clone().expect("a connection"));
    let keeps = shared.clone();
    let keeping = tokio::spawn(async move { keeps.keep_lease(&links[0], &links[1]).await });
    writer.expect("lease").await;
    writer.say(LEASED).await;
    for _ in 0..shared.keys.partitions() {
        writer.expect("held").await;
    }
    sleep(RENEW_EVERY).await;
    writer.expect("lease").await;
    writer.say(&b"*2\r\n*0\r\n*0\r\n".repeat(shared.keys.partitions())).await;
    writer.is_idle().await;
    writer.say(LEASED).await;
    assert_about(&writer.expect("enter").await, "c");
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_memory_others_leave_and_it_is_tried_again_later() {
    let shared = server(&[("c", 1)]);
    let (mut writer, _feed) = connect(&shared);
    shared.order(put("c", 1, true));
    writer.expect("enter").await;
    writer.say(FULL).await;
    resync(&shared).await.expect("it ends").expect("nothing is to be done yet");
    writer.is_idle().await;
    sleep(FULL_BACKOFF.0).await;
    resync(&shared).await.expect("it ends").expect("it is made right");
    writer.expect("enter").await;
    writer.say(FULL).await;
    assert_about(&writer.expect("leave").await, "c");
    writer.say(DONE).await;
    resync(&shared).await.expect("it ends").expect("nothing is to be done yet");
    writer.is_idle().await;
    sleep(2 * FULL_BACKOFF.0).await;
    resync(&shared).await.expect("it ends").expect("it is made right");
    writer.expect("enter").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_user_has_is_set_after_all_before_it_was_answered() {
    let shared = server(&[]);
    (0..2).for_each(|_| shared.count_user("u", true));
    let (mut writer, _feed) = connect(&shared);
    shared.order(Op::Dismiss("u".into()));
    // The answer to an admission was lost.
    shared.order(Op::Users(shared.keys.partition("u"), vec!["u".into()]));
    writer.expect("admit").await;
    writer.say(b"-BUSY Redis is busy running a script.\r\n").await;
    shared.open_desk();
    writer.expect("admit").await;
    writer.is_idle().await;
    writer.say(DONE).await;
    assert_about(&writer.expect("users").await, "1");
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_does_not_keep_servers_from_talking() {
    let shared = server(&[]);
    let send = || {
        let (called, calls) = channel();
        let done = Box::new(move |result| called.send(result).expect("somebody waits"));
        shared.order(Op::Send { to: None, message: Vec::new(), done });
        calls
    };
    let mut puts = 0;
    while shared.nodes.desk.lock().wrong.is_empty() {
        shared.order(put("c", puts, true));
        puts += 1;
    }
    let (sent, admitted) = (send(), admit(&shared, "u"));
    let (mut writer, _feed) = connect(&shared);
    shared.flush_desk();
    writer.expect("send").await;
    writer.expect("admit").await;
    writer.expect("enter").await;
    writer.say(&DONE.repeat(2)).await;
    assert_eq!((sent.try_recv(), admitted.try_recv()), (Ok(Ok(())), Ok(Ok(true))));
    shared.is_other();
    let sent = send();
    writer.say(&DONE.repeat(OPS_BATCH_MAX - 2)).await;
    while writer.next().await[1] != b"send" {}
    writer.is_idle().await;
    writer.say(DONE).await;
    assert_eq!(sent.try_recv(), Ok(Ok(())), "it needs no copy");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_others_are_removed_bit_by_bit_is_not_removed_with_them() {
    let shared = server(&[("c", 5)]);
    let (mut writer, _feed) = connect(&shared);
    shared.order(Op::Send { to: None, message: Vec::new(), done: Box::new(drop) });
    writer.expect("send").await;
    shared.order(Op::Put(Put::nobody("c")));
    shared.order(put("c", 5, true));
    shared.order(put("other", 6, true));
    writer.say(DONE).await;
    writer.expect("leave").await;
    writer.expect("enter").await;
    writer.expect("enter").await;
    // There are more than one command removes: it goes again, after the other one.
    writer.say(&[b":2\r\n", DONE, DONE].concat()).await;
    let wrong = shared.nodes.desk.lock().wrong.channels.clone();
    assert_eq!(wrong, HashSet::from(["c".into()]));
    writer.expect("leave").await;
    writer.say(DONE).await;
    resync(&shared).await.expect("it ends").expect("it is made right");
    assert_eq!(writer.expect("enter").await.last(), Some(&encode(&member(5))));
}
