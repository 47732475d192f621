//! Clients that join and leave a room, and watch who is there.

use tokio::time::{Instant, sleep, sleep_until, timeout};
use ws_tests::fault_proxy::Rng;
use ws_tests::prelude::*;

use super::field::Field;
use super::judge::presence::{Watched, ids};
use super::wire::Wire;

/// How soon everybody knows who is there, once that is so; the machine of the tests may be busy.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// How soon it is tried again what was refused.
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Member {
    field: Field,
    home: usize,
    /// It comes and goes by itself.
    is_restless: bool,
    rng: Rng,
}

/// How a stay in the room ended.
enum Ended {
    Connection,
    Wants,
    /// It knew who is there, or says what is wrong.
    Round(Option<String>),
}

impl Member {
    pub(super) fn new(field: &Field, home: usize, is_restless: bool, rng: Rng) -> Self {
        Member { field: field.clone(), home, is_restless, rng }
    }

    /// Comes and goes to the end. What is wrong, and the connection: as long as it is kept, it is there for the others.
    pub(super) async fn run(mut self) -> (Wire, Vec<String>) {
        let mut wire = self.field.connect(self.home, &mut self.rng).await;
        loop {
            let ended = self.stay(&mut wire).await;
            if let Ended::Round(wrong) = ended {
                return (wire, wrong.into_iter().collect());
            }
            self.field.leaves(&wire.id);
            match ended {
                Ended::Wants if self.rng.chance(50) && self.unsubscribe(&mut wire).await => continue,
                _ => {}
            }
            drop(wire);
            sleep(self.rng.time(Duration::from_millis(100))).await;
            self.home = self.field.any(&mut self.rng);
            wire = self.field.connect(self.home, &mut self.rng).await;
        }
    }

    /// Whether it has left, and the connection is still there.
    async fn unsubscribe(&mut self, wire: &mut Wire) -> bool {
        // A server that stands still does not answer.
        let room = json!({"channel": self.field.room()});
        let answer = timeout(Duration::from_secs(1), wire.request("unsubscribe", room)).await;
        matches!(answer, Ok(Some(answer)) if answer["type"] == "response")
    }

    async fn stay(&mut self, wire: &mut Wire) -> Ended {
        let leaves = Instant::now() + Duration::from_millis(50) + self.rng.time(Duration::from_millis(600));
        let (mut watched, mut tick, mut ends) = (Watched::default(), Instant::now(), None);
        let (mut is_in, mut is_known, mut is_asked) = (false, false, false);
        loop {
            if let Some(goal) = self.field.goal() {
                let ends = *ends.get_or_insert_with(|| Instant::now() + KNOWN_WITHIN);
                if is_known && watched.present == goal.present {
                    return Ended::Round(None);
                }
                if Instant::now() > ends {
                    let (has, are) = (&watched.present, &goal.present);
                    let who = format!("{} on server {}", wire.id, wire.server);
                    let heard = watched.heard.join(", ");
                    return Ended::Round(Some(format!(
                        "(f) {who} believes in {has:?}, there are {are:?}, heard: {heard}"
                    )));
                }
            }
            if self.is_restless && is_in && self.field.is_load() && Instant::now() > leaves {
                return Ended::Wants;
            }
            let frame = tokio::select! {
                frame = wire.next() => frame,
                () = sleep_until(tick) => {
                    tick = Instant::now() + TICK;
                    let room = json!({"channel": self.field.room(), "limit": 1000});
                    let is_there = match (is_in, is_known) {
                        _ if is_asked => true,
                        (false, _) => wire.ask("in", "subscribe", json!({"channel": self.field.room()})).await,
                        (true, false) => {
                            watched.asked();
                            wire.ask("who", "get_presence", room).await
                        }
                        (true, true) => continue,
                    };
                    is_asked = true;
                    if is_there { continue } else { return Ended::Connection }
                }
            };
            let Some(frame) = frame else { return Ended::Connection };
            match frame["id"].as_str() {
                Some("in") => {
                    is_asked = false;
                    is_in = frame["type"] == "response";
                    if is_in {
                        self.field.enters(&wire.id);
                    }
                }
                Some("who") => {
                    is_asked = false;
                    if let Some(mut present) = ids(&frame) {
                        is_known = true;
                        // Where there was no memory yet it is not in there, and nobody is told of its own join.
                        present.insert(wire.id.clone());
                        watched.answered(present);
                    }
                }
                _ => is_known &= !watched.told(&frame["data"]),
            }
        }
    }
}
