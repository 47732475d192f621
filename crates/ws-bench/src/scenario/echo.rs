//! `echo`: every connection keeps a fixed number of requests in flight, and sends the next one when a response arrives.
//! Every response is compared with its request.
//!
//! This is a closed loop: a slow server gets fewer requests. The latencies belong to the rate that the server reached,
//! not to a rate set by users.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ws_proto::ServerMessage;
use ws_proto::action::EchoData;

use crate::cli::Echo;
use crate::failure::Failure;
use crate::frame;
use crate::lanes::{Lanes, Shared};
use crate::limits;
use crate::measure::{Clock, Complaints, Latencies};
use crate::message::{self, PONG, Shape};
use crate::opening::open_all;
use crate::process::Interval;
use crate::report::{Report, Value};
use crate::request::Template;
use crate::socket::{Ended, Socket};
use crate::stage::{Stage, Status};

/// What all connections of the run share, read-only.
#[derive(Debug)]
struct Plan {
    clock: Clock,
    message: String,
    request: Template,
    in_flight: usize,
}

/// What the connections of one lane count together.
#[derive(Debug)]
struct Tally {
    latencies: Latencies,
    shape: Shape,
    unanswered: u64,
    open: u64,
    stopping: bool,
    ended: Complaints,
    errors: Complaints,
    wrong: Complaints,
}

impl Tally {
    fn new() -> Tally {
        Tally {
            latencies: Latencies::new(),
            shape: Shape::default(),
            unanswered: 0,
            open: 0,
            stopping: false,
            ended: Complaints::default(),
            errors: Complaints::default(),
            wrong: Complaints::default(),
        }
    }
}

pub(super) async fn run(options: Echo, mut stage: Stage) -> Result<Report, Failure> {
    let mut server = options.common.target.look_up()?;
    limits::make_room(options.connections, &mut server)?;
    let lanes = Lanes::start(options.common.threads, Tally::new)?;
    let sockets = open_all(&lanes, server, options.connections, &mut stage).await?;

    let message = "x".repeat(options.payload);
    let request = Template::echo(&message);
    let plan = Arc::new(Plan { clock: Clock::start(), message, request, in_flight: options.in_flight });
    for (index, socket) in sockets {
        let shared = lanes.shared(index).clone();
        shared.lock().state.open += 1;
        lanes.runtime(index).spawn(Client::new(socket, shared, plan.clone()).run());
    }
    let look =
        || Status { count: lanes.sum(|tally| tally.latencies.count()), over: lanes.sum(|tally| tally.open) == 0 };
    let begin = || lanes.each(|tally| tally.latencies.reset());
    let interval = stage.measure("requests", begin, look).await?;
    let measured = take(&lanes);
    stage.drain(|| lanes.sum(|tally| tally.unanswered)).await;
    Ok(report(&options, &stage, &lanes, &measured, &interval))
}

/// Stops the requests, and returns what was measured so far.
fn take(lanes: &Lanes<Tally>) -> Latencies {
    let mut all = Latencies::new();
    lanes.each(|tally| {
        tally.stopping = true;
        all.add(&tally.latencies);
    });
    all
}

fn report(options: &Echo, stage: &Stage, lanes: &Lanes<Tally>, measured: &Latencies, interval: &Interval) -> Report {
    let mut report = Report::new("echo", &options.common.target.url);
    report.figure("connections", "connections", Value::Count(options.connections as u64));
    report.figure("in_flight", "in flight, each", Value::Count(options.in_flight as u64));
    report.figure("payload_bytes", "payload bytes", Value::Count(options.payload as u64));
    report.figure("seconds", "measured for", Value::Seconds(interval.seconds));
    report.rate("requests", measured.count(), interval);
    report.figure("latency_us", "latency", Value::Latency(measured.quantiles()));
    report.cpu("request", measured.count(), interval, lanes.count());
    let (mut ended, mut errors, mut wrong) = (Complaints::default(), Complaints::default(), Complaints::default());
    lanes.each(|tally| {
        ended.add(&tally.ended);
        errors.add(&tally.errors);
        wrong.add(&tally.wrong);
    });
    report.complaints(&errors, "error answers");
    report.complaints(&wrong, "wrong answers");
    report.complaints(&ended, "connections ended");
    let unanswered = lanes.sum(|tally| tally.unanswered);
    if unanswered > 0 {
        report.problem(format!("{unanswered} requests were never answered"));
    }
    if measured.count() == 0 {
        report.problem("nothing was measured");
    }
    stage.finish(&mut report);
    report
}

/// One connection. Answers come in the order of the requests (PROTOCOL, section 3).
struct Client {
    socket: Socket,
    shared: Shared<Tally>,
    plan: Arc<Plan>,
    /// When each unanswered request was sent, the oldest first.
    sent: VecDeque<u64>,
    answered: u64,
}

