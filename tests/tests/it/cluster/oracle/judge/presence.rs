//! (f): who follows a channel by its joins and leaves knows who is there.

use std::collections::BTreeSet;

use ws_tests::prelude::*;

/// What a watcher makes of the events.
#[derive(Debug, Default)]
pub(in crate::cluster::oracle) struct Watched {
    pub(in crate::cluster::oracle) present: BTreeSet<String>,
    /// Joins and leaves since the presence was asked for last.
    since: Vec<(String, bool)>,
    /// Everything, in words.
    pub(in crate::cluster::oracle) heard: Vec<String>,
}

impl Watched {
    /// An event of the channel. Whether the presence has to be asked for again: something may have been missed.
    pub(in crate::cluster::oracle) fn told(&mut self, event: &Value) -> bool {
        let is_join = match event["event"].as_str() {
            Some("join") => true,
            Some("leave") => false,
            Some("presence") => {
                self.heard.push(format!("{} are there", event["connections"]));
                return true;
            }
            _ => return false,
        };
        let who = event["client"]["connection_id"].as_str().expect("an id").to_owned();
        self.apply(&who, is_join);
        self.heard.push(format!("{} {who}", if is_join { "joins" } else { "leaves" }));
        self.since.push((who, is_join));
        false
    }

    /// The presence is being asked for.
    pub(in crate::cluster::oracle) fn asked(&mut self) {
        self.since.clear();
    }

    /// It has been answered: what came meanwhile may be in it, or may not.
    pub(in crate::cluster::oracle) fn answered(&mut self, present: BTreeSet<String>) {
        self.heard.push(format!("{present:?} are there"));
        self.present = present;
        for (who, is_join) in std::mem::take(&mut self.since) {
            self.apply(&who, is_join);
        }
    }

    fn apply(&mut self, who: &str, is_join: bool) {
        match is_join {
            true => drop(self.present.insert(who.to_owned())),
            false => drop(self.present.remove(who)),
        }
    }
}

/// The ids in an answer to `get_presence`, whose count must be theirs.
pub(in crate::cluster::oracle) fn ids(answer: &Value) -> Option<BTreeSet<String>> {
    let clients = answer["data"]["clients"].as_array()?;
    let ids: BTreeSet<_> =
        clients.iter().filter_map(|client| client["connection_id"].as_str()).map(str::to_owned).collect();
    (answer["data"]["connections"] == ids.len() && clients.len() == ids.len()).then_some(ids)
}
