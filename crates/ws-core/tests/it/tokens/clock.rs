//! A clock that is set, or that advances while the machine sleeps.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use ws_core::Clock;
use ws_proto::CloseCode;

use super::{connect, pass, terms};
use crate::client::{Client, hub_at, limits, memory};

/// How far the clock of one test is ahead.
fn set(by_ms: &'static AtomicI64, duration: i64) {
    by_ms.store(duration * 1000, Ordering::Relaxed);
}

#[tokio::test(start_paused = true)]
async fn a_token_runs_out_by_the_clock_that_is_set() {
    static BY_MS: AtomicI64 = AtomicI64::new(0);
    let hub = hub_at(Clock::start_set(&BY_MS), limits(), &[], memory(), terms(true));
    let second = Duration::from_secs(1);
    let mut ann = connect(&hub, &json!({"user": "ann", "within": 3_600_000}));
    assert_eq!(ann.events(), ["connected"]);
    let token = json!({"user": "ann", "channel": "news", "within": 1_800_000}).to_string();
    ann.ask("subscribe", &json!({"channel": "news", "token": token})).expect("it is in order");
    set(&BY_MS, -7_200);
    pass(Duration::from_secs(120), &mut ann).await;
    assert_eq!(ann.events(), [""; 0], "set back by two hours, it holds for longer");
    let mut bob = connect(&hub, &json!({"user": "bob"}));
    // As after the machine slept for an hour: the monotonic clock did not advance.
    set(&BY_MS, 2_000);
    pass(second, &mut ann).await;
    assert_eq!(ann.events(), ["unsubscribed news token_expired true"], "the subscription's own token is over");
    set(&BY_MS, 3_700);
    pass(second, &mut ann).await;
    pass(second, &mut ann).await;
    ann.is_closed_with(Some(CloseCode::TokenExpired));
    pass(second, &mut bob).await;
    bob.is_closed_with(None);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_authenticate_is_no_matter_of_the_clock_that_is_set() {
    static BY_MS: AtomicI64 = AtomicI64::new(0);
    let hub = hub_at(Clock::start_set(&BY_MS), limits(), &[], memory(), terms(false));
    let mut unauthenticated = Client::connect(&hub, 1 << 20);
    set(&BY_MS, 86_400);
    pass(Duration::from_secs(5), &mut unauthenticated).await;
    unauthenticated.is_closed_with(None);
    set(&BY_MS, -86_400);
    pass(Duration::from_secs(6), &mut unauthenticated).await;
    unauthenticated.is_closed_with(Some(CloseCode::NotAuthenticated));
}
