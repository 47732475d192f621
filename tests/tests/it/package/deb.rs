//! The package in a Debian: installed, started, upgraded, removed and purged. systemd does not run there, so the test
//! starts the server as the unit says.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use ws_tests::prelude::*;
use ws_tests::process::Signal;
use xtask::dist::{self, Release};

use super::root::{NOBODY, Root};
use super::{release, succeed};

const CONFIG: &str = "/etc/ws-server/config.toml";
const UNIT: &str = "/usr/lib/systemd/system/ws-server.service";
const STATE: &str = "/var/lib/ws-server";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/ws-server.service";

/// What is installed, with its owner and permissions.
const INSTALLED: [&str; 14] = [
    "100755 0 /usr/bin/ws-server",
    "100644 0 /etc/ws-server/config.toml",
    "40700 0 /etc/ws-server/secrets",
    "100644 0 /usr/lib/systemd/system/ws-server.service",
    "100644 0 /usr/share/man/man1/ws-server.1.gz",
    "100644 0 /usr/share/man/man1/ws-server-token.1.gz",
    "100644 0 /usr/share/man/man1/ws-server-doctor.1.gz",
    "100644 0 /usr/share/bash-completion/completions/ws-server",
    "100644 0 /usr/share/zsh/vendor-completions/_ws-server",
    "100644 0 /usr/share/fish/vendor_completions.d/ws-server.fish",
    "100644 0 /usr/share/doc/ws-server/copyright",
    "100644 0 /usr/share/doc/ws-server/changelog.gz",
    "100644 0 /usr/share/doc/ws-server/changelog.Debian.gz",
    "120777 0 /etc/systemd/system/multi-user.target.wants/ws-server.service",
];

/// Installs a package in the root.
fn install(root: &Root, deb: &Path) {
    fs::copy(deb, root.join("/tmp/ws-server.deb")).expect("copied");
    succeed(root.command("dpkg").args(["--install", "/tmp/ws-server.deb"]));
}

fn version(root: &Root) -> String {
    succeed(root.command("dpkg-query").args(["--show", "--showformat=${db:Status-Status} ${Version}", "ws-server"]))
}

/// What the unit says of a key.
fn of_unit(root: &Root, key: &str) -> String {
    let unit = fs::read_to_string(root.join(UNIT)).expect("the unit");
    let value = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("{key} in {unit}")).to_owned()
}

/// Starts the server as the unit says, as a user that owns only the state.
async fn start(root: &Root) -> Process {
    fs::create_dir_all(root.join(STATE)).expect("a state directory");
    chown(root.join(STATE), Some(NOBODY), Some(NOBODY)).expect("root may");
    let command = of_unit(root, "ExecStart");
    let words: Vec<_> = command.split(' ').collect();
    let server = root.server(&of_unit(root, "WorkingDirectory"), words[0], &words[1..]);
    Process::run(server, SocketAddr::from(([127, 0, 0, 1], 0))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "debootstrap"), ignore = "debootstrap is missing, or chroot is not allowed")]
async fn a_package_is_installed_started_upgraded_and_purged() {
    let root = Root::debian();
    let out = tempfile::tempdir().expect("a directory");
    let this = release(out.path());
    let before = root.listing();

    let old = dist::deb(&Release { version: "0.0.1".to_owned(), ..this.clone() }).expect("a package");
    install(&root, &old);
    assert_eq!(version(&root), "installed 0.0.1-1");
    let listing = root.listing();
    let missing: Vec<_> = INSTALLED.iter().filter(|line| !listing.contains(**line)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(succeed(root.command("dpkg").args(["--verify", "ws-server"])), "");
    it_works(&root);

    // The packaged configuration, as it is.
    let config = ["--config", CONFIG];
    let checked = succeed(root.command("/usr/bin/ws-server").arg("check-config").args(config));
    assert_eq!(checked, "configuration is fine\n");
    let printed = succeed(root.command("/usr/bin/ws-server").arg("print-config").args(config));
    assert!(printed.contains(&format!("addr = [\"127.0.0.1:3000\"]  # from {CONFIG}:")), "{printed}");
    assert_eq!(printed.matches("# from").count(), 1, "{printed}");
    let server = start(&root).await;
    assert_eq!(http::get(server.addr(), "/health").await.status, 200);
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0));

    // An operator turns the durable engine on; an upgrade keeps that.
    let packaged = fs::read_to_string(root.join(CONFIG)).expect("the configuration");
    let durable = packaged.replace("# type = \"memory\"", "type = \"sqlite\"");
    assert_ne!(packaged, durable);
    fs::write(root.join(CONFIG), &durable).expect("changed");
    let server = start(&root).await;
    assert_eq!(http::get(server.addr(), "/ready").await.status, 200);
    let database = root.join(STATE).join("data/ws.db");
    assert_eq!(fs::metadata(&database).expect("the database").uid(), NOBODY);

    install(&root, &dist::deb(&this).expect("a package"));
    assert_eq!(version(&root), format!("installed {}-1", this.version));
    assert_eq!(fs::read_to_string(root.join(CONFIG)).expect("the configuration"), durable);
    assert!(root.join(WANTED).is_symlink(), "it is still enabled");
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0), "the old process drains although its binary is gone");
    let server = start(&root).await;
    assert_eq!(http::get(server.addr(), "/ready").await.status, 200);
    server.kill().await;

    succeed(root.command("dpkg").args(["--remove", "ws-server"]));
    assert!(!root.join("/usr/bin/ws-server").exists() && root.join(CONFIG).exists() && database.exists());
    succeed(root.command("dpkg").args(["--purge", "ws-server"]));
    let after = root.listing();
    assert_eq!(after.symmetric_difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The version, the manual and the completions.
fn it_works(root: &Root) {
    let version = succeed(root.command("/usr/bin/ws-server").arg("version"));
    assert!(version.starts_with("ws-server "), "{version}");
    let page = succeed(root.command("zcat").arg("/usr/share/man/man1/ws-server.1.gz"));
    assert!(page.contains(".TH ws") && page.contains("WEBSOCKET_ADDR"), "{page}");
    let completed = "source /usr/share/bash-completion/completions/ws-server; COMP_WORDS=(ws-server do) COMP_CWORD=1; \
                     _ws__server ws-server do ws-server; echo ${COMPREPLY[*]}";
    assert_eq!(succeed(root.command("bash").args(["-c", completed])), "doctor\n");
}

/// The same source gives the same bytes.
#[test]
#[cfg_attr(not(found = "debootstrap"), ignore = "debootstrap is missing, or chroot is not allowed")]
fn a_package_is_reproducible() {
    let out = tempfile::tempdir().expect("a directory");
    // Any static binary will do, and a small one is packed quickly.
    let release = |name: &str| Release { binary: "/bin/true".into(), ..super::release(&out.path().join(name)) };
    let read = |deb: PathBuf| fs::read(deb).expect("a package");
    let (one, two) = (read(dist::deb(&release("one")).expect("one")), read(dist::deb(&release("two")).expect("two")));
    assert!(one == two, "{} and {} bytes", one.len(), two.len());
}
