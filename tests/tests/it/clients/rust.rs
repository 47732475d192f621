//! ws-client against the server: what its users see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use ws_client::{
    Channel, Client as WsClient, ErrorCode, Event, Gap, Outbox, PublishError, Publishing, State, Subscription, Timers,
    Why,
};
use ws_tests::fault_proxy::FaultProxy;
use ws_tests::prelude::*;
use ws_tests::process::Signal;

use crate::durable::{directory, host, start};

fn with_history(config: &mut ws_server::config::Config) {
    config.channels.history_size = 1_000;
}

fn url(addr: std::net::SocketAddr) -> String {
    format!("ws://{addr}/ws")
}

fn client(url: String) -> WsClient {
    WsClient::builder(url).start().expect("it starts")
}

async fn is(client: &WsClient, state: State) {
    let mut status = client.status();
    within("a state", status.wait_for(|status| status.state == state)).await.expect("the client runs");
}

async fn next<T: serde::de::DeserializeOwned>(events: &mut Subscription<T>) -> Event<T> {
    within("an event", events.next()).await.expect("the client runs")
}

/// The next publication; what else comes is passed over, but for gaps.
async fn publication(events: &mut Subscription<Value>) -> Value {
    loop {
        match next(events).await {
            Event::Publication(publication) => return publication.data,
            Event::Gap(gap) => panic!("a gap: {gap:?}"),
            _ => {}
        }
    }
}

