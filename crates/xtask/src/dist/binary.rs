//! The binary of a release: static, so that it runs on any Linux of its architecture, and stripped.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::{Error, at, output, run};

/// Builds the server for musl, without paths of this machine in it.
pub(super) fn build() -> Result<PathBuf, Error> {
    let root = fs::canonicalize(crate::workspace::root()).map_err(at(Path::new(".")))?;
    let target = format!("{}-unknown-linux-musl", env::consts::ARCH);
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let remap = |from: PathBuf, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags: Vec<_> =
        home.map(|home| remap(home, "cargo")).into_iter().chain([remap(root.clone(), "ws-server")]).collect();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "-p", "ws-server", "--target", &target]);
    run(cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")).current_dir(&root))?;
    let built = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(built.join(target).join("release/ws-server"))
}

/// Writes a copy without symbols.
pub(super) fn strip(from: &Path, to: &Path) -> Result<(), Error> {
    run(Command::new("strip").arg("--strip-all").arg("-o").arg(to).arg(from))
}

/// What a binary needs to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linkage {
    /// Nothing.
    Static,
    /// The system's loader and C library.
    Dynamic,
}

/// Looks for the loader that it names.
pub(super) fn linkage(binary: &Path) -> Result<Linkage, Error> {
    let headers = output("readelf", ["-lW".as_ref(), binary.as_os_str()], Path::new("."))?;
    Ok(if headers.contains("INTERP") { Linkage::Dynamic } else { Linkage::Static })
}
