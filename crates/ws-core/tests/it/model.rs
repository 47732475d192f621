//! Random clients, sockets and schedules against the simplest model: a list of all broadcasts. Invariants 2, 3 and 5 of
//! the architecture.

use proptest::prelude::*;
use ws_core::{Flow, Limits};

use crate::client::{Client, hub, limits, settle};

#[derive(Debug, Clone)]
enum Op {
    Connect { room: usize },
    Disconnect { who: usize },
    Broadcast { who: usize, bytes: usize },
    MakeRoom { who: usize, room: usize },
    Settle,
}

/// A client, and the first broadcast that it must get.
struct Reader {
    client: Client,
    next: i64,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => (0usize..3000).prop_map(|room| Op::Connect { room }),
        1 => any::<usize>().prop_map(|who| Op::Disconnect { who }),
        8 => (any::<usize>(), 0usize..900).prop_map(|(who, bytes)| Op::Broadcast { who, bytes }),
        5 => (any::<usize>(), 0usize..5000).prop_map(|(who, room)| Op::MakeRoom { who, room }),
        3 => Just(Op::Settle),
    ]
}

/// Everything that has arrived is the next broadcast, or a gap of the exact size.
fn check(reader: &mut Reader, published: i64) {
    for seen in reader.client.read_broadcasts() {
        if seen < 0 {
            reader.next -= seen;
        } else {
            assert_eq!(seen, reader.next, "out of order, doubled, or lost without a gap");
            reader.next += 1;
        }
        assert!(reader.next <= published);
    }
}

async fn play(ops: Vec<Op>) {
    let hub = hub(Limits { broadcast_log_bytes_max: 8192, ..limits() });
    let (mut readers, mut published) = (Vec::<Reader>::new(), 0i64);
    for op in ops {
        let len = readers.len();
        match op {
            Op::Connect { room } => readers.push(Reader { client: Client::connect(&hub, room), next: published }),
            Op::Settle => settle().await,
            _ if len == 0 => {}
            Op::Disconnect { who } => drop(readers.swap_remove(who % len)),
            Op::Broadcast { who, bytes } => {
                let message = format!(r#"{{"n":{published},"fill":"{}"}}"#, "x".repeat(bytes));
                while readers[who % len].client.broadcast(&message) == Flow::Hold {
                    settle().await;
                }
                published += 1;
            }
            Op::MakeRoom { who, room } => readers[who % len].client.make_room(room),
        }
        for reader in &mut readers {
            check(reader, published);
        }
    }
    settle().await;
    for reader in &mut readers {
        reader.client.make_room(1 << 30);
        settle().await;
        check(reader, published);
        assert_eq!(reader.next, published, "everything came, or was announced as a gap");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn streams_have_no_silent_hole(ops in proptest::collection::vec(op(), 1..120)) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(play(ops));
    }
}
