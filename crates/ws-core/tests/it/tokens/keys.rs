//! Tokens that name unknown keys: they wait until the keys have been renewed, once.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use serde_json::{Value, json};
use ws_core::{Auth, Authenticator, Claims, Flow, Hub, Limits, Refusal, TokenError};

use ws_proto::{CloseCode, ErrorCode};

use super::{Believer, hub_in, terms};
use crate::client::{Client, LOCAL, limits, run};

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
    keyless_in(true, limits())
}

fn keyless_in(anonymous: bool, limits: Limits) -> (Arc<Keyless>, Hub) {
    let keyless = Arc::<Keyless>::default();
    let hub = hub_in(Auth { authenticator: Some(keyless.clone()), ..terms(anonymous) }, limits);
    (keyless, hub)
}

/// Whether a future waits.
fn waits(future: &mut (impl Future + Unpin)) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
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
        let mut permit = hub.admit(LOCAL, true).expect("room");
        let mut login = Box::pin(hub.log_in(&mut permit, &token));
        tokio::select! {
            biased;
            _ = &mut login => panic!("it does not wait"),
            () = std::future::ready(()) => {}
        }
        keyless.answer(has_keys);
        let user = login.await.expect("it has its place").ok().map(|claims| claims.user);
        assert_eq!(user.as_deref(), expect);
    }
}

