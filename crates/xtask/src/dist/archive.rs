//! The archive for systems without packages, and the sums of what is published.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::{Error, at, output, run};
use super::release::{Release, read, sources};
use super::tree::Tree;

/// Builds `ws-server-VERSION-ARCHITECTURE-linux.tar.gz`: one folder with the tree of an installation below `/`.
pub(super) fn tar(release: &Release) -> Result<PathBuf, Error> {
    let (name, root) = (release.name(), crate::workspace::root());
    let tree = Tree::new(release.out.join("tar").join(&name))?;
    tree.binary(release)?;
    tree.manual()?;
    tree.completions()?;
    tree.configuration()?;
    let unit = read(&sources().join("ws-server.service"))?;
    tree.file("usr/lib/systemd/system/ws-server.service", unit.as_bytes(), 0o644)?;
    for (path, document) in [("LICENSE", "LICENSE"), ("OPERATIONS.md", "docs/OPERATIONS.md")] {
        tree.file(path, read(&root.join(document))?.as_bytes(), 0o644)?;
    }
    let archive = release.out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"]);
    tar.arg(format!("--mtime=@{}", release.unix_s)).args(["--use-compress-program", "gzip -9 -n", "--file"]);
    run(tar.arg(&archive).arg("--directory").arg(release.out.join("tar")).arg(&name))?;
    let folder = release.out.join("tar");
    fs::remove_dir_all(&folder).map_err(at(&folder))?;
    Ok(archive)
}

/// Writes `SHA256SUMS`, for `sha256sum --check`.
pub(super) fn sums(release: &Release, files: &[&PathBuf]) -> Result<PathBuf, Error> {
    let names = files.iter().filter_map(|file| file.file_name());
    let sums = output("sha256sum", names, &release.out)?;
    let path = release.out.join("SHA256SUMS");
    fs::write(&path, sums).map_err(at(Path::new("SHA256SUMS")))?;
    Ok(path)
}