async fn live(channel: &Channel<Value>) -> Subscription<Value> {
    let mut events = channel.subscribe().start();
    while !matches!(next(&mut events).await, Event::Live { .. }) {}
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_talk() {
    let server = Server::with(with_history).await;
    let (ann, bob) = (client(url(server.addr())), client(url(server.addr())));
    let mut events = live(&ann.channel("chat")).await;
    let ack = within("an answer", bob.channel("chat").publish(&json!({"hello": "ann"}))).await.expect("published");
    let Event::Publication(publication) = next(&mut events).await else { panic!("no publication") };
    assert_eq!((publication.data, publication.own), (json!({"hello": "ann"}), false));
    assert_eq!(publication.position, ack.position);
    let own = ann.channel("chat").publish(&json!(2));
    let Event::Publication(publication) = next(&mut events).await else { panic!("no publication") };
    assert!(publication.own);
    within("an answer", own).await.expect("published");
    within("closing", bob.close(Duration::ZERO)).await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_offline_arrives_once_and_in_order() {
    let server = Server::with(with_history).await;
    let proxy = FaultProxy::start(server.addr()).await;
    proxy.refuse().await;
    let sender = client(proxy.url());
    let channel = sender.channel::<Value>("chat");
    let published: Vec<_> = (0..20).map(|n| channel.publish(&json!(n))).collect();
    within("a count", sender.pending().wait_for(|count| *count == 20)).await.expect("the client runs");
    let reader = client(url(server.addr()));
    let mut events = live(&reader.channel("chat")).await;
    proxy.accept().await;
    sender.wake();
    for n in 0..20 {
        assert_eq!(publication(&mut events).await, n);
    }
    for end in published {
        assert!(!within("an answer", end).await.expect("published").duplicate);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_over_a_restart() {
    let dir = directory("ws-client-restart");
    let server = start(host(), &dir).await;
    let addr = server.addr();
    let reader = client(url(addr));
    let mut events = live(&reader.channel("chat")).await;
    let sender = client(url(addr));
    let channel = sender.channel::<Value>("chat");
    within("an answer", channel.publish(&json!(1))).await.expect("published");
    assert_eq!(publication(&mut events).await, 1);
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0));
    let second = channel.publish(&json!(2));
    let _server = start(addr, &dir).await;
    sender.wake();
    reader.wake();
    within("an answer", second).await.expect("published");
    assert_eq!(publication(&mut events).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgot_everything_is_told() {
    let server = Server::with(with_history).await;
    let proxy = FaultProxy::start(server.addr()).await;
    let reader = client(proxy.url());
    let channel = reader.channel::<Value>("chat");
    let mut events = live(&channel).await;
    within("an answer", channel.publish(&json!(1))).await.expect("published");
    assert_eq!(publication(&mut events).await, 1);
    let another = Server::with(with_history).await;
    proxy.set_upstream(another.addr());
    drop(server);
    proxy.now(ws_tests::fault_proxy::Fault::Reset);
    assert!(matches!(next(&mut events).await, Event::Gap(Gap::Epoch { .. })));
    assert!(matches!(next(&mut events).await, Event::Live { recovered: Some(false), .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_refreshed_on_the_same_connection() {
    let server = Server::with(|config| {
        token::accept(config);
        with_history(config);
    })
    .await;
    let asked = Arc::new(AtomicU64::new(0));
    let provider = {
        let asked = asked.clone();
        move |_: Why| {
            let nth = asked.fetch_add(1, Ordering::SeqCst);
            // The first one is about to expire when it is used.
            let lives = if nth == 0 { 31.0 } else { 3_600.0 };
            let token = token::of("ann", &json!({"exp": token::in_seconds(lives)}));
            async move { Ok(Some(token)) }
        }
    };
    let client = WsClient::builder(url(server.addr())).token(provider).start().expect("it starts");
    client.wake();
    is(&client, State::Connected).await;
    assert_eq!(client.status().borrow().user, Some(Some("ann".to_owned())));
    let mut status = client.status();
    status.mark_unchanged();
    until("a second token", async || (asked.load(Ordering::SeqCst) == 2).then_some(())).await;
    within("an answer", client.channel("chat").publish(&json!(1))).await.expect("published");
    assert!(!status.has_changed().expect("the client runs"), "it stayed connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_in_as_another_user() {
    let server = Server::with(token::accept).await;
    let user = Arc::new(std::sync::Mutex::new("ann"));
    let provider = {
        let user = user.clone();
        move |_: Why| {
            let token = token::of(*user.lock().expect("nobody panics"), &json!({}));
            async move { Ok(Some(token)) }
        }
    };
    let client = WsClient::builder(url(server.addr())).token(provider).start().expect("it starts");
    client.wake();
    is(&client, State::Connected).await;
    *user.lock().expect("nobody panics") = "bob";
    within("a login", client.login()).await.expect("logged in");
    assert_eq!(client.status().borrow().user, Some(Some("bob".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_in_a_file_goes_on_in_the_next_run() {
    let server = Server::with(with_history).await;
    let dir = tempfile::tempdir().expect("a directory");
    let on_file = |url: String| {
        let outbox = Outbox::file(dir.path().join("outbox"));
        WsClient::builder(url).outbox(outbox).timers(Timers { store: DEADLINE, ..Timers::default() })
    };
    let proxy = FaultProxy::start(server.addr()).await;
    proxy.refuse().await;
    let first = on_file(proxy.url()).start().expect("it starts");
    let second = on_file(proxy.url()).start();
    assert!(second.is_err(), "one client at a time");
    let channel = first.channel::<Value>("chat");
    let published: Vec<_> = (0..5).map(|n| channel.publish(&json!(n))).collect();
    assert_eq!(within("closing", first.close(Duration::from_secs(1))).await.expect_err("offline").count, 5);
    for end in published {
        assert_eq!(within("an end", end).await, Err(PublishError::Closed));
    }
    let reader = client(url(server.addr()));
    let mut events = live(&reader.channel("chat")).await;
    proxy.accept().await;
    let next = on_file(proxy.url()).start().expect("the file is free");
    let last = next.channel::<Value>("chat").publish(&json!(5));
    for n in 0..=5 {
        assert_eq!(publication(&mut events).await, n);
    }
    within("an answer", last).await.expect("published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_polls_loses_nothing() {
    let server = Server::with(|config| config.channels.history_size = 10_000).await;
    let reader = client(url(server.addr()));
    let mut events = live(&reader.channel("chat")).await;
    let sender = client(url(server.addr()));
    let channel = sender.channel::<Value>("chat");
    for n in 0..3_000 {
        within("an answer", channel.publish(&json!(n))).await.expect("published");
    }
    for n in 0..3_000 {
        assert_eq!(publication(&mut events).await, n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_under_way_is_one_publication() {
    let server = Server::with(with_history).await;
    let proxy = FaultProxy::start(server.addr()).await;
    proxy.refuse().await;
    let sender = client(proxy.url());
    let channel = sender.channel::<Value>("chat");
    let publish =
        |n: u32| channel.publish_with(&json!(n), Publishing { id: Some("one".to_owned()), ..Publishing::default() });
    let (first, second, other) = (publish(1), publish(1), publish(2));
    let refused = within("an answer", other).await;
    assert!(
        matches!(&refused, Err(PublishError::Rejected(problem)) if problem.code == Some(ErrorCode::Conflict)),
        "{refused:?}"
    );
    proxy.accept().await;
    sender.wake();
    let (first, second) = (within("an answer", first).await, within("an answer", second).await);
    assert!(first.is_ok() && first == second, "{first:?} {second:?}");
}
