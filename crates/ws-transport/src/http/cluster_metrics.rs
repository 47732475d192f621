//! Metrics of an engine whose store several servers share.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::gauge::ConstGauge;
use ws_core::engine::{ClusterStats, RoundTrip};

use super::metric_text::{counter, gauge, histograms, labelled, single, waiting_bytes};

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, stats: &ClusterStats) -> fmt::Result {
    let round_trips = RoundTrip::ALL.map(|kind| (kind.as_str(), stats.round_trip_us[kind as usize]));
    let help = "From sending to the store to its answer, by kind";
    histograms(encoder, "ws_engine_round_trip_seconds", help, "kind", &round_trips)?;
    waiting_bytes(encoder, stats.waiting_bytes)?;
    let gauges = [
        ("ws_engine_waiting_publications", "Publications that wait to be sent", stats.waiting_publications),
        ("ws_cluster_nodes", "Living servers of the cluster, this one included", stats.nodes),
        (
            "ws_cluster_waiting_operations",
            "Operations about members, users and messages that wait to be sent",
            stats.waiting_operations,
        ),
    ];
    gauges.into_iter().try_for_each(|(name, help, value)| single(encoder, name, help, gauge(value)))?;
    if let Some(age) = stats.lease_age {
        let seconds = ConstGauge::new(age.as_secs_f64());
        single(encoder, "ws_cluster_lease_age_seconds", "Time since the lease was last renewed", seconds)?;
    }
    let dials = [("ok", stats.dials), ("failed", stats.dial_failures)];
    labelled(encoder, "ws_engine_dials", "Times that connections to the store were made, by result", "result", &dials)?;
    let counters = [
        ("ws_engine_written", "Publications that the store has taken", stats.written),
        ("ws_engine_resubscriptions", "Channels subscribed to again after the feed had broken", stats.resubscriptions),
        ("ws_engine_skips", "Times that the feed left out publications, which the history had", stats.skips),
        ("ws_engine_generations", "Partitions that the store had lost data of, or that have moved", stats.generations),
        ("ws_cluster_lapses", "Times that the lease of this server was over, or lost by the store", stats.lapses),
    ];
    counters.into_iter().try_for_each(|(name, help, value)| single(encoder, name, help, counter(value)))
}
