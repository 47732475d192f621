//! Whether what the machine told is true.

use serde_json::{Value, json};

use super::{Happening, World};

impl World {
    /// What a reader gets is what was published, in order, and what it is told is gone is gone.
    pub(super) fn delivered(&mut self, what: &Value) {
        let id = what["reader"].as_u64().expect("a number");
        let delay = self.dice.below(200);
        self.at(delay, Happening::Input(json!({"taken": {"reader": id}})));
        let event = &what["event"];
        let reader = self.readers.get_mut(&id).expect("a reader that is there");
        let stream = &self.server.streams[&reader.channel];
        let name = format!("reader {id} of {}: {event}", reader.channel);
        match event["type"].as_str().expect("a type") {
            "publication" => {
                let offset = event["offset"].as_u64().expect("an offset");
                if let Some(before) = reader.offset {
                    assert_eq!(offset, before + 1, "a silent hole, or twice: {name}");
                }
                reader.offset = Some(offset);
                if let Some(epoch) = &reader.epoch {
                    let published = stream.log.iter().find(|one| one.epoch == *epoch && one.offset == offset);
                    let published = published.unwrap_or_else(|| panic!("nobody published it: {name}"));
                    assert_eq!(published.data, event["data"], "{name}");
                }
            }
            "gap" if event["epoch"].is_string() => {
                let epoch = event["epoch"].as_str().map(str::to_owned);
                assert_ne!(epoch, reader.epoch, "no other epoch: {name}");
                (reader.epoch, reader.offset) = (epoch, event["after"].as_u64());
            }
            "gap" => {
                let (from, to) = (event["from"].as_u64().expect("from"), event["to"].as_u64().expect("to"));
                assert_eq!(Some(from), reader.offset.map(|offset| offset + 1), "{name}");
                let is_gone = reader.epoch.as_ref().is_none_or(|epoch| *epoch != stream.epoch()) || to < stream.first;
                assert!(is_gone && from <= to, "it is still there: {name}");
                reader.offset = Some(to);
            }
            "live" => {
                let position = &event["position"];
                let (epoch, offset) = (position["epoch"].as_str(), position["offset"].as_u64());
                if let Some(known) = &reader.epoch {
                    assert_eq!((epoch, offset), (Some(known.as_str()), reader.offset), "{name}");
                }
                (reader.epoch, reader.offset) = (epoch.map(str::to_owned), offset);
            }
            other => panic!("an event that nothing here leads to: {other}"),
        }
    }

    pub(super) fn settled(&mut self, what: &Value) {
        let id = what["msg_id"].as_str().expect("an id").to_owned();
        let end = what["error"]["kind"].as_str().unwrap_or("ack").to_owned();
        if let Some((runs, before)) = self.ends.get(&id) {
            // The store was not told before the process died: the next one repeats it.
            assert!(*runs < self.runs, "{id} ended twice: {before}, {end}");
            if before == "ack" {
                return;
            }
        }
        self.ends.insert(id, (self.runs, end));
    }

    /// Everything has ended well, and nothing is missing.
    pub(super) fn judge(&self) {
        let last = self.script.trace.steps.last().expect("steps");
        assert!(self.script.timer.is_none() || self.server.connection.is_some(), "not connected: {last:?}");
        for (id, channel) in &self.published {
            let stream = self.server.streams.get(channel);
            let times =
                stream.map_or(0, |stream| stream.log.iter().filter(|one| one.msg_id.as_ref() == Some(id)).count());
            match self.ends.get(id).map(|(_, end)| end.as_str()) {
                Some("ack") => assert_eq!(times, 1, "{id}"),
                Some("unknown") => assert!(times <= 1, "{id}"),
                Some(other) => assert_eq!(times, 0, "{id}: {other}"),
                None => assert!(self.crashed.contains(id) && times <= 1, "{id} has no end"),
            }
        }
        for (channel, stream) in &self.server.streams {
            let mine = stream.log.iter().filter_map(|one| one.msg_id.as_ref());
            let numbers: Vec<usize> = mine.map(|id| id[1..].parse().expect("a number")).collect();
            // Those of an earlier run go first as far as the store could be opened in time.
            for run in 0..=self.runs {
                let of_run = numbers.iter().filter(|number| self.published_in[**number] == run);
                assert!(of_run.is_sorted(), "out of order in {channel}: {numbers:?}");
            }
        }
        for (id, reader) in &self.readers {
            let stream = &self.server.streams[&reader.channel];
            let here = (reader.epoch.clone(), reader.offset);
            assert_eq!(here, (Some(stream.epoch()), Some(stream.top)), "reader {id} of {}", reader.channel);
        }
    }
}
