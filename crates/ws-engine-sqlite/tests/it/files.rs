//! Files of the database that are deleted or replaced while the engine runs.

use std::fs;
use std::path::Path;

use ws_core::engine::{Engine, EngineError};

use crate::fixture::{Dir, keep, until};

/// Nothing is acknowledged after `harm`, and the engine says why; what it knows can be read.
#[track_caller]
fn notices(harm: impl FnOnce(&Path)) -> Dir {
    let outer = Dir::new();
    let database = outer.open_with(|options| options.dir = options.dir.join("data"));
    database.fill("a", keep(10), 3);
    harm(&outer.path().join("data"));
    let refused = database.try_append("a", keep(10), "4", None).expect_err("it is refused at once");
    assert!(matches!(&refused, EngineError::Unavailable(why) if why.contains("deleted or replaced")), "{refused}");
    assert!(database.engine().health().is_err());
    assert_eq!(database.all("a", keep(10)), ["1", "2", "3"]);
    assert!(database.try_append("a", keep(10), "5", None).is_err(), "it stays so");
    database.close();
    outer
}

fn delete(dir: &Path, names: &[&str]) {
    names.iter().for_each(|name| fs::remove_file(dir.join(name)).expect("it is there"));
}

#[test]
fn deleted_files() {
    for names in [&["ws.db"][..], &["ws.db", "ws.db-wal", "ws.db-shm", "lock"]] {
        notices(|dir| delete(dir, names));
    }
}

#[test]
fn what_a_deleted_log_held_is_saved() {
    let outer = notices(|dir| delete(dir, &["ws.db-wal"]));
    let database = outer.open_with(|options| options.dir = options.dir.join("data"));
    assert_eq!(database.all("a", keep(10))[..3], ["1", "2", "3"]);
}

#[test]
fn another_directory_in_the_place_of_ours() {
    let outer = notices(|dir| {
        fs::rename(dir, dir.with_extension("old")).expect("it can be moved");
        fs::create_dir(dir).expect("it can be made");
    });
    let left = fs::read_dir(outer.path().join("data")).expect("a directory").count();
    assert_eq!(left, 0, "nothing is written to the new one");
}

#[test]
fn a_backup_in_the_place_of_the_database() {
    let outer = notices(|dir| {
        let backup = dir.with_extension("backup");
        fs::write(&backup, "somebody else's").expect("written");
        fs::rename(backup, dir.join("ws.db")).expect("it can be moved");
        fs::write(dir.join("log"), "x").expect("written");
        fs::rename(dir.join("log"), dir.join("ws.db-wal")).expect("it can be moved");
    });
    for (name, bytes) in [("ws.db", "somebody else's"), ("ws.db-wal", "x")] {
        assert_eq!(
            fs::read_to_string(outer.path().join("data").join(name)).expect("a file"),
            bytes,
            "it is left alone"
        );
    }
}

#[test]
fn it_is_noticed_without_a_publication() {
    for name in ["ws.db", "ws.db-wal", "ws.db-shm", "lock"] {
        let dir = Dir::new();
        let database = dir.open();
        delete(dir.path(), &[name]);
        until("it is noticed", || database.engine().health().is_err());
        assert!(database.try_append("a", keep(10), "1", None).is_err(), "{name} is gone");
    }
}
