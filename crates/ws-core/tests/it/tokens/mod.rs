//! Tokens: logging in with and without one, what it grants, and what happens when it expires.

mod checks;
mod clock;
mod keys;
mod server;
mod since;
mod unauthenticated;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::advance;
use ws_core::{
    Access, Auth, Authentication, Authenticator, ChannelOptions, Claims, Clock, Flow, Grants, Hub, Limits, TokenError,
};
use ws_proto::CloseCode;

use crate::client::{Client, hub_at, limits, memory, options, settle};

/// Accepts claims in JSON as a token, unchecked.
#[derive(Debug)]
struct Believer;

#[derive(Deserialize)]
struct Written {
    user: String,
    #[serde(default)]
    info: Option<Box<RawValue>>,
    /// Milliseconds from now.
    #[serde(default)]
    within: Option<i64>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    channel: Option<String>,
}

impl Authenticator for Believer {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        let written: Written = serde_json::from_str(token).map_err(|error| TokenError::Invalid(error.to_string()))?;
        let expires_at_ms = written.within.map(|within| unix_ms.saturating_add_signed(within));
        Ok(Claims {
            user: written.user,
            info: written.info,
            expires_at_ms,
            valid_until_ms: expires_at_ms.map(|at_ms| at_ms + LEEWAY_MS),
            channels: written.channels,
            grants: Grants {
                subscribe: written.subscribe.into_iter().collect(),
                publish: written.publish.into_iter().collect(),
                ..Grants::default()
            },
            channel: written.channel,
        })
    }
}

/// The leeway for clock skew in the tests.
const LEEWAY_MS: u64 = 5_000;

const NOTICE: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(25);

pub(crate) fn terms(anonymous: bool) -> Auth {
    Auth {
        authenticator: Some(Arc::new(Believer)),
        anonymous,
        authenticate_within: Duration::from_secs(10),
        expiry_notice: NOTICE,
        expiry_grace: GRACE,
    }
}

fn mode(subscribe: Access, publish: Access) -> ChannelOptions {
    ChannelOptions { subscribe, publish, ..options() }
}

/// A hub with a namespace for each access mode.
fn hub_in(auth: Auth, limits: Limits) -> Hub {
    let namespaces = [
        ("granted", mode(Access::GRANTED, Access::GRANTED)),
        ("users", mode(Access::AUTHENTICATED, Access::AUTHENTICATED)),
        ("server", mode(Access::NOBODY, Access::NOBODY)),
    ];
    hub_at(Clock::start_set(&NOT_SET), limits, &namespaces, memory(), auth)
}

/// The time of day follows the test's clock.
static NOT_SET: AtomicI64 = AtomicI64::new(0);

fn hub() -> Hub {
    hub_in(terms(true), limits())
}

fn connect(hub: &Hub, token: &Value) -> Client {
    let connected = Client::connect_with(hub, 1 << 20, Some(&token.to_string()));
    let client = connected.map_err(|(code, _)| code).expect("it is let in");
    client.make_room(0);
    client
}

impl Client {
    fn request(&mut self, action: &str, payload: &Value) -> Flow {
        self.say(&json!({"id": "r", "type": "request", "action": action, "payload": payload}).to_string())
    }

    /// The answer to a request: the data of a response, or the code of an error. Earlier events are dropped.
    fn ask(&mut self, action: &str, payload: &Value) -> Result<Value, String> {
        self.read();
        self.request(action, payload);
        let answers = self.read();
        let answer = answers.iter().find(|frame| frame["id"] == "r").expect("an answer");
        match answer["error"]["code"].as_str() {
            None => Ok(answer["data"].clone()),
            Some(code) => Err(code.to_owned()),
        }
    }

    fn authenticate(&mut self, token: &Value) -> Result<Value, String> {
        self.ask("authenticate", &json!({"token": token.to_string()}))
    }

    fn subscribe(&mut self, channel: &str) -> Result<(), String> {
        self.ask("subscribe", &json!({"channel": channel})).map(drop)
    }

