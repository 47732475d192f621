//! Reports of runs that differ in one thing, as a table with one line for each.
//!
//! A column shows the figure with its key; that of a latency is five columns. The table has the
//! columns that it was given, where any row has such a figure; in JSON a row is a report in full.

use super::{Report, Value, micros, shown};

/// A figure's key, and what stands above the column.
pub(crate) type Column = (&'static str, &'static str);

#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: &'static [Column],
    reports: Vec<Report>,
}

impl Report {
    /// Shows `rows`, each with its name, in these columns. Their notes and problems become this report's.
    pub(crate) fn rows(&mut self, columns: &'static [Column], rows: Vec<(String, Report)>) {
        self.rows.columns = columns;
        for (name, row) in rows {
            self.notes.extend(row.notes.iter().map(|note| format!("{name}: {note}")));
            self.problems.extend(row.problems.iter().map(|problem| format!("{name}: {problem}")));
            self.rows.reports.push(row);
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| &figure.value)
    }
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    pub(super) fn reports(&self) -> &[Report] {
        &self.reports
    }

    pub(super) fn table(&self) -> String {
        let columns: Vec<_> = self.columns.iter().flat_map(|column| self.cells(column)).collect();
        let width = |cells: &Vec<String>| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = columns.iter().map(width).collect();
        let lines = if self.is_empty() { 0 } else { 1 + self.reports.len() };
        let line = |at: usize| {
            let cells = columns.iter().zip(&widths).map(|(cells, width)| format!("  {:>width$}", cells[at]));
            cells.collect::<String>() + "\n"
        };
        (0..lines).map(line).collect()
    }

    /// From the head downwards: none, one or several columns.
    fn cells(&self, (key, head): &Column) -> Vec<Vec<String>> {
        let values: Vec<_> = self.reports.iter().map(|report| report.value(key)).collect();
        let down = |head: &str, cell: &dyn Fn(&Value) -> String| {
            let cells = values.iter().map(|value| value.map_or_else(|| "-".to_owned(), cell));
            [head.to_owned()].into_iter().chain(cells).collect()
        };
        match values.iter().flatten().next() {
            None => vec![],
            Some(Value::Latency(first)) => {
                let part = |(at, (name, _)): (usize, (&str, f64))| {
                    down(name, &|value| match value {
                        Value::Latency(quantiles) => micros(quantiles.named()[at].1),
                        other => shown(other),
                    })
                };
                first.named().into_iter().enumerate().map(part).collect()
            }
            Some(_) => vec![down(head, &shown)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Quantiles;

    fn row(count: u64, ack: Option<&'static str>) -> (String, Report) {
        let mut row = Report::new("publish", "u");
        row.figure("publishers", "publishers", Value::Count(count));
        let us = count as f64;
        let quantiles = Quantiles { p50: us, p90: us, p99: us, p999: us, max: us * 1000.0 };
        row.figure("latency_us", "latency", Value::Latency(quantiles));
        ack.into_iter().for_each(|ack| row.figure("ack", "ack", Value::Word(ack)));
        row.figure("other", "in JSON alone", Value::Flag(true));
        (format!("{count} publishers"), row)
    }

    fn report() -> Report {
        let mut report = Report::new("publish", "u");
        report.figure("in_flight", "in flight", Value::Count(1));
        let mut bad = row(1000, None);
        bad.1.problem("lost 1");
        let columns = &[("publishers", "publishers"), ("latency_us", ""), ("ack", "ack"), ("rss", "RSS")];
        report.rows(columns, vec![row(5, Some("durable")), bad]);
        report
    }

    #[test]
    fn rows_stand_below_each_other() {
        let expect = "publish u
  in flight  1
  publishers      p50      p90      p99    p99.9      max      ack
           5  5.00 µs  5.00 µs  5.00 µs  5.00 µs  5.00 ms  durable
       1,000  1.00 ms  1.00 ms  1.00 ms  1.00 ms   1.00 s        -
  PROBLEM: 1000 publishers: lost 1
";
        assert_eq!(report().table(), expect);
    }

    #[test]
    fn json_has_a_list_of_rows_in_full() {
        let json: serde_json::Value = serde_json::from_str(&report().json()).expect("JSON");
        assert_eq!([&json["ok"], &json["rows"][0]["ok"], &json["rows"][1]["ok"]], [false, true, false]);
        assert_eq!((&json["rows"][0]["other"], &json["rows"][0]["ack"]), (&true.into(), &"durable".into()));
        assert_eq!(json["problems"], serde_json::json!(["1000 publishers: lost 1"]));
        assert!(row(1, None).1.json().find("rows").is_none());
    }
}
