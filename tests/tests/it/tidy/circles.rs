//! No files of a crate import each other in a circle, so that one can be understood without all of the others.
//!
//! A module is a file, and an arrow goes from a file to the file that defines **or re-exports** what it names with
//! `use`, `crate::…`, `super::…`, or a path through a child or an imported module. So:
//!
//! * a parent only has to declare its children; if it passes on what they define (`pub use`), it uses them, and they do
//!   not import from it: they name each other directly (`super::sibling::Item`);
//! * a parent that works with a child, which in turn names an item defined in the parent's own file, is a circle;
//! * `use` of a module is an arrow to the module's own file;
//! * code under `cfg(test)` does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::imports::{Sources, arrows};
use super::{names, none, packages};

/// Groups of files that use each other, each in order.
fn circles(arrows: &BTreeSet<(String, String)>) -> BTreeSet<Vec<String>> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, _) in arrows {
        let mut open = vec![from.as_str()];
        let reached = reached.entry(from).or_default();
        while let Some(at) = open.pop() {
            let next = arrows.iter().filter(|(user, _)| user == at).map(|(_, used)| used.as_str());
            open.extend(next.filter(|used| reached.insert(used)));
        }
    }
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
    let in_circle = reached.keys().filter(|file| reaches(file, file));
    let group = |file: &&str| {
        let all = reached[*file].iter().filter(|other| reaches(other, file));
        all.map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    in_circle.map(group).collect()
}

/// All Rust files below a folder.
pub(super) fn sources(src: &Path) -> Sources {
    let mut folders = vec![src.to_owned()];
    let mut sources = Sources::new();
    while let Some(folder) = folders.pop() {
        for name in names(&folder) {
            let path = folder.join(&name);
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let below = path.strip_prefix(src).expect("below").to_string_lossy().into_owned();
                sources.insert(below, fs::read_to_string(&path).expect("readable"));
            }
        }
    }
    sources
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package.file_name().expect("a folder").to_string_lossy().into_owned();
        let sources = sources(&package.join("src"));
        for root in ["lib.rs", "main.rs"].into_iter().filter(|root| sources.contains_key(*root)) {
            wrong.extend(circles(&arrows(&sources, root)).iter().map(|circle| format!("{name}: {circle:?}")));
        }
    }
    none("circles between files", wrong);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `files`: path and text, the first one the root. `expect`: the files of each circle.
    #[track_caller]
    fn check(files: &[(&str, &str)], expect: &[&[&str]]) {
        let sources = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let found = circles(&arrows(&sources, files[0].0));
        let expect: BTreeSet<Vec<_>> =
            expect.iter().map(|files| files.iter().map(|file| (*file).to_owned()).collect()).collect();
        assert_eq!(found, expect, "{files:?}");
    }

    #[test]
    fn files_that_use_each_other_are_a_circle() {
        let lib = ("lib.rs", "mod a; mod b; mod c;");
        check(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "struct B;"), ("c.rs", "use super::a;")], &[]);
        check(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "use super::a::A;"), ("c.rs", "")], &[&["a.rs", "b.rs"]]);
        let long = [
            lib,
            ("a.rs", "use crate::{x, b::{self, B as D}};"),
            ("b.rs", "fn f() { 0..crate::c::G::<u8> }"),
            ("c.rs", "use std::fmt; type T = fn(&super::a::A);"),
        ];
        check(&long, &[&["a.rs", "b.rs", "c.rs"]]);
    }

    #[test]
    fn what_is_no_code_is_no_arrow() {
        let quiet = "//! crate::a\n/* crate::a::A */ const S: &str = \"crate::a::A\"; /// [`crate::a::A`]\nstruct B;";
        check(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", quiet)], &[]);
        let only_in_tests = "struct B; #[cfg(test)] mod tests { use super::*; use crate::a::A; }
            #[cfg(test)] use crate::a::A; #[cfg(test)] fn f(a: crate::a::A) { g() } pub(in crate::a) struct C;";
        check(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", only_in_tests)], &[]);
        let behind = "#[cfg(test)] const N: [u8; 1] = [{ 1 }]; struct B(crate::a::A);";
        check(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", behind)], &[&["a.rs", "b.rs"]]);
    }

    #[test]
    fn macros_and_inline_modules_are_code() {
        let b = "macro_rules! m { () => { $crate::a::A } }";
        check(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", b)], &[&["a.rs", "b.rs"]]);
        let b = "fn f() { format!(\"{}\", [crate::a::A]) }";
        check(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", b)], &[&["a.rs", "b.rs"]]);
        let b = "mod inner { use super::super::a::A; }";
        check(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", b)], &[&["a.rs", "b.rs"]]);
        let b = "mod inner { use super::B; } struct B;";
        check(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", b)], &[]);
    }

    #[test]
    fn children_do_not_import_what_their_parent_passes_on() {
        let parent = ("p/mod.rs", "mod a; pub(crate) mod b; pub use a::A; pub use b::*;");
        let a = ("p/a.rs", "pub struct A;");
        check(&[("lib.rs", "mod p;"), parent, a, ("p/b.rs", "use super::a::A; struct B;")], &[]);
        let circle: &[&[&str]] = &[&["p/b.rs", "p/mod.rs"]];
        check(&[("lib.rs", "mod p;"), parent, a, ("p/b.rs", "use super::A; struct B;")], circle);
        check(&[("lib.rs", "mod p;"), parent, a, ("p/b.rs", "use crate::p::A; struct B;")], circle);
        let root = ("lib.rs", "mod p; mod q; pub use p::A;");
        check(&[root, parent, a, ("p/b.rs", "struct B;"), ("q.rs", "use crate::p::A;")], &[]);
        check(&[root, ("p.rs", "struct A; use crate::q::Q;"), ("q.rs", "use crate::A; struct Q;")], {
            &[&["lib.rs", "p.rs", "q.rs"]]
        });
    }

    #[test]
    fn a_parent_that_works_with_a_child_is_not_used_by_it() {
        let child = ("p/a.rs", "use super::P; pub struct A;");
        check(&[("lib.rs", "mod p;"), ("p.rs", "mod a; struct P;"), child], &[]);
        let circle: &[&[&str]] = &[&["p.rs", "p/a.rs"]];
        check(&[("lib.rs", "mod p;"), ("p.rs", "mod a; pub use a::A; struct P;"), child], circle);
        check(&[("lib.rs", "mod p;"), ("p.rs", "mod a; use a::A; struct P(A);"), child], circle);
        check(&[("lib.rs", "mod p;"), ("p.rs", "mod a; struct P; fn f() { a::A }"), child], circle);
    }

    #[test]
    fn names_of_other_crates_are_no_arrows() {
        let a = ("a.rs", "use b::b; use ::b::c; use b::{self as d}; fn f() { b::x(d::y) }");
        check(&[("lib.rs", "mod a; mod c;"), a, ("c.rs", "use crate::a;")], &[]);
    }
}
