//! What Redis's answer means for an operation about the cluster.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;
use ws_core::LogLimit;
use ws_core::engine::EngineError;
use ws_core::engine::cluster::Members;

use crate::limits::LOGGED_PER_SECOND;
use crate::link::Failure;
use crate::member;
use crate::op::{Op, Put};
use crate::refusal::{Refusal, is_half_moved};
use crate::resp::Value;
use crate::shared::Shared;
use crate::sweep::MORE;

static REFUSALS: LogLimit = LogLimit::new(LOGGED_PER_SECOND);

/// What becomes of an operation.
pub(crate) enum Verdict {
    Done,
    /// It, or another one in its place, goes with the next pipeline.
    Again(Op),
    /// As before, after a pause.
    Later(Op),
}

impl Shared {
    /// Takes an answer.
    pub(crate) fn judge(self: &Arc<Self>, op: Op, result: Result<Value, Failure>) -> Verdict {
        match result {
            Ok(Value::Bytes(answer)) if answer == b"LAPSED" => {
                self.nodes.look.notify_one();
                Verdict::Later(op)
            }
            Ok(answer) => self.answered(op, &answer),
            Err(Failure::Lost { sent: false, .. }) => Verdict::Again(op),
            Err(failure @ Failure::Lost { .. }) => self.lost(op, &failure),
            Err(Failure::Refused(error)) => self.refused(op, error),
        }
    }

    fn answered(&self, op: Op, answer: &Value) -> Verdict {
        match op {
            Op::Put(_) if *answer == Value::Int(MORE) => return Verdict::Again(op),
            Op::Put(_) | Op::Users(..) => {}
            Op::Members { done, .. } => done(members(answer).ok_or_else(strange)),
            Op::Nodes(done) => {
                let nodes = nodes(answer).map(|nodes| self.units.living(nodes.into_iter().map(|(node, _)| node)));
                done(nodes.ok_or_else(strange));
            }
            Op::Elsewhere(done) => {
                let own = self.nodes.own().node;
                let others = |nodes: Vec<(Uuid, u64)>| nodes.into_iter().filter(|(node, _)| *node != own);
                done(nodes(answer).map(|nodes| others(nodes).map(|(_, n)| n).sum()).ok_or_else(strange));
            }
            Op::Admit { user, done, .. } => {
                let is_counted = *answer == Value::Int(1);
                if is_counted {
                    self.count_user(&user, true);
                }
                done(Ok(is_counted));
            }
            Op::Dismiss(user) => self.count_user(&user, false),
            Op::Send { done, .. } => done(Ok(())),
        }
        Verdict::Done
    }

    /// It may have been executed. To do most of them twice does no harm.
    fn lost(&self, op: Op, failure: &Failure) -> Verdict {
        let unknown = || EngineError::Unavailable(failure.to_string());
        let user = match op {
            Op::Send { done, .. } => {
                done(Err(unknown()));
                return Verdict::Done;
            }
            Op::Admit { user, done, .. } => {
                done(Err(unknown()));
                user
            }
            Op::Dismiss(user) => {
                self.count_user(&user, false);
                user
            }
            op => return Verdict::Again(op),
        };
        Verdict::Again(Op::Users(self.keys.partition(&user), vec![user]))
    }

    fn refused(self: &Arc<Self>, op: Op, error: String) -> Verdict {
        if is_half_moved(&error) {
            return Verdict::Later(op);
        }
        match Refusal::of(&error) {
            Refusal::NoScript => {
                self.renew();
                Verdict::Later(op)
            }
            Refusal::Elsewhere => {
                self.end_pair("this Redis is not the primary of the data any more");
                Verdict::Later(op)
            }
            // Who goes must not wait until there is memory for those who come.
            Refusal::Later if !(error.starts_with("OOM") && op.is_copy()) => Verdict::Later(op),
            Refusal::Later => self.has_no_room(op),
            Refusal::Unknown => {
                if let Some(left_out) = REFUSALS.pass(Instant::now()) {
                    tracing::error!(left_out, "Redis refuses {op:?} of the cluster: {error}");
                }
                if let Op::Dismiss(user) = &op {
                    self.count_user(user, false);
                }
                self.nodes.desk.lock().wrong.add(&op);
                op.fail(EngineError::Unavailable(error));
                Verdict::Done
            }
        }
    }

    /// Redis is full. Those who enter do so later; where others may have to leave for them, they do so now.
    fn has_no_room(&self, op: Op) -> Verdict {
        let Op::Put(put) = op else { return Verdict::Later(op) };
        self.nodes.desk.lock().has_no_room(&put.channel);
        if put.only_leaves || put.between.0 == put.between.1 {
            return Verdict::Done;
        }
        Verdict::Again(Op::Put(Put { only_leaves: true, ..put }))
    }

    /// A connection of a user is counted, or is not any more.
    pub(crate) fn count_user(&self, user: &str, is_more: bool) {
        let mut users = self.nodes.users.lock();
        let connections = users.get(user).copied().unwrap_or_default();
        let connections = if is_more { connections + 1 } else { connections.saturating_sub(1) };
        if connections == 0 {
            users.remove(user);
        } else {
            users.insert(user.into(), connections);
        }
    }
}

fn strange() -> EngineError {
    EngineError::Unavailable("a script has answered what this version does not understand".to_owned())
}

/// Living nodes and the connections of each.
fn nodes(answer: &Value) -> Option<Vec<(Uuid, u64)>> {
    answer.as_array()?.chunks(2).map(|pair| Some((node(pair.first()?)?, pair.get(1)?.as_int()? as u64))).collect()
}

/// A node as keys have it.
pub(crate) fn node(name: &Value) -> Option<Uuid> {
    Uuid::try_parse_ascii(name.as_bytes()?).ok()
}

fn members(answer: &Value) -> Option<Members> {
    let [counts, more, all @ ..] = answer.as_array()? else { return None };
    let mut members = Vec::with_capacity(all.len() / 2);
    for pair in all.chunks(2) {
        let member = member::parse(pair.get(1)?.as_bytes()?)?;
        members.push((node(pair.first()?)?, member));
    }
    Some(Members { counts: member::counts(counts.as_bytes()?)?, members, more: more.as_int()? == 1 })
}
