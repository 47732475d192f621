//! Who may ask, stop, and read streams: as in the channel where Claude was asked.

use ws_server::config::{Access, Channels};

use super::*;

/// A server whose namespace `chat` asks for grants.
async fn granted() -> (FakeClaude, Server) {
    with(|config| {
        accept(config);
        let granted = Access::GRANTED;
        let chat = Channels { subscribe: granted, publish: granted, read_history: granted, ..Channels::default() };
        config.namespaces.insert("chat".to_owned(), chat);
        let quiet = Channels { claude: false, ..Channels::default() };
        config.namespaces.insert("quiet".to_owned(), quiet);
    })
    .await
}

async fn connect(server: &Server, user: &str, claims: Value) -> Client {
    Client::with_token(server.addr(), &token::of(user, &claims)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_follow_their_channel() {
    let (claude, server) = granted().await;
    claude.otherwise(Script::new().begin().text("Half").stall());
    let all = json!({"subscribe": ["chat:*"], "publish": ["chat:a"], "history": ["chat:a"]});
    let mut ann = connect(&server, "ann", all).await;
    let run = ann.ask("ask_claude", json!({"channel": "chat:a", "prompt": "Hi"})).await;
    let stream = stream_of(&run);
    follow(&mut ann, &run).await;
    let event = next_in(&mut ann, &stream).await;
    assert_eq!(event["from"], json!({"service": "claude", "user": "ann"}));
    ann.ask("get_history", json!({"channel": stream})).await;
    assert_eq!(ann.refusal("publish", json!({"channel": stream, "data": 1})).await, "permission_denied");
    assert_eq!(ann.refusal("ask_claude", json!({"channel": "chat:b", "prompt": "Hi"})).await, "permission_denied");

    // Claims that name streams mean nothing.
    let named = json!({"subscribe": ["claude:*", &stream], "history": [&stream], "publish": ["claude:*"],
                       "channels": [&stream, "news"]});
    let mut eve = connect(&server, "eve", named).await;
    assert_eq!(eve.event("subscribed").await["channel"], "news", "and nothing is said of the stream");
    for (action, payload) in [
        ("subscribe", json!({"channel": stream})),
        ("get_history", json!({"channel": stream})),
        ("publish", json!({"channel": stream, "data": 1})),
        ("ask_claude", json!({"channel": "chat:a", "prompt": "Hi"})),
        ("cancel_claude", json!({"channel": "chat:a", "run_id": run["run_id"]})),
    ] {
        assert_eq!(eve.refusal(action, payload).await, "permission_denied", "{action}");
    }
    let mut anonymous = server.connect().await;
    assert_eq!(anonymous.refusal("subscribe", json!({"channel": stream})).await, "unauthenticated");

    // A subscription token for the channel opens its streams; one for the stream is for no channel.
    let of_channel = token::of("eve", &json!({"channel": "chat:a"}));
    eve.ask("subscribe", json!({"channel": stream, "token": of_channel})).await;
    let of_stream = token::of("ann", &json!({"channel": stream}));
    ann.ask("unsubscribe", json!({"channel": stream})).await;
    assert_eq!(ann.refusal("subscribe", json!({"channel": stream, "token": of_stream})).await, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_for_some_users_have_streams_for_them() {
    let (claude, server) = granted().await;
    claude.otherwise(Script::new().begin().text("Half").stall());
    let (mut ann, mut eve) = (connect(&server, "ann", json!({})).await, connect(&server, "eve", json!({})).await);
    let run = ann.ask("ask_claude", json!({"channel": "pair#ann,bob", "prompt": "Hi"})).await;
    follow(&mut ann, &run).await;
    assert_eq!(eve.refusal("subscribe", json!({"channel": run["stream"]})).await, "permission_denied");
    assert_eq!(
        eve.refusal("ask_claude", json!({"channel": "pair#ann,bob", "prompt": "Hi"})).await,
        "permission_denied"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_namespaces() {
    let (_claude, server) = granted().await;
    let mut client = server.connect().await;
    for name in ["claude:a", "claude:a/", "claude:/1", "claude:a/b.c", "claude:claude:a/1/2"] {
        assert_eq!(client.refusal("subscribe", json!({"channel": name})).await, "invalid_channel", "{name}");
    }
    assert_eq!(client.refusal("subscribe", json!({"channel": "claude:nope:a/1"})).await, "unknown_namespace");
    assert_eq!(client.refusal("ask_claude", json!({"channel": "quiet:a", "prompt": "Hi"})).await, "not_available");
    // A stream that nobody has begun is an empty channel.
    client.ask("subscribe", json!({"channel": "claude:a/early"})).await;
    let run = client.ask("ask_claude", json!({"channel": "a", "prompt": "Hi", "run_id": "early"})).await;
    assert_eq!(read_stream(&mut client, &stream_of(&run)).await.1["status"], "complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_the_channel_reads_the_history_of_its_streams() {
    let (_claude, server) = start().await;
    let mut client = member(&server).await;
    let run = ask(&mut client, "Hi").await;
    finished(&mut client).await;
    assert_eq!(history(&mut client, &stream_of(&run)).await.last().expect("an end")["claude"], "finished");
    let mut other = server.connect().await;
    assert_eq!(other.refusal("get_history", json!({"channel": run["stream"]})).await, "permission_denied");
}

/// The channels of the next `unsubscribed` events, and their codes.
async fn ends(client: &mut Client, count: usize) -> Vec<(String, String)> {
    let mut ends = Vec::new();
    while ends.len() < count {
        let event = client.event("unsubscribed").await;
        let text = |field: &str| event[field].as_str().expect("a text").to_owned();
        ends.push((text("channel"), text("code")));
    }
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_channel_that_opened_it() {
    let (claude, server) = granted().await;
    claude.otherwise(Script::new().begin().text("Half").stall());
    let mut ann = connect(&server, "ann", json!({"publish": ["chat:a"], "subscribe": ["chat:b"]})).await;
    let of_channel = token::of("ann", &json!({"channel": "chat:a"}));
    let own = json!({"channel": "claude:chat:a/2", "token": of_channel});
    let subscribe = async |ann: &mut Client| {
        ann.ask("subscribe", json!({"channel": "chat:a", "token": of_channel})).await;
        ann.ask("subscribe", json!({"channel": "claude:chat:a/1"})).await;
    };
    subscribe(&mut ann).await;
    ann.ask("subscribe", own).await;
    ann.ask("subscribe", json!({"channel": "chat:b"})).await;
    ann.ask("subscribe", json!({"channel": "claude:chat:b/1"})).await;

    // A new login leaves what it never gave; its own end with it.
    let next = token::of("ann", &json!({"publish": ["chat:a"]}));
    ann.ask("authenticate", json!({"token": next})).await;
    let denied = |name: &str| (name.to_owned(), "permission_denied".to_owned());
    let mut ended = ends(&mut ann, 2).await;
    ended.sort();
    assert_eq!(ended, [denied("chat:b"), denied("claude:chat:b/1")]);

    // Whoever leaves the channel leaves its streams, but for those that have a token of their own.
    ann.ask("unsubscribe", json!({"channel": "chat:a"})).await;
    assert_eq!(ends(&mut ann, 1).await, [denied("claude:chat:a/1")]);
    assert_eq!(ann.refusal("get_history", json!({"channel": "claude:chat:a/1"})).await, "permission_denied");
    ann.ask("unsubscribe", json!({"channel": "claude:chat:a/2"})).await;

    // So does one whose token for the channel expires.
    let short = token::of("ann", &json!({"channel": "chat:a", "exp": token::in_seconds(1.0)}));
    ann.ask("subscribe", json!({"channel": "chat:a", "token": short})).await;
    ann.ask("subscribe", json!({"channel": "claude:chat:a/1"})).await;
    let expired = ("chat:a".to_owned(), "token_expired".to_owned());
    assert_eq!(ends(&mut ann, 2).await, [expired, denied("claude:chat:a/1")]);
}
