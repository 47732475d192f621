//! Reports of several runs that differ in one setting, as a table with one line per run.
//!
//! A column shows the figure with its key; a latency takes five columns. Columns for which no row has a figure are left
//! out. In JSON a row is a complete report.

use super::value::{Value, micros, shown};

/// A figure's key, and the heading of its column.
pub(crate) type Column = (&'static str, &'static str);

/// The table; `value` gives the figure with a key in one of the rows.
pub(super) fn table<'a>(columns: &[Column], rows: usize, value: impl Fn(usize, &str) -> Option<&'a Value>) -> String {
    let of_column = |(key, heading): &Column| {
        let values: Vec<_> = (0..rows).map(|row| value(row, key)).collect();
        cells(heading, &values)
    };
    let columns: Vec<_> = columns.iter().flat_map(of_column).collect();
    let width = |cells: &Vec<String>| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = columns.iter().map(width).collect();
    let lines = if rows == 0 { 0 } else { 1 + rows };
    let line = |at: usize| {
        let cells = columns.iter().zip(&widths).map(|(cells, width)| format!("  {:>width$}", cells[at]));
        cells.collect::<String>() + "\n"
    };
    (0..lines).map(line).collect()
}

/// The cells of a column from the heading down: no column, one or several.
fn cells(heading: &str, values: &[Option<&Value>]) -> Vec<Vec<String>> {
    let down = |heading: &str, cell: &dyn Fn(&Value) -> String| {
        let cells = values.iter().map(|value| value.map_or_else(|| "-".to_owned(), cell));
        [heading.to_owned()].into_iter().chain(cells).collect()
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
        Some(_) => vec![down(heading, &shown)],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Report;
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
