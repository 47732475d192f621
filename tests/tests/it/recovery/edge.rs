//! A position that is still retained when it is requested, and no longer when the next publication comes: the client is not
//! a slow reader, so every missing publication has to be announced, whatever `on_lag` says.

use ws_server::config::OnLag;

use super::*;

const CHANNEL: &str = "edge";
/// By default.
const RETAINED: u64 = 100;
const TOP: u64 = 250;

/// Subscribes from the oldest retained publication, and publishes one more at once. Everything arrives, or is announced as
/// missing.
async fn check(on_lag: OnLag, how: impl Fn(&str) -> Value) {
    let server = Server::with(|config| config.channels.on_lag = on_lag).await;
    let epoch = publish(&mut server.connect().await, CHANNEL, 1..=TOP).await;
    let mut client = server.connect().await;
    let mut payload = how(&epoch);
    payload["channel"] = CHANNEL.into();
    let more = json!({"channel": CHANNEL, "data": TOP + 1});
    client.texts([request("s", "subscribe", payload), request("p", "publish", more)]).await;
    let answer = client.answer("s").await;
    assert_ne!(answer["data"]["recovered"], false, "it is all there: {answer}");
    let mut next = TOP - RETAINED + 1;
    while next <= TOP + 1 {
        let frame = client.json().await;
        let data = &frame["data"];
        match data["event"].as_str() {
            None => assert_eq!(frame["id"], "p", "{frame}"),
            Some("gap") => {
                assert_eq!(data["from"], next, "{on_lag:?}: {frame}");
                next = data["to"].as_u64().expect("an offset") + 1;
            }
            Some(_) => {
                assert_eq!(data["offset"], next, "{on_lag:?}: a silent hole: {frame}");
                next += 1;
            }
        }
    }
}

async fn check_both(on_lag: OnLag) {
    check(on_lag, |epoch| json!({"since": {"epoch": epoch, "offset": TOP - RETAINED}})).await;
    check(on_lag, |_| json!({"rewind": RETAINED})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_is_asked_for_and_goes() {
    check_both(OnLag::Gap).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_is_asked_for_and_goes_where_readers_jump() {
    check_both(OnLag::Latest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_is_asked_for_and_goes_where_readers_are_cut_off() {
    check_both(OnLag::Disconnect).await;
}
