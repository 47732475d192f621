//! The rules of the repository: dependencies between crates, the layout, what the documents must name.

mod circles;
mod floors;
mod imports;

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value as Toml};
use ws_tests::prelude::*;

const LINES_MAX: usize = 450;

/// What may be in the root, besides dotfiles.
const ROOT: [&str; 10] =
    ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "crates", "docs", "rustfmt.toml", "static", "target", "tests"];

/// Words that say nothing: no file has one in its name.
const EMPTY_WORDS: [&str; 5] = ["manager", "handler", "helper", "util", "service"];

/// A crate, the crates of ours that it may use, and other crates that it must never use (docs/ARCHITECTURE.md).
type Arrows = (&'static str, &'static [&'static str], &'static [&'static str]);

const NETWORK: &[&str] = &["hyper", "hyper-util", "tokio-tungstenite", "tungstenite", "reqwest", "rustls"];
const STORES: &[&str] = &["rusqlite", "redis"];

const ARROWS: [Arrows; 11] = [
    ("ws-proto", &[], &["tokio", "bytes", "hyper", "hyper-util", "tokio-tungstenite", "tungstenite", "parking_lot"]),
    (
        "ws-core",
        &["ws-proto"],
        &[
            "hyper",
            "tokio-tungstenite",
            "tungstenite",
            "prometheus-client",
            "jsonwebtoken",
            "rusqlite",
            "redis",
            "clap",
        ],
    ),
    ("ws-auth", &["ws-proto", "ws-core"], NETWORK),
    ("ws-engine-sqlite", &["ws-proto", "ws-core"], NETWORK),
    ("ws-engine-redis", &["ws-proto", "ws-core"], &["rusqlite", "hyper", "tokio-tungstenite"]),
    ("ws-claude", &["ws-proto", "ws-core"], &["rusqlite", "redis", "tokio-tungstenite", "jsonwebtoken"]),
    ("ws-transport", &["ws-proto", "ws-core", "ws-auth"], &["clap", "rusqlite", "redis", "toml"]),
    (
        "ws-server",
        &["ws-proto", "ws-core", "ws-auth", "ws-engine-sqlite", "ws-engine-redis", "ws-claude", "ws-transport"],
        &["hyper", "tokio-tungstenite"],
    ),
    ("ws-client", &["ws-proto"], STORES),
    ("ws-bench", &["ws-proto", "ws-client"], STORES),
    ("xtask", &["ws-proto", "ws-server"], STORES),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(folder: &Path) -> Table {
    read(&folder.join("Cargo.toml")).parse().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// Names in a folder, in their order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Folders of all packages.
fn packages() -> Vec<PathBuf> {
    let crates = root().join("crates");
    names(&crates).iter().map(|name| crates.join(name)).chain([root().join("tests")]).collect()
}

/// Every Rust file of ours.
fn sources() -> Vec<PathBuf> {
    let mut folders = packages();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for name in names(&folder) {
            let path = folder.join(&name);
            match path.is_dir() {
                true if !["node_modules", "target"].contains(&name.as_str()) => folders.push(path),
                false if name.ends_with(".rs") => sources.push(path),
                _ => {}
            }
        }
    }
    assert!(sources.len() > 50, "the sources are found");
    sources
}

/// Names of the dependencies and build dependencies of a package, without dev-dependencies.
fn dependencies(manifest: &Table) -> Vec<String> {
    let tables = ["dependencies", "build-dependencies"].into_iter().filter_map(|name| manifest.get(name)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn arrows_between_crates() {
    let mut wrong = Vec::new();
    for name in names(&root().join("crates")) {
        let Some((_, ours, never)) = ARROWS.iter().find(|(known, ..)| *known == name) else {
            wrong.push(format!("{name} is not in the table of this test"));
            continue;
        };
        for used in dependencies(&manifest(&root().join("crates").join(&name))) {
            let is_ours = ARROWS.iter().any(|(known, ..)| *known == used);
            if (is_ours && !ours.contains(&used.as_str())) || never.contains(&used.as_str()) {
                wrong.push(format!("{name} -> {used}"));
            }
        }
    }
    none("dependencies that are not allowed", wrong);
}

#[test]
fn packages_follow_the_workspace() {
    for folder in packages() {
        let manifest = manifest(&folder);
        let name = manifest["package"]["name"].as_str().expect("a name");
        let folder_name = folder.file_name().expect("a folder").to_string_lossy();
        assert!(name == folder_name || (name, &*folder_name) == ("ws-tests", "tests"), "{name} lies in {folder_name}");
        let inherited = |of: &Toml| of.get("workspace").and_then(Toml::as_bool) == Some(true);
        assert!(inherited(&manifest["lints"]), "{name} has the lints of the workspace");
        for field in ["version", "edition", "license", "rust-version"] {
            assert!(inherited(&manifest["package"][field]), "{name}: {field} is the workspace's");
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(table).and_then(Toml::as_table) else { continue };
            let own: Vec<_> = table.iter().filter(|(_, of)| !inherited(of)).map(|(used, _)| used.clone()).collect();
            none(&format!("{name}: versions that are not the workspace's"), own);
        }
    }
}

#[test]
fn the_root_has_what_it_must() {
    let extra = names(&root()).into_iter().filter(|name| !name.starts_with('.') && !ROOT.contains(&name.as_str()));
    none("what does not belong in the root", extra.collect());
    for name in ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "crates", "docs", "static", "tests"] {
        assert!(root().join(name).exists(), "{name}");
    }
    assert!(read(&root().join("LICENSE")).starts_with("MIT License"));
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let (mut long, mut silent, mut empty_words) = (Vec::new(), Vec::new(), Vec::new());
    for path in sources() {
        let (text, shown) = (read(&path), path.strip_prefix(root()).unwrap_or(&path).display().to_string());
        if text.lines().count() > LINES_MAX {
            long.push(format!("{shown}: {} lines", text.lines().count()));
        }
        if !text.starts_with("//!") {
            silent.push(shown.clone());
        }
        if EMPTY_WORDS.iter().any(|word| shown.contains(word)) {
            empty_words.push(shown);
        }
    }
    none(&format!("files over {LINES_MAX} lines"), long);
    none("files without a `//!` comment at the top", silent);
    none("names that say nothing", empty_words);
}

/// `rate_limited` always says when to retry: only its own constructor makes it.
#[test]
fn rate_limited_has_one_maker() {
    let maker = root().join("crates/ws-proto/src/error.rs");
    let made = concat!("ErrorBody::new(ErrorCode", "::RateLimited");
    let makes = |path: &&PathBuf| **path != maker && read(path).contains(made);
    let others = sources().iter().filter(makes).map(|path| path.display().to_string()).collect();
    none("files that make `rate_limited` without `ErrorBody::rate_limited`", others);
}

/// All documents, as one text.
fn documents() -> String {
    let docs = root().join("docs");
    names(&docs).iter().filter(|name| name.ends_with(".md")).map(|name| read(&docs.join(name))).collect()
}

/// Those of `words` that no document has in backticks, where labels or a value may follow.
fn unnamed(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let text = documents();
    let is_end = |byte: u8| !(byte.is_ascii_alphanumeric() || byte == b'_');
    let is_named = |word: &str| {
        let opened = format!("`{word}");
        let mut ends = text.match_indices(&opened).map(|(at, found)| at + found.len());
        ends.any(|end| text.as_bytes().get(end).is_none_or(|byte| is_end(*byte)))
    };
    words.into_iter().filter(|word| !is_named(word)).collect()
}

#[test]
fn documents_name_every_code_action_and_event() {
    none("error codes", unnamed(ws_proto::ErrorCode::ALL.iter().map(|code| code.as_str().to_owned())));
    none("actions", unnamed(ws_proto::action::NAMES.iter().map(|action| (*action).to_owned())));
    none("events", unnamed(ws_proto::event::NAMES.iter().map(|event| (*event).to_owned())));
    let text = documents();
    let codes = ws_proto::CloseCode::ALL.iter().map(|code| code.as_u16().to_string());
    none("close codes", codes.filter(|code| !text.contains(code.as_str())).collect());
}

#[test]
fn documents_name_every_key_variable_and_flag() {
    let reference = ws_server::config::reference();
    let rows = reference.lines().skip(2).map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let mut names = Vec::new();
    for row in rows {
        let quoted = row[1].split('`').chain(row[row.len() - 2].split('`')).skip(1).step_by(2);
        names.extend(quoted.map(str::to_owned));
    }
    assert!(names.len() > 20, "the reference has its rows: {names:?}");
    names.extend(["RUST_LOG", "WS_SERVER_CONFIG"].map(str::to_owned));
    let command = <ws_server::cli::Cli as clap::CommandFactory>::command();
    names.extend(command.get_arguments().filter_map(|flag| flag.get_long()).map(|flag| format!("--{flag}")));
    names.extend(command.get_subcommands().map(|command| command.get_name().to_owned()));
    none("keys, variables, flags and subcommands", unnamed(names));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_name_every_path() {
    let (server, text) = (Server::start().await, documents());
    for path in openapi_paths() {
        // The documents leave out what all paths of the HTTP API begin with, and put methods in front.
        let named = match path.strip_prefix("/api/v1") {
            Some(below) => text.contains(&format!(" {below}`")),
            None => text.contains(&format!("`{path}`")),
        };
        assert!(named, "the documents name {path}");
        assert_ne!(http::get(server.addr(), &path).await.status, 404, "{path} is served");
    }
}

/// The paths that OpenAPI lists.
fn openapi_paths() -> Vec<String> {
    let openapi: Value =
        serde_json::from_str(&read(&root().join("static/schema/openapi.json"))).expect("the document is JSON");
    openapi["paths"].as_object().expect("paths").keys().cloned().collect()
}

#[test]
fn openapi_lists_every_route() {
    let folder = root().join("crates/ws-transport/src/http");
    let files = names(&folder).into_iter().filter(|name| name.ends_with("routes.rs"));
    let text: String = files.map(|name| read(&folder.join(name))).collect();
    let routes = text.split('"').skip(1).step_by(2).filter(|literal| literal.starts_with('/'));
    let (listed, routes) = (openapi_paths(), routes.map(str::to_owned).collect::<Vec<_>>());
    assert!(routes.len() >= 4, "the routes are found: {routes:?}");
    none("routes that are not in OpenAPI", routes.into_iter().filter(|route| !listed.contains(route)).collect());
    let text = read(&folder.join("api/resource.rs"));
    let (_, after) = text.split_once("ROUTES: [").expect("the routes of the HTTP API");
    let (of_api, _) = after.split_once("];").expect("their end");
    let mut of_api: Vec<_> = of_api.split('"').skip(1).step_by(2).map(|route| format!("/api/v1{route}")).collect();
    of_api.sort();
    let listed: Vec<_> = listed.into_iter().filter(|path| path.starts_with("/api/")).collect();
    assert_eq!(listed, of_api, "the HTTP API in OpenAPI, and as it is");
}

#[test]
fn the_page_explains_every_close_code() {
    let words = read(&root().join("static/page/words.js"));
    let codes = ws_proto::CloseCode::ALL.iter().map(|code| format!("close{}:", code.as_u16()));
    none(
        "close codes without words in both languages",
        codes.filter(|code| words.matches(code).count() != 2).collect(),
    );
}
