//! Asking a connection to close.

use std::sync::atomic::Ordering;

use ws_proto::CloseCode;

use super::Connection;

impl Connection {
    /// Asks the connection's task to close it. The first code stays, unless it is 4000, which
    /// [`keep_alive`](Self::keep_alive) may withdraw.
    pub fn close(&self, code: CloseCode) {
        let mut out = self.out.lock();
        if out.close.is_none_or(|code| code == CloseCode::HeartbeatTimeout) {
            out.close = Some(code);
        }
        let task = out.task.take();
        drop(out);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// The same for the server API, whose code (4000 to 4999) and reason go into the close frame. It counts as 4503.
    pub(crate) fn close_with(&self, code: u16, reason: &str) {
        let mut out = self.out.lock();
        if out.close.is_none_or(|code| code == CloseCode::HeartbeatTimeout) {
            out.close_frame = Some(Box::new((code, reason.into())));
        }
        drop(out);
        self.close(CloseCode::Disconnected);
    }

    /// The code and the reason of the close frame, if they are not those of `Attention::close`.
    pub fn close_frame(&self) -> Option<(u16, Box<str>)> {
        self.out.lock().close_frame.as_deref().cloned()
    }

    /// Withdraws a close for a missed heartbeat: something has arrived that had not been read in time.
    pub fn keep_alive(&self, now_ms: u64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
        let mut out = self.out.lock();
        out.close.take_if(|code| *code == CloseCode::HeartbeatTimeout);
    }
}
