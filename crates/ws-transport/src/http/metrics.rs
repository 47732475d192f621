//! `GET /metrics`: the counters, gauges and histograms of the server.
//!
//! Values of labels come from the source, never from a request.

use std::fmt;
use std::sync::Arc;

use hyper::Request;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use ws_core::engine::StoreStats;
use ws_core::{Authentication, CanaryStats, Count, Histogram, Hub, Refusal};
use ws_proto::action::ActionName;
use ws_proto::{CloseCode, ErrorCode, PROTOCOL_VERSION};

use super::api::Api;
use super::body::Body;
use super::cluster_metrics;
use super::exposition::Format;
use super::metric_text::{
    Scale, counter, gauge, head, histogram, histograms, info, known, labelled, single, waiting_bytes,
};
use super::read_only::readable;
use super::reply::Reply;
use super::run_metrics;
use crate::process_stats::ProcessStats;
use crate::socket_slots::SocketSlots;

/// All metrics of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
}

#[derive(Debug)]
struct HubMetrics {
    hub: Hub,
    version: &'static str,
    log_lines_dropped: &'static Count,
    slots: SocketSlots,
    api: Arc<Api>,
}

impl Metrics {
    pub(crate) fn new(
        hub: Hub,
        version: &'static str,
        log_lines_dropped: &'static Count,
        slots: SocketSlots,
        api: Arc<Api>,
    ) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(HubMetrics { hub, version, log_lines_dropped, slots, api }));
        Metrics { registry }
    }

    /// The answer to a request for them. They are put together on a thread that may block: to count its descriptors
    /// takes some systems long.
    pub(super) async fn answer(self: &Arc<Self>, request: Request<Body>) -> Reply {
        let (metrics, format) = (self.clone(), Format::accepted(request.headers()));
        if let Err(refused) = readable(request).await {
            return refused;
        }
        // One at a time: whoever asks for many must not start as many threads.
        static TURN: Semaphore = Semaphore::const_new(1);
        let turn = TURN.acquire().await;
        let work = move || {
            let _turn = turn;
            metrics.reply(format)
        };
        let reply = tokio::task::spawn_blocking(work).await;
        reply.unwrap_or_else(|error| Reply::refusal(ErrorCode::Internal, &error.to_string()))
    }

    fn reply(&self, format: Format) -> Reply {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => Reply::ok(format.content_type(), format.write(text)),
            Err(error) => Reply::refusal(ErrorCode::Internal, &error.to_string()),
        }
    }
}

impl Collector for HubMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.gauges(&mut encoder)?;
        self.counts(&mut encoder)?;
        self.families(&mut encoder)?;
        self.histograms(&mut encoder)?;
        if let Some(runs) = self.hub.runs() {
            run_metrics::encode(&mut encoder, &*runs)?;
        }
        process(&mut encoder, &ProcessStats::read())
    }
}

