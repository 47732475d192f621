//! The package for Debian and its relatives.
//!
//! The service's user is systemd's (`DynamicUser`), so the package creates none and leaves none behind. The maintainer
//! scripts do what debhelper's would, and tolerate a system on which systemd does not run.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binary::{Linkage, linkage};
use super::program::{Error, at, output, run};
use super::release::{Release, read, sources};
use super::tree::{Tree, files};

/// What dpkg asks the operator about before it replaces a file that was changed.
const CONFFILES: &str = "/etc/ws-server/config.toml\n";

/// Builds `ws-server_VERSION-1_ARCHITECTURE.deb` in the release's folder.
///
/// # Errors
/// When a file cannot be written, or a program is missing or fails.
pub fn deb(release: &Release) -> Result<PathBuf, Error> {
    let architecture = architecture()?;
    let tree = Tree::new(release.out.join("deb"))?;
    tree.binary(release)?;
    tree.manual()?;
    compress(&tree.root().join("usr/share/man"))?;
    tree.completions()?;
    tree.configuration()?;
    let unit = read(&sources().join("ws-server.service"))?;
    tree.file("usr/lib/systemd/system/ws-server.service", unit.as_bytes(), 0o644)?;
    documents(&tree, release)?;
    // The control files are not part of what is installed.
    let control = control(&tree, release, architecture)?;
    tree.file("DEBIAN/md5sums", md5sums(&tree)?.as_bytes(), 0o644)?;
    tree.file("DEBIAN/control", control.as_bytes(), 0o644)?;
    tree.file("DEBIAN/conffiles", CONFFILES.as_bytes(), 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        tree.file(&format!("DEBIAN/{script}"), read(&sources().join(script))?.as_bytes(), 0o755)?;
    }
    tree.set_times(release.unix_s)?;
    let deb = release.out.join(format!("ws-server_{}-1_{architecture}.deb", release.version));
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(["--root-owner-group", "-Zxz", "--build"]).arg(tree.root()).arg(&deb);
    run(dpkg.env("SOURCE_DATE_EPOCH", release.unix_s.to_string()))?;
    fs::remove_dir_all(tree.root()).map_err(at(tree.root()))?;
    Ok(deb)
}

/// Debian's name of the architecture that this was built for.
fn architecture() -> Result<&'static str, Error> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        "x86" => Ok("i386"),
        "riscv64" => Ok("riscv64"),
        other => Err(Error::Architecture(other)),
    }
}

/// What policy wants of every package: licence and changelog.
fn documents(tree: &Tree, release: &Release) -> Result<(), Error> {
    let root = crate::workspace::root();
    let mut copyright = read(&sources().join("copyright"))?;
    let license = read(&root.join("LICENSE"))?;
    let holder = license.lines().find_map(|line| line.strip_prefix("Copyright (c) ")).unwrap_or_default();
    let _ = write!(copyright, "Copyright: {holder}\nLicense: Expat\n");
    for line in license.lines().skip_while(|line| !line.starts_with("Permission")) {
        let _ = writeln!(copyright, " {}", if line.is_empty() { "." } else { line });
    }
    let folder = "usr/share/doc/ws-server";
    tree.file(&format!("{folder}/copyright"), copyright.as_bytes(), 0o644)?;
    tree.file(&format!("{folder}/changelog"), read(&root.join("docs/CHANGELOG.md"))?.as_bytes(), 0o644)?;
    let date = output("date", ["--utc", "--rfc-email", "--date", &format!("@{}", release.unix_s)], Path::new("."))?;
    let changelog = format!(
        "ws-server ({}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {}  {date}",
        release.version,
        maintainer()
    );
    tree.file(&format!("{folder}/changelog.Debian"), changelog.as_bytes(), 0o644)?;
    let folder = tree.root().join(folder);
    compress(&folder.join("changelog"))?;
    compress(&folder.join("changelog.Debian"))
}

/// Debian wants an address. There is none to write to.
fn maintainer() -> &'static str {
    "the ws-server authors <ws-server@localhost>"
}

fn control(tree: &Tree, release: &Release, architecture: &str) -> Result<String, Error> {
    let depends = match linkage(&release.binary)? {
        Linkage::Static => "",
        Linkage::Dynamic => "Depends: libc6\n",
    };
    Ok(format!(
        "Package: ws-server\nVersion: {}-1\nArchitecture: {architecture}\nMaintainer: {}\nInstalled-Size: {}\n{depends}\
         Recommends: ca-certificates\nSection: net\nPriority: optional\n\
         Description: self-hosted realtime messaging server\n \
         JSON over WebSocket: clients subscribe to channels, publish to them and see\n \
         who else is there. A client that loses its connection picks up where it left\n \
         off, or is told exactly what it missed.\n",
        release.version,
        maintainer(),
        tree.bytes()?.div_ceil(1024),
    ))
}

/// The sums by which `dpkg --verify` finds changed files. Conffiles are not among them.
fn md5sums(tree: &Tree) -> Result<String, Error> {
    let files = files(tree.root()).map_err(at(tree.root()))?;
    let paths = files.iter().filter_map(|(path, _)| path.strip_prefix(tree.root()).ok());
    let paths: Vec<_> = paths.filter(|path| !path.starts_with("etc")).collect();
    output("md5sum", paths, tree.root())
}

/// Compresses a file, or all in a folder, without names and times.
fn compress(path: &Path) -> Result<(), Error> {
    run(Command::new("gzip").args(["-9", "-n", "-r"]).arg(path))
}
