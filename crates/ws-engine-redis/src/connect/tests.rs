//! Tests of the connections, with a Redis that the tests play.

use std::cell::Cell;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::fake::{self, Peer, accept, address, info, listen, server_with};
use crate::location::Location;
use crate::options::RedisOptions;
use crate::slots::Slots;

/// A process with this `run_id`, where these options lead.
fn place(shared: &Shared, run_id: &str) -> Place {
    Place { address: address(&shared.options), run_id: run_id.into() }
}

fn pair(shared: &Shared) -> Pair {
    let [writer, subscriber] =
        [&shared.writer, &shared.subscriber].map(|slot| Owned(slot.read().clone().expect("it is connected")));
    Pair { writer, subscriber, replicas: None, place: place(shared, "one"), seen: Seen::default() }
}

#[tokio::test]
async fn nothing_is_read_from_another_redis_than_the_writers() {
    let (redis, options) = listen().await;
    let (shared, _) = server_with(options);
    shared.report(Part::Pair, Health::Well);
    let (now, at) = watch::channel(Some(place(&shared, "one")));
    let reader = tokio::spawn(keep_reader(shared.clone(), at));
    let mut peer = accept(&redis).await;
    peer.greet().await;
    assert_eq!(peer.next().await, [b"INFO".to_vec(), b"server".to_vec()]);
    peer.say(&info("run_id:other")).await;
    peer.is_closed().await;
    is(&shared, Some(ELSEWHERE)).await;
    // The name leads where the writer is by now.
    let mut peer = accept(&redis).await;
    peer.greet().await;
    peer.next().await;
    assert!(shared.reader.read().is_none(), "no other one is used");
    peer.say(&info("run_id:one")).await;
    is(&shared, None).await;
    assert!(shared.reader.read().is_some(), "it is used");
    now.send_replace(None);
    peer.is_closed().await;
    // Why not is the writer's to say.
    is(&shared, Some("it is not connected yet")).await;
    reader.abort();
}