    /// What the connection's task does when it is woken.
    fn wake(&mut self) {
        if self.session.is_waiting() {
            self.go_on();
        }
    }

    /// Events that have arrived, each as its name and its channel, time or code.
    fn events(&mut self) -> Vec<String> {
        let event = |frame: &Value| {
            let data = &frame["data"];
            let event = data["event"].as_str()?;
            Some(match event {
                "unsubscribed" => {
                    format!("{event} {} {} {}", data["channel"], data["code"], data["retryable"]).replace('"', "")
                }
                _ => format!("{event} {}", data["channel"].as_str().unwrap_or_default()).trim_end().to_owned(),
            })
        };
        self.read().iter().filter_map(event).collect()
    }

    fn is_closed_with(&self, code: Option<CloseCode>) {
        assert_eq!(self.attention().close, code);
    }
}

/// Lets time pass, and the hub and the connection do what is due. The client stays alive.
async fn pass(time: Duration, client: &mut Client) {
    let mut left = time;
    while !left.is_zero() {
        // Steps shorter than what the hub takes for a stall.
        let step = left.min(Duration::from_secs(2));
        client.say(r#"{"type":"pong"}"#);
        advance(step).await;
        settle().await;
        client.wake();
        left -= step;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_in_the_handshake_names_the_user() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann", "info": {"age": 7}, "channels": ["server:news", "lobby"]}));
    let frames = ann.read();
    assert_eq!(frames[0]["data"]["event"], "connected");
    assert_eq!(frames[0]["data"]["user"], "ann");
    let channels: Vec<_> = frames[1..].iter().map(|frame| &frame["data"]["channel"]).collect();
    assert_eq!(
        channels,
        ["server:news", "lobby"],
        "the mode is no matter: the token comes from whom the server trusts"
    );
    assert!(frames[1]["data"]["epoch"].is_string() && frames[1]["data"]["offset"] == 0, "{}", frames[1]);
    let mut bob = Client::connect(&hub, 1 << 20);
    bob.request("publish", &json!({"channel": "lobby", "data": 1}));
    settle().await;
    let published = ann.read().pop().expect("a publication");
    assert_eq!((&published["data"]["data"], &published["data"]["from"]["user"]), (&json!(1), &Value::Null));
    let presence = bob.ask("get_presence", &json!({"channel": "lobby"})).expect("everybody may");
    assert_eq!(presence["clients"][0]["user"], "ann");
    assert_eq!(presence["clients"][0]["info"], json!({"age": 7}));
    assert_eq!((&presence["connections"], &presence["users"]), (&json!(1), &json!(1)));
    assert_eq!(hub.counters().authentications(Authentication::Ok).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_in_the_handshake_ends_it() {
    let hub = hub();
    let refused = |token: &str| {
        let (code, error) = Client::connect_with(&hub, 1 << 20, Some(token)).map(drop).expect_err("it is refused");
        assert!(error.get("id").is_none(), "{error}");
        (code, error["error"]["code"].as_str().expect("a code").to_owned())
    };
    assert_eq!(refused("nonsense"), (CloseCode::InvalidToken, "invalid_token".to_owned()));
    assert_eq!(refused(r#"{"user":"ann","within":-6000}"#), (CloseCode::TokenExpired, "token_expired".to_owned()));
    let for_a_channel = r#"{"user":"ann","channel":"a"}"#;
    assert_eq!(refused(for_a_channel), (CloseCode::InvalidToken, "invalid_token".to_owned()));
    assert_eq!((hub.connections(), hub.admitted()), (0, 0));
    let without_keys = crate::client::hub(limits());
    let refused = Client::connect_with(&without_keys, 1 << 20, Some("any")).map(drop).expect_err("nothing fails open");
    assert_eq!(refused.0, CloseCode::InvalidToken);
}

#[tokio::test(start_paused = true)]
async fn a_listed_channel_that_is_not_possible_is_reported() {
    let hub = hub_in(terms(true), Limits { channels_per_connection_max: 2, ..limits() });
    let listed = json!(["a b", "nowhere:a", "pair#bob", "pair#ann", "a", "a", "b"]);
    let mut ann = connect(&hub, &json!({"user": "ann", "channels": listed}));
    let expect = [
        "connected",
        "unsubscribed a b invalid_channel false",
        "unsubscribed nowhere:a unknown_namespace false",
        "unsubscribed pair#bob permission_denied false",
        "subscribed pair#ann",
        "subscribed a",
        "unsubscribed b limit_exceeded false",
    ];
    assert_eq!(ann.events(), expect);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_authenticates_later_is_seen_as_its_user() {
    let hub = hub();
    let mut ann = Client::connect(&hub, 1 << 20);
    ann.subscribe("lobby").expect("everybody may");
    assert_eq!(ann.subscribe("users:a"), Err("unauthenticated".to_owned()));
    assert_eq!(ann.subscribe("granted:a"), Err("unauthenticated".to_owned()));
    let presence = json!({"channel": "lobby"});
    assert_eq!(ann.ask("get_presence", &presence).expect("everybody may")["users"], 0);
    let token = json!({"user": "ann", "subscribe": ["granted:*"], "within": 60_000});
    let data = ann.authenticate(&token).expect("it is in order");
    assert_eq!(data["user"], "ann");
    let now_ms = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as i64;
    assert!((data["expires_at"].as_i64().expect("a time") - now_ms - 60_000).abs() < 5_000, "{data}");
    assert_eq!(ann.subscribe("users:a"), Ok(()));
    assert_eq!(ann.subscribe("granted:a"), Ok(()));
    let publish = json!({"channel": "granted:a", "data": 1});
    assert_eq!(ann.ask("publish", &publish), Err("permission_denied".to_owned()), "only subscribing is granted");
    let there = ann.ask("get_presence", &presence).expect("everybody may");
    assert_eq!((&there["users"], &there["clients"][0]["user"]), (&json!(1), &json!("ann")));
    ann.request("unsubscribe", &presence);
    let mut bob = Client::connect(&hub, 1 << 20);
    bob.subscribe("lobby").expect("everybody may");
    assert_eq!(bob.ask("get_presence", &presence).expect("everybody may")["users"], 0, "the books are balanced");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_of_the_same_user() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann"}));
    ann.read();
    assert_eq!(ann.authenticate(&json!({"user": "bob"})), Err("invalid_token".to_owned()));
    assert_eq!(ann.authenticate(&json!({"user": "ann", "channel": "a"})), Err("invalid_token".to_owned()));
    assert_eq!(ann.authenticate(&json!({"user": "ann", "within": -6_000})), Err("token_expired".to_owned()));
    assert_eq!(ann.request("authenticate", &json!({})), Flow::Continue);
    assert_eq!(ann.read()[0]["error"]["code"], "invalid_payload");
    assert_eq!(ann.authenticate(&json!({"user": "ann"})), Ok(json!({"user": "ann"})));
    assert_eq!(ann.connection.identity().expect("a user").user().as_ref(), "ann");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_ends_what_it_does_not_grant() {
    let hub = hub();
    let first = json!({"user": "ann", "subscribe": ["granted:*"], "channels": ["server:a", "server:b", "lobby"]});
    let mut ann = connect(&hub, &first);
    for channel in ["granted:a", "granted:b", "users:a"] {
        ann.subscribe(channel).expect("granted");
    }
    ann.request(
        "authenticate",
        &json!({"token": json!({
        "user": "ann", "subscribe": ["granted:b"], "channels": ["server:b", "server:c"]
    }).to_string()}),
    );
    let frames = ann.read();
    assert_eq!(frames[0]["type"], "response", "the answer comes first: {frames:?}");
    let mut lost: Vec<_> = frames[1..]
        .iter()
        .map(|frame| format!("{} {} {}", frame["data"]["event"], frame["data"]["channel"], frame["data"]["code"]))
        .collect();
    lost.sort();
    let expect = [
        r#""subscribed" "server:c" null"#,
        r#""unsubscribed" "granted:a" "permission_denied""#,
        r#""unsubscribed" "server:a" "permission_denied""#,
    ];
    assert_eq!(lost, expect, "what the mode allows anyway stays");
    assert_eq!(ann.subscribe("granted:a"), Err("permission_denied".to_owned()));
    assert_eq!(ann.subscribe("granted:b"), Err("already_subscribed".to_owned()));
    assert_eq!(hub.counters().revoked.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_runs_out() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann", "within": 60_000}));
    let connected = ann.read().remove(0);
    let expires_at = connected["data"]["expires_at"].as_u64().expect("a time");
    assert_eq!(expires_at - connected["data"]["time"].as_u64().expect("a time"), 60_000);
    pass(Duration::from_secs(29), &mut ann).await;
    assert_eq!(ann.events(), [""; 0]);
    pass(Duration::from_secs(2), &mut ann).await;
    assert_eq!(ann.events(), ["token_expiring"]);
    pass(Duration::from_secs(57), &mut ann).await;
    ann.is_closed_with(None);
    assert_eq!(ann.ask("echo", &json!({"message": 1})), Ok(json!({"echo": 1})), "within the grace all goes on");
    pass(Duration::from_secs(3), &mut ann).await;
    ann.is_closed_with(Some(CloseCode::TokenExpired));
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_token_does_not_run_out() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann", "within": 60_000}));
    let mut bob = Client::connect(&hub, 1 << 20);
    ann.subscribe("lobby").expect("everybody may");
    pass(Duration::from_secs(31), &mut ann).await;
    assert_eq!(ann.events(), ["token_expiring"]);
    ann.authenticate(&json!({"user": "ann", "within": 3_600_000})).expect("it is in order");
    pass(Duration::from_secs(100), &mut ann).await;
    ann.is_closed_with(None);
    bob.request("publish", &json!({"channel": "lobby", "data": 1}));
    settle().await;
    let events = ann.events();
    assert!(events.contains(&"publication lobby".to_owned()), "{events:?}");
    ann.authenticate(&json!({"user": "ann"})).expect("it is in order");
    pass(Duration::from_secs(7_200), &mut ann).await;
    ann.is_closed_with(None);
}

#[tokio::test(start_paused = true)]
async fn a_token_within_its_notice_is_reported_at_once() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann", "within": 5_000}));
    pass(Duration::from_secs(1), &mut ann).await;
    assert_eq!(ann.events(), ["connected", "token_expiring"]);
    pass(Duration::from_secs(32), &mut ann).await;
    ann.is_closed_with(None);
    pass(Duration::from_secs(3), &mut ann).await;
    ann.is_closed_with(Some(CloseCode::TokenExpired));
}

/// The leeway for clock skew prolongs a token's expiry, and the grace counts from there.
#[tokio::test(start_paused = true)]
async fn a_token_that_has_just_run_out_lives_as_long_as_any() {
    let hub = hub();
    let mut other = connect(&hub, &json!({"user": "bob"}));
    pass(Duration::from_secs(10), &mut other).await;
    let mut ann = connect(&hub, &json!({"user": "ann", "within": -4_000}));
    pass(Duration::from_secs(25), &mut ann).await;
    assert_eq!(ann.events(), ["connected", "token_expiring"]);
    ann.is_closed_with(None);
    pass(Duration::from_secs(2), &mut ann).await;
    ann.is_closed_with(Some(CloseCode::TokenExpired));
}

/// Nothing is interrupted: others see no leave and no join, and publications continue.
#[tokio::test(start_paused = true)]
async fn a_subscription_token_is_renewed_by_subscribing_again() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann"}));
    let with = |within: i64| {
        let token = json!({"user": "ann", "channel": "granted:a", "within": within});
        json!({"channel": "granted:a", "token": token.to_string()})
    };
    let mut begun = ann.ask("subscribe", &with(20_000)).expect("it is in order");
    assert_eq!(begun["offset"], 0);
    let after = begun.as_object_mut().and_then(|begun| begun.remove("after"));
    assert_eq!(after, Some(json!(0)), "an answer to a renewal has none: the cursor stays where it is");
    assert_eq!(ann.subscribe("granted:a"), Err("permission_denied".to_owned()), "not without a token");
    pass(Duration::from_secs(10), &mut ann).await;
    assert_eq!(ann.ask("subscribe", &with(30_000)), Ok(begun.clone()));
    assert_eq!(ann.ask("subscribe", &with(-6_000)), Err("token_expired".to_owned()), "and the one before stays");
    let mut since = with(30_000);
    since["since"] = json!({"epoch": begun["epoch"], "offset": 0});
    assert_eq!(ann.ask("subscribe", &since), Err("already_subscribed".to_owned()), "a place is no matter of time");
    pass(Duration::from_secs(34), &mut ann).await;
    assert_eq!(ann.events(), [""; 0]);
    pass(Duration::from_secs(2), &mut ann).await;
    assert_eq!(ann.events(), ["unsubscribed granted:a token_expired true"]);

    ann.subscribe("lobby").expect("everybody may");
    let token = json!({"user": "ann", "channel": "lobby", "within": 5_000}).to_string();
    let refused = ann.ask("subscribe", &json!({"channel": "lobby", "token": token}));
    assert_eq!(refused, Err("already_subscribed".to_owned()), "one without a token does not get an end by it");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_token_is_for_its_channel_its_user_and_its_time() {
    let hub = hub();
    let mut ann = connect(&hub, &json!({"user": "ann"}));
    let mut with = |channel: &str, token: Value| {
        ann.ask("subscribe", &json!({"channel": channel, "token": token.to_string()})).map(drop)
    };
    let code = |code: &str| Err(code.to_owned());
    let token = json!({"user": "ann", "channel": "granted:a", "within": 40_000, "publish": ["granted:*"]});
    assert_eq!(with("granted:b", token.clone()), code("invalid_token"));
    assert_eq!(with("granted:a", json!({"user": "bob", "channel": "granted:a"})), code("invalid_token"));
    assert_eq!(with("granted:a", json!({"user": "ann"})), code("invalid_token"));
    let expired = json!({"user": "ann", "channel": "granted:a", "within": -6_000});
    assert_eq!(with("granted:a", expired), code("token_expired"));
    let server = json!({"user": "ann", "channel": "server:a"});
    assert_eq!(with("server:a", server), code("permission_denied"), "nobody is nobody");
    assert_eq!(with("granted:a", token), Ok(()));
    assert_eq!(with("granted:c", json!({"user": "ann", "channel": "granted:c"})), Ok(()), "it never ends");

    let publish = |channel: &str| json!({"channel": channel, "data": 1});
    assert!(ann.ask("publish", &publish("granted:a")).is_ok(), "its lists count in its channel");
    assert_eq!(ann.ask("publish", &publish("granted:c")).map(drop), code("permission_denied"));
    ann.authenticate(&json!({"user": "ann"})).expect("it is in order");
    assert_eq!(ann.events(), [""; 0], "a refresh takes nothing away that has a token of its own");
    settle().await;
    ann.read();
    pass(Duration::from_secs(44), &mut ann).await;
    assert_eq!(ann.events(), [""; 0]);
    pass(Duration::from_secs(2), &mut ann).await;
    assert_eq!(ann.events(), ["unsubscribed granted:a token_expired true"]);
    assert_eq!(ann.subscribe("granted:a"), code("permission_denied"));
    assert_eq!(ann.ask("publish", &publish("granted:a")).map(drop), code("permission_denied"));
    let again = json!({"user": "ann", "channel": "granted:a", "within": 40_000}).to_string();
    assert!(ann.ask("subscribe", &json!({"channel": "granted:a", "token": again})).is_ok());
    ann.request("unsubscribe", &json!({"channel": "granted:a"}));
    ann.read();
    pass(Duration::from_secs(60), &mut ann).await;
    assert_eq!(ann.events(), [""; 0], "what has ended before does not end again");
}
