//! Channels of the tiny server: subscriptions, publications with offsets, recovery; all kept for ever.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::{Fault, frame, text};

type Sender = UnboundedSender<Vec<u8>>;

pub(super) struct Channels {
    fault: Fault,
    all: Mutex<HashMap<String, Channel>>,
}

#[derive(Default)]
struct Channel {
    /// That at index 0 has offset 1.
    publications: Vec<Value>,
    msg_ids: HashSet<String>,
    subscribers: Vec<Sender>,
    recovered: bool,
}

impl Channels {
    pub(super) fn new(fault: Fault) -> Channels {
        Channels { fault, all: Mutex::default() }
    }

    pub(super) fn answer(&self, action: &str, request: &Value, sender: &Sender) {
        let payload = &request["payload"];
        let name = payload["channel"].as_str().expect("a channel");
        let mut all = self.all.lock().expect("channels");
        let channel = all.entry(name.to_owned()).or_default();
        let mut data = json!({"channel": name, "epoch": "e"});
        let mut behind = Vec::new();
        match action {
            "subscribe" => {
                channel.subscribers.push(sender.clone());
                data["offset"] = channel.publications.len().into();
                if let Some(since) = payload["since"]["offset"].as_u64() {
                    data["recovered"] = true.into();
                    behind = channel.since(name, since as usize, self.fault, &mut data);
                }
            }
            "unsubscribe" => channel.subscribers.retain(|subscriber| !subscriber.same_channel(sender)),
            "publish" => {
                channel.publications.push(payload["data"].clone());
                channel.acknowledge(self.fault, payload["msg_id"].as_str(), &mut data);
                channel.deliver(name, self.fault);
            }
            other => panic!("no action of a load tool: {other}"),
        }
        let _ = sender.send(text(&json!({"id": request["id"], "type": "response", "data": data})));
        for frame in behind {
            let _ = sender.send(frame);
        }
    }
}

impl Channel {
    /// What is said of the newest publication to the one who published it.
    fn acknowledge(&mut self, fault: Fault, msg_id: Option<&str>, data: &mut Value) {
        let count = self.publications.len();
        data["offset"] = match fault {
            Fault::Skip => count + usize::from(count >= 2),
            Fault::Stay => count - usize::from(count >= 2),
            _ => count,
        }
        .into();
        data["ack"] = match fault {
            Fault::Garble => "perhaps",
            Fault::Mix if count.is_multiple_of(2) => "memory",
            _ => "durable",
        }
        .into();
        let known = msg_id.is_some_and(|id| !self.msg_ids.insert(id.to_owned()));
        data["duplicate"] = (known || (fault == Fault::Again && count == 2)).into();
        if fault == Fault::Forget {
            data["offset"].take();
        }
    }

    /// The newest publication, to all subscribers.
    fn deliver(&mut self, name: &str, fault: Fault) {
        let offset = self.publications.len();
        self.subscribers.retain(|subscriber| !subscriber.is_closed());
        for (index, subscriber) in self.subscribers.iter().enumerate() {
            for frame in
                if (index, offset) == (1, 1) { self.faulty(name, fault) } else { vec![self.frame(name, offset)] }
            {
                let _ = subscriber.send(frame);
            }
        }
    }

    /// What arrives instead of the first publication.
    fn faulty(&self, name: &str, fault: Fault) -> Vec<Vec<u8>> {
        let gap = json!({"event": "gap", "channel": name, "from": 1, "to": 1});
        match fault {
            Fault::Lose => vec![],
            Fault::Announce => vec![text(&json!({"type": "notification", "data": gap}))],
            Fault::Repeat => vec![self.frame(name, 1), self.frame(name, 1)],
            Fault::Close => vec![frame(0x88, b"\x0f\xa1too slow")],
            _ => vec![self.frame(name, 1)],
        }
    }

    /// Everything behind offset `since`; wrong for the first that asks.
    fn since(&mut self, name: &str, since: usize, fault: Fault, data: &mut Value) -> Vec<Vec<u8>> {
        let mut frames: Vec<_> = (since + 1..=self.publications.len()).map(|offset| self.frame(name, offset)).collect();
        match fault {
            _ if std::mem::replace(&mut self.recovered, true) => {}
            Fault::Lose => drop(frames.remove(0)),
            Fault::Repeat => frames.push(self.frame(name, since + 1)),
            Fault::Swap => frames.swap(0, 1),
            Fault::Announce => {
                drop(frames.remove(0));
                data["recovered"] = false.into();
                data["gap"] = json!({"from": since + 1, "to": since + 1});
            }
            _ => {}
        }
        frames
    }

    fn frame(&self, name: &str, offset: usize) -> Vec<u8> {
        let data = &self.publications[offset - 1];
        // Not by json!, which sorts the fields: these stand as a server would have them.
        let text = format!(
            r#"{{"type":"notification","data":{{"event":"publication","channel":"{name}","offset":{offset},"data":{data},"time":1}}}}"#
        );
        frame(0x81, text.as_bytes())
    }
}
