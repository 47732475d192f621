//! A server that is killed again and again in the middle of its work.

use std::collections::{HashMap, VecDeque};

use super::*;

const KILLS: usize = 50;
const PUBLISHERS: usize = 5;

/// Unanswered publications of a publisher.
const IN_FLIGHT: usize = 8;

/// A publisher, which retries unanswered publications with the same id.
#[derive(Debug, Default)]
struct Publisher {
    nth: usize,
    sent: u64,
    unanswered: VecDeque<u64>,
    /// Offsets by number.
    acknowledged: HashMap<u64, u64>,
    duplicates: u64,
}

/// A subscriber, which recovers from its last position.
#[derive(Debug, Default)]
struct Subscriber {
    epoch: Option<String>,
    /// The data of each offset, from the first on.
    seen: Vec<Value>,
}

impl Publisher {
    fn publish(&self, n: u64) -> String {
        let nth = self.nth;
        request("p", "publish", json!({"channel": "log", "data": [nth, n], "msg_id": format!("{nth}-{n}")}))
    }

    /// Publishes until the server is gone.
    async fn run(mut self, mut client: Client) -> Self {
        client.texts(self.unanswered.iter().map(|n| self.publish(*n)).collect::<Vec<_>>()).await;
        loop {
            let new: Vec<_> = (self.sent + 1..).take(IN_FLIGHT - self.unanswered.len()).collect();
            self.sent += new.len() as u64;
            self.unanswered.extend(&new);
            client.texts(new.into_iter().map(|n| self.publish(n)).collect::<Vec<_>>()).await;
            match client.next().await {
                Frame::Json(frame) => self.answered(&frame),
                Frame::End => return self,
                other => panic!("a server that is killed says no {other:?}"),
            }
        }
    }

    fn answered(&mut self, frame: &Value) {
        let data = &frame["data"];
        assert_eq!((&frame["type"], &data["ack"]), (&json!("response"), &json!("durable")), "{frame}");
        let n = self.unanswered.pop_front().expect("one answer to each request");
        self.acknowledged.insert(n, data["offset"].as_u64().expect("an offset"));
        self.duplicates += u64::from(data["duplicate"] == true);
    }
}

impl Subscriber {
    /// Subscribes from its last position.
    async fn subscribe(&mut self, client: &mut Client) {
        let since = self.epoch.as_ref().map(|epoch| json!({"epoch": epoch, "offset": self.seen.len()}));
        let answer = client.ask("subscribe", json!({"channel": "log", "since": since})).await;
        let epoch = answer["epoch"].as_str().expect("an epoch").to_owned();
        match self.epoch.replace(epoch.clone()) {
            None => assert_eq!(answer["offset"], 0, "{answer}"),
            Some(before) => assert_eq!((before, &answer["recovered"]), (epoch, &json!(true)), "{answer}"),
        }
    }

    /// Reads until the server is gone.
    async fn run(mut self, mut client: Client) -> Self {
        loop {
            match client.next().await {
                Frame::Json(mut frame) => {
                    let next = self.seen.len() + 1;
                    let data = &mut frame["data"];
                    assert_eq!((&data["event"], &data["offset"]), (&json!("publication"), &json!(next)), "{data}");
                    self.seen.push(data["data"].take());
                }
                Frame::End => return self,
                other => panic!("a server that is killed says no {other:?}"),
            }
        }
    }
}

/// Checks that each publisher's publications are stored in its order, each once, at the offset in its answer.
fn check(publishers: &[Publisher], stored: &[Value]) {
    let mut next = [1; PUBLISHERS];
    for (at, data) in stored.iter().enumerate() {
        let [nth, n] = [0, 1].map(|part| data[part].as_u64().expect("a number"));
        let (publisher, offset) = (&publishers[nth as usize], at as u64 + 1);
        assert_eq!(n, next[nth as usize], "offset {offset}, publisher {nth}");
        next[nth as usize] += 1;
        assert!(publisher.acknowledged.get(&n).is_none_or(|said| *said == offset), "{n} of {nth} is at {offset}");
    }
    for publisher in publishers {
        let last = publisher.acknowledged.keys().max().copied().unwrap_or_default();
        assert!(last < next[publisher.nth], "publisher {}: {last} was acknowledged", publisher.nth);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_once_and_in_order() {
    let dir = directory("killed");
    let mut publishers: Vec<_> = (0..PUBLISHERS).map(|nth| Publisher { nth, ..Publisher::default() }).collect();
    let mut subscriber = Subscriber::default();
    let mut addr = host();
    for kill in 0..KILLS {
        let server = start(addr, &dir).await;
        addr = server.addr();
        let mut client = connect(&server).await;
        subscriber.subscribe(&mut client).await;
        let reading = tokio::spawn(subscriber.run(client));
        let mut publishing = Vec::new();
        for publisher in publishers {
            publishing.push(tokio::spawn(publisher.run(connect(&server).await)));
        }
        // Different moments: in a commit, in a checkpoint, in maintenance.
        tokio::time::sleep(Duration::from_millis((20 + kill * 37 % 61) as u64)).await;
        server.kill().await;
        publishers = Vec::new();
        for publisher in publishing {
            publishers.push(publisher.await.expect("a publisher gets what the contract says"));
        }
        subscriber = reading.await.expect("the subscriber gets what the contract says");
    }
    let server = start(addr, &dir).await;
    let stored: Vec<_> = history(&mut connect(&server).await, "log").await.into_iter().map(|(_, data)| data).collect();
    check(&publishers, &stored);
    assert_eq!(subscriber.seen[..], stored[..subscriber.seen.len()], "what was delivered is what is stored");
    let sum = |count: fn(&Publisher) -> u64| publishers.iter().map(count).sum::<u64>();
    let (acknowledged, duplicates) = (sum(|p| p.acknowledged.len() as u64), sum(|p| p.duplicates));
    println!(
        "{} stored, {acknowledged} acknowledged, {duplicates} sent twice, {} seen",
        stored.len(),
        subscriber.seen.len()
    );
    assert!(acknowledged > 300 && duplicates > 0, "{acknowledged} acknowledged, {duplicates} sent twice");
}
