//! Metrics of Claude's runs. Models that are not configured are `other`.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use ws_core::{RunErrorKind, Runs};
use ws_proto::claude::RunStatus;

use super::metric_text::{Scale, counter, gauge, head, histogram, labelled, single};

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, runs: &dyn Runs) -> fmt::Result {
    let counts = runs.counts();
    single(encoder, "ws_claude_runs_open", "Runs of Claude that are open", gauge(runs.open() as u64))?;
    let ended = RunStatus::ENDS.map(|status| (status.as_str(), counts.ended(status).get()));
    labelled(encoder, "ws_claude_runs", "Runs of Claude that have ended, by status", "status", &ended)?;
    let retries = counter(counts.retries.get());
    single(encoder, "ws_claude_retries", "Times that Claude's API was asked again", retries)?;
    let errors: Vec<_> = RunErrorKind::ALL.iter().map(|kind| (kind.as_str(), counts.errors(*kind).get())).collect();
    labelled(encoder, "ws_claude_errors", "Errors of Claude's API, retried ones included, by type", "type", &errors)?;
    let help = "From the beginning of a run to its first text";
    histogram(encoder, "ws_claude_first_text_seconds", help, Scale::Micros, &counts.first_text_us.values())?;
    let help = "Tokens that Claude's API has counted, by model and kind";
    let mut tokens = head(encoder, "ws_claude_tokens", help, MetricType::Counter)?;
    counts.all_tokens().try_for_each(|(model, kind, n)| {
        counter(n).encode(tokens.encode_family(&[("model", model), ("kind", kind.as_str())])?)
    })
}
