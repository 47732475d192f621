//! Recovery in channels (PROTOCOL, "Channels"): whatever happens to a connection, its client gets every publication
//! once and in order, or is told exactly what is missing.

mod edge;
mod lag;
mod racing;
mod restart;
mod since;
mod stream;
mod stress;

use std::ops::RangeInclusive;

use ws_tests::prelude::*;

/// How many requests are sent before their answers are read.
const PIPELINED: usize = 200;

/// Publishes these numbers, each of which must be the publication's offset. Returns the epoch.
async fn publish(client: &mut Client, channel: &str, numbers: RangeInclusive<u64>) -> String {
    let mut epoch = String::new();
    let numbers: Vec<_> = numbers.collect();
    for chunk in numbers.chunks(PIPELINED) {
        client.texts(chunk.iter().map(|n| request("p", "publish", json!({"channel": channel, "data": n})))).await;
        for n in chunk {
            let answer = client.answer("p").await;
            assert_eq!(answer["data"]["offset"], *n, "{answer}");
            answer["data"]["epoch"].as_str().expect("an epoch").clone_into(&mut epoch);
        }
    }
    epoch
}

/// Subscribes. The answer is the next frame: nothing comes before it.
async fn subscribe(client: &mut Client, payload: Value) -> Value {
    client.text(request("s", "subscribe", payload)).await;
    let mut frame = client.json().await;
    assert_eq!((&frame["id"], &frame["type"]), (&json!("s"), &json!("response")), "{frame}");
    frame["data"].take()
}

/// Reads publications with these numbers, and nothing between them.
async fn comes(client: &mut Client, channel: &str, numbers: RangeInclusive<u64>) {
    for n in numbers {
        let event = client.event("publication").await;
        assert_eq!((&event["channel"], &event["offset"], &event["data"]), (&json!(channel), &json!(n), &json!(n)));
    }
}

fn request(id: &str, action: &str, payload: Value) -> String {
    json!({"id": id, "type": "request", "action": action, "payload": payload}).to_string()
}
