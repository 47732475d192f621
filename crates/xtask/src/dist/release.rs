//! What a release is made from.

use std::fs;
use std::path::{Path, PathBuf};

use super::binary;
use super::program::{Error, at, output};

/// What is packaged.
#[derive(Debug, Clone)]
pub struct Release {
    /// The server.
    pub binary: PathBuf,
    /// Version of the product, such as 0.1.0.
    pub version: String,
    /// Time of all files in packages, in seconds since 1970.
    pub unix_s: u64,
    /// Folder for what is made. It exists.
    pub out: PathBuf,
}

impl Release {
    /// This version of the workspace, with its last commit's time; 1980 where there is no git.
    ///
    /// # Errors
    /// When `out` cannot be made.
    pub fn new(binary: PathBuf, out: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&out).map_err(at(&out))?;
        let committed = output("git", ["log", "-1", "--format=%ct"], &crate::workspace::root());
        let unix_s = committed.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(315_532_800);
        Ok(Release { binary, version: env!("CARGO_PKG_VERSION").to_owned(), unix_s, out })
    }

    /// The same with a copy of the binary without symbols, under its name for publication.
    ///
    /// # Errors
    /// When `strip` fails.
    pub fn stripped(self) -> Result<Self, Error> {
        let binary = self.out.join(self.name());
        binary::strip(&self.binary, &binary)?;
        Ok(Release { binary, ..self })
    }

    /// `ws-server-0.1.0-x86_64-linux`
    pub(super) fn name(&self) -> String {
        format!("ws-server-{}-{}-linux", self.version, std::env::consts::ARCH)
    }
}

/// The files that packages are made from.
pub(super) fn sources() -> PathBuf {
    crate::workspace::root().join("crates/ws-server/package")
}

pub(super) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(at(path))
}
