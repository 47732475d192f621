//! An engine that answers within the call, each time that the stream has started a new epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use ws_core::Flow;
use ws_core::engine::{
    Append, Appended, Done, Engine, EngineSink, EngineStats, Epoch, FindQuery, Found, History, HistoryQuery,
};
use ws_proto::action::Ack;

use crate::client::{Client, hub_with, limits};

#[derive(Debug, Default)]
struct Restless {
    asked: AtomicU64,
    is_calm: AtomicBool,
}

impl Engine for Restless {
    fn name(&self) -> &'static str {
        "restless"
    }

    fn ack(&self) -> Ack {
        Ack::Memory
    }

    fn start(&self, _: Arc<dyn EngineSink>) {}

    fn append(&self, _: Append<'_>, done: Done<Appended>) {
        done(Ok(Appended { position: None, duplicate: false }));
    }

    fn history(&self, _: HistoryQuery<'_>, done: Done<History>) {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        assert!(asked < 1000, "it spins");
        let epoch = Epoch::from_u64(if self.is_calm.load(Ordering::Relaxed) { 0 } else { asked });
        done(Ok(History { epoch, top: 0, oldest: 1, publications: Vec::new(), more: false }));
    }

    fn find(&self, _: FindQuery<'_>, done: Done<Option<Found>>) {
        done(Ok(None));
    }

    fn remove(&self, _: &str, done: Done<Epoch>) {
        done(Ok(Epoch::from_u64(0)));
    }

    fn interest(&self, _: &str, _: bool) {}

    fn has_room(&self) -> bool {
        true
    }

    fn stats(&self) -> EngineStats {
        EngineStats::default()
    }

    fn close(&self, done: Done<()>) {
        done(Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_lets_others_go_on_meanwhile() {
    let engine = Arc::<Restless>::default();
    let hub = hub_with(limits(), &[], engine.clone());
    let subscribe =
        json!({"id": "s", "type": "request", "action": "subscribe", "payload": {"channel": "a"}}).to_string();
    let mut first = Client::connect(&hub, 1 << 20);
    assert_eq!(first.say(&subscribe), Flow::Continue);
    let mut second = Client::connect(&hub, 1 << 20);
    second.is_woken();
    assert_eq!(second.say(&subscribe), Flow::Hold);
    let asked = engine.asked.load(Ordering::Relaxed);
    assert!(asked < 10, "{asked}");
    second.is_woken();
    assert!(second.is_woken(), "it goes on by itself");
    assert_eq!(second.go_on(), Flow::Hold);
    engine.is_calm.store(true, Ordering::Relaxed);
    second.go_on();
    second.go_on();
    assert_eq!(second.read()[0]["data"]["channel"], "a");
}