impl HubMetrics {
    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let protocol = PROTOCOL_VERSION.to_string();
        info(encoder, "ws_build", "What is running", &[("version", self.version), ("protocol", &*protocol)])?;
        let connections = self.hub.connections() as u64;
        let draining = u64::from(self.hub.is_draining());
        single(encoder, "ws_connections", "Open connections", gauge(connections))?;
        let max = self.hub.limits().connections_max as u64;
        if max > 0 {
            single(encoder, "ws_connections_max", "The limit on open connections", gauge(max))?;
        }
        single(
            encoder,
            "ws_connections_unauthenticated",
            "Open connections that have not authenticated yet; not in ws_connections",
            gauge(self.hub.unauthenticated() as u64),
        )?;
        single(
            encoder,
            "ws_sockets",
            "Sockets that are not open WebSockets: they speak HTTP, or are being closed",
            gauge(self.slots.taken() as u64),
        )?;
        let counters = self.hub.counters();
        let subscriptions = counters.subscribed.get().saturating_sub(counters.unsubscribed.get());
        let engine = self.hub.engine().stats();
        single(encoder, "ws_channels", "Channels with subscribers", gauge(self.hub.channels() as u64))?;
        single(encoder, "ws_subscriptions", "Subscriptions of all connections", gauge(subscriptions))?;
        single(
            encoder,
            "ws_log_bytes",
            "Bytes of publications in flight or kept for slow readers",
            gauge(self.hub.log_bytes()),
        )?;
        single(encoder, "ws_engine_channels", "Channels whose position the engine remembers", gauge(engine.channels))?;
        single(
            encoder,
            "ws_engine_publications",
            "Publications that the engine keeps in memory",
            gauge(engine.publications),
        )?;
        single(encoder, "ws_engine_memory_bytes", "Bytes of those publications", gauge(engine.bytes))?;
        single(
            encoder,
            "ws_engine_healthy",
            "1 while the engine can store and read publications",
            gauge(u64::from(self.hub.engine().health().is_ok())),
        )?;
        if let Some(store) = &engine.store {
            stored(encoder, store)?;
        }
        if let Some(cluster) = &engine.cluster {
            cluster_metrics::encode(encoder, cluster)?;
        }
        if let Some(canary) = self.hub.canary_stats() {
            // While it drains, none is sent.
            let is_lost = !self.hub.is_draining() && self.hub.canary_verdict().is_err();
            found(encoder, &canary, is_lost)?;
        }
        single(encoder, "ws_draining", "1 while the server is draining", gauge(draining))?;
        single(encoder, "ws_uptime_seconds", "Time since the start", gauge(self.hub.clock().now_ms() / 1000))
    }

    fn counts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters = self.hub.counters();
        let counts: &[(&str, &str, &Count)] = &[
            ("ws_connections_opened", "Connections opened", &counters.connections_opened),
            ("ws_connections_lost", "Connections that ended without a close frame", &counters.connections_lost),
            ("ws_tls_failures", "TLS handshakes that failed, or took too long", &counters.tls_failures),
            ("ws_proxy_failures", "Connections of proxies without a valid PROXY header", &counters.proxy_failures),
            ("ws_panics", "Connections that ended with a panic in the server", &counters.panics),
            ("ws_messages_received", "Messages from clients", &counters.messages_received),
            ("ws_received_bytes", "Bytes from clients, framing included", &counters.bytes_received),
            ("ws_sent_bytes", "Bytes to clients, framing included", &counters.bytes_sent),
            ("ws_broadcasts", "Broadcasts accepted", &counters.broadcasts),
            ("ws_publications", "Publications accepted", &counters.publications),
            ("ws_duplicates", "Publications whose msg_id was already stored", &counters.duplicates),
            ("ws_subscribed", "Subscriptions started", &counters.subscribed),
            ("ws_key_set_fetches", "Fetches of the published key set after the first", &counters.key_set_fetches),
            ("ws_key_set_failures", "Fetches of the published key set that failed", &counters.key_set_failures),
            ("ws_revoked", "Subscriptions that ended because of a token", &counters.revoked),
            ("ws_recovered", "Subscriptions with `since` that missed nothing", &counters.recovered),
            ("ws_not_recovered", "Subscriptions with `since` that missed something", &counters.not_recovered),
            (
                "ws_deliveries",
                "Broadcasts and channel events written to a socket, once per reader",
                &counters.deliveries,
            ),
            ("ws_caught_up", "Channel events that were read from the history", &counters.caught_up),
            ("ws_gaps", "Gap events: readers that missed something", &counters.gaps),
            ("ws_missed", "Broadcasts and publications that slow readers missed", &counters.missed),
            ("ws_sockets_blocked", "Times a reader's socket was full", &counters.blocked),
            ("ws_publishers_held", "Times a publisher had to wait for the fan-out", &counters.held),
            ("ws_cluster_questions", "Questions that all other servers were asked", &counters.cluster_questions),
            (
                "ws_cluster_timeouts",
                "Those questions that a server has not answered in time",
                &counters.cluster_timeouts,
            ),
            ("ws_cluster_answers", "Questions of other servers that were answered", &counters.cluster_answers),
            (
                "ws_cluster_refusals",
                "Questions of other servers that were refused: too many, or of another version",
                &counters.cluster_refusals,
            ),
            ("ws_pings", "Heartbeats sent", &counters.pings),
            ("ws_log_lines_dropped", "Log lines dropped because the log could not be written", self.log_lines_dropped),
        ];
        let evicted = counter(self.slots.evicted());
        single(encoder, "ws_http_evicted", "Idle HTTP connections closed because all sockets were taken", evicted)?;
        counts.iter().try_for_each(|(name, help, count)| single(encoder, name, help, counter(count.get())))
    }

    fn families(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters = self.hub.counters();
        let requests = ActionName::ALL.map(|action| (action.as_str(), counters.requests(action).get()));
        labelled(encoder, "ws_requests", "Requests, by action", "action", &requests)?;
        let refused = Refusal::ALL.map(|refusal| (refusal.as_str(), counters.refused(refusal).get()));
        labelled(encoder, "ws_handshakes_refused", "Connections refused, by reason", "reason", &refused)?;
        let logins = Authentication::ALL.map(|result| (result.as_str(), counters.authentications(result).get()));
        labelled(encoder, "ws_authentications", "Logins and refreshes with a token, by result", "result", &logins)?;
        let errors: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.as_str(), counters.errors(*code).get())).collect();
        labelled(encoder, "ws_errors", "Requests and frames refused, by error code", "code", &errors)?;
        let codes: Vec<_> = CloseCode::ALL.iter().map(|code| (code.as_u16().to_string(), *code)).collect();
        let closed: Vec<_> = codes.iter().map(|(name, code)| (name.as_str(), counters.closed(*code).get())).collect();
        labelled(encoder, "ws_connections_closed", "Connections closed, by close code", "code", &closed)?;
        let help = "Requests to the HTTP API, by name of the key, route and status";
        let mut api = head(encoder, "ws_api_requests", help, MetricType::Counter)?;
        self.api.requests().try_for_each(|(labels, count)| counter(count).encode(api.encode_family(&labels)?))
    }

    fn histograms(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters = self.hub.counters();
        let requests = ActionName::ALL.map(|action| (action.as_str(), counters.request_us(action).values()));
        let help = "From reading a request to queueing its answer, by action";
        histograms(encoder, "ws_request_seconds", help, "action", &requests)?;
        let all: [(&str, &str, Scale, &Histogram); 7] = [
            (
                "ws_frame_seconds",
                "From reading the frame of a publication to having offered it to all live readers of a shard, sampled",
                Scale::Micros,
                &counters.frame_us,
            ),
            ("ws_write_frames", "Frames in each write of the fan-out", Scale::Count, &counters.write_frames),
            (
                "ws_cursor_lag",
                "Publications and events that a reader is behind when it is visited, or blocked at a sweep",
                Scale::Count,
                &counters.cursor_lag,
            ),
            ("ws_heartbeat_seconds", "From a ping to its pong", Scale::Micros, &counters.heartbeat_us),
            (
                "ws_engine_append_seconds",
                "From giving a publication to the engine to its answer, sampled",
                Scale::Micros,
                &counters.engine_append_us,
            ),
            (
                "ws_engine_history_seconds",
                "From asking the engine for a position or a page to its answer",
                Scale::Micros,
                &counters.engine_history_us,
            ),
            (
                "ws_runtime_lag_seconds",
                "How late the timers of the runtime fire",
                Scale::Micros,
                &counters.runtime_lag_us,
            ),
        ];
        all.into_iter().try_for_each(|(name, help, scale, of)| histogram(encoder, name, help, scale, &of.values()))
    }
}