impl Client {
    fn new(socket: Socket, shared: Shared<Tally>, plan: Arc<Plan>) -> Client {
        let sent = VecDeque::with_capacity(plan.in_flight);
        Client { socket, shared, plan, sent, answered: 0 }
    }

    async fn run(mut self) {
        let ended = loop {
            if let Err(ended) = self.ask() {
                break ended;
            }
            if let Err(ended) = poll_fn(|cx| self.poll_answers(cx)).await {
                break ended;
            }
        };
        let mut shared = self.shared.lock();
        shared.state.open -= 1;
        shared.state.ended.note(ended);
    }

    /// Sends as many requests as may be in flight, in one write.
    fn ask(&mut self) -> Result<(), Ended> {
        let shared = &mut *self.shared.lock();
        if !shared.state.stopping {
            let (now, room) = (self.plan.clock.now_ns(), self.plan.in_flight - self.sent.len());
            for _ in 0..room {
                self.plan.request.write(&mut shared.out, self.answered + self.sent.len() as u64);
                self.sent.push_back(now);
            }
            shared.state.unanswered += room as u64;
        }
        let sent = self.socket.send(&shared.out);
        shared.out.clear();
        sent
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let shared = &mut *self.shared.lock();
        shared.out.clear();
        let bytes = ready!(self.socket.poll_read(cx, &mut shared.buffer))?;
        let now = self.plan.clock.now_ns();
        let (tally, out, plan) = (&mut shared.state, &mut shared.out, &*self.plan);
        let (sent, answered) = (&mut self.sent, &mut self.answered);
        self.socket.texts(&shared.buffer[..bytes], |text| {
            let is_answer = match tally.shape.number_in(text) {
                Some(id) if id == *answered => true,
                _ => tally.unusual(text, *answered, plan, out),
            };
            if let Some(at) = is_answer.then(|| sent.pop_front()).flatten() {
                *answered += 1;
                tally.unanswered -= 1;
                tally.latencies.record(now.saturating_sub(at));
            }
        })?;
        Poll::Ready(Ok(()))
    }
}

impl Tally {
    /// Decodes a message that is not the expected response in the known shape. Returns whether it answers a request.
    fn unusual(&mut self, text: &[u8], expected: u64, plan: &Plan, out: &mut Vec<u8>) -> bool {
        match message::decode(text) {
            Some(ServerMessage::Response { id, data }) => {
                let in_turn = message::number(id.as_bytes()) == Some(expected);
                let same =
                    serde_json::from_str(data.get()).is_ok_and(|data: EchoData<String>| data.echo == plan.message);
                match (in_turn, same) {
                    (true, true) => self.shape.learn(text, b"\"id\":\""),
                    (false, _) => self.wrong.note(format!("out of turn: {}", String::from_utf8_lossy(text))),
                    (_, false) => self.wrong.note(String::from_utf8_lossy(text)),
                }
                true
            }
            Some(ServerMessage::Error { error, .. }) => {
                self.errors.note(error);
                true
            }
            None => {
                self.wrong.note(String::from_utf8_lossy(text));
                false
            }
            Some(ServerMessage::Ping) => {
                frame::text(out, PONG);
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_answer: bool, complaints: (u64, u64)) {
        let message = "hi".to_owned();
        let plan = Plan { clock: Clock::start(), request: Template::echo(&message), message, in_flight: 1 };
        let mut tally = Tally::new();
        assert_eq!(tally.unusual(text.as_bytes(), 10, &plan, &mut Vec::new()), is_answer, "{text}");
        assert_eq!((tally.errors.count, tally.wrong.count), complaints, "{text}");
        assert_eq!(tally.shape.number_in(text.as_bytes()).is_some(), is_answer && complaints == (0, 0), "{text}");
    }

    #[test]
    fn every_answer_is_judged() {
        check(r#"{"id":"0000000a","type":"response","data":{"echo":"hi"}}"#, true, (0, 0));
        check(r#"{"type":"response","data":{"echo":"hi"},"id":"0000000a"}"#, true, (0, 0));
        check(r#"{"id":"0000000a","type":"response","data":{"echo":"ho"}}"#, true, (0, 1));
        check(r#"{"id":"0000000b","type":"response","data":{"echo":"hi"}}"#, true, (0, 1));
        check(
            r#"{"id":"0000000a","type":"error","error":{"code":"overloaded","message":"","retryable":true}}"#,
            true,
            (1, 0),
        );
        check(r#"{"type":"notification","data":{"event":"draining","reconnect_after_ms":[0,1]}}"#, false, (0, 0));
        check("?", false, (0, 1));
    }
}
