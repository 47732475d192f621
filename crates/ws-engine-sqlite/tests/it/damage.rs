//! A damaged file: found at the start where that is quick, and in the background where it is not.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use ws_core::engine::Engine;
use ws_engine_sqlite::OpenError;

use crate::fixture::{Dir, keep, until};

/// A closed database with some pages of publications.
fn database() -> Dir {
    let dir = Dir::new();
    let database = dir.open();
    for i in 0..200 {
        database.append("a", keep(1000), &format!("{i:0>500}"));
    }
    database.close();
    dir
}

/// Overwrites the pages of a table.
fn damage(dir: &Dir, table: &str) {
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = connection.query_row(sql, [table], |row| row.get(0)).expect("a page");
    drop(connection);
    let file = OpenOptions::new().write(true).open(dir.file()).expect("a file");
    file.write_all_at(&[0xa5; 2000], (page as u64 - 1) * 4096).expect("written");
}

#[test]
fn damage_of_the_channels_is_found_at_the_start() {
    let dir = database();
    damage(&dir, "channels");
    let error = dir.try_open(|_| {}).err().expect("it cannot be opened");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[test]
fn damage_of_the_publications_is_found_soon_after() {
    let dir = database();
    damage(&dir, "publications");
    let database = dir.open();
    until("it is found", || database.engine().health().is_err());
    let reason = database.engine().health().expect_err("damaged");
    assert!(reason.contains("damaged"), "{reason}");
}

#[test]
fn a_database_in_order_is_healthy() {
    let dir = database();
    let database = dir.open();
    database.append("a", keep(1000), "x");
    assert_eq!(database.engine().health(), Ok(()));
}

#[test]
fn a_stream_whose_row_is_gone_is_read_again_after_the_failure() {
    let dir = database();
    let database = dir.open();
    database.append("a", keep(1000), "x");
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    connection.execute_batch("DELETE FROM publications; DELETE FROM channels").expect("rows");
    assert!(database.try_append("a", keep(1000), "y", None).is_err(), "it would be stored under no channel");
    assert_eq!(database.append("a", keep(1000), "y").1, 1, "another stream");
    assert_eq!(database.engine().health(), Ok(()));
}