/// Metrics of the canary.
fn found(encoder: &mut DescriptorEncoder<'_>, canary: &CanaryStats, is_lost: bool) -> fmt::Result {
    let healthy = gauge(u64::from(!is_lost));
    single(encoder, "ws_canary_healthy", "1 while what the server publishes to itself arrives", healthy)?;
    if let Some(round_trip) = canary.round_trip {
        let seconds = ConstGauge::new(round_trip.as_secs_f64());
        single(encoder, "ws_canary_round_trip_seconds", "Time that the last canary took", seconds)?;
    }
    single(encoder, "ws_canary_arrived", "Canaries that arrived", counter(canary.arrived))?;
    let failures = counter(canary.failures);
    single(encoder, "ws_canary_failures", "Canaries that were refused or did not arrive in time", failures)
}

/// Metrics of an engine that stores outside of memory.
fn stored(encoder: &mut DescriptorEncoder<'_>, store: &StoreStats) -> fmt::Result {
    single(encoder, "ws_engine_stored_bytes", "Bytes that the engine uses on disk", gauge(store.stored_bytes))?;
    waiting_bytes(encoder, store.waiting_bytes)?;
    let help = "Time of each commit, which stores a batch of publications";
    histogram(encoder, "ws_engine_commit_seconds", help, Scale::Micros, &store.commit_us)?;
    single(encoder, "ws_engine_committed", "Publications in those batches", counter(store.committed))?;
    single(encoder, "ws_engine_failures", "Batches that could not be stored", counter(store.failures))
}

/// Metrics of the process, under the names that are usual everywhere.
fn process(encoder: &mut DescriptorEncoder<'_>, stats: &ProcessStats) -> fmt::Result {
    let cpu = ConstCounter::new(stats.cpu_seconds);
    single(encoder, "process_cpu_seconds", "Processor time of all threads", cpu)?;
    if let Some(start) = stats.start_seconds {
        let start = ConstGauge::new(start);
        single(encoder, "process_start_time_seconds", "Start of the process, since 1970", start)?;
    }
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory", stats.status.resident_bytes),
        ("process_virtual_memory_bytes", "Virtual memory", stats.status.virtual_bytes),
        ("process_threads", "Threads", stats.status.threads),
        ("process_open_fds", "Open file descriptors", stats.open_fds),
        ("process_max_fds", "How many file descriptors may be open", stats.max_fds),
    ] {
        known(encoder, name, help, value)?;
    }
    Ok(())
}