/// What a made-up key id can do: wait among the unauthenticated. It takes no slot from anybody.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_waits_for_keys_is_unauthenticated() {
    let limits = Limits { connections_max: 1, unauthenticated_max: 2, ..limits() };
    let (keyless, hub) = keyless_in(false, limits);
    let token = token();
    let mut permits = [(); 2].map(|()| hub.admit(LOCAL, true));
    let [Ok(first), Err(Refusal::Full)] = &mut permits else { panic!("one slot: {permits:?}") };
    let mut waiting = Box::pin(hub.log_in(first, &token));
    assert!(waits(&mut waiting));
    assert_eq!((hub.unauthenticated(), hub.connections(), hub.admitted()), (1, 0, 1));
    let mut second = hub.admit(LOCAL, true).expect("the slot is free while the first one waits");
    let mut waiting_too = Box::pin(hub.log_in(&mut second, &token));
    assert!(waits(&mut waiting_too));
    let mut third = hub.admit(LOCAL, true).expect("the slot is free");
    assert_eq!(hub.log_in(&mut third, &token).await.err(), Some(Refusal::Unauthenticated), "no room to wait");
    drop(third);
    assert_eq!(hub.unauthenticated(), 2);

    keyless.answer(true);
    assert!(waiting.await.is_ok_and(|login| login.is_ok()));
    assert_eq!(waiting_too.await.err(), Some(Refusal::Full), "the first one has the slot now");
    assert_eq!(hub.admit(LOCAL, true).err(), Some(Refusal::Full));
    drop((permits, second));
    assert_eq!((hub.unauthenticated(), hub.admitted()), (0, 0));
    assert!(hub.admit(LOCAL, true).is_ok());
    let refused = |refusal| hub.counters().refused(refusal).get();
    assert_eq!((refused(Refusal::Unauthenticated), refused(Refusal::Full)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_waited_until_the_drain_is_refused() {
    let (keyless, hub) = keyless();
    let (token, mut permit) = (token(), hub.admit(LOCAL, true).expect("room"));
    let mut waiting = Box::pin(hub.log_in(&mut permit, &token));
    assert!(waits(&mut waiting));
    hub.drain(std::time::Duration::ZERO, std::time::Duration::ZERO);
    keyless.answer(true);
    assert_eq!(waiting.await.err(), Some(Refusal::Draining));
}

/// Lets a handshake wait for keys, does something meanwhile, and opens its session.
async fn while_it_waits(keyless: &Keyless, hub: &Hub, token: &Value, meanwhile: impl AsyncFnOnce()) -> Client {
    keyless.has_keys.store(false, Ordering::Relaxed);
    let (token, mut permit) = (token.to_string(), hub.admit(LOCAL, true).expect("room"));
    let mut login = Box::pin(hub.log_in(&mut permit, &token));
    assert!(waits(&mut login));
    meanwhile().await;
    keyless.answer(true);
    let login = login.await.expect("it has its place");
    let mut client = Client::open(hub, 1 << 20, permit, Some(login)).map_err(|(code, _)| code).expect("it is let in");
    client.make_room(0);
    client.wake();
    client
}

#[tokio::test(start_paused = true)]
async fn a_handshake_under_way_does_what_the_server_api_asked_for() {
    for anonymous in [false, true] {
        let (keyless, hub) = keyless_in(anonymous, limits());
        let token = json!({"user": "ann", "channels": ["listed", "kept"]});
        let mut client = while_it_waits(&keyless, &hub, &token, async || {
            assert_eq!(hub.subscribe_user("ann", "put").await.expect("nobody is there"), 0);
            assert_eq!(hub.subscribe_user("ann", "both").await.expect("nobody is there"), 0);
            assert_eq!(hub.unsubscribe_user("ann", "both").await.expect("nobody is there"), 0);
            assert_eq!(hub.unsubscribe_user("ann", "listed").await.expect("nobody is there"), 0);
            assert_eq!(hub.close_user("bob", None, None).await.expect("nobody is there"), 0);
        })
        .await;
        let events = client.events();
        assert_eq!(
            events,
            [
                "connected",
                "subscribed listed",
                "subscribed kept",
                "subscribed put",
                "unsubscribed listed unsubscribed false"
            ]
        );
        assert_eq!(client.attention().close, None, "{anonymous}");

        let client = while_it_waits(&keyless, &hub, &token, async || {
            assert_eq!(hub.close_user("ann", Some(4321), Some("bye")).await.expect("it may"), 1);
        })
        .await;
        assert_eq!(client.attention().close, Some(CloseCode::Disconnected));
        assert_eq!(client.connection.close_frame(), Some((4321, "bye".into())));
        // One that comes later has missed nothing.
        let late = while_it_waits(&keyless, &hub, &token, async || {}).await;
        assert_eq!(late.attention().close, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_authenticate_under_way_does_what_the_server_api_asked_for() {
    for anonymous in [false, true] {
        let (keyless, hub) = keyless_in(anonymous, limits());
        let authenticate = request("authenticate", &json!({"token": token()}));
        let mut clients = [(); 2].map(|()| Client::connect(&hub, 1 << 20));
        for client in &mut clients {
            assert_eq!(client.say(&authenticate), Flow::Hold);
        }
        let [first, second] = &mut clients;
        assert_eq!(hub.subscribe_user("ann", "put").await.expect("nobody is there"), 0);
        keyless.answer(true);
        first.go_on();
        first.wake();
        assert_eq!(first.events(), ["subscribed put"]);
        assert_eq!(hub.close_user("ann", None, None).await.expect("it may"), 1);
        second.go_on();
        assert_eq!(second.attention().close, Some(CloseCode::Disconnected), "{anonymous}");
    }
}

/// Nothing is left out silently: what cannot be remembered is refused, until the logins are over.
#[tokio::test(start_paused = true)]
async fn operations_that_logins_could_miss_have_a_bound() {
    let (keyless, hub) = keyless();
    let mut client = Client::connect(&hub, 1 << 20);
    assert_eq!(client.say(&request("authenticate", &json!({"token": token()}))), Flow::Hold);
    let mut recorded = 0;
    let refused = loop {
        // The same once more takes no more room.
        let (user, channel) = (format!("u{}", recorded / 50), format!("c{recorded}"));
        match hub.subscribe_user(&user, &channel).await.and(hub.unsubscribe_user(&user, &channel).await) {
            Ok(_) => recorded += 1,
            Err(error) => break error.code,
        }
        assert!(recorded < 10_000, "there is no end");
    };
    assert_eq!((refused, recorded), (ErrorCode::Overloaded, 4096));
    let code = |result: Result<u64, ws_proto::ErrorBody>| result.map_err(|error| error.code);
    assert_eq!(code(hub.close_user("ann", None, None).await), Err(ErrorCode::Overloaded));
    keyless.answer(false);
    client.go_on();
    assert_eq!(client.read()[0]["error"]["code"], "invalid_token");
    assert_eq!(code(hub.close_user("ann", None, None).await), Ok(0), "the login is over");
    assert_eq!(code(run(&mut [], hub.subscribe_user("ann", "a")).await), Ok(0));
}
