//! Tokens that name unknown keys: they wait until the keys have been renewed, once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use ws_core::{Auth, Authenticator, Claims, Flow, Hub, TokenError};

use super::{Believer, hub_in, terms};
use crate::client::{Client, limits};

/// Accepts tokens once it has keys. Renewals wait until the test says so.
#[derive(Debug, Default)]
struct Keyless {
    has_keys: AtomicBool,
    /// Keys cannot be renewed.
    is_alone: AtomicBool,
    asking: Mutex<Asking>,
}

#[derive(Default)]
struct Asking(Vec<Box<dyn FnOnce() + Send>>);

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ask", self.0.len())
    }
}

impl Authenticator for Keyless {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        if self.has_keys.load(Ordering::Relaxed) {
            return Believer.check(token, unix_ms);
        }
        Err(TokenError::UnknownKey("no such key".to_owned()))
    }

    fn renew_keys(&self, done: Box<dyn FnOnce() + Send>) {
        if self.is_alone.load(Ordering::Relaxed) {
            return done();
        }
        self.asking.lock().expect("no panic while locked").0.push(done);
    }
}

impl Keyless {
    fn asking(&self) -> usize {
        self.asking.lock().expect("no panic while locked").0.len()
    }

    fn answer(&self, has_keys: bool) {
        self.has_keys.store(has_keys, Ordering::Relaxed);
        let asking = std::mem::take(&mut *self.asking.lock().expect("no panic while locked"));
        asking.0.into_iter().for_each(|done| done());
    }
}

fn keyless() -> (Arc<Keyless>, Hub) {
    let keyless = Arc::<Keyless>::default();
    let hub = hub_in(Auth { authenticator: Some(keyless.clone()), ..terms(true) }, limits());
    (keyless, hub)
}

fn request(action: &str, payload: &Value) -> String {
    json!({"id": action, "type": "request", "action": action, "payload": payload}).to_string()
}

fn token() -> String {
    json!({"user": "ann"}).to_string()
}

#[tokio::test(start_paused = true)]
async fn a_token_waits_for_newer_keys_and_so_do_later_requests() {
    let (keyless, hub) = keyless();
    let mut client = Client::connect(&hub, 1 << 20);
    let authenticate = request("authenticate", &json!({"token": token()}));
    assert_eq!(client.say(&authenticate), Flow::Hold);
    assert_eq!(client.say(&authenticate), Flow::Hold, "woken by something else");
    assert_eq!(keyless.asking(), 1);
    keyless.answer(true);
    assert_eq!(client.say(&authenticate), Flow::Continue);
    assert_eq!(client.read()[0]["data"], json!({"user": "ann"}));

    keyless.has_keys.store(false, Ordering::Relaxed);
    let pass = json!({"user": "ann", "channel": "granted:a"}).to_string();
    let subscribe = request("subscribe", &json!({"channel": "granted:a", "token": pass}));
    assert_eq!(client.say(&subscribe), Flow::Hold);
    keyless.answer(true);
    assert_eq!(client.say(&subscribe), Flow::Continue);
    assert_eq!(client.read()[0]["data"]["channel"], "granted:a");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_found_is_refused_and_looked_for_again_with_the_next_token() {
    let (keyless, hub) = keyless();
    let mut client = Client::connect(&hub, 1 << 20);
    let authenticate = request("authenticate", &json!({"token": token()}));
    for _ in 0..2 {
        assert_eq!(client.say(&authenticate), Flow::Hold);
        keyless.answer(false);
        assert_eq!(client.say(&authenticate), Flow::Continue);
        assert_eq!(client.read()[0]["error"]["code"], "invalid_token");
    }
    keyless.is_alone.store(true, Ordering::Relaxed);
    assert_eq!(client.say(&authenticate), Flow::Continue, "there is nobody to wait for");
    assert_eq!(client.read()[0]["error"]["message"], "no such key");
    assert_eq!(client.say(&request("echo", &json!({"message": 1}))), Flow::Continue);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_waits_too() {
    let (keyless, hub) = keyless();
    let token = token();
    for (has_keys, expect) in [(true, Some("ann")), (false, None)] {
        keyless.has_keys.store(false, Ordering::Relaxed);
        let mut login = Box::pin(hub.log_in(&token));
        tokio::select! {
            biased;
            _ = &mut login => panic!("it does not wait"),
            () = std::future::ready(()) => {}
        }
        keyless.answer(has_keys);
        let user = login.await.ok().map(|claims| claims.user);
        assert_eq!(user.as_deref(), expect);
    }
}
