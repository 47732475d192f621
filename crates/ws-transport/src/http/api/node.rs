//! `/node`, `/node/stats`.

use ws_core::Hub;
use ws_proto::api::{NodeCounts, NodeData, NodeLimits, NodeStats};
use ws_proto::{ErrorCode, PROTOCOL_VERSION};

use super::call::{Outcome, answer};
use crate::process_stats::Status;

/// GET: this server. `version`: of the product.
pub(super) fn reply(hub: &Hub, version: &str) -> Outcome {
    let limits = hub.limits();
    answer(&NodeData {
        node: hub.node_name(),
        version: version.into(),
        protocol: PROTOCOL_VERSION,
        uptime_s: hub.clock().now_ms() / 1000,
        connections: hub.connections() as u64,
        channels: hub.channels() as u64,
        engine: hub.engine().name().into(),
        draining: hub.is_draining(),
        limits: NodeLimits {
            connections_max: limits.connections_max as u64,
            message_bytes_max: limits.message_bytes_max as u64,
            channels_per_connection_max: limits.channels_per_connection_max as u64,
        },
        memory_bytes: Status::read().resident_bytes,
    })
}

/// GET: what changes all the time, for rates.
pub(super) fn stats(hub: &Hub) -> Outcome {
    let counters = hub.counters();
    answer(&NodeStats {
        uptime_ms: hub.clock().now_ms(),
        connections: hub.connections() as u64,
        unauthenticated: hub.unauthenticated() as u64,
        channels: hub.channels() as u64,
        subscriptions: counters.subscribed.get().saturating_sub(counters.unsubscribed.get()),
        log_bytes: hub.log_bytes(),
        memory_bytes: Status::read().resident_bytes,
        counts: NodeCounts {
            connections_opened: counters.connections_opened.get(),
            connections_lost: counters.connections_lost.get(),
            messages_received: counters.messages_received.get(),
            bytes_received: counters.bytes_received.get(),
            bytes_sent: counters.bytes_sent.get(),
            publications: counters.publications.get(),
            broadcasts: counters.broadcasts.get(),
            deliveries: counters.deliveries.get(),
            gaps: counters.gaps.get(),
            missed: counters.missed.get(),
            sockets_blocked: counters.blocked.get(),
            publishers_held: counters.held.get(),
            errors: ErrorCode::ALL.iter().map(|code| counters.errors(*code).get()).sum(),
        },
    })
}
