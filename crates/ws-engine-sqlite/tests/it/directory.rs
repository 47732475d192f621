//! What stands in the way of opening a database, and what an operator is told.

use std::fs;

use ws_engine_sqlite::OpenError;

use crate::fixture::{Dir, keep};

#[track_caller]
fn refused(dir: &Dir, words: &[&str]) -> OpenError {
    let error = dir.try_open(|_| {}).err().expect("it cannot be opened");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is in {error}");
    }
    error
}

#[test]
fn a_second_server_is_told_who_has_it() {
    let dir = Dir::new();
    let database = dir.open();
    let process = format!("(process {})", std::process::id());
    let error = refused(&dir, &["in use by another server", &process]);
    assert!(matches!(error, OpenError::InUse { .. }));
    database.close();
    drop(dir.open());
    drop(dir.open());
}

#[test]
fn a_file_in_the_place_of_the_directory() {
    let dir = Dir::new();
    let path = dir.path().join("file");
    fs::write(&path, "x").expect("written");
    let error = dir.try_open(|options| options.dir = path.clone()).err().expect("it cannot be opened");
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().expect("text")), "{error}");
}

#[test]
fn a_directory_is_made_with_those_above_it() {
    let dir = Dir::new();
    let database = dir.open_with(|options| options.dir = options.dir.join("a/b"));
    database.append("a", keep(1), "1");
    assert!(dir.path().join("a/b/ws.db").exists());
}

#[test]
fn a_file_that_is_no_database() {
    let dir = Dir::new();
    fs::write(dir.file(), "this is a text, and not a database at all ".repeat(200)).expect("written");
    assert!(matches!(refused(&dir, &["not a database of ws-server"]), OpenError::Foreign { .. }));
}

#[test]
fn the_database_of_another_program() {
    let dir = Dir::new();
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    connection.execute_batch("CREATE TABLE songs (title TEXT)").expect("a table");
    drop(connection);
    assert!(matches!(refused(&dir, &["not a database of ws-server", "another directory"]), OpenError::Foreign { .. }));
}

#[test]
fn a_database_of_a_newer_server() {
    let dir = Dir::new();
    dir.open().close();
    let connection = rusqlite::Connection::open(dir.file()).expect("a database");
    connection.pragma_update(None, "user_version", 99).expect("a number");
    drop(connection);
    assert!(matches!(refused(&dir, &["newer server", "schema 99"]), OpenError::Newer { .. }));
}
