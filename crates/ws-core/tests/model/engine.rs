//! The surroundings that `src/engine/pending.rs` needs.

#[allow(dead_code, reason = "the crate uses all of it")]
#[path = "../../src/engine/pending.rs"]
mod pending;

pub(crate) use self::pending::Pending;

pub(crate) type Done<T> = Box<dyn FnOnce(Result<T, EngineError>) + Send>;

#[derive(Debug)]
pub(crate) struct EngineError;
