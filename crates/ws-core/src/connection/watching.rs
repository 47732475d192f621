//! Who watches a connection's frames.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ws_proto::api::{FrameDirection, FrameKind};

use super::Connection;
use super::tap::{Gone, Tap};
use crate::limits::TAPS_PER_CONNECTION_MAX;

impl Connection {
    /// A new tap. `None`: the connection has as many as it may have.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn watch(&self) -> Result<Option<Arc<Tap>>, Gone> {
        let mut out = self.out.lock();
        let is_full = out.taps.as_ref().is_some_and(|taps| taps.taps.len() >= TAPS_PER_CONNECTION_MAX);
        if out.ended {
            return Err(Gone);
        }
        if is_full {
            return Ok(None);
        }
        let tap = Arc::new(Tap::default());
        out.taps.get_or_insert_default().taps.push(tap.clone());
        self.watched.store(true, Ordering::Relaxed);
        Ok(Some(tap))
    }

    /// Removes a tap.
    pub(crate) fn unwatch(&self, tap: &Arc<Tap>) {
        let mut out = self.out.lock();
        if let Some(taps) = &mut out.taps {
            taps.taps.retain(|other| !Arc::ptr_eq(other, tap));
            if taps.taps.is_empty() {
                out.taps = None;
                self.watched.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Notes for the watchers, if there are any, that a text message has arrived.
    pub(crate) fn tap_received(&self, text: &str) {
        if self.watched.load(Ordering::Relaxed) {
            let out = self.out.lock();
            out.taps.iter().for_each(|taps| taps.put(FrameDirection::In, FrameKind::Text, text.as_bytes()));
        }
    }

    /// Notes for the watchers, if there are any, with which code the connection is about to end; `None`: without one.
    pub fn tap_close_code(&self, code: Option<u16>) {
        if self.watched.load(Ordering::Relaxed)
            && let Some(taps) = &mut self.out.lock().taps
        {
            taps.close_code = code;
        }
    }
}
