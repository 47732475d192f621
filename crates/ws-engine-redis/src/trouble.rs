//! Whether Redis is available, and what the log says of it: a line when that has changed, and another one where it is not
//! available for another reason than before. Flapping connections fill no log.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::{SAY_AGAIN, SAY_EVERY};

/// A part of the engine that can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Writing and the feed.
    Pair,
    /// Reading pages.
    Reader,
}

/// How all parts are.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Mutex<State>);

#[derive(Debug)]
struct State {
    parts: Vec<Health>,
    /// What the log said last, and when.
    said: Option<(Health, Instant)>,
}

/// How a part is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Health {
    /// It is not connected yet, or waits for the other part, which says why.
    #[default]
    Pending,
    Well,
    /// It does not work, in words.
    Trouble(String),
}

impl Default for State {
    fn default() -> Self {
        State { parts: vec![Health::Pending; 2], said: None }
    }
}

impl Troubles {
    /// How so many are together, of which each is [told](Self::tell).
    pub(crate) fn of_all(n: usize) -> Self {
        Troubles(Mutex::new(State { parts: vec![Health::Pending; n], said: None }))
    }

    /// How it is as a whole, to the one that has it as its `n`th part.
    pub(crate) fn tell(&self, all: &Troubles, n: usize) {
        let own = self.0.lock();
        all.0.lock().parts[n] = own.health();
    }

    /// How a part is from now on.
    pub(crate) fn report(&self, part: Part, health: Health) {
        self.0.lock().parts[part as usize] = health;
    }

    /// Why it does not work, if it does not.
    pub(crate) fn current(&self) -> Option<String> {
        match self.0.lock().health() {
            Health::Pending => Some("it is not connected yet".to_owned()),
            Health::Well => None,
            Health::Trouble(trouble) => Some(trouble),
        }
    }

    /// Tells the log what it has not been told, if it is time for that. `about`: where Redis is, and as which node this server
    /// is known there.
    pub(crate) fn say(&self, about: impl FnOnce() -> (String, String)) {
        match self.0.lock().next(Instant::now()) {
            Some(Health::Well) => {
                let (redis, node) = about();
                tracing::info!(%redis, %node, "Redis is available");
            }
            Some(Health::Trouble(trouble)) => tracing::error!("Redis is not available: {trouble}"),
            Some(Health::Pending) | None => {}
        }
    }
}

impl State {
    fn health(&self) -> Health {
        let is_trouble = |part: &&Health| matches!(part, Health::Trouble(_));
        let all_well = self.parts.iter().all(|part| *part == Health::Well);
        let well = if all_well { Health::Well } else { Health::Pending };
        self.parts.iter().find(is_trouble).cloned().unwrap_or(well)
    }

    fn next(&mut self, now: Instant) -> Option<Health> {
        let health = self.health();
        let pause = match (&self.said, &health) {
            (_, Health::Pending) => return None,
            (None, _) => Duration::ZERO,
            (Some((said, _)), health) if said == health => return None,
            (Some((Health::Trouble(_), _)), Health::Trouble(_)) => SAY_AGAIN,
            (Some(_), _) => SAY_EVERY,
        };
        if self.said.as_ref().is_some_and(|(_, at)| now.duration_since(*at) < pause) {
            return None;
        }
        self.said = Some((health.clone(), now));
        Some(health)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is reported, each at a moment in milliseconds: `p` the pair, `r` the reader, with a trouble or without; and
    /// what the log says then, `+`: that Redis is available; `w`: the reader waits for the pair.
    #[track_caller]
    fn check(reports: &[(u64, &str, &str)]) {
        let (begun, mut state) = (Instant::now(), State::default());
        for (at, report, expect) in reports {
            let health = |text: &str| match text {
                "" => Health::Well,
                text => Health::Trouble(text.to_owned()),
            };
            if let Some(trouble) = report.strip_prefix('p') {
                state.parts[Part::Pair as usize] = health(trouble);
            } else if let Some(trouble) = report.strip_prefix('r') {
                state.parts[Part::Reader as usize] = health(trouble);
            } else if *report == "w" {
                state.parts[Part::Reader as usize] = Health::Pending;
            }
            let said = match state.next(begun + Duration::from_millis(*at)) {
                Some(Health::Well) => "+".to_owned(),
                Some(Health::Trouble(trouble)) => trouble,
                Some(Health::Pending) | None => String::new(),
            };
            assert_eq!(said, *expect, "at {at} of {reports:?}");
        }
    }

    #[test]
    fn an_outage_is_two_lines() {
        check(&[
            (0, "p", ""),
            (1, "r", "+"),
            (2000, "pcut", "cut"),
            (2001, "rcut too", ""),
            (2100, "prefused", ""),
            (9000, "p", ""),
            (9001, "r", "+"),
            (20_000, "", ""),
        ]);
        check(&[(0, "pcut", "cut")]);
    }

    #[test]
    fn the_reader_is_no_reason_where_it_waits_for_the_pair() {
        check(&[
            (0, "p", ""),
            (1, "r", "+"),
            (2000, "pcut", "cut"),
            (2001, "rcut too", ""),
            (2002, "w", ""),
            (90_000, "p", ""),
            (90_001, "", ""),
            (90_002, "r", "+"),
        ]);
    }

    #[test]
    fn flapping_is_a_line_a_second_and_the_last_one_is_true() {
        check(&[
            (0, "p", ""),
            (0, "r", "+"),
            (10, "pcut", ""),
            (20, "p", ""),
            (500, "pcut", ""),
            (1000, "", "cut"),
            (1100, "p", ""),
            (1900, "", ""),
            (2000, "", "+"),
        ]);
    }

    #[test]
    fn another_reason_is_told_after_a_while() {
        check(&[
            (0, "pcut", "cut"),
            (1000, "pthe password is wrong", ""),
            (9999, "", ""),
            (10_000, "", "the password is wrong"),
            (99_000, "", ""),
        ]);
    }
}
