//! Which file of a crate uses which: the arrows of [`super::circles`] and [`super::floors`].
//!
//! The source is cut into tokens, not parsed: comments and strings fall away, and what is left of an import is
//! names and `::`. Not seen: methods (an `impl` may stand in any file), names inside strings
//! (`#[serde(with = "…")]`) and modules with a `#[path]`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

/// The sources of a crate: path below `src` → text.
pub(super) type Sources = BTreeMap<String, String>;

/// Where a module is in its crate: `["event", "channel"]`; the root is empty.
type Module = Vec<String>;
type Names = Vec<String>;

/// What one file says of its imports. Paths are as written.
#[derive(Default)]
struct File {
    path: String,
    children: Vec<String>,
    defined: BTreeSet<String>,
    /// What `use` declarations bind: name → path.
    bound: BTreeMap<String, Names>,
    globs: Vec<Names>,
    /// `pub use`: name → path.
    reexported: BTreeMap<String, Names>,
    /// All other paths, those of private `use` declarations too.
    used: Vec<Names>,
}

/// Every arrow of the crate with this root file: who uses, who is used.
pub(super) fn arrows(sources: &Sources, root: &str) -> BTreeSet<(String, String)> {
    let mut files = BTreeMap::new();
    read_module(sources, root.to_owned(), Vec::new(), &mut files);
    let mut arrows = BTreeSet::new();
    for (module, file) in &files {
        let mut uses: Vec<_> = file.used.iter().filter_map(|path| definer(&files, module, path)).collect();
        uses.extend(file.reexported.values().filter_map(|path| definer(&files, module, path)));
        let used = uses.iter().map(|used| &files[used].path).filter(|used| **used != file.path);
        arrows.extend(used.map(|used| (file.path.clone(), used.clone())));
    }
    arrows
}

/// Reads a file, and those of the modules that it declares.
fn read_module(sources: &Sources, path: String, module: Module, files: &mut BTreeMap<Module, File>) {
    let text = sources.get(&path).unwrap_or_else(|| panic!("{path} is declared but does not exist"));
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut file = File { path: path.clone(), ..File::default() };
    file.read(tokens, 0);
    let folder = match path.rsplit_once('/').unwrap_or(("", &path)) {
        (folder, "lib.rs" | "main.rs" | "mod.rs") => folder,
        _ => path.trim_end_matches(".rs"),
    };
    let within = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
    for child in &file.children {
        let (flat, nested) = (within(format!("{child}.rs")), within(format!("{child}/mod.rs")));
        let path = if sources.contains_key(&flat) { flat } else { nested };
        read_module(sources, path, join(&module, child), files);
    }
    files.insert(module, file);
}

fn join(module: &Module, name: &str) -> Module {
    module.iter().map(String::as_str).chain([name]).map(str::to_owned).collect()
}

/// The module that defines or re-exports what `path`, written in `module`, stands for; `None` in another crate.
fn definer(files: &BTreeMap<Module, File>, module: &Module, path: &[String]) -> Option<Module> {
    let mut at = module.clone();
    for (index, name) in path.iter().enumerate() {
        let child = join(&at, name);
        match name.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            _ if files.contains_key(&child) => at = child,
            _ if index > 0 || files[&at].bound.contains_key(name) => {
                return definer_of_item(files, &at, &path[index..]);
            }
            _ => return None,
        }
    }
    Some(at)
}

/// The same for a path that begins with an item which `at` defines, imports, or has from a glob.
fn definer_of_item(files: &BTreeMap<Module, File>, at: &Module, path: &[String]) -> Option<Module> {
    let (file, name) = (&files[at], &path[0]);
    if file.defined.contains(name) || file.reexported.contains_key(name) {
        return Some(at.clone());
    }
    if let Some(bound) = file.bound.get(name) {
        // A name of another crate's that is bound to itself: `use bytes::bytes`.
        let is_foreign = bound[0] == *name && !files.contains_key(&join(at, name));
        return if is_foreign { None } else { definer(files, at, &[bound, &path[1..]].concat()) };
    }
    let mut globs = file.globs.iter().filter_map(|glob| definer(files, at, glob));
    Some(globs.find(|glob| files[glob].defined.contains(name)).unwrap_or_else(|| at.clone()))
}

