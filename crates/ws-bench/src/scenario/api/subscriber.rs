//! One subscriber: it counts the publications that it is sent.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::sync::oneshot;

use crate::frame;
use crate::lanes::Shared;
use crate::message::PONG;
use crate::request::Template;
use crate::socket::Socket;

use super::tally::Tally;

/// Only publications have one, and their data has no quotes in it.
const IS_PUBLICATION: &[u8] = b"\"event\":\"publication\"";

/// Subscribes, tells `joined`, and counts until the connection ends.
pub(super) async fn run(
    mut socket: Socket,
    shared: Shared<Tally>,
    subscribe: Arc<Template>,
    joined: oneshot::Sender<()>,
) {
    let mut out = Vec::new();
    subscribe.write(&mut out, 0);
    let mut joined = Some(joined);
    let ended = match socket.send(&out) {
        Err(ended) => ended,
        Ok(()) => {
            poll_fn(|cx| {
                loop {
                    let shared = &mut *shared.lock();
                    let bytes = match ready!(socket.poll_read(cx, &mut shared.buffer)) {
                        Ok(bytes) => bytes,
                        Err(ended) => return Poll::Ready(ended),
                    };
                    let (tally, out) = (&mut shared.state, &mut shared.out);
                    out.clear();
                    let read = socket.texts(&shared.buffer[..bytes], |text| {
                        if text.windows(IS_PUBLICATION.len()).take(64).any(|window| window == IS_PUBLICATION) {
                            tally.deliveries += 1;
                            tally.delivered += 1;
                        } else if text == br#"{"type":"ping"}"# {
                            frame::text(out, PONG);
                        } else if let Some(joined) = joined.take() {
                            let _ = joined.send(());
                        } else {
                            tally.errors.note(String::from_utf8_lossy(text));
                        }
                    });
                    if let Err(ended) = read.and_then(|_| socket.send(out)) {
                        return Poll::Ready(ended);
                    }
                }
            })
            .await
        }
    };
    shared.lock().state.ended.note(ended);
}
