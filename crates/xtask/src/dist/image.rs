//! The container image: the binary and the certificates that it trusts, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{Error, run};
use super::release::{Release, read, sources};
use super::tree::Tree;

/// Where Debian, Fedora and Alpine keep the certificates that they trust, and where the image has them.
const CERTIFICATES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Lays out the context of the image: `Containerfile`, `rootfs/` and an empty `data/`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn image(release: &Release) -> Result<PathBuf, Error> {
    let context = Tree::new(release.out.join("image"))?;
    context.file("Containerfile", read(&sources().join("Containerfile"))?.as_bytes(), 0o644)?;
    context.folder("data")?;
    let rootfs = Tree::new(context.root().join("rootfs"))?;
    rootfs.binary(release)?;
    // Without them, only an `auth.jwks_url` with https does not work.
    if let Some(certificates) = CERTIFICATES.iter().find_map(|path| fs::read(path).ok()) {
        rootfs.file(&CERTIFICATES[0][1..], &certificates, 0o644)?;
    }
    context.set_times(release.unix_s)?;
    Ok(context.root().to_owned())
}

/// Builds it, where a builder is at hand: its name, and that of the image.
pub(super) fn build(context: &Path, version: &str) -> Result<Option<(&'static str, String)>, Error> {
    let answers = |program: &&&str| {
        let asked = Command::new(program).arg("info").stdin(Stdio::null()).output();
        asked.is_ok_and(|output| output.status.success())
    };
    let Some(builder) = ["podman", "buildah", "docker"].iter().find(answers) else { return Ok(None) };
    let name = format!("ws-server:{version}");
    let file = context.join("Containerfile");
    run(Command::new(builder).args(["build", "--tag", &name, "--file"]).arg(file).arg(context))?;
    Ok(Some((*builder, name)))
}
