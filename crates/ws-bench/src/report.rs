//! The result of a run, as a table for people or one JSON object for programs.
//!
//! A report is a list of figures; a figure has a key (JSON, unit last) and a label (table). It may have
//! rows: the reports of several runs that differ in one setting.

use std::fmt::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::measure::Complaints;
use crate::process::Interval;
pub(crate) use rows::Column;
use value::shown;
pub(crate) use value::{Value, grouped};

mod rows;
mod value;

#[derive(Debug)]
struct Figure {
    key: String,
    label: String,
    value: Value,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    scenario: String,
    url: String,
    figures: Vec<Figure>,
    columns: &'static [Column],
    rows: Vec<Report>,
    notes: Vec<String>,
    problems: Vec<String>,
}

impl Report {
    pub(crate) fn new(scenario: &str, url: &str) -> Report {
        Report { scenario: scenario.to_owned(), url: url.to_owned(), ..Report::default() }
    }

    pub(crate) fn figure(&mut self, key: impl Into<String>, label: impl Into<String>, value: Value) {
        self.figures.push(Figure { key: key.into(), label: label.into(), value });
    }

    /// Adds something to know when reading the figures.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds something that makes the run fail.
    pub(crate) fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Adds a problem if there are any complaints; `what` says of what kind.
    pub(crate) fn complaints(&mut self, complaints: &Complaints, what: &str) {
        self.problems.extend(complaints.sentence(what));
    }

    /// Adds rows, each with its name. Their notes and problems become those of this report.
    pub(crate) fn rows(&mut self, columns: &'static [Column], rows: Vec<(String, Report)>) {
        self.columns = columns;
        for (name, row) in rows {
            self.notes.extend(row.notes.iter().map(|note| format!("{name}: {note}")));
            self.problems.extend(row.problems.iter().map(|problem| format!("{name}: {problem}")));
            self.rows.push(row);
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| &figure.value)
    }

    pub(crate) fn ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds a count and a rate: `count` of `unit` (plural) in `interval`.
    pub(crate) fn rate(&mut self, unit: &str, count: u64, interval: &Interval) {
        let per_second = count as f64 / interval.seconds.max(f64::MIN_POSITIVE);
        self.figure(unit, format!("{unit}, total"), Value::Count(count));
        self.figure(format!("{unit}_per_s"), unit, Value::PerSecond(per_second));
    }

    /// Adds the CPU time of the server per `unit` (singular), and the total of both sides.
    pub(crate) fn cpu(&mut self, unit: &str, count: u64, interval: &Interval, threads: usize) {
        let wall_us = (interval.seconds * 1e6).max(1.0);
        if let Some(us) = interval.server_cpu_us {
            if count > 0 {
                let label = format!("server CPU per {unit}");
                self.figure(format!("server_cpu_us_per_{unit}"), label, Value::Micros(us / count as f64));
            }
            self.figure("server_cpu_cores", "server CPU", Value::Cores(us / wall_us));
        }
        if let Some(us) = interval.client_cpu_us {
            self.figure("client_cpu_cores", "client CPU", Value::Cores(us / wall_us));
            self.figure("client_threads", "client threads", Value::Count(threads as u64));
            if us / wall_us > 0.85 * threads as f64 {
                self.note(
                    "the client was busy nearly all the time: it may be the bottleneck, not the server (--threads)",
                );
            }
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).map_or_else(|error| error.to_string(), |json| json + "\n")
    }

    pub(crate) fn table(&self) -> String {
        let mut out = format!("{} {}\n", self.scenario, self.url);
        let width = self.figures.iter().map(|figure| figure.label.chars().count()).max().unwrap_or(0);
        for Figure { label, value, .. } in &self.figures {
            let _ = writeln!(out, "  {label:width$}  {}", shown(value));
        }
        out.push_str(&rows::table(self.columns, self.rows.len(), |row, key| self.rows[row].value(key)));
        for (kind, lines) in [("note", &self.notes), ("PROBLEM", &self.problems)] {
            for line in lines {
                let _ = writeln!(out, "  {kind}: {line}");
            }
        }
        out
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scenario", &self.scenario)?;
        map.serialize_entry("url", &self.url)?;
        map.serialize_entry("ok", &self.ok())?;
        for Figure { key, value, .. } in &self.figures {
            match value {
                Value::Count(count) => map.serialize_entry(key, count)?,
                Value::Latency(quantiles) => map.serialize_entry(key, quantiles)?,
                Value::Word(word) => map.serialize_entry(key, word)?,
                Value::Flag(flag) => map.serialize_entry(key, flag)?,
                Value::PerSecond(x)
                | Value::Seconds(x)
                | Value::Micros(x)
                | Value::Kib(x)
                | Value::Bytes(x)
                | Value::Ratio(x)
                | Value::Cores(x) => {
                    map.serialize_entry(key, &((x * 1e4).round() / 1e4))?;
                }
            }
        }
        if !self.rows.is_empty() {
            map.serialize_entry("rows", &self.rows)?;
        }
        map.serialize_entry("notes", &self.notes)?;
        map.serialize_entry("problems", &self.problems)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Quantiles;

    fn interval() -> Interval {
        Interval { seconds: 2.0, server_cpu_us: Some(1_000_000.0), client_cpu_us: Some(1_800_000.0) }
    }

    fn report() -> Report {
        let mut report = Report::new("echo", "ws://h/ws");
        report.rate("requests", 4_000_000, &interval());
        let quantiles = Quantiles { p50: 1.0, p90: 99.96, p99: 1500.0, p999: 2_000_000.0, max: 123_456_789.0 };
        report.figure("latency_us", "latency", Value::Latency(quantiles));
        report.cpu("request", 4_000_000, &interval(), 1);
        report
    }

    #[test]
    fn the_table_is_for_people() {
        let expect = "echo ws://h/ws
  requests, total         4,000,000
  requests                2,000,000/s
  latency                 p50 1.00 µs   p90 100.0 µs   p99 1.50 ms   p99.9 2.00 s   max 123 s
  server CPU per request  0.25 µs
  server CPU              50 % of one core
  client CPU              90 % of one core
  client threads          1
  note: the client was busy nearly all the time: it may be the bottleneck, not the server (--threads)
";
        assert_eq!(report().table(), expect);
    }

    #[test]
    fn json_has_the_same_figures_under_their_keys() {
        let mut report = report();
        report.problem("lost 1");
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!((&json["ok"], &json["requests_per_s"]), (&false.into(), &2e6.into()));
        assert_eq!((&json["latency_us"]["p99.9"], &json["server_cpu_us_per_request"]), (&2e6.into(), &0.25.into()));
        assert_eq!(json["problems"], serde_json::json!(["lost 1"]));
        assert!(report.json().find("\"requests\"") < report.json().find("\"latency_us\""));
    }

    #[test]
    fn complaints_fail_a_report() {
        let mut report = Report::new("echo", "u");
        report.complaints(&Complaints::default(), "errors");
        assert!(report.ok());
        let mut complaints = Complaints::default();
        complaints.note("closed");
        report.complaints(&complaints, "connections ended");
        assert!(!report.ok() && report.table().contains("PROBLEM: 1 connections ended, the first: closed"));
    }
}
