//! A sink for tests.

use std::time::Duration;

use parking_lot::Mutex;
use ws_core::engine::{EngineSink, Epoch, Publication, Retention};

/// Notes what it is told. Channels whose name begins with `pass` retain nothing.
#[derive(Debug, Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<String>>);

impl Told {
    fn add(&self, told: String) {
        self.0.lock().push(told);
    }
}

impl EngineSink for Told {
    fn deliver(&self, _: &str, publication: &Publication, read_us: Option<u64>) {
        self.add(format!("{} {read_us:?}", publication.offset.unwrap_or_default()));
    }
    fn reset(&self, _: &str, epoch: Epoch, after: u64) {
        self.add(format!("reset {} {after}", epoch.as_u64()));
    }
    fn renew(&self, _: &str, epoch: Epoch, survived: u64) {
        self.add(format!("renew {} {survived}", epoch.as_u64()));
    }
    fn skip(&self, _: &str, to: u64) {
        self.add(format!("skip {to}"));
    }
    fn lost(&self, _: &str) {
        self.add("lost".to_owned());
    }
    fn has_room(&self) {}
    fn retention(&self, channel: &str) -> Option<Retention> {
        Some(Retention::new(if channel.starts_with("pass") { 0 } else { 100 }, Duration::ZERO))
    }
}
