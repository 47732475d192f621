//! Sets back the times that publications show where they were far ahead of the clock (`ws_core::engine::time`), in a
//! bounded part of a transaction.
//!
//! The oldest that is ahead comes first. So however far it gets, no time goes back within the channel, as long as new
//! publications show the time of the one before until all are set back.

use rusqlite::{Connection, Result};
use ws_core::engine::time;

use crate::limits::{SET_BACK_BYTES, SET_BACK_ROWS};
use crate::rows::{self, Span};

/// How much one transaction may still set back, in all channels together.
#[derive(Debug)]
pub(crate) struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    /// That of a batch of so many commands: more than it can add to what is ahead.
    pub(crate) fn of(commands: usize) -> Self {
        Budget { rows: SET_BACK_ROWS + commands, bytes: SET_BACK_BYTES }
    }

    fn is_spent(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Has the publications of a span, which is all that is stored of a channel, show no later time than this. Whether that
/// is so now; else there is more to do in the next transaction.
pub(crate) fn set_back(
    connection: &Connection,
    row: i64,
    stored: Span,
    latest_ms: u64,
    budget: &mut Budget,
) -> Result<bool> {
    if budget.is_spent() {
        return Ok(false);
    }
    for offset in first_ahead(connection, row, stored, latest_ms)?..stored.to {
        if budget.is_spent() {
            return Ok(false);
        }
        let Some((mut body, data)) = rows::body(connection, row, offset)? else { continue };
        if time::limit(&mut body, &data, latest_ms) {
            rows::update_body(connection, row, offset, &body)?;
        }
        budget.spend(body.len());
    }
    Ok(true)
}

/// The first publication of a span that shows a later time than this; times do not go back in it.
fn first_ahead(connection: &Connection, row: i64, Span { from, to }: Span, latest_ms: u64) -> Result<u64> {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if rows::shown_ms(connection, row, middle)? > latest_ms { high = middle } else { low = middle + 1 }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publications that show these times, in a channel; what they show after each transaction with such a budget, until
    /// none shows a later time than `latest_ms`.
    fn check(times: &[u64], latest_ms: u64, budget: impl Fn() -> Budget, expect: &[&[u64]]) {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(include_str!("schema/1.sql")).expect("a schema");
        connection.execute_batch(include_str!("schema/3.sql")).expect("a schema");
        connection.execute_batch(include_str!("schema/4.sql")).expect("a schema");
        let row = rows::tests::channel(&connection, "a");
        for (at, time_ms) in times.iter().enumerate() {
            let body = format!(r#""data":1,"time":{time_ms}}}"#);
            let sql = "INSERT INTO publications VALUES (?1, ?2, 1, NULL, 7, 1, CAST(?3 AS BLOB))";
            connection.execute(sql, rusqlite::params![row, at as i64 + 1, body]).expect("a row");
        }
        let stored = Span { from: 1, to: times.len() as u64 + 1 };
        let shown = || (stored.from..stored.to).map(|offset| rows::shown_ms(&connection, row, offset).expect("a row"));
        for (step, expect) in expect.iter().enumerate() {
            let is_done = set_back(&connection, row, stored, latest_ms, &mut budget()).expect("it can be stored");
            assert_eq!(shown().collect::<Vec<_>>(), *expect, "step {step}");
            assert_eq!(is_done, shown().all(|time_ms| time_ms <= latest_ms));
        }
    }

    #[test]
    fn the_oldest_that_is_ahead_comes_first() {
        let two = || Budget { rows: 2, bytes: 1000 };
        let times = [1, 2, 7, 8, 9, 9, 9];
        check(&times, 3, two, &[&[1, 2, 3, 3, 9, 9, 9], &[1, 2, 3, 3, 3, 3, 9], &[1, 2, 3, 3, 3, 3, 3]]);
        check(&times, 7, two, &[&[1, 2, 7, 7, 7, 9, 9], &[1, 2, 7, 7, 7, 7, 7]]);
        check(&times, 9, two, &[&times]);
        check(&[], 9, two, &[&[]]);
    }

    #[test]
    fn bytes_are_bounded_too() {
        check(&[7, 8, 9], 3, || Budget { rows: 100, bytes: 1 }, &[&[3, 8, 9], &[3, 3, 9], &[3, 3, 3]]);
    }

    #[test]
    fn all_channels_share_a_budget() {
        let mut budget = Budget { rows: 1, bytes: 1000 };
        budget.spend(0);
        let connection = Connection::open_in_memory().expect("memory");
        let stored = Span { from: 1, to: 2 };
        assert_eq!(set_back(&connection, 1, stored, 3, &mut budget), Ok(false), "nothing is looked at");
    }
}
