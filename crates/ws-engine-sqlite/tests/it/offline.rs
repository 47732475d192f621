//! What an operator sees of a database, with a server and without.

use std::time::Duration;

use ws_core::engine::Retention;
use ws_engine_sqlite::{OpenError, export, inspect};

use crate::fixture::{Database, Dir, keep};

fn fill(database: &Database) {
    assert_eq!(database.flood("many", keep(2000), 2500).iter().filter(Result::is_ok).count(), 2500);
    database.append("chat:a b", Retention::new(5, Duration::from_secs(60)), "x");
}

fn exported(dir: &Dir, channel: &str, after: u64) -> Option<Vec<u64>> {
    let mut offsets = Vec::new();
    let exported = export(dir.path(), channel, after, |publication| {
        offsets.extend(publication.offset);
        true
    });
    let exported = exported.expect("it can be read")?;
    assert_eq!(exported.publications, offsets.len() as u64);
    Some(offsets)
}

/// Looks at the database.
fn look(dir: &Dir) {
    let mut lines = Vec::new();
    let sums = inspect(dir.path(), |channel| {
        lines.push((channel.name.clone(), channel.top, channel.publications, channel.retention.size));
    });
    let sums = sums.expect("it can be read");
    assert_eq!(lines, [("chat:a b".to_owned(), 1, 1, 5), ("many".to_owned(), 2500, 2000, 2000)]);
    assert_eq!((sums.channels, sums.publications, sums.bytes), (2, 2001, 2000 * 4 - 499 + 1));
    assert!(sums.disk_bytes > 0);
    assert_eq!(exported(dir, "many", 0), Some((501..=2500).collect()), "in pages");
    assert_eq!(exported(dir, "many", 2498), Some(vec![2499, 2500]));
    assert_eq!(exported(dir, "many", 9999), Some(vec![]));
    assert_eq!(exported(dir, "nobody", 0), None);
}

#[test]
fn while_a_server_runs_and_when_it_does_not() {
    let dir = Dir::new();
    let database = dir.open();
    fill(&database);
    look(&dir);
    database.close();
    look(&dir);
    dir.open().close();
}

#[test]
fn an_export_ends_when_nobody_wants_more() {
    let dir = Dir::new();
    let database = dir.open();
    fill(&database);
    let mut n = 0;
    let exported = export(dir.path(), "many", 0, |_| {
        n += 1;
        n <= 3
    });
    assert_eq!((exported.expect("it can be read").map(|exported| exported.publications), n), (Some(3), 4));
}

#[test]
fn a_directory_without_a_database() {
    let dir = Dir::new();
    let error = inspect(dir.path(), |_| {}).expect_err("there is nothing");
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(!dir.file().exists(), "looking makes nothing");
}