impl File {
    /// Reads tokens that stand `inline` modules deep within the file.
    fn read(&mut self, tokens: TokenStream, inline: usize) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut is_public = false;
        while let [first, after @ ..] = rest {
            let word = if let TokenTree::Ident(word) = first { word.to_string() } else { String::new() };
            let was_public = std::mem::take(&mut is_public);
            rest = match (first, word.as_str()) {
                (TokenTree::Punct(punct), _) if punct.as_char() == '#' => self.attribute(after, inline),
                (TokenTree::Punct(punct), _) if matches!(punct.as_char(), '.' | ':') => self.not_a_path(rest),
                (TokenTree::Group(group), _) => {
                    self.read(group.stream(), inline);
                    after
                }
                (_, "pub") => {
                    is_public = true;
                    after_visibility(after)
                }
                (_, "use") => self.import(after, was_public, inline),
                (_, "mod") => self.module(after, inline),
                (TokenTree::Ident(_), _) => self.path(rest, inline),
                _ => after,
            };
        }
    }

    /// What follows an attribute, and what it is on too where that is for tests alone.
    fn attribute<'a>(&mut self, tokens: &'a [TokenTree], inline: usize) -> &'a [TokenTree] {
        let tokens = if is_punct(tokens.first(), '!') { &tokens[1..] } else { tokens };
        let [TokenTree::Group(group), after @ ..] = tokens else { return tokens };
        let text: String = group.stream().to_string().split_whitespace().collect();
        if text == "cfg(test)" || text.starts_with("cfg(all(test,") {
            return after_item(after);
        }
        self.read(group.stream(), inline);
        after
    }

    /// What follows `.name` or `::name::name`, which is no path's beginning.
    fn not_a_path<'a>(&mut self, tokens: &'a [TokenTree]) -> &'a [TokenTree] {
        match tokens {
            [colon, next, TokenTree::Ident(_), after @ ..]
                if is_punct(Some(colon), ':') && is_punct(Some(next), ':') =>
            {
                after
            }
            // A range.
            [dot, next, after @ ..] if is_punct(Some(dot), '.') && is_punct(Some(next), '.') => after,
            [dot, TokenTree::Ident(_), after @ ..] if is_punct(Some(dot), '.') => after,
            _ => &tokens[1..],
        }
    }

    fn module<'a>(&mut self, tokens: &'a [TokenTree], inline: usize) -> &'a [TokenTree] {
        match tokens {
            [TokenTree::Ident(_), TokenTree::Group(body), after @ ..] => {
                self.read(body.stream(), inline + 1);
                after
            }
            [TokenTree::Ident(name), after @ ..] => {
                self.children.push(name.to_string());
                after
            }
            _ => tokens,
        }
    }

    /// One `use`, up to its semicolon.
    fn import<'a>(&mut self, tokens: &'a [TokenTree], is_public: bool, inline: usize) -> &'a [TokenTree] {
        let end = tokens.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(tokens.len());
        let mut leaves = Vec::new();
        use_tree(&tokens[..end], &[], &mut leaves);
        for (path, name) in leaves {
            let path = from_file(path, inline);
            if name == "*" {
                self.globs.push(path.clone());
            } else {
                self.bound.insert(name.clone(), path.clone());
            }
            if is_public {
                self.reexported.insert(name, path);
            } else {
                self.used.push(path);
            }
        }
        &tokens[end..]
    }

    /// A path, or the keyword of a definition.
    fn path<'a>(&mut self, tokens: &'a [TokenTree], inline: usize) -> &'a [TokenTree] {
        const DEFINES: [&str; 8] = ["struct", "enum", "union", "trait", "type", "fn", "const", "static"];
        let mut path = vec![tokens[0].to_string()];
        let mut rest = &tokens[1..];
        let is_macro = path[0] == "macro_rules";
        if DEFINES.contains(&path[0].as_str()) || is_macro {
            let [name, after @ ..] = &rest[usize::from(is_macro)..] else { return rest };
            if inline == 0 {
                self.defined.insert(name.to_string());
            }
            // `const fn`, or the type `fn(…)`.
            return if matches!(name, TokenTree::Ident(name) if name != "fn") { after } else { rest };
        }
        while let [colon, next, TokenTree::Ident(name), after @ ..] = rest
            && is_punct(Some(colon), ':')
            && is_punct(Some(next), ':')
        {
            path.push(name.to_string());
            rest = after;
        }
        if path.len() > 1 {
            self.used.push(from_file(path, inline));
        }
        rest
    }
}

/// The leaves of a `use` tree: the path of each and the name that it binds, `*` for a glob.
fn use_tree(tokens: &[TokenTree], prefix: &[String], leaves: &mut Vec<(Names, String)>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                inner.split(|token| is_punct(Some(token), ',')).for_each(|part| use_tree(part, &path, leaves));
                return;
            }
            TokenTree::Ident(word) if word == "as" => name = tokens.next().map(ToString::to_string),
            TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == '*' => name = Some("*".to_owned()),
            _ => {}
        }
    }
    let last = path.last().cloned();
    leaves.extend(name.or(last).filter(|_| path.len() > prefix.len() || !prefix.is_empty()).map(|name| (path, name)));
}

/// A path as it would be written outside of the inline modules that it stands in.
fn from_file(mut path: Names, inline: usize) -> Names {
    let up = path.iter().take(inline).take_while(|name| *name == "super").count();
    if up > 0 {
        path.splice(..up, ["self".to_owned()]);
    }
    path
}

fn is_punct(token: Option<&TokenTree>, expect: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == expect)
}

/// What follows the `(crate)` of a `pub(crate)`.
fn after_visibility(tokens: &[TokenTree]) -> &[TokenTree] {
    let [TokenTree::Group(group), after @ ..] = tokens else { return tokens };
    let first = group.stream().into_iter().next().map(|token| token.to_string());
    let is_visibility = first.is_some_and(|word| ["crate", "super", "self", "in"].contains(&word.as_str()));
    if is_visibility { after } else { tokens }
}

/// What follows an item, a field or a statement.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    const UNTIL_SEMICOLON: [&str; 4] = ["use", "const", "static", "type"];
    const WITH_BODY: [&str; 7] = ["fn", "mod", "impl", "struct", "enum", "trait", "macro_rules"];
    let words: Vec<_> = tokens.iter().take(6).map(ToString::to_string).collect();
    let is_one = |of: &[&str]| words.iter().any(|word| of.contains(&word.as_str()));
    let (body, comma) = (!is_one(&UNTIL_SEMICOLON) || is_one(&["fn"]), !is_one(&WITH_BODY));
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => body && group.delimiter() == proc_macro2::Delimiter::Brace,
        token => is_punct(Some(token), ';') || (comma && is_punct(Some(token), ',')),
    };
    let end = tokens.iter().position(is_end).map_or(tokens.len(), |at| at + 1);
    &tokens[end..]
}
