//! The hub of a run: a namespace for each mode, and tokens that are unsigned claims in JSON.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use ws_core::{
    Access, Actions, Auth, Authenticator, ChannelOptions, Claims, Grants, Heartbeat, Hub, HubOptions, Limits,
    MemoryLimits, Namespaces, OnLag, StreamOptions, TokenError,
};

use super::engine::Late;

/// Longest text of an error.
pub(super) const ERROR_BYTES_MAX: usize = 512;

/// The limits that runs start from; each run changes some.
pub(super) const LIMITS: Limits = Limits {
    message_bytes_max: 2048,
    channels_per_connection_max: 8,
    outbox_bytes_max: 8192,
    broadcast_log_bytes_max: 8192,
    channel_log_bytes_max: 8192,
    channel_logs_bytes_max: 65_536,
    errors_max: 0,
    write_timeout: Duration::ZERO,
    ..Limits::TEST
};

/// What differs from run to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Limits of the hub.
    pub(super) limits: Limits,
    /// Whether anonymous connections are allowed.
    pub(super) anonymous: bool,
    /// Whether there is an authenticator.
    pub(super) has_keys: bool,
    /// Whether heartbeats are on.
    pub(super) heartbeat: bool,
    /// Who may broadcast.
    pub(super) broadcast: Access,
}

/// Starts a hub, with the engine behind it. Call it within a runtime.
pub(super) fn start(terms: Terms) -> (Hub, Late) {
    let engine = Late::new(MemoryLimits { history_bytes_max: 16_384, idle_channels_max: 2 });
    let believer = Believer { engine: engine.clone(), has_new_key: Arc::default() };
    let interval_ms = if terms.heartbeat { 25_000 } else { 0 };
    let options = HubOptions {
        limits: terms.limits,
        heartbeat: Heartbeat { interval_ms, timeout_ms: if terms.heartbeat { 10_000 } else { 0 } },
        namespaces: namespaces(),
        actions: Actions { broadcast: terms.broadcast, get_connections: Access::ANYONE },
        streams: StreamOptions { size: 20_000, ttl: Duration::from_secs(600) },
        auth: Auth {
            authenticator: terms.has_keys.then(|| Arc::new(believer) as _),
            anonymous: terms.anonymous,
            authenticate_within: Duration::from_secs(10),
            expiry_notice: Duration::from_secs(30),
            expiry_grace: Duration::from_secs(25),
        },
        shards: 2,
    };
    (Hub::start(options, Arc::new(engine.clone())), engine)
}

/// The options of the namespaces; their names say what is special about them.
pub(super) fn namespaces() -> Namespaces {
    let all = ChannelOptions {
        history_size: 5,
        history_ttl: Duration::from_secs(60),
        presence: true,
        join_leave: true,
        join_leave_max: 2,
        on_lag: OnLag::Gap,
        subscribe: Access::ANYONE,
        publish: Access::ANYONE,
        read_history: Access::ANYONE,
        read_presence: Access::ANYONE,
        claude: true,
        hold: None,
    };
    let mode = |access| ChannelOptions {
        subscribe: access,
        publish: access,
        read_history: access,
        read_presence: access,
        ..all.clone()
    };
    let lag = |on_lag| ChannelOptions { on_lag, ..all.clone() };
    let members = ChannelOptions { subscribe: Access::ANYONE, ..mode(Access::SUBSCRIBER) };
    let passing = ChannelOptions { history_size: 0, ..all.clone() };
    let bare = ChannelOptions { presence: false, join_leave: false, ..passing.clone() };
    let named = [
        ("users", mode(Access::AUTHENTICATED)),
        ("granted", mode(Access::GRANTED)),
        ("members", members),
        ("server", mode(Access::NOBODY)),
        ("latest", lag(OnLag::Latest)),
        ("strict", lag(OnLag::Disconnect)),
        ("pass", passing),
        ("bare", bare),
    ];
    let named: HashMap<_, _> = named.into_iter().map(|(name, options)| (name.into(), Arc::new(options))).collect();
    Namespaces { default: Arc::new(all), named }
}

/// Accepts claims in JSON as a token. Some need a key that has to be fetched first, which takes as long as the
/// engine.
#[derive(Debug)]
struct Believer {
    engine: Late,
    has_new_key: Arc<AtomicBool>,
}

#[derive(Deserialize)]
struct Written {
    user: String,
    #[serde(default)]
    info: Option<Box<RawValue>>,
    /// Seconds from now.
    #[serde(default)]
    within: Option<i64>,
    #[serde(default)]
    channels: Vec<String>,
    /// Patterns, used for all rights.
    #[serde(default)]
    granted: Vec<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    new_key: bool,
}

impl Authenticator for Believer {
    fn check(&self, token: &str, unix_ms: u64) -> Result<Claims, TokenError> {
        let Ok(written) = serde_json::from_str::<Written>(token) else {
            return Err(TokenError::Invalid("these are no claims".to_owned()));
        };
        if written.new_key && !self.has_new_key.load(Ordering::Relaxed) {
            return Err(TokenError::UnknownKey("the key is not known".to_owned()));
        }
        if written.user.is_empty() {
            return Err(TokenError::Invalid("there is no user".to_owned()));
        }
        let patterns = || written.granted.iter().map(String::as_str).collect();
        let grants = Grants {
            subscribe: patterns(),
            publish: patterns(),
            presence: patterns(),
            history: patterns(),
            actions: patterns(),
        };
        let expires_at_ms = written.within.map(|within| unix_ms.saturating_add_signed(within.saturating_mul(1000)));
        Ok(Claims {
            user: written.user,
            info: written.info,
            expires_at_ms,
            valid_until_ms: expires_at_ms,
            channels: written.channels,
            grants,
            channel: written.channel,
        })
    }

    fn renew_keys(&self, done: Box<dyn FnOnce() + Send>) {
        let has_new_key = self.has_new_key.clone();
        self.engine.call(move |_| {
            has_new_key.store(true, Ordering::Relaxed);
            done();
        });
    }
}
