//! What goes wrong for the connections to come.

use super::chaos::Chaos;
use super::script::{Script, Step};

#[derive(Debug, Clone)]
pub(super) enum Plan {
    Script(Script),
    Chaos(Chaos),
}

impl Plan {
    pub(super) fn steps(&self, nth: u64) -> Vec<Step> {
        match self {
            Plan::Script(script) => script.steps(nth),
            Plan::Chaos(chaos) => chaos.steps(nth),
        }
    }

    pub(super) fn seed(&self) -> u64 {
        match self {
            Plan::Script(_) => 0,
            Plan::Chaos(chaos) => chaos.seed,
        }
    }
}
