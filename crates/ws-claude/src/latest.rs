//! The latest state of something, stored as often as it has changed but never twice at a time: who changes it while it is
//! being stored is in the next one, together with all others that have.

use parking_lot::Mutex;
use tokio::sync::Mutex as Turn;
use ws_proto::ErrorBody;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    turn: Turn<()>,
    changes: Mutex<Changes>,
}

/// How often the state has changed, and which of its states was stored, and could not be.
#[derive(Debug, Default)]
struct Changes {
    made: u64,
    stored: u64,
    failed: Option<(u64, ErrorBody)>,
}

impl Latest {
    /// The state has changed: it is stored with this change in it. `store`, not begun before it is its turn, stores the state
    /// that there is then.
    ///
    /// # Errors
    /// Those of `store`.
    pub(crate) async fn changed(&self, store: impl Future<Output = Result<(), ErrorBody>>) -> Result<(), ErrorBody> {
        let change = {
            let mut changes = self.changes.lock();
            changes.made += 1;
            changes.made
        };
        let _turn = self.turn.lock().await;
        let made = {
            let changes = self.changes.lock();
            if let Some(result) = changes.result(change) {
                return result;
            }
            changes.made
        };
        let result = store.await;
        let mut changes = self.changes.lock();
        match &result {
            Ok(()) => changes.stored = made,
            Err(error) => changes.failed = Some((made, error.clone())),
        }
        result
    }

    /// What is stored may be lost, if anything was.
    pub(crate) fn may_be_lost(&self) {
        let mut changes = self.changes.lock();
        changes.made += u64::from(changes.made > 0);
    }

    /// Whether what is stored may be too old.
    pub(crate) fn is_behind(&self) -> bool {
        let changes = self.changes.lock();
        changes.stored < changes.made
    }
}

impl Changes {
    /// What became of a change, if it was tried to store it.
    fn result(&self, change: u64) -> Option<Result<(), ErrorBody>> {
        if self.stored >= change {
            return Some(Ok(()));
        }
        self.failed.as_ref().filter(|(made, _)| *made >= change).map(|(_, error)| Err(error.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::sleep;
    use ws_proto::ErrorCode;

    use super::*;

    /// A hundred changes together, of which each state takes a second to be stored. How often one was, and the results.
    async fn burst(is_there: bool) -> (u64, Vec<bool>) {
        let (latest, state, begun) =
            (Arc::<Latest>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..100 {
            let (latest, state, begun) = (latest.clone(), state.clone(), begun.clone());
            tasks.spawn(async move {
                let own = state.fetch_add(1, Ordering::Relaxed) + 1;
                let store = async {
                    begun.fetch_add(1, Ordering::Relaxed);
                    assert!(state.load(Ordering::Relaxed) >= own, "its own change is in it");
                    sleep(Duration::from_secs(1)).await;
                    let away = || ErrorBody::new(ErrorCode::EngineUnavailable, "away");
                    if is_there { Ok(()) } else { Err(away()) }
                };
                latest.changed(store).await.is_ok()
            });
        }
        let results = tasks.join_all().await;
        assert_eq!(latest.is_behind(), !is_there);
        (begun.load(Ordering::Relaxed), results)
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_come_together_are_stored_together() {
        assert_eq!(burst(true).await, (2, vec![true; 100]));
        assert_eq!(burst(false).await, (2, vec![false; 100]), "nobody waits for more than two");
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_stored_is_tried_again_by_the_next_change() {
        let latest = Latest::default();
        latest.may_be_lost();
        assert!(!latest.is_behind(), "nothing was stored");
        let away = async { Err(ErrorBody::new(ErrorCode::EngineUnavailable, "away")) };
        assert!(latest.changed(away).await.is_err());
        assert!(latest.is_behind());
        assert!(latest.changed(async { Ok(()) }).await.is_ok());
        assert!(!latest.is_behind());
        latest.may_be_lost();
        assert!(latest.is_behind());
    }
}
