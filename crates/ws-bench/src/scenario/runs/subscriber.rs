//! One subscriber of a run's stream. The first one of each run asks for it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::channel::{decimal, end_of};
use crate::frame;
use crate::lanes::Shared;
use crate::message::{DIGITS, PONG, number};
use crate::socket::{Ended, Socket};

use super::plan::Plan;
use super::tally::Tally;

pub(super) struct Subscriber {
    socket: Socket,
    shared: Shared<Tally>,
    plan: Arc<Plan>,
    index: usize,
    /// The offset of the last publication.
    offset: u64,
    is_subscribed: bool,
}

impl Subscriber {
    pub(super) fn new(socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>, index: usize) -> Subscriber {
        Subscriber { socket, shared, plan, index, offset: 0, is_subscribed: false }
    }

    /// Subscribes, asks if it is its turn, and counts until the connection ends.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        if let Err(ended) = self.work().await {
            shared.lock().state.ended.note(ended);
        }
    }

    async fn work(&mut self) -> Result<(), Ended> {
        self.socket.send(&self.plan.subscribe(self.index))?;
        while !self.is_subscribed {
            poll_fn(|cx| self.poll_read(cx)).await?;
        }
        if self.plan.asks(self.index) {
            let plan = self.plan.clone();
            if let Ok(permit) = plan.ask.acquire().await {
                permit.forget();
            }
            self.socket.send(&plan.ask(self.index))?;
        }
        loop {
            poll_fn(|cx| self.poll_read(cx)).await?;
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let shared = &mut *self.shared.lock();
        let bytes = ready!(self.socket.poll_read(cx, &mut shared.buffer))?;
        let now_us = self.plan.now_us();
        let (tally, out) = (&mut shared.state, &mut shared.out);
        out.clear();
        let (offset, is_subscribed) = (&mut self.offset, &mut self.is_subscribed);
        self.socket.texts(&shared.buffer[..bytes], |text| {
            if text == br#"{"type":"ping"}"# {
                frame::text(out, PONG);
            } else {
                read(text, now_us, offset, is_subscribed, tally);
            }
        })?;
        Poll::Ready(self.socket.send(out))
    }
}

fn read(text: &[u8], now_us: u64, offset: &mut u64, is_subscribed: &mut bool, tally: &mut Tally) {
    let has = |part: &[u8]| end_of(text, part).is_some();
    if !has(br#""event":"publication""#) {
        match () {
            () if has(br#""type":"error""#) => tally.errors.note(String::from_utf8_lossy(text)),
            () if has(br#""id":"a""#) => tally.asked += 1,
            () if has(br#""id":"s""#) => {
                *is_subscribed = true;
                tally.subscribed += 1;
            }
            () => tally.holes.note(String::from_utf8_lossy(text)),
        }
        return;
    }
    let next = end_of(text, br#""offset":"#).and_then(|at| decimal(&text[at..]));
    match next {
        Some((next, _)) if next == *offset + 1 => *offset = next,
        _ => tally.holes.note(String::from_utf8_lossy(text)),
    }
    if has(br#""claude":"finished""#) {
        tally.finished += 1;
        return;
    }
    tally.fragments += 1;
    let tokens = end_of(text, br#""text":""#).map_or(&[][..], |at| &text[at..]);
    for token in tokens.chunks_exact(DIGITS + 1).map_while(|token| token.strip_suffix(b" ")) {
        let Some(written_us) = number(token) else { break };
        tally.tokens += 1;
        tally.latencies.record(now_us.saturating_sub(written_us) * 1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(offset: u64, data: &str) -> String {
        format!(
            r#"{{"type":"notification","data":{{"event":"publication","channel":"claude:c/run","offset":{offset},"data":{data}}}}}"#
        )
    }

    #[test]
    fn tokens_are_counted_and_holes_are_seen() {
        let (mut tally, mut offset, mut is_subscribed) = (Tally::new(), 0, false);
        let mut read = |text: &str| read(text.as_bytes(), 0x30, &mut offset, &mut is_subscribed, &mut tally);
        read(r#"{"id":"s","type":"response","data":{}}"#);
        read(&publication(1, r#"{"claude":"text","index":0,"text":"00000010 00000020 "}"#));
        read(&publication(3, r#"{"claude":"text","index":1,"text":"00000030 "}"#));
        read(&publication(2, r#"{"claude":"finished","run_id":"run","status":"complete"}"#));
        read(r#"{"id":"a","type":"error","error":{"code":"overloaded"}}"#);
        assert!(is_subscribed && offset == 2);
        let counts = [tally.subscribed, tally.fragments, tally.tokens, tally.finished, tally.errors.count];
        assert_eq!((counts, tally.holes.count), ([1, 2, 3, 1, 1], 1));
    }
}
