//! What all clients of a round share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::sleep;
use ws_tests::fault_proxy::Rng;
use ws_tests::prelude::*;

use super::trace::{Clock, Position};
use super::wire::Wire;

/// How far a round has got.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// Clients publish, come and go.
    Load,
    /// The fault is over: publishers end, the others stay where they are.
    Calm,
    /// Everybody has to get there.
    End(Arc<Goal>),
}

/// Where everybody has to get.
#[derive(Debug)]
pub(super) struct Goal {
    /// The end of each channel with history.
    pub(super) ends: BTreeMap<String, Position>,
    pub(super) present: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) servers: Vec<SocketAddr>,
    pub(super) clock: Clock,
    pub(super) phase: watch::Receiver<Phase>,
    /// Connections that are in the room.
    pub(super) present: Arc<Mutex<BTreeSet<String>>>,
    pub(super) round: u64,
}

impl Field {
    pub(super) fn room(&self) -> String {
        format!("room:{}", self.round)
    }

    pub(super) fn is_load(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Load)
    }

    pub(super) fn goal(&self) -> Option<Arc<Goal>> {
        match &*self.phase.borrow() {
            Phase::End(goal) => Some(goal.clone()),
            Phase::Load | Phase::Calm => None,
        }
    }

    /// A connection: to the server of this number, if it is there, otherwise to any.
    pub(super) async fn connect(&self, mut server: usize, rng: &mut Rng) -> Wire {
        loop {
            if let Some(wire) = Wire::connect(&self.servers, server).await {
                return wire;
            }
            server = self.any(rng);
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn any(&self, rng: &mut Rng) -> usize {
        rng.range(0..=self.servers.len() as u64 - 1) as usize
    }

    pub(super) fn present(&self) -> BTreeSet<String> {
        self.present.lock().expect("no test has panicked with it").clone()
    }

    pub(super) fn enters(&self, id: &str) {
        self.present.lock().expect("no test has panicked with it").insert(id.to_owned());
    }

    pub(super) fn leaves(&self, id: &str) {
        self.present.lock().expect("no test has panicked with it").remove(id);
    }
}