/// Waits until the engine has this trouble.
async fn is(shared: &Shared, trouble: Option<&str>) {
    let is_so = async {
        while shared.trouble().as_deref() != trouble {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = timeout(Duration::from_secs(20), is_so).await;
    waited.unwrap_or_else(|_| panic!("{trouble:?}, and it is {:?}", shared.trouble()));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_has_died_is_known_in_time() {
    let command_timeout = Duration::from_secs(1);
    let (shared, _) = server_with(RedisOptions { command_timeout, ..RedisOptions::for_tests() });
    let (mut to_writer, mut to_feed) = fake::connect(&shared);
    let pair = pair(&shared);
    let died = Cell::new(None);
    let serve = async {
        loop {
            let command = to_writer.next().await;
            to_writer.grant(&command).await;
            if command[0] == b"SPUBLISH" && died.get().is_none() {
                to_feed.pushed(&command[1], &command[2]).await;
                died.set(Some(Instant::now()));
            }
        }
    };
    let trouble = tokio::select! {
        trouble = use_pair(&shared, &pair) => trouble,
        () = serve => unreachable!("it does not end"),
    };
    assert!(trouble.contains("has not arrived"), "{trouble}");
    let died: Instant = died.get().expect("the first one has arrived");
    assert!(died.elapsed() < command_timeout + Duration::from_secs(2), "{:?}", died.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_pair_has_sent_says_nothing_about_a_feed() {
    let command_timeout = Duration::from_secs(1);
    let (shared, _) = server_with(RedisOptions { command_timeout, ..RedisOptions::for_tests() });
    let (mut to_writer, mut to_feed) = fake::connect(&shared);
    let earlier = pair(&shared);
    let mut echoes = Vec::new();
    let serve = async {
        while echoes.len() < 6 {
            let command = to_writer.next().await;
            to_writer.grant(&command).await;
            if command[0] == b"SPUBLISH" {
                to_feed.pushed(&command[1], &command[2]).await;
                echoes.push(command);
            }
        }
    };
    tokio::select! {
        trouble = use_pair(&shared, &earlier) => unreachable!("it is well: {trouble}"),
        () = serve => {}
    }
    fake::disconnect(&shared);
    shared.nodes.begin_number();
    shared.echoed.store(0, Ordering::Release);
    let (mut to_writer, mut to_feed) = fake::connect(&shared);
    let (pair, since) = (pair(&shared), Instant::now());
    // Redis comes to it only now.
    to_feed.pushed(&echoes[5][1], &echoes[5][2]).await;
    let serve = async {
        loop {
            let command = to_writer.next().await;
            to_writer.grant(&command).await;
        }
    };
    let trouble = tokio::select! {
        trouble = use_pair(&shared, &pair) => trouble,
        () = serve => unreachable!("it does not end"),
    };
    assert!(trouble.contains("has not arrived"), "{trouble}");
    assert!(since.elapsed() < command_timeout + Duration::from_secs(2), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_goes_on_at_once_only_in_another_generation() {
    let (shared, _) = server_with(RedisOptions::for_tests());
    let (mut to_writer, _to_feed) = fake::connect(&shared);
    let pair = pair(&shared);
    let serve = async {
        loop {
            let command = to_writer.next().await;
            to_writer.grant(&command).await;
        }
    };
    let renew = async || {
        shared.renew();
        sleep(TICK).await;
        shared.lanes[0].0.lock().paused_until.is_some()
    };
    let check = async {
        sleep(TICK).await;
        shared.lanes[0].0.lock().paused_until = Some(Instant::now() + BACKOFF.1);
        assert!(renew().await, "nothing has changed");
        shared.generations[0].store(fake::G + 1, Ordering::Release);
        assert!(!renew().await, "the next generation has begun");
    };
    tokio::select! {
        trouble = use_pair(&shared, &pair) => unreachable!("it is well: {trouble}"),
        () = serve => unreachable!("it does not end"),
        () = check => {}
    }
}

/// A writer that does not answer, and whether another connection is greeted: whether the writer is given up.
async fn check_stall(is_greeted: bool) -> bool {
    let (redis, options) = listen().await;
    let (shared, _) = server_with(RedisOptions { lease: Duration::from_millis(300), ..options });
    let (to_writer, to_feed) = fake::connect(&shared);
    let pair = pair(&shared);
    pair.writer.send(|batch| batch.command(["PING"], |_| {})).expect("it is there");
    let greet = async {
        loop {
            let mut peer = accept(&redis).await;
            if is_greeted {
                peer.greet().await;
            }
            peer.is_closed_after_all().await;
        }
    };
    let is_given_up = tokio::select! {
        trouble = stalls(&shared, &pair) => trouble.contains("this connection alone"),
        () = greet => unreachable!("it does not end"),
        () = sleep(if is_greeted { Duration::from_secs(20) } else { shared.options.lease * 3 }) => false,
    };
    drop((to_writer, to_feed));
    is_given_up
}

#[tokio::test]
async fn a_connection_that_stalls_is_replaced_before_the_lease_is_lost() {
    assert!(check_stall(true).await, "Redis answers others");
    assert!(!check_stall(false).await, "nobody is answered");
}

#[tokio::test]
async fn a_writer_without_a_feed_is_closed() {
    let (redis, options) = listen().await;
    let (shared, _) = server_with(options);
    let serve = async {
        let mut writer = accept(&redis).await;
        writer.greet().await;
        let mut feed = accept(&redis).await;
        feed.next().await;
        feed.say(b"-ERR max number of clients reached\r\n").await;
        writer.is_closed().await;
        feed.is_closed().await;
    };
    let (finder, mut primary) = (Finder::new(shared.options.locations[0].clone()), None);
    let (connected, ()) = tokio::join!(connect(&shared, &finder, &mut primary), serve);
    let trouble = connected.map(drop).expect_err("there is no feed");
    assert!(trouble.contains("max number of clients"), "{trouble}");
}

#[tokio::test]
async fn replicas_are_not_waited_for_at_another_redis_than_the_writers() {
    let (redis, options) = listen().await;
    let (shared, _) = server_with(RedisOptions { replicas_min: 1, ..options });
    let serve = async {
        let mut peers = Vec::new();
        for run_id in ["one", "one", "other"] {
            let mut peer = accept(&redis).await;
            peer.greet().await;
            peers.push((peer, run_id));
        }
        for (peer, run_id) in &mut peers {
            assert_eq!(peer.next().await, [b"INFO".to_vec(), b"server".to_vec()], "{run_id}");
            peer.say(&info(&format!("run_id:{run_id}"))).await;
        }
        for (peer, _) in &mut peers {
            peer.is_closed().await;
        }
    };
    let (finder, mut primary) = (Finder::new(shared.options.locations[0].clone()), None);
    let (connected, ()) = tokio::join!(connect(&shared, &finder, &mut primary), serve);
    assert_eq!(connected.map(drop), Err(ELSEWHERE.to_owned()));
}

/// A server of a Redis Cluster whose nodes are these, and what leads it to the primary.
fn in_cluster(options: &[&RedisOptions]) -> (Arc<Shared>, Finder) {
    let nodes: Vec<_> = options.iter().map(|options| address(options)).collect();
    let locations = vec![Location::Cluster(nodes.clone())];
    let (shared, _) = server_with(RedisOptions { locations, ..RedisOptions::for_tests() });
    let finder = Finder::of_slot(Arc::new(Slots::new(nodes)), shared.keys.slot());
    (shared, finder)
}

/// Somebody who looks at what is set.
type Set = mpsc::UnboundedSender<Vec<Vec<u8>>>;

/// A node of a Redis Cluster that says of all slots that it has them.
async fn node(redis: &TcpListener, is_cut_off: bool, set: &Set) {
    let (slots, mut serving) = (fake::slots("0-16383", redis), JoinSet::new());
    loop {
        let peer = accept(redis).await;
        serving.spawn(serve(peer, slots.clone(), is_cut_off, set.clone()));
    }
}

async fn serve(mut peer: Peer, slots: Vec<u8>, is_cut_off: bool, set: Set) {
    peer.greet().await;
    while let Some(command) = peer.try_next().await {
        if command[0] == b"SET" {
            set.send(command.clone()).expect("somebody looks");
        }
        match &*command[0] {
            b"CLUSTER" => peer.say(&slots).await,
            b"EVALSHA" if is_cut_off => peer.say(b"-CLUSTERDOWN The cluster is down\r\n").await,
            _ => peer.grant(&command).await,
        }
    }
}

#[tokio::test]
async fn a_node_that_is_cut_off_is_not_asked_for_ever() {
    let ((a, of_a), (b, of_b)) = (listen().await, listen().await);
    let (shared, finder) = in_cluster(&[&of_a, &of_b]);
    let (set, _sets) = mpsc::unbounded_channel();
    tokio::select! {
        () = keep_pair(shared.clone(), Arc::new(finder), watch::channel(None).0) => unreachable!("it does not end"),
        () = node(&a, true, &set) => unreachable!("it does not end"),
        _ = accept(&b) => {}
        () = sleep(Duration::from_secs(20)) => panic!("the other one is not asked"),
    }
}

#[tokio::test]
async fn a_redis_cluster_is_set_up_with_each_dial() {
    let (redis, options) = listen().await;
    let (shared, finder) = in_cluster(&[&options]);
    let ((set, mut sets), mut primary) = (mpsc::unbounded_channel(), None);
    for nth in 0..2 {
        let set = tokio::select! {
            connected = connect(&shared, &finder, &mut primary) => panic!("not with {nth}: {:?}", connected.map(drop)),
            () = node(&redis, false, &set) => unreachable!("it does not end"),
            set = sets.recv() => set.expect("somebody sets it"),
        };
        assert_eq!(set[1..3], [shared.keys.setup(), shared.setup()].map(String::into_bytes));
    }
}
