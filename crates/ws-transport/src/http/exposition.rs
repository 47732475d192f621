//! The two texts that Prometheus reads: OpenMetrics 1.0, for whoever asks for it by name, and its own format 0.0.4 for
//! everybody else.

use hyper::header::{ACCEPT, HeaderMap};

const OPENMETRICS: &str = "application/openmetrics-text";

/// A text for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus, 0.0.4.
    Prometheus,
}

impl Format {
    /// OpenMetrics if `Accept` names it with a weight above 0 (RFC 9110, section 12.5.1).
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        if values.flat_map(|value| value.split(',')).any(names_openmetrics) {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A text in OpenMetrics, in this format.
    pub(super) fn write(self, text: String) -> String {
        match self {
            Format::OpenMetrics => text,
            Format::Prometheus => prometheus(&text),
        }
    }
}

fn names_openmetrics(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(OPENMETRICS));
    let weight =
        parts.filter_map(|parameter| parameter.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("q"));
    is_named && weight.is_none_or(|(_, weight)| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
}

/// In 0.0.4 a counter is called like its sample, with `_total`, there is no type for information, and nothing marks the
/// end. `# HELP` precedes `# TYPE`,
/// which knows the kind: so it is held back until then.
fn prometheus(text: &str) -> String {
    let (mut out, mut help) = (String::with_capacity(text.len() + 2048), None);
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut write = |parts: &[&str]| {
            parts.iter().for_each(|part| out.push_str(part));
            out.push('\n');
        };
        if let Some(about) = line.strip_prefix("# HELP ") {
            help = about.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|about| about.split_once(' ')) {
            let (kind, suffix) = match kind {
                "counter" => (kind, "_total"),
                "info" => ("gauge", "_info"),
                _ => (kind, ""),
            };
            if let Some((_, words)) = help.take() {
                write(&["# HELP ", name, suffix, " ", words]);
            }
            write(&["# TYPE ", name, suffix, " ", kind]);
        } else if !line.starts_with("# UNIT ") {
            write(&[line]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn openmetrics_has_to_be_named() {
        let check = |accept: &[&'static str], expect: Format| {
            let mut headers = HeaderMap::new();
            accept.iter().for_each(|value| {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            });
            assert_eq!(Format::accepted(&headers), expect, "{accept:?}");
        };
        for none in ["", "*/*", "application/*", "text/plain", "application/openmetrics-textual", "openmetrics-text"] {
            check(&[none], Format::Prometheus);
        }
        check(&[], Format::Prometheus);
        check(&["application/openmetrics-text"], Format::OpenMetrics);
        check(&["text/html, Application/OpenMetrics-Text ; version=1.0.0 ; q=0.5,*/*;q=0.1"], Format::OpenMetrics);
        check(&["text/plain", "application/openmetrics-text;Q=0.001"], Format::OpenMetrics);
        check(&["application/openmetrics-text;version=1.0.0;q=0"], Format::Prometheus);
        check(&["application/openmetrics-text;q=0.000, text/plain"], Format::Prometheus);
        check(&["application/openmetrics-text;q=x"], Format::Prometheus);
    }

    #[test]
    fn metrics_are_called_like_their_samples() {
        let information = "# HELP c Of c.\n# TYPE c info\nc_info{v=\"1\"} 1\n# EOF\n";
        let gauge = "# HELP c_info Of c.\n# TYPE c_info gauge\nc_info{v=\"1\"} 1\n";
        assert_eq!(Format::Prometheus.write(information.to_owned()), gauge);
        let open = "# HELP a Of a.\n# TYPE a counter\na_total{x=\"1\"} 1\n# HELP b Of b.\n# TYPE b gauge\nb 2\n# EOF\n";
        let plain =
            "# HELP a_total Of a.\n# TYPE a_total counter\na_total{x=\"1\"} 1\n# HELP b Of b.\n# TYPE b gauge\nb 2\n";
        assert_eq!(Format::Prometheus.write(open.to_owned()), plain);
        assert_eq!(Format::OpenMetrics.write(open.to_owned()), open);
    }
}
