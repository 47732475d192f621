//! Calls against a provider in memory, with paused time: what is sent when, and what comes of each answer.

mod ends;
mod retries;
mod secrets;
mod times;
mod tolerance;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::client::chance;
use super::http::{BodyError, Http, PostError, Posting, Reply};
use super::parts::Parts;
use super::secrets::Secrets;
use super::*;

/// The key of these tests.
const KEY: &str = "sk-ant-api03-0123456789-swordfish";

/// What a provider in memory does with one request.
#[derive(Debug, Clone)]
enum Canned {
    /// A head, then the parts of a body.
    Head(u16, Vec<(&'static str, &'static str)>, Vec<Part>),
    /// No connection.
    Unreachable(&'static str),
    /// Never a head.
    Silent,
}

/// A part of a body.
#[derive(Debug, Clone)]
enum Part {
    Bytes(String),
    Wait(Duration),
    Break,
}

/// A provider in memory.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<Canned>,
    sent: Vec<(Instant, Value)>,
}

impl Http for Memory {
    fn post(&self, body: Bytes) -> Posting {
        let memory = self.clone();
        Box::pin(async move {
            let canned = {
                let mut state = memory.0.lock().expect("no panic");
                state.sent.push((Instant::now(), serde_json::from_slice(&body).expect("JSON")));
                state.answers.pop_front().expect("an answer for each request")
            };
            match canned {
                Canned::Unreachable(cause) => Err(PostError::Connect(cause.to_owned())),
                Canned::Silent => std::future::pending().await,
                Canned::Head(status, headers, parts) => Ok(reply(status, &headers, parts)),
            }
        })
    }
}

fn reply(status: u16, headers: &[(&'static str, &'static str)], parts: Vec<Part>) -> Reply {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a value"));
    }
    let frames = stream::iter(parts).filter_map(async |part| match part {
        Part::Bytes(bytes) => Some(Ok(Frame::data(Bytes::from(bytes)))),
        Part::Break => Some(Err(BodyError(format!("reset by peer, key {KEY}")))),
        Part::Wait(time) => {
            sleep(time).await;
            None
        }
    });
    let status = StatusCode::from_u16(status).expect("a status");
    Reply { status, headers: map, body: UnsyncBoxBody::new(StreamBody::new(Box::pin(frames))) }
}

fn settings() -> Settings {
    Settings {
        base_url: BaseUrl::parse("https://ann:trout-and-salmon@api.example").expect("a URL"),
        auth: Auth::XApiKey,
        key: Key::new(KEY).expect("a key"),
        first_token_timeout: Duration::from_secs(300),
        idle_timeout: Duration::from_secs(90),
        retries_max: 2,
        cache: true,
    }
}

fn question() -> Question {
    Question {
        model: "claude-sonnet-5-5".to_owned(),
        max_tokens: 1000,
        system: None,
        messages: vec![Turn { role: Role::User, content: "Where do the herring go?".to_owned() }],
        effort: None,
        thinking: Thinking::Omitted,
        is_cut: false,
    }
}

/// What came of one question.
#[derive(Debug)]
struct Outcome {
    steps: Vec<Progress>,
    answer: Answer,
    /// When each request was sent, in milliseconds after the question.
    sent_ms: Vec<u128>,
    took: Duration,
}

impl Outcome {
    fn text(&self) -> String {
        let text = |step: &Progress| if let Progress::Text(text) = step { Some(text.clone()) } else { None };
        self.steps.iter().filter_map(text).collect()
    }

    #[track_caller]
    fn failure(&self) -> &Failure {
        match &self.answer.end {
            End::Failed(failure) => failure,
            end => panic!("{end:?}"),
        }
    }

    /// The codes of the failures that were told as retries.
    fn retried(&self) -> Vec<FailureCode> {
        let code =
            |step: &Progress| if let Progress::Retrying { failure, .. } = step { Some(failure.code) } else { None };
        self.steps.iter().filter_map(code).collect()
    }
}

/// Asks with these settings. The chance is always a half.
async fn ask_with(settings: Settings, question: Question, answers: Vec<Canned>) -> Outcome {
    let memory = Memory::default();
    memory.0.lock().expect("no panic").answers = answers.into();
    let (http, secrets, start) = (Arc::new(memory.clone()), Secrets::of(&settings), Instant::now());
    let upstream = Upstream::with(Parts { http, settings, secrets, chance: || 0.5 });
    let mut call = upstream.ask(question);
    let mut steps = Vec::new();
    let answer = loop {
        match call.next().await {
            Progress::End(answer) => break answer,
            step => steps.push(step),
        }
    };
    let took = start.elapsed();
    let nothing = tokio::time::timeout(Duration::from_secs(3600), call.next()).await;
    assert!(nothing.is_err(), "something after the end: {nothing:?}");
    let state = memory.0.lock().expect("no panic");
    assert_eq!(state.answers.len(), 0, "answers that nobody asked for");
    let sent_ms = state.sent.iter().map(|(at, _)| at.duration_since(start).as_millis()).collect();
    Outcome { steps, answer, sent_ms, took }
}

async fn ask(answers: Vec<Canned>) -> Outcome {
    ask_with(settings(), question(), answers).await
}

/// A stream of these parts.
fn streaming(parts: Vec<Part>) -> Canned {
    Canned::Head(200, vec![("content-type", "text/event-stream"), ("request-id", "req_1")], parts)
}

/// A stream of these events.
fn events(events: &[Value]) -> Canned {
    streaming(vec![bytes(events)])
}

fn bytes(events: &[Value]) -> Part {
    Part::Bytes(events.iter().map(|event| format!("data: {event}\n\n")).collect())
}

fn failing(status: u16, kind: &'static str, headers: &[(&'static str, &'static str)]) -> Canned {
    let body = json!({"type": "error", "error": {"type": kind, "message": format!("About {kind}.")}});
    Canned::Head(status, headers.to_vec(), vec![Part::Bytes(body.to_string())])
}

fn begin() -> Value {
    let usage = json!({"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 5});
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-sonnet-5-5-x", "usage": usage}})
}

fn text(text: &str) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
}

fn stop_reason(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7}})
}

fn stop() -> Value {
    json!({"type": "message_stop"})
}

fn ping() -> Value {
    json!({"type": "ping"})
}

fn error(kind: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": "Sorry."}})
}

/// A whole answer.
fn whole() -> Canned {
    events(&[begin(), text("Nor"), text("th."), stop_reason("end_turn"), stop()])
}
