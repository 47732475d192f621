//! A client that has more to ask for than its server takes in a second: it finds its pace, and is never closed for it.

use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, select_all};
use ws_client::{Client as WsClient, Event, State};
use ws_tests::fault_proxy::{Fault, FaultProxy};
use ws_tests::prelude::*;

/// As many as a connection may have (`limits.channels_max`).
const CHANNELS: usize = 128;

const PUBLICATIONS: usize = 200;

/// Coming back takes 128 requests, and the outbox 200 more, at 50 a second. What happens at 10 a second is the same, and
/// takes half a minute: the machine's own test does it in simulated time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_it_comes_back_without_4006() {
    let server = Server::with(|config| {
        config.channels.history_size = 1_000;
        config.limits.requests_per_second = 50;
    })
    .await;
    let proxy = FaultProxy::start(server.addr()).await;
    let client = WsClient::builder(proxy.url()).start().expect("it starts");
    let name = |nth: usize| format!("room-{nth}");
    let mut events = select_all((0..CHANNELS).map(|nth| client.channel::<usize>(name(nth)).subscribe().start()));
    for _ in 0..CHANNELS {
        assert!(matches!(within("an event", events.next()).await, Some(Event::Live { .. })));
    }
    proxy.refuse().await;
    proxy.now(Fault::Reset);
    let mut status = client.status();
    within("an end", status.wait_for(|status| status.state != State::Connected)).await.expect("the client runs");
    let room = client.channel::<usize>(name(0));
    let mut published: FuturesUnordered<_> = (0..PUBLICATIONS).map(|n| room.publish(&n)).collect();
    proxy.accept().await;
    client.wake();
    while let Some(end) = within("an acknowledgement", published.next()).await {
        end.expect("published");
    }
    let mut seen = 0;
    while seen < PUBLICATIONS {
        match within("an event", events.next()).await.expect("the client runs") {
            Event::Publication(publication) => {
                assert_eq!(publication.data, seen, "in order, once");
                seen += 1;
            }
            Event::Live { recovered, .. } => assert_eq!(recovered, Some(true)),
            other => panic!("{other:?}"),
        }
    }
    let metrics = server.metrics().await;
    assert!(metrics.get("ws_errors_total{code=\"rate_limited\"}") > 0.0, "it was too fast at first");
    assert_eq!(metrics.get("ws_connections_closed_total{code=\"4006\"}"), 0.0);
    assert_eq!(proxy.accepted(), 2, "one connection before, one after");
}
