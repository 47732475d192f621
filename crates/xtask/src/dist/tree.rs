//! The files of an installed server, below a folder that stands for `/`: all packages are made from them.
//!
//! The manual and the completions are generated from the command line that clap parses, and the configuration from the
//! table of its keys, so that they cannot be out of date.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use clap_complete::Shell;
use ws_server::cli::Cli;

use super::program::{Error, at, run};
use super::release::Release;

const NAME: &str = "ws-server";

/// A package does not open a port to the network before its operator has said so.
const PACKAGED: &[(&str, &str)] = &[("addr", "[\"127.0.0.1:3000\"]")];

/// A folder that stands for `/`.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// An empty one.
    pub(super) fn new(root: PathBuf) -> Result<Self, Error> {
        if root.exists() {
            fs::remove_dir_all(&root).map_err(at(&root))?;
        }
        let tree = Tree { root };
        tree.folder("")?;
        Ok(tree)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The binary.
    pub(super) fn binary(&self, release: &Release) -> Result<(), Error> {
        let path = self.folder("usr/bin")?.join(NAME);
        fs::copy(&release.binary, &path).map_err(at(&path))?;
        mode(&path, 0o755)
    }

    /// The manual: a page for the server, and one for each command.
    pub(super) fn manual(&self) -> Result<(), Error> {
        let folder = self.folder("usr/share/man/man1")?;
        clap_mangen::generate_to(Cli::command(), &folder).map_err(at(&folder))?;
        for page in fs::read_dir(&folder).map_err(at(&folder))? {
            mode(&page.map_err(at(&folder))?.path(), 0o644)?;
        }
        Ok(())
    }

    /// Completions for three shells.
    pub(super) fn completions(&self) -> Result<(), Error> {
        for (shell, path) in [
            (Shell::Bash, "usr/share/bash-completion/completions/ws-server"),
            (Shell::Zsh, "usr/share/zsh/vendor-completions/_ws-server"),
            (Shell::Fish, "usr/share/fish/vendor_completions.d/ws-server.fish"),
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
            self.file(path, &script, 0o644)?;
        }
        Ok(())
    }

    /// The configuration to begin with, and the folder for secrets.
    pub(super) fn configuration(&self) -> Result<(), Error> {
        self.file("etc/ws-server/config.toml", ws_server::config::template(PACKAGED).as_bytes(), 0o644)?;
        mode(&self.folder("etc/ws-server/secrets")?, 0o700)
    }

    /// A file, with the folders above it.
    pub(super) fn file(&self, path: &str, contents: &[u8], permissions: u32) -> Result<PathBuf, Error> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let path = self.folder(above)?.join(name);
        fs::write(&path, contents).map_err(at(&path))?;
        mode(&path, permissions)?;
        Ok(path)
    }

    /// A folder, with those above it.
    pub(super) fn folder(&self, path: &str) -> Result<PathBuf, Error> {
        let folder = self.root.join(path);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let mut part = self.root.clone();
        mode(&part, 0o755)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            part.push(name);
            mode(&part, 0o755)?;
        }
        Ok(folder)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> Result<u64, Error> {
        Ok(files(&self.root).map_err(at(&self.root))?.iter().map(|(_, bytes)| bytes).sum())
    }

    /// Gives everything the same time.
    pub(super) fn set_times(&self, unix_s: u64) -> Result<(), Error> {
        run(Command::new("find").arg(&self.root).args([
            "-exec",
            "touch",
            "--no-dereference",
            "--date",
            &format!("@{unix_s}"),
            "{}",
            "+",
        ]))
    }
}

/// Sets permissions, whatever the umask is.
fn mode(path: &Path, permissions: u32) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(permissions)).map_err(at(path))
}

/// All files below a folder, with their sizes, in order.
pub(super) fn files(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let (path, metadata) = (entry.as_ref().map(|entry| entry.path()), entry.as_ref().map(|e| e.metadata()));
            match (path, metadata) {
                (Ok(path), Ok(Ok(metadata))) if metadata.is_dir() => folders.push(path),
                (Ok(path), Ok(Ok(metadata))) => files.push((path, metadata.len())),
                _ => return Err(io::Error::other("an entry that cannot be read")),
            }
        }
    }
    files.sort();
    Ok(files)
}
