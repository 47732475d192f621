//! Modes of namespaces, for connections without a user.

use ws_server::config::{Access, Channels, Mode};
use ws_tests::prelude::*;

use super::*;

/// An action, and the option that decides about it.
type Right = (&'static str, fn(&mut Channels) -> &mut Access);

const RIGHTS: [Right; 4] = [
    ("subscribe", |options| &mut options.subscribe),
    ("publish", |options| &mut options.publish),
    ("get_history", |options| &mut options.read_history),
    ("get_presence", |options| &mut options.read_presence),
];

/// A namespace for each mode of each right, called `action-mode`; everything else in it is open.
async fn every_mode() -> Server {
    Server::with(|config| {
        config.limits.errors_max = 0;
        for (action, option) in RIGHTS {
            for (mode, access) in MODES {
                namespace(config, &format!("{action}-{mode}"), |options| {
                    RIGHTS.iter().for_each(|(_, option)| *option(options) = Access::ANYONE);
                    *option(options) = access;
                });
            }
        }
    })
    .await
}

const MODES: [(&str, Access); 8] = [
    ("anyone", Access::ANYONE),
    ("authenticated", Access::AUTHENTICATED),
    ("granted", Access::GRANTED),
    ("subscriber", Access::SUBSCRIBER),
    ("nobody", Access::NOBODY),
    ("subscriber-or-granted", Access::SUBSCRIBER.or(Mode::Granted)),
    ("subscriber-or-authenticated", Access::SUBSCRIBER.or(Mode::Authenticated)),
    ("granted-or-anyone", Access::GRANTED.or(Mode::Anyone)),
];

/// The code of the error, or an empty string.
async fn ask(client: &mut Client, action: &str, channel: &str) -> String {
    let answer = client.request("1", action, json!({"channel": channel, "data": 1})).await;
    answer["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_of_each_action() {
    let server = every_mode().await;
    for (action, _) in RIGHTS {
        for (mode, _) in MODES {
            if action == "subscribe" && mode.starts_with("subscriber") {
                continue;
            }
            let (mut client, channel) = (server.connect().await, format!("{action}-{mode}:room"));
            let (outside, inside) = match mode {
                "anyone" | "granted-or-anyone" => ("", ""),
                "authenticated" | "granted" => ("unauthenticated", "unauthenticated"),
                "subscriber" => ("permission_denied", ""),
                "subscriber-or-granted" | "subscriber-or-authenticated" => ("unauthenticated", ""),
                _ => ("permission_denied", "permission_denied"),
            };
            assert_eq!(ask(&mut client, action, &channel).await, outside, "{action} {mode}");
            if action == "subscribe" {
                continue;
            }
            subscribe(&mut client, &channel).await;
            assert_eq!(ask(&mut client, action, &channel).await, inside, "{action} {mode}, subscribed");
            unsubscribe(&mut client, &channel).await;
            assert_eq!(ask(&mut client, action, &channel).await, outside, "{action} {mode}, no longer subscribed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_counts_in_its_own_channel_and_for_its_own_connection() {
    let server = every_mode().await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    for (action, _) in &RIGHTS[1..] {
        let (room, hall) = (format!("{action}-subscriber:room"), format!("{action}-subscriber:hall"));
        subscribe(&mut client, &room).await;
        assert_eq!(ask(&mut client, action, &hall).await, "permission_denied", "{action}");
        assert_eq!(ask(&mut other, action, &room).await, "permission_denied", "{action}");
        assert_eq!(ask(&mut client, action, &room).await, "", "{action}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_subscribers_alone_read_history_and_presence() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    assert_eq!(ask(&mut client, "publish", ROOM).await, "");
    for action in ["get_history", "get_presence"] {
        assert_eq!(ask(&mut client, action, ROOM).await, "permission_denied", "{action}");
    }
    subscribe(&mut client, ROOM).await;
    for action in ["get_history", "get_presence"] {
        assert_eq!(ask(&mut client, action, ROOM).await, "", "{action}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_happens_to_nobody() {
    let server = every_mode().await;
    let (mut client, mut reader) = (server.connect().await, server.connect().await);
    for mode in ["authenticated", "granted", "nobody"] {
        let channel = format!("publish-{mode}:room");
        assert_eq!(subscribe(&mut reader, &channel).await["offset"], 0);
        ask(&mut client, "publish", &channel).await;
        assert_eq!(history(&mut client, json!({"channel": channel})).await["offset"], 0, "{mode}");
        let closed = format!("subscribe-{mode}:room");
        ask(&mut client, "subscribe", &closed).await;
        assert_eq!(presence(&mut client, &closed).await["connections"], 0, "{mode}");
        assert_eq!(client.refusal("unsubscribe", json!({"channel": closed})).await, "not_subscribed", "{mode}");
    }
    subscribe(&mut reader, ROOM).await;
    publish(&mut client, ROOM, "end").await;
    assert_eq!(reader.event("publication").await["data"], "end");
    assert_eq!(server.metrics().await.get("ws_subscriptions"), 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_for_users_is_for_no_anonymous_connection() {
    let server = every_mode().await;
    let mut client = server.connect().await;
    for (action, _) in RIGHTS {
        for channel in ["x#ann,bob", "x#ann", "x#null", &format!("{action}-anyone:x#ann")] {
            assert_eq!(ask(&mut client, action, channel).await, "unauthenticated", "{action} {channel}");
        }
        // Whatever the mode.
        for (mode, _) in MODES {
            let channel = format!("{action}-{mode}:x#ann");
            assert_eq!(ask(&mut client, action, &channel).await, "unauthenticated", "{action} {channel}");
        }
    }
    assert_eq!(ask(&mut client, "unsubscribe", "x#ann").await, "not_subscribed");
}
