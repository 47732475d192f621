//! One direction of a connection: bytes in, and the same bytes out when the weather lets them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::fault::{Way, Weather};
use super::link::Link;
use super::rng::Rng;

/// Bytes that a lane holds back before it stops reading.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// Between two segments, so that the receiver does not get them as one.
const BETWEEN_SEGMENTS: Duration = Duration::from_millis(1);

/// How often a slow lane writes.
const SLOW_TURN: Duration = Duration::from_millis(10);

pub(super) struct Lane<'a> {
    way: Way,
    link: &'a Link,
    weather: watch::Receiver<Weather>,
    rng: Rng,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    held: VecDeque<(Instant, Item)>,
    held_bytes: usize,
    is_read_out: bool,
    /// Nothing goes out before.
    next: Instant,
}

enum Item {
    Bytes(Vec<u8>),
    /// The sender has ended, in order or not.
    End(io::Result<()>),
}

impl<'a> Lane<'a> {
    pub(super) fn new(way: Way, link: &'a Link, from: ReadHalf<'a>, to: WriteHalf<'a>) -> Self {
        let (weather, rng) = (link.weather(), link.rng(way));
        let held = VecDeque::new();
        Lane { way, link, weather, rng, from, to, held, held_bytes: 0, is_read_out: false, next: Instant::now() }
    }

    /// Passes everything on, the end too.
    ///
    /// # Errors
    /// If either side broke off: the other one is to be reset.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let weather = *self.weather.borrow_and_update();
            let due = self.held.front().map(|(at, _)| (*at).max(self.next)).filter(|_| !weather.is_silent(self.way));
            let may_read = !self.is_read_out && self.held_bytes < HELD_BYTES_MAX;
            tokio::select! {
                changed = self.weather.changed() => changed.map_err(io::Error::other)?,
                got = self.from.read(&mut bytes), if may_read => self.take(&weather, got.map(|count| &bytes[..count])),
                () = sleep_until(due.unwrap_or(self.next)), if due.is_some() => {
                    if self.deliver(&weather).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take(&mut self, weather: &Weather, got: io::Result<&[u8]>) {
        let item = match got {
            Ok([]) => Item::End(Ok(())),
            Ok(bytes) => Item::Bytes(bytes.to_vec()),
            Err(error) => Item::End(Err(error)),
        };
        match &item {
            // Nobody will ever read it; its sender's end is still to be seen.
            Item::Bytes(_) if weather.is_silent(self.way) && weather.read_out != [false; 2] => return,
            Item::Bytes(bytes) => self.held_bytes += bytes.len(),
            Item::End(_) => {
                self.is_read_out = true;
                self.link.read_out(self.way);
            }
        }
        let last = self.held.back().map(|(at, _)| *at);
        let at = match last {
            Some(last) if !weather.join.is_zero() => last,
            _ => Instant::now() + weather.delay + self.rng.time(weather.jitter) + weather.join,
        };
        self.held.push_back((last.map_or(at, |last| at.max(last)), item));
    }

    /// Writes what is due: one segment, or all of it. Returns whether that was the end.
    async fn deliver(&mut self, weather: &Weather) -> io::Result<bool> {
        if let Some((_, Item::End(_))) = self.held.front() {
            let Some((_, Item::End(end))) = self.held.pop_front() else { return Ok(true) };
            end?;
            self.to.shutdown().await?;
            return Ok(true);
        }
        let segment = self.segment(weather);
        self.to.write_all(&segment).await?;
        self.held_bytes -= segment.len();
        self.link.passed(self.way, segment.len());
        let pause = weather.bytes_per_s.map(|rate| Duration::from_secs_f64(segment.len() as f64 / f64::from(rate)));
        self.next =
            Instant::now() + pause.unwrap_or(if weather.split.is_some() { BETWEEN_SEGMENTS } else { Duration::ZERO });
        Ok(false)
    }

    fn segment(&mut self, weather: &Weather) -> Vec<u8> {
        let mut room = self.link.room(self.way).max(1);
        if let Some(most) = weather.split {
            room = room.min(self.rng.range(1..=most as u64) as usize);
        }
        if let Some(rate) = weather.bytes_per_s {
            room = room.min((f64::from(rate) * SLOW_TURN.as_secs_f64()).ceil() as usize);
        }
        let (mut segment, now) = (Vec::new(), Instant::now());
        while let Some((at, Item::Bytes(bytes))) = self.held.front_mut() {
            if *at > now || segment.len() == room {
                break;
            }
            let rest = bytes.split_off(bytes.len().min(room - segment.len()));
            segment.append(bytes);
            if rest.is_empty() {
                self.held.pop_front();
            } else {
                *bytes = rest;
            }
        }
        segment
    }
}
