//! One publisher over HTTP/1.1, with pipelining.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::channel::end_of;
use crate::lanes::Shared;
use crate::socket::tcp;

use super::plan::Plan;
use super::tally::Tally;

/// Longest wait for bytes of an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Whether the connection goes on after an answer.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Same,
    Another,
}

pub(super) struct Client {
    shared: Shared<Tally>,
    plan: Arc<Plan>,
    index: usize,
    /// When each unanswered request was first sent, the oldest first.
    sent: VecDeque<u64>,
    answered: u64,
}

/// One whole answer at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    is_success: bool,
    is_last: bool,
    bytes: usize,
}

impl Client {
    pub(super) fn new(shared: Shared<Tally>, plan: Arc<Plan>, index: usize) -> Client {
        Client { shared, plan, index, sent: VecDeque::new(), answered: 0 }
    }

    pub(super) async fn run(mut self) {
        let ended = loop {
            match self.connection().await {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            }
        };
        let mut shared = self.shared.lock();
        shared.state.open -= 1;
        if let Some(ended) = ended {
            shared.state.ended.note(ended);
        }
    }

    /// Publishes over one connection. Whether another one is to follow.
    async fn connection(&mut self) -> io::Result<bool> {
        let mut stream = tcp(&self.plan.server, self.plan.server.source(self.index)).await?;
        self.shared.lock().state.connections += 1;
        let mut bytes = Vec::with_capacity(64 << 10);
        // What the connection before did not answer.
        self.ask(&mut stream, self.sent.len()).await?;
        loop {
            self.ask(&mut stream, 0).await?;
            if self.sent.is_empty() {
                return Ok(false);
            }
            match timeout(ANSWER_TIME_MAX, stream.read_buf(&mut bytes)).await.map_err(io::Error::from)?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ if self.answers(&mut bytes)? == Next::Another => return Ok(true),
                _ => {}
            }
        }
    }

    /// Sends the last `again` requests once more, or as many new ones as may be in flight, in one write.
    async fn ask(&mut self, stream: &mut TcpStream, again: usize) -> io::Result<()> {
        let mut out = Vec::new();
        for nth in 0..again {
            self.plan.request.write(&mut out, self.answered + nth as u64);
        }
        {
            let tally = &mut self.shared.lock().state;
            let room = if tally.stopping || again > 0 { 0 } else { self.plan.in_flight - self.sent.len() };
            let now = self.plan.clock.now_ns();
            for _ in 0..room {
                self.plan.request.write(&mut out, self.answered + self.sent.len() as u64);
                self.sent.push_back(now);
            }
            tally.unanswered += room as u64;
        }
        if out.is_empty() { Ok(()) } else { stream.write_all(&out).await }
    }

    /// Takes the whole answers off the front of `bytes`.
    fn answers(&mut self, bytes: &mut Vec<u8>) -> io::Result<Next> {
        let (now, tally) = (self.plan.clock.now_ns(), &mut self.shared.lock().state);
        let (mut at, mut next) = (0, Next::Same);
        while next == Next::Same
            && let Some(answer) = Answer::first_of(&bytes[at..]).map_err(io::Error::other)?
        {
            let text = &bytes[at..at + answer.bytes];
            at += answer.bytes;
            let sent = self.sent.pop_front().ok_or_else(|| io::Error::other("an answer to nothing"))?;
            self.answered += 1;
            tally.unanswered -= 1;
            tally.latencies.record(now.saturating_sub(sent));
            match answer.is_success {
                true => tally.accepted += 1,
                false => tally.errors.note(String::from_utf8_lossy(text)),
            }
            if answer.is_last {
                next = Next::Another;
            }
        }
        bytes.drain(..at);
        Ok(next)
    }
}

impl Answer {
    /// `None`: it is not complete yet.
    fn first_of(bytes: &[u8]) -> Result<Option<Answer>, String> {
        let Some(head) = end_of(bytes, b"\r\n\r\n") else { return Ok(None) };
        let text = str::from_utf8(&bytes[..head]).map_err(|error| error.to_string())?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let mut length = None;
        let mut is_last = false;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<usize>().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                is_last = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let length = length.ok_or_else(|| format!("an answer without Content-Length: {text}"))?;
        let whole = head + length;
        let is_success = status.starts_with('2');
        Ok((bytes.len() >= whole).then_some(Answer { is_success, is_last, bytes: whole }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_out_of_the_stream() {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 ";
        assert_eq!(Answer::first_of(ok), Ok(Some(Answer { is_success: true, is_last: false, bytes: 40 })));
        assert_eq!(Answer::first_of(&ok[..39]), Ok(None));
        assert_eq!(Answer::first_of(&ok[..20]), Ok(None));
        let last = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(Answer::first_of(last), Ok(Some(Answer { is_success: false, is_last: true, bytes: last.len() })));
        assert!(Answer::first_of(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
