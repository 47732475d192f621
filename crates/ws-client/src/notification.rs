//! What the server tells a connection outside of channels.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use ws_proto::event::{BroadcastEvent, BroadcastGap};

/// What a stream that nobody polls holds.
const HELD_MAX: usize = 1_024;
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the server tells every connection (PROTOCOL, "Events").
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notification {
    /// A value for everybody.
    Broadcast {
        /// The value.
        message: Value,
        /// Whose connection sent it: the user, `Some(None)` if it was anonymous; `None` for the server itself.
        from: Option<Option<String>>,
    },
    /// Broadcasts were missed: this connection read too slowly, or this stream was not polled. What was broadcast while
    /// there was no connection is not told.
    Gap {
        /// How many; `None`: nobody knows.
        missed: Option<u64>,
    },
    /// A notification that this client does not know, as it came.
    Other(Value),
}

/// The stream of [`Client::notifications`](crate::Client::notifications). It goes on over lost connections, and ends when the
/// client is closed. One that nobody polls holds at most 1,024 notifications or 4 MiB; then it misses some, and says so.
#[derive(Debug)]
pub struct Notifications {
    heard: mpsc::Receiver<Heard>,
    held_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Heard {
    Data(Box<RawValue>),
    Missed(u64),
}

/// The task's end of such a stream.
#[derive(Debug)]
pub(crate) struct Listener {
    heard: mpsc::Sender<Heard>,
    held_bytes: Arc<AtomicUsize>,
    missed: u64,
}

pub(crate) fn listen() -> (Listener, Notifications) {
    let (sender, heard) = mpsc::channel(HELD_MAX);
    let held_bytes = Arc::new(AtomicUsize::new(0));
    (Listener { heard: sender, held_bytes: held_bytes.clone(), missed: 0 }, Notifications { heard, held_bytes })
}

impl Listener {
    /// Hands a notification over, or counts it as missed. Whether anybody listens.
    pub(crate) fn tell(&mut self, data: &RawValue) -> bool {
        let bytes = data.get().len();
        let is_full = self.held_bytes.load(Ordering::Relaxed) + bytes > HELD_BYTES_MAX;
        // What was missed goes before it.
        let needs = 1 + usize::from(self.missed > 0);
        if is_full || self.heard.capacity() < needs {
            self.missed += 1;
            return !self.heard.is_closed();
        }
        if self.missed > 0 {
            drop(self.heard.try_send(Heard::Missed(std::mem::take(&mut self.missed))));
        }
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.heard.try_send(Heard::Data(data.to_owned())).is_ok()
    }
}

impl Stream for Notifications {
    type Item = Notification;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notification>> {
        let heard = ready!(self.heard.poll_recv(cx));
        Poll::Ready(heard.map(|heard| match heard {
            Heard::Missed(missed) => Notification::Gap { missed: Some(missed) },
            Heard::Data(data) => {
                self.held_bytes.fetch_sub(data.get().len(), Ordering::Relaxed);
                read(&data)
            }
        }))
    }
}

fn read(data: &RawValue) -> Notification {
    let value: Value = serde_json::from_str(data.get()).unwrap_or_default();
    match value["event"].as_str() {
        Some("broadcast") => match serde_json::from_value::<BroadcastEvent<Value>>(value.clone()) {
            Ok(BroadcastEvent { message, from }) => {
                Notification::Broadcast { message, from: from.map(|from| from.user) }
            }
            Err(_) => Notification::Other(value),
        },
        Some("gap") => match serde_json::from_value::<BroadcastGap>(value.clone()) {
            Ok(BroadcastGap { missed, .. }) => Notification::Gap { missed },
            Err(_) => Notification::Other(value),
        },
        _ => Notification::Other(value),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    #[test]
    fn notifications_are_read() {
        let check = |data: Value, expect| assert_eq!(read(&raw(&data)), expect, "{data}");
        let hello = |from| Notification::Broadcast { message: json!("hello"), from };
        let connection_id = "7f1c2d3e-0000-4000-8000-000000000001";
        check(json!({"event": "broadcast", "message": "hello"}), hello(None));
        let from = json!({"connection_id": connection_id, "user": "ann"});
        check(json!({"event": "broadcast", "message": "hello", "from": from}), hello(Some(Some("ann".to_owned()))));
        check(json!({"event": "gap", "broadcast": true, "missed": 3}), Notification::Gap { missed: Some(3) });
        check(json!({"event": "gap", "broadcast": true}), Notification::Gap { missed: None });
        let unknown = json!({"event": "of_tomorrow"});
        check(unknown.clone(), Notification::Other(unknown));
    }

    /// Everything there is by now.
    fn all(notifications: &mut Notifications) -> Vec<Notification> {
        std::iter::from_fn(|| notifications.next().now_or_never().flatten()).collect()
    }

    #[test]
    fn a_stream_that_is_not_polled_misses_and_says_so() {
        let (mut listener, mut notifications) = listen();
        let broadcast = |n: usize| raw(&json!({"event": "broadcast", "message": n}));
        (0..HELD_MAX + 5).for_each(|n| assert!(listener.tell(&broadcast(n))));
        assert_eq!(all(&mut notifications).len(), HELD_MAX);
        assert!(listener.tell(&broadcast(0)));
        let heard = all(&mut notifications);
        assert_eq!(heard[0], Notification::Gap { missed: Some(5) });
        assert!(matches!(heard[..], [_, Notification::Broadcast { .. }]));
        drop(notifications);
        assert!(!listener.tell(&broadcast(0)), "nobody listens");
    }

    #[test]
    fn large_ones_count_by_their_bytes() {
        let (mut listener, mut notifications) = listen();
        let large = raw(&json!({"event": "broadcast", "message": "x".repeat(HELD_BYTES_MAX / 2)}));
        (0..3).for_each(|_| assert!(listener.tell(&large)));
        assert_eq!(all(&mut notifications).len(), 1);
        listener.tell(&large);
        assert_eq!(all(&mut notifications)[0], Notification::Gap { missed: Some(2) });
    }
}
