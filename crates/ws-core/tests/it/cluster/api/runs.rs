//! Runs of Claude on other hubs.

use std::sync::{Arc, Mutex};

use serde_json::json;
use ws_core::{Ask, Reply, RunCounts, Runs};
use ws_proto::action::{AskClaudeData, CancelClaude, CancelClaudeData};
use ws_proto::api::RunInfo;
use ws_proto::claude::RunStatus;
use ws_proto::{ErrorBody, ErrorCode};

use super::{code, three};
use crate::cluster::ask;

/// The runs of one hub, by channel.
#[derive(Debug)]
struct Open {
    runs: Mutex<Vec<(String, RunInfo)>>,
    counts: RunCounts,
}

impl Open {
    fn new(runs: &[(&str, &str, u64)]) -> Arc<Self> {
        let info = |(channel, id, started_at): &(&str, &str, u64)| {
            let (status, user) = (RunStatus::Running, None);
            let (run_id, model) = ((*id).to_owned(), "a model".to_owned());
            let info = RunInfo { run_id, status, model, user, started_at: *started_at, output_tokens: None };
            ((*channel).to_owned(), info)
        };
        Arc::new(Open { runs: Mutex::new(runs.iter().map(info).collect()), counts: RunCounts::new([]) })
    }
}

impl Runs for Open {
    fn ask(&self, _ask: Ask, _reply: Reply<AskClaudeData<'static>>) {}

    fn cancel(&self, channel: &str, run_id: &str, reply: Reply<CancelClaudeData<'static>>) {
        let mut runs = self.runs.lock().expect("no panic while locked");
        let run = runs.iter_mut().find(|(of, run)| of == channel && run.run_id == run_id);
        let cancelled = run.map(|(_, run)| {
            run.status = RunStatus::Cancelling;
            CancelClaudeData { run_id: run_id.to_owned().into(), status: run.status }
        });
        reply(cancelled.ok_or_else(|| ErrorBody::new(ErrorCode::NotFound, "no such run")));
    }

    fn open_in(&self, channel: &str) -> Vec<RunInfo> {
        let runs = self.runs.lock().expect("no panic while locked");
        runs.iter().filter(|(of, _)| of == channel).map(|(_, run)| run.clone()).collect()
    }

    fn open(&self) -> usize {
        self.runs.lock().expect("no panic while locked").len()
    }

    fn counts(&self) -> &RunCounts {
        &self.counts
    }

    fn find(&self, _channel: &str, _run_id: &str, _digest: &str, reply: Reply<AskClaudeData<'static>>) {
        reply(Err(ErrorBody::new(ErrorCode::NotFound, "no such run")));
    }

    fn node_ended(&self) {}

    fn lapsed(&self) {}

    fn keep_again(&self) {}
}

#[tokio::test(start_paused = true)]
async fn runs_are_listed_and_cancelled_wherever_they_are() {
    let three = three();
    let open = [Open::new(&[("a", "r1", 1), ("a", "r3", 3)]), Open::new(&[("a", "r2", 2), ("b", "r4", 4)])];
    for (hub, open) in three.hubs.iter().zip(&open) {
        let runs: Arc<dyn Runs> = open.clone();
        hub.set_runs(Arc::downgrade(&runs));
    }
    let none: Arc<dyn Runs> = Open::new(&[]);
    three.hubs[2].set_runs(Arc::downgrade(&none));
    for hub in &three.hubs {
        let runs = hub.open_runs("a").await.expect("a list").runs;
        assert_eq!(runs.iter().map(|run| &*run.run_id).collect::<Vec<_>>(), ["r1", "r2", "r3"]);
    }
    let cancel = |run_id: &'static str| CancelClaude { channel: "a".into(), run_id: run_id.into() };
    let cancelled = three.hubs[2].cancel_claude(&cancel("r2")).await.expect("it is open");
    assert_eq!((&*cancelled.run_id, cancelled.status), ("r2", RunStatus::Cancelling));
    assert_eq!(open[1].open_in("a")[0].status, RunStatus::Cancelling);
    assert_eq!(code(three.hubs[2].cancel_claude(&cancel("r4")).await).err(), Some(ErrorCode::NotFound));
    // The same for a client.
    let mut client = three.connect(1);
    let payload = json!({"channel": "a", "run_id": "r3"});
    let answer = ask(&mut client, "cancel_claude", &payload).await.expect("it is open");
    assert_eq!(answer, json!({"run_id": "r3", "status": "cancelling"}));
    let payload = json!({"channel": "a", "run_id": "r9"});
    assert_eq!(ask(&mut client, "cancel_claude", &payload).await, Err("not_found".to_owned()));
}
