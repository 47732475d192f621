//! How many tokens of a connection are checked, and how guessing ends.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;
use ws_core::{Flow, Limits};
use ws_proto::CloseCode;

use super::{hub_in, terms};
use crate::client::{Client, limits};

const FEW: u32 = 5;

fn few(limits: Limits) -> Limits {
    Limits { token_checks_per_second: FEW, errors_max: 20, ..limits }
}

fn client(limits: Limits) -> Client {
    Client::connect(&hub_in(terms(true), limits), 1 << 20)
}

fn authenticate(client: &mut Client, token: &str) -> (Flow, Value) {
    let flow = client.request("authenticate", &json!({"token": token}));
    (flow, client.read().pop().expect("an answer"))
}

/// Sends a token until the connection is closed; the codes of all answers and the close code.
fn until_closed(client: &mut Client, mut next: impl FnMut(&mut Client) -> (Flow, Value)) -> (Vec<String>, CloseCode) {
    let mut codes = Vec::new();
    for _ in 0..1000 {
        let (flow, answer) = next(client);
        codes.push(answer["error"]["code"].as_str().unwrap_or_default().to_owned());
        let is_refused_by_rate = answer["error"]["code"] == "rate_limited";
        assert_eq!(answer["error"]["retry_after_ms"].is_u64(), is_refused_by_rate, "{answer}");
        if let Flow::Close(code) = flow {
            return (codes, code);
        }
    }
    panic!("never closed: {codes:?}");
}

fn count(codes: &[String], code: &str) -> usize {
    codes.iter().filter(|given| *given == code).count()
}

const GOOD: &str = r#"{"user":"ann"}"#;
const EXPIRED: &str = r#"{"user":"ann","within":-60000}"#;
const BAD: &str = "nonsense";

#[tokio::test(start_paused = true)]
async fn tokens_are_checked_at_a_rate_whether_they_are_valid_or_not() {
    for (token, code) in [(GOOD, ""), (EXPIRED, "token_expired")] {
        let mut client = client(few(limits()));
        let (codes, close) = until_closed(&mut client, |client| authenticate(client, token));
        assert_eq!((count(&codes, code), count(&codes, "rate_limited")), (FEW as usize, 21), "{token}");
        assert_eq!(close, CloseCode::TooManyRequests, "{token}: it may come back");
    }
    let mut client = client(few(limits()));
    (0..FEW).for_each(|_| drop(authenticate(&mut client, GOOD)));
    let (_, refused) = authenticate(&mut client, GOOD);
    let error = &refused["error"];
    assert_eq!((&error["retryable"], &error["retry_after_ms"]), (&json!(true), &json!(1000 / FEW)), "{refused}");
    let subscribe = json!({"channel": "a", "token": r#"{"user":"ann","channel":"a"}"#});
    assert_eq!(client.ask("subscribe", &subscribe), Err("rate_limited".to_owned()), "of every kind");
    assert_eq!(client.ask("subscribe", &json!({"channel": "b"})).map(drop), Ok(()), "without one it is no matter");
    advance(Duration::from_millis(1000 / u64::from(FEW))).await;
    assert_eq!(client.ask("subscribe", &subscribe).map(drop), Ok(()));
    assert_eq!(authenticate(&mut client, GOOD).1["error"]["code"], "rate_limited");
}

#[tokio::test(start_paused = true)]
async fn guessing_ends_for_good_although_most_checks_are_refused() {
    let mut client = client(few(limits()));
    let (codes, close) = until_closed(&mut client, |client| authenticate(client, BAD));
    assert_eq!((count(&codes, "invalid_token"), count(&codes, "rate_limited")), (FEW as usize, 16));
    assert_eq!(close, CloseCode::TooManyErrors);
}

/// The same where the rate of all requests refuses most of them, and with subscription tokens.
#[tokio::test(start_paused = true)]
async fn guessing_ends_for_good_whatever_rate_refuses_it() {
    let slow = Limits { requests_per_second: 2, ..few(limits()) };
    let mut guesser = client(slow);
    let (codes, close) = until_closed(&mut guesser, |client| authenticate(client, BAD));
    assert_eq!((codes.len(), close), (21, CloseCode::TooManyErrors));
    let mut guesser = client(slow);
    let (_, close) = until_closed(&mut guesser, |client| {
        let flow = client.request("subscribe", &json!({"channel": "a", "token": BAD}));
        (flow, client.read().pop().expect("an answer"))
    });
    assert_eq!(close, CloseCode::TooManyErrors);
    let mut hasty = client(slow);
    authenticate(&mut hasty, BAD);
    let (_, close) = until_closed(&mut hasty, |client| {
        let flow = client.request("echo", &json!({"message": 1}));
        (flow, client.read().pop().expect("an answer"))
    });
    assert_eq!(close, CloseCode::TooManyRequests, "what has no token is no guess");
}

#[tokio::test(start_paused = true)]
async fn a_good_token_ends_the_suspicion() {
    let mut client = client(few(limits()));
    authenticate(&mut client, BAD);
    (1..FEW).for_each(|_| drop(authenticate(&mut client, GOOD)));
    let (codes, close) = until_closed(&mut client, |client| authenticate(client, BAD));
    assert_eq!((codes.len(), close), (21, CloseCode::TooManyRequests), "the last token that was looked at was good");
}

#[tokio::test(start_paused = true)]
async fn zero_is_no_limit() {
    let mut client = client(limits());
    for _ in 0..1000 {
        assert_eq!(authenticate(&mut client, GOOD).1["type"], "response");
    }
}
