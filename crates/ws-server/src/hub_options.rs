//! From the configuration to the options of the hub.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use ws_core::{Actions, Auth, Authenticator, ChannelOptions, Heartbeat, HubOptions, Limits, Namespaces, StreamOptions};

use crate::config::{Channels, Config};
use crate::same_fields::same_fields;

/// `authenticator` checks tokens; without one there are none.
pub(crate) fn hub_options(config: &Config, authenticator: Option<Arc<dyn Authenticator>>) -> HubOptions {
    HubOptions {
        limits: limits(config),
        heartbeat: heartbeat(config),
        namespaces: namespaces(config),
        streams: StreamOptions { size: config.claude.stream_size_max, ttl: config.claude.stream_ttl },
        actions: same_fields!(config.actions => Actions { broadcast, get_connections }),
        auth: same_fields!(config.auth => Auth {
            anonymous, authenticate_within, expiry_notice, expiry_grace;
            authenticator: authenticator
        }),
        shards: available_parallelism().map_or(1, usize::from),
    }
}

fn limits(config: &Config) -> Limits {
    same_fields!(config.limits => Limits {
        connections_max, connections_per_ip_max, connections_per_user_max, handshakes_per_second,
        handshakes_per_ip_per_second,
        requests_per_second, requests_burst, token_checks_per_second, message_bytes_max, channels_per_connection_max, outbox_bytes_max,
        broadcast_log_bytes_max, channel_log_bytes_max, channel_logs_bytes_max, errors_max, errors_window,
        write_timeout;
        unauthenticated_max: config.auth.unauthenticated_max
    })
}

/// An interval of zero turns heartbeats off, and the timeout with them.
fn heartbeat(config: &Config) -> Heartbeat {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match ms(config.heartbeat.interval) {
        0 => Heartbeat { interval_ms: 0, timeout_ms: 0 },
        interval_ms => Heartbeat { interval_ms, timeout_ms: ms(config.heartbeat.timeout) },
    }
}

/// The options of channels, with and without a namespace.
fn namespaces(config: &Config) -> Namespaces {
    let named = config.namespaces.iter().map(|(name, channels)| (name.as_str().into(), channel_options(channels)));
    Namespaces { default: channel_options(&config.channels), named: named.collect() }
}

fn channel_options(channels: &Channels) -> Arc<ChannelOptions> {
    Arc::new(same_fields!(channels => ChannelOptions {
        history_size, history_ttl, presence, join_leave, join_leave_max, on_lag, subscribe, publish, read_history,
        read_presence, claude; hold: None
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Access;

    #[test]
    fn namespaces_have_their_own_options() {
        let mut config = Config::default();
        let news = Channels { history_size: 7, publish: Access::NOBODY, ..Channels::default() };
        config.namespaces.insert("news".to_owned(), news);
        let namespaces = namespaces(&config);
        let size = |namespace| namespaces.get(namespace).map(|options| options.history_size);
        assert_eq!([size(None), size(Some("news")), size(Some("chat"))], [Some(100), Some(7), None]);
        assert_eq!(namespaces.named["news"].publish, Access::NOBODY);
    }
}
