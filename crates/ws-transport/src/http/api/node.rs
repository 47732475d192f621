//! `/node`.

use ws_core::Hub;
use ws_proto::PROTOCOL_VERSION;
use ws_proto::api::{NodeData, NodeLimits};

use super::call::{Outcome, answer};
use crate::process_stats::Status;

/// GET: this server. `version`: of the product.
pub(super) fn reply(hub: &Hub, version: &str) -> Outcome {
    let limits = hub.limits();
    answer(&NodeData {
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
