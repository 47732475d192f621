//! How single metrics are written, by prometheus-client.
//!
//! A name that ends with a unit has that unit (OpenMetrics 1.0, "Unit").

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use ws_core::{HISTOGRAM_BUCKETS, HistogramValues};

const UNITS: [(&str, Unit); 2] = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)];

/// What a value of a histogram is, in the unit of its metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Microseconds, of a metric in seconds.
    Micros,
    /// A number of something.
    Count,
}

pub(super) fn gauge(value: u64) -> ConstGauge<f64> {
    ConstGauge::new(value as f64)
}

pub(super) fn counter(value: u64) -> ConstCounter<u64> {
    ConstCounter::new(value)
}

/// The head of a metric, whose samples follow.
pub(super) fn head<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
    metric_type: MetricType,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    let unit = UNITS.iter().find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, unit)));
    match unit {
        Some((name, unit)) => encoder.encode_descriptor(name, help, Some(unit), metric_type),
        None => encoder.encode_descriptor(name, help, None, metric_type),
    }
}

/// A metric without labels.
pub(super) fn single(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: impl EncodeMetric,
) -> fmt::Result {
    metric.encode(head(encoder, name, help, metric.metric_type())?)
}

/// A gauge that not every system knows.
pub(super) fn known(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: Option<u64>) -> fmt::Result {
    value.map_or(Ok(()), |value| single(encoder, name, help, gauge(value)))
}

/// What waits for the engine, whichever it is.
pub(super) fn waiting_bytes(encoder: &mut DescriptorEncoder<'_>, bytes: u64) -> fmt::Result {
    single(encoder, "ws_engine_waiting_bytes", "Bytes of publications that wait to be stored", gauge(bytes))
}

/// A counter for each value of one label.
pub(super) fn labelled(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut head = head(encoder, name, help, MetricType::Counter)?;
    values.iter().try_for_each(|(value, count)| counter(*count).encode(head.encode_family(&[(label, *value)])?))
}

/// The labels of what is running.
pub(super) fn info(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    labels: &impl EncodeLabelSet,
) -> fmt::Result {
    head(encoder, name, help, MetricType::Info)?.encode_info(labels)
}

/// A histogram without labels.
pub(super) fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    scale: Scale,
    values: &HistogramValues,
) -> fmt::Result {
    debug_assert_eq!(scale == Scale::Micros, name.ends_with("_seconds"), "{name}");
    buckets(head(encoder, name, help, MetricType::Histogram)?, scale, values)
}

/// A histogram, in microseconds, for each value of one label.
pub(super) fn histograms(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    all: &[(&str, HistogramValues)],
) -> fmt::Result {
    let mut head = head(encoder, name, help, MetricType::Histogram)?;
    all.iter().try_for_each(|(value, values)| buckets(head.encode_family(&[(label, *value)])?, Scale::Micros, values))
}

fn buckets(mut encoder: MetricEncoder<'_>, scale: Scale, values: &HistogramValues) -> fmt::Result {
    let one = scale.one();
    let bound = |bucket| HistogramValues::bound(bucket).map_or(f64::MAX, |bound| bound as f64 / one);
    let buckets: [(f64, u64); HISTOGRAM_BUCKETS] = std::array::from_fn(|at| (bound(at), values.counts[at]));
    encoder.encode_histogram::<[(&str, &str); 0]>(values.sum as f64 / one, values.count(), &buckets, None)
}

impl Scale {
    /// What is 1 in the unit of the metric.
    fn one(self) -> f64 {
        match self {
            Scale::Micros => 1e6,
            Scale::Count => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Two;

    impl Collector for Two {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let values = HistogramValues::of(&[0, 1, 2, 3, 1 << 26, (1 << 26) + 1]);
            histogram(&mut encoder, "a_seconds", "A", Scale::Micros, &values)?;
            histogram(&mut encoder, "b", "B", Scale::Count, &values)
        }
    }

    #[test]
    fn buckets_add_up() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Two));
        let mut text = String::new();
        encode(&mut text, &registry).expect("text");
        for line in [
            "# UNIT a_seconds seconds",
            "a_seconds_count 6",
            "a_seconds_bucket{le=\"0.000001\"} 2",
            "a_seconds_bucket{le=\"0.000004\"} 4",
            "a_seconds_bucket{le=\"1.048576\"} 4",
            "a_seconds_bucket{le=\"67.108864\"} 5",
            "a_seconds_bucket{le=\"+Inf\"} 6",
            "b_sum 134217735.0",
            "b_bucket{le=\"2.0\"} 3",
            "b_bucket{le=\"+Inf\"} 6",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
