//! `static/schema/*.json`: the documents generated from the types of ws-proto, as files for people, for code
//! generators and for the server to serve.

use std::io;
use std::path::Path;

use serde_json::Value;

/// Write static/schema/{protocol,asyncapi,openapi}.json
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if a file is out of date
    #[arg(long)]
    check: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("stale: {}. Run `cargo xtask schema` and commit the result", .0.join(", "))]
    Stale(Vec<String>),
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
}

const FOLDER: &str = "static/schema";

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let root = crate::workspace::root();
    if args.check { check(&root) } else { write(&root) }
}

/// Every file, by its path below the root, and its contents.
fn files() -> [(String, String); 3] {
    let file = |name: &str, document: Value| (format!("{FOLDER}/{name}.json"), text(document));
    [
        file("protocol", ws_proto::schema::protocol()),
        file("asyncapi", ws_proto::schema::asyncapi()),
        file("openapi", ws_proto::schema::openapi()),
    ]
}

/// Sorted, so that the order does not depend on the features of serde_json in a build.
fn text(mut document: Value) -> String {
    document.sort_all_objects();
    format!("{document:#}\n")
}

fn write(root: &Path) -> Result<(), Error> {
    let at = |path: &str| {
        let path = path.to_owned();
        move |error| Error::Io { path, error }
    };
    std::fs::create_dir_all(root.join(FOLDER)).map_err(at(FOLDER))?;
    for (path, expect) in files() {
        std::fs::write(root.join(&path), expect).map_err(at(&path))?;
    }
    Ok(())
}

/// A missing file is stale too.
fn check(root: &Path) -> Result<(), Error> {
    let mut stale = Vec::new();
    for (path, expect) in files() {
        match std::fs::read_to_string(root.join(&path)) {
            Ok(found) if found == expect => {}
            Ok(_) => stale.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => stale.push(path),
            Err(error) => return Err(Error::Io { path, error }),
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(Error::Stale(stale)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_fresh() {
        if let Err(error) = check(&crate::workspace::root()) {
            panic!("{error}");
        }
    }

    #[test]
    fn stale_and_missing_files_are_named() {
        let root = std::env::temp_dir().join(format!("xtask-schema-{}", std::process::id()));
        write(&root).expect("writes");
        check(&root).expect("fresh");
        std::fs::write(root.join("static/schema/openapi.json"), "{}\n").expect("writes");
        std::fs::remove_file(root.join("static/schema/protocol.json")).expect("removes");
        let error = check(&root).expect_err("stale").to_string();
        std::fs::remove_dir_all(&root).expect("removes");
        let names = "static/schema/protocol.json, static/schema/openapi.json";
        assert_eq!(error, format!("stale: {names}. Run `cargo xtask schema` and commit the result"));
    }

    #[test]
    fn texts_are_sorted_and_end_in_a_newline() {
        let text = text(serde_json::json!({ "b": [{ "d": 1, "c": 2 }], "a": {} }));
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "{text}");
        let at = |key: &str| text.find(&format!("\"{key}\"")).expect("is there");
        assert!(at("a") < at("b") && at("b") < at("c") && at("c") < at("d"), "{text}");
    }
}
