//! What the fake answers to one request.

use std::time::Duration;

use serde_json::{Value, json};

use super::event;
use super::gate::Gate;
use super::split::Split;

/// What is answered where a test says nothing else.
pub const TEXT: &str = "Hello, world.";

/// The answer to one request: a head, then events and waits in their order, then an end.
///
/// [`answer`](Self::answer) and [`error`](Self::error) are whole. Others are built: [`new`](Self::new), then
/// [`begin`](Self::begin), [`text`](Self::text) and so on. Without [`stop`](Self::stop) or one of the ends
/// ([`eof`](Self::eof), [`reset`](Self::reset), [`stall`](Self::stall)) the body just ends, as after `eof`.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
    pub(super) end: Ending,
    pub(super) split: Split,
    line_end: &'static str,
    every: Duration,
    /// The number of the block that is open or comes next, and the type of the open one.
    index: usize,
    open: Option<&'static str>,
    deltas: u64,
    text: String,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The bytes of an event.
    Event(Vec<u8>),
    Wait(Duration),
    Until(Gate),
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Whole, and the connection stays open.
    Whole,
    /// The connection is closed, and the body is not whole.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing happens any more.
    Stall,
    /// There is not even a head: the connection is closed.
    NoHead,
    /// There is not even a head, and nothing happens any more.
    SilentHead,
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// 200 and an event stream without an event.
    pub fn new() -> Self {
        Script {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned())],
            steps: Vec::new(),
            end: Ending::Whole,
            split: Split::default(),
            line_end: "\n",
            every: Duration::ZERO,
            index: 0,
            open: None,
            deltas: 0,
            text: String::new(),
        }
    }

    /// A whole answer of these pieces that ends with `end_turn`.
    pub fn answer(pieces: &[&str]) -> Self {
        pieces.iter().fold(Self::new().begin(), |script, piece| script.text(piece)).stop("end_turn")
    }

    /// A status with an error in the API's form.
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        Self::json(status, &event::error(kind, message))
    }

    /// 429 because the account's limit on spending is reached. Only the closer name tells it from others.
    pub fn spend_cap() -> Self {
        let mut body = event::error("rate_limit_error", "You have reached your API usage limits.");
        body["error"]["details"] = json!({"error_code": "enforced_spend_limit_reached"});
        Self::json(429, &body)
    }

    /// A status with a body that is JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::body(status, "application/json", body.to_string().as_bytes())
    }

    /// A status with any body.
    pub fn body(status: u16, content_type: &str, body: &[u8]) -> Self {
        let steps = if body.is_empty() { Vec::new() } else { vec![Step::Event(body.to_vec())] };
        Script { status, steps, ..Self::new() }.header("content-type", content_type)
    }

    /// No head: the connection is closed once the request is read.
    pub fn hang_up() -> Self {
        Script { end: Ending::NoHead, ..Self::new() }
    }

    /// No head, and nothing else, until the client closes the connection.
    pub fn silent() -> Self {
        Script { end: Ending::SilentHead, ..Self::new() }
    }

    /// Adds a header, or replaces the one of that name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Cuts the bytes like this, in place of one piece for each event.
    #[must_use]
    pub fn split(mut self, split: Split) -> Self {
        self.split = split;
        self
    }

    /// From here on lines end in CR LF, or in CR.
    #[must_use]
    pub fn line_end(mut self, line_end: &'static str) -> Self {
        self.line_end = line_end;
        self
    }

    /// From here on waits so long before each event.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Waits.
    #[must_use]
    pub fn wait(mut self, time: Duration) -> Self {
        self.steps.push(Step::Wait(time));
        self
    }

    /// Waits until the test opens the gate.
    #[must_use]
    pub fn until(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Until(gate.clone()));
        self
    }

    /// Any bytes, as they are.
    #[must_use]
    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        if !self.every.is_zero() {
            self.steps.push(Step::Wait(self.every));
        }
        self.steps.push(Step::Event(bytes.as_ref().to_vec()));
        self
    }

    /// Any event: its data, with its `type` as the name.
    #[must_use]
    pub fn event(self, data: &Value) -> Self {
        let (name, end) = (data["type"].as_str().unwrap_or("message").to_owned(), self.line_end);
        self.raw(format!("event: {name}{end}data: {data}{end}{end}"))
    }

    /// `message_start` and a `ping`, as the API begins.
    #[must_use]
    pub fn begin(self) -> Self {
        self.event(&event::message_start()).ping()
    }

    /// A `ping`.
    #[must_use]
    pub fn ping(self) -> Self {
        self.event(&event::ping())
    }

    /// A piece of the answer, in a block of text that it opens if there is none.
    #[must_use]
    pub fn text(mut self, piece: &str) -> Self {
        self = self.block("text", event::text_block());
        self.text.push_str(piece);
        self.delta(json!({"type": "text_delta", "text": piece}))
    }

    /// A piece of the summary of the thinking, in a block of thinking that it opens if there is none.
    #[must_use]
    pub fn thinking(self, piece: &str) -> Self {
        self.think().delta(json!({"type": "thinking_delta", "thinking": piece}))
    }

    /// Opens a block of thinking whose text is omitted.
    #[must_use]
    pub fn think(self) -> Self {
        self.block("thinking", event::thinking_block())
    }

    /// Closes the open block, says why the answer ends, and ends it.
    #[must_use]
    pub fn stop(self, stop_reason: &str) -> Self {
        self.stop_reason(stop_reason).event(&event::message_stop())
    }

    /// Closes the open block and says why the answer ends, but does not end it.
    #[must_use]
    pub fn stop_reason(mut self, stop_reason: &str) -> Self {
        self = self.close_block();
        let output_tokens = 1 + self.deltas;
        self.event(&event::message_delta(stop_reason, output_tokens))
    }

    /// An `error` event, and the end of the body.
    #[must_use]
    pub fn fail(self, kind: &str, message: &str) -> Self {
        self.event(&event::error(kind, message)).eof()
    }

    /// The body ends here, whole.
    #[must_use]
    pub fn eof(self) -> Self {
        self.ending(Ending::Whole)
    }

    /// The connection is closed here, in the middle of the body.
    #[must_use]
    pub fn cut(self) -> Self {
        self.ending(Ending::Cut)
    }

    /// The connection is reset here.
    #[must_use]
    pub fn reset(self) -> Self {
        self.ending(Ending::Reset)
    }

    /// Nothing more comes, until the client closes the connection.
    #[must_use]
    pub fn stall(self) -> Self {
        self.ending(Ending::Stall)
    }

    /// All pieces of the answer: what a client must have in the end.
    pub fn full_text(&self) -> &str {
        &self.text
    }

    fn ending(self, end: Ending) -> Self {
        Script { end, ..self }
    }

    fn block(mut self, kind: &'static str, block: Value) -> Self {
        if self.open == Some(kind) {
            return self;
        }
        self = self.close_block();
        self.open = Some(kind);
        let index = self.index;
        self.event(&event::block_start(index, block))
    }

    fn delta(mut self, delta: Value) -> Self {
        self.deltas += 1;
        let index = self.index;
        self.event(&event::delta(index, delta))
    }

    fn close_block(mut self) -> Self {
        let Some(kind) = self.open.take() else { return self };
        let index = self.index;
        self.index += 1;
        if kind == "thinking" {
            self = self.event(&event::delta(index, json!({"type": "signature_delta", "signature": "c2lnbmF0dXJl"})));
        }
        self.event(&event::block_stop(index))
    }
}
