//! A folder that is `/` to the programs in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use ws_tests::require;

use super::succeed;

/// The user of services in these tests: one that owns nothing.
pub(super) const NOBODY: u32 = 65_532;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A folder of its own for each test; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Root(TempDir);

impl Root {
    pub(super) fn empty() -> Self {
        Root(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory"))
    }

    /// The smallest Debian, of this machine's release: the server is linked with that C library. It is made once, and
    /// then copied.
    pub(super) fn debian() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
        if !base.exists() {
            let part = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("debian-{}", std::process::id()));
            let debootstrap = require::found("debootstrap");
            let mut command = Command::new("timeout");
            command.arg("600").arg(debootstrap).arg("--variant=minbase").arg(codename()).arg(&part);
            succeed(&mut command);
            fs::remove_dir_all(part.join("var/cache/apt/archives")).expect("the packages are not needed any more");
            fs::rename(&part, &base).expect("it is complete");
        }
        let root = Self::empty();
        succeed(
            Command::new("cp")
                .args(["--archive", "--reflink=auto", "--no-target-directory"])
                .arg(&base)
                .arg(root.path()),
        );
        root
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path in the folder of an absolute path.
    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// A program that sees the folder as `/`, with a small environment.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(require::found("chroot"));
        command.arg(self.path()).arg(program).env_clear();
        command.env("PATH", PATH);
        command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
        command
    }

    /// A server in it that runs as nobody, in this folder, with these arguments.
    pub(super) fn server(&self, folder: &str, program: &str, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(require::found("chroot"));
        command.arg(format!("--userspec={NOBODY}:{NOBODY}")).arg(self.path());
        // An empty root has no shell that could change the folder, and needs none.
        if folder != "/" {
            command.args(["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder]);
        }
        command.arg(program).args(args).env_clear().env("PATH", PATH).env("RUST_LOG", "info");
        command
    }

    /// All files and folders, with owner and permissions, but for what dpkg notes of its work.
    pub(super) fn listing(&self) -> BTreeSet<String> {
        let (mut folders, mut listing) = (vec![self.path().to_owned()], BTreeSet::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("readable") {
                let path = entry.expect("readable").path();
                let seen = path.strip_prefix(self.path()).expect("below it");
                if ["var/lib/dpkg", "var/log", "tmp", "dev"].iter().any(|kept| seen.starts_with(kept)) {
                    continue;
                }
                let metadata = fs::symlink_metadata(&path).expect("it is there");
                let (mode, uid) = (metadata.mode(), metadata.uid());
                listing.insert(format!("{mode:o} {uid} /{}", seen.display()));
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        listing
    }
}

/// Name of this machine's release, such as bookworm.
fn codename() -> String {
    let release = fs::read_to_string("/etc/os-release").expect("a Linux");
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.expect("Debian, or a system made from it").trim_matches('"').to_owned()
}
