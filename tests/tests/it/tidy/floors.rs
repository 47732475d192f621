//! ws-core is a house: imports go down.
//!
//! Its floors are stated once, in `ws-core/src/lib.rs`: the modules that are declared there between two comments or
//! blank lines are one floor, and the upper floors come first. A module (a folder, or a file without one) uses modules
//! of lower floors, never of its own or of an upper one. Within a folder, imports go anywhere, but not in
//! [circles](super::circles). Not seen: methods, whose `impl` may stand in any file.

use std::collections::{BTreeMap, BTreeSet};

use super::circles::sources;
use super::imports::arrows;
use super::{none, root};

/// The floor of each module that `lib` declares, counted from the top.
fn floors(lib: &str) -> BTreeMap<&str, usize> {
    let mut floors = BTreeMap::new();
    let mut floor = 0;
    for line in lib.lines() {
        let declared = line.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        match declared {
            Some(module) => _ = floors.insert(module, floor),
            None => floor += 1,
        }
    }
    floors
}

/// The module at the top of the crate that a file belongs to; `lib` is above all.
fn module(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The arrows that do not go down.
fn upwards(lib: &str, arrows: &BTreeSet<(String, String)>) -> Vec<String> {
    let floors = floors(lib);
    let is_wrong = |(user, used): &&(String, String)| {
        let (from, to) = (module(user), module(used));
        from != "lib" && from != to && floors.get(from) >= floors.get(to)
    };
    arrows.iter().filter(is_wrong).map(|(user, used)| format!("{user} uses {used}")).collect()
}

#[test]
fn imports_in_ws_core_go_down() {
    let sources = sources(&root().join("crates/ws-core/src"));
    let arrows = arrows(&sources, "lib.rs");
    assert!(floors(&sources["lib.rs"]).len() > 20 && arrows.len() > 200, "the crate is read");
    none("imports that do not go down", upwards(&sources["lib.rs"], &arrows));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_or_a_blank_line_ends_a_floor() {
        let lib = "//! Crate.\n\n// Top.\nmod a;\npub mod b;\n// Below.\nmod c;\n\nmod d;\n";
        let floors = floors(lib);
        assert_eq!(floors.keys().copied().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert!(floors["a"] == floors["b"] && floors["b"] < floors["c"] && floors["c"] < floors["d"]);
    }

    #[test]
    fn only_down_or_within_a_folder() {
        let check = |user: &str, used: &str, is_allowed: bool| {
            let arrows = [(user.to_owned(), used.to_owned())].into();
            assert_eq!(upwards("mod a;\nmod b;\n\nmod c;", &arrows).is_empty(), is_allowed, "{user} {used}");
        };
        check("a/x.rs", "c.rs", true);
        check("a/x.rs", "a/mod.rs", true);
        check("c.rs", "b.rs", false);
        check("a.rs", "b/x.rs", false);
        check("c.rs", "lib.rs", false);
        check("lib.rs", "c.rs", true);
    }
}
