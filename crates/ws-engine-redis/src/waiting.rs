//! What waits at the [desk](crate::desk), and in which order it goes.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::dial::Backoff;
use crate::limits::{BACKOFF, MEMBERS_PIPELINE_MAX, OPS_BATCH_MAX, OPS_MAX};
use crate::op::Op;
use crate::wrong::{Full, Wrong};

/// What waits for Redis: one pipeline is in flight.
#[derive(Debug)]
pub(crate) struct Desk {
    lines: [VecDeque<Queued>; Line::ALL.len()],
    pub(crate) in_flight: bool,
    /// What this node has is being collected: nothing goes.
    pub(crate) is_suspended: bool,
    pub(crate) paused_until: Option<Instant>,
    pub(crate) backoff: Backoff,
    /// What has to be made right. If it is everything, nothing about users and members goes before it is.
    pub(crate) wrong: Wrong,
    full: Full,
    /// Everything was made right, and what that takes is on its way.
    is_renewed: bool,
}

/// Operations that keep their order among each other; what is in an earlier line goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Messages, and questions about nodes: they need nothing of what else waits.
    Nodes,
    /// Places of users.
    Users,
    /// The members that this node had when they were collected.
    Copy,
    /// Members that have come and gone since, and questions about members.
    Members,
}

impl Line {
    const ALL: [Line; 4] = [Line::Nodes, Line::Users, Line::Copy, Line::Members];

    fn of(op: &Op) -> Self {
        match op {
            Op::Nodes(_) | Op::Elsewhere(_) | Op::Send { .. } => Line::Nodes,
            Op::Admit { .. } | Op::Dismiss(_) | Op::Users(..) => Line::Users,
            Op::Put(_) | Op::Members { .. } => Line::Members,
        }
    }

    /// Most operations of a pipeline: there is always room for the lines behind it.
    fn most(self) -> usize {
        match self {
            Line::Nodes | Line::Users => OPS_BATCH_MAX / 4,
            Line::Copy | Line::Members => OPS_BATCH_MAX,
        }
    }
}

/// An operation that waits.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) op: Op,
    pub(crate) came: Instant,
    pub(crate) line: Line,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Desk {
            lines: Default::default(),
            in_flight: false,
            is_suspended: false,
            paused_until: None,
            backoff: Backoff::new(BACKOFF),
            wrong: Wrong::default(),
            full: Full::new(),
            is_renewed: false,
        }
    }

    /// Adds an operation, unless too many of its line wait.
    ///
    /// # Errors
    /// The operation.
    pub(crate) fn push(&mut self, op: Op) -> Result<(), Op> {
        let line = Line::of(&op);
        let queue = &mut self.lines[line as usize];
        if queue.len() >= OPS_MAX {
            return Err(op);
        }
        queue.push_back(Queued { op, came: Instant::now(), line });
        Ok(())
    }

    /// Takes out what goes with the next pipeline; empty if nothing may go.
    pub(crate) fn take(&mut self) -> Vec<Queued> {
        let is_paused = self.paused_until.is_some_and(|until| until > Instant::now());
        if self.in_flight || is_paused || self.is_suspended {
            return Vec::new();
        }
        let (mut batch, mut members) = (Vec::<Queued>::new(), 0);
        let open: &[Line] = if self.wrong.all { &[Line::Nodes] } else { &Line::ALL };
        for line in open {
            let most = (batch.len() + line.most()).min(OPS_BATCH_MAX);
            let line = &mut self.lines[*line as usize];
            while batch.len() < most
                && members < MEMBERS_PIPELINE_MAX
                && let Some(queued) = line.pop_front()
            {
                // What a user has is known when all before it has been answered.
                if matches!(queued.op, Op::Users(..)) && batch.iter().any(|before| before.op.is_counting()) {
                    line.push_front(queued);
                    break;
                }
                members += queued.op.members();
                batch.push(queued);
            }
        }
        self.in_flight = !batch.is_empty();
        batch
    }

    /// Puts operations that were taken back into their places.
    pub(crate) fn put_back(&mut self, all: Vec<Queued>) {
        self.in_flight = false;
        all.into_iter().rev().for_each(|queued| self.lines[queued.line as usize].push_front(queued));
    }

    /// Operations that are not on their way yet.
    pub(crate) fn waiting(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        !self.in_flight && self.lines.iter().all(VecDeque::is_empty)
    }

    /// Takes out those that are like this.
    pub(crate) fn take_all(&mut self, is_like: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        if !self.lines.iter().flatten().any(&is_like) {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for line in &mut self.lines {
            let (like, rest): (Vec<_>, Vec<_>) = line.drain(..).partition(&is_like);
            taken.extend(like);
            line.extend(rest);
        }
        taken
    }

    /// There was no memory for somebody in this channel.
    pub(crate) fn has_no_room(&mut self, channel: &str) {
        self.full.add(channel);
    }

    /// What has to be made right now.
    pub(crate) fn take_wrong(&mut self) -> Wrong {
        self.wrong.channels.extend(self.full.take_due());
        std::mem::take(&mut self.wrong)
    }

    /// Whether the store has all members of this node again, after everything was wrong. Says so once.
    pub(crate) fn take_renewed(&mut self) -> bool {
        let has_come = !self.wrong.all && !self.in_flight && self.lines[Line::Copy as usize].is_empty();
        has_come && std::mem::take(&mut self.is_renewed)
    }

    /// Has nothing go, so that what is wrong can be collected. What was said of it before is forgotten. Not while something is
    /// on its way.
    pub(crate) fn suspend(&mut self, wrong: &Wrong) -> bool {
        self.is_suspended = true;
        if !self.in_flight {
            self.take_all(|queued| wrong.has(&queued.op));
        }
        !self.in_flight
    }

    /// What was wrong is this. It goes before what has come meanwhile.
    pub(crate) fn correct(&mut self, wrong: &Wrong, ops: Vec<Op>) {
        let came = Instant::now();
        self.is_renewed |= wrong.all;
        for op in ops {
            match Line::of(&op) {
                Line::Members => self.lines[Line::Copy as usize].push_back(Queued { op, came, line: Line::Copy }),
                line => self.lines[line as usize].push_front(Queued { op, came, line }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Put;

    #[test]
    fn what_this_server_has_leaves_room_for_what_comes() {
        let mut desk = Desk::new();
        desk.correct(&Wrong::default(), (0..=OPS_MAX).map(|_| Op::Put(Put::nobody("c"))).collect());
        assert!(desk.push(Op::Put(Put::nobody("last"))).is_ok());
        let mut all = Vec::new();
        loop {
            let batch = desk.take();
            if batch.is_empty() {
                break;
            }
            all.extend(batch);
            desk.put_back(Vec::new());
        }
        assert_eq!(all.len(), OPS_MAX + 2);
        let is_last = |op: &Op| matches!(op, Op::Put(put) if &*put.channel == "last");
        assert!(all.last().is_some_and(|last| is_last(&last.op)), "what came later goes later");
    }
}
