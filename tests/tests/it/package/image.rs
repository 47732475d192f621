//! The container image, without a builder: the steps of the Containerfile are few enough to be followed here.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use ws_tests::prelude::*;
use ws_tests::process::Signal;
use xtask::dist;

use super::root::{NOBODY, Root};
use super::{release, succeed};

/// The image: its files, and how it is started.
struct Image {
    root: Root,
    user: String,
    folder: String,
    entry_point: String,
}

/// Follows the steps. A step that is not known here fails.
fn build(context: &Path) -> Image {
    let file = fs::read_to_string(context.join("Containerfile")).expect("the Containerfile");
    let steps = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut image, mut user, mut folder, mut entry_point) = (None, "0".to_owned(), "/".to_owned(), String::new());
    for (step, words) in steps.filter_map(|line| line.split_once(' ')) {
        match (step, words.split(' ').collect::<Vec<_>>().as_slice(), &image) {
            ("FROM", ["scratch"], None) => image = Some(Root::empty()),
            ("COPY", [from, to], Some(root)) => copy(&context.join(from), &root.join(to), 0),
            ("COPY", [owner, from, to], Some(root)) => {
                assert_eq!(*owner, format!("--chown={NOBODY}:{NOBODY}"));
                copy(&context.join(from), &root.join(to), NOBODY);
            }
            ("USER", [name], _) => user = (*name).to_owned(),
            ("WORKDIR", [name], _) => folder = (*name).to_owned(),
            ("ENTRYPOINT", [list], _) => {
                entry_point = serde_json::from_str::<[String; 1]>(list).expect("one program")[0].clone();
            }
            ("VOLUME" | "EXPOSE" | "STOPSIGNAL", [_], _) => {}
            step => panic!("what does {step:?} do?"),
        }
    }
    Image { root: image.expect("FROM"), user, folder, entry_point }
}

/// The contents of one folder into another, which then has this owner.
fn copy(from: &Path, to: &Path, owner: u32) {
    fs::create_dir_all(to).expect("a folder");
    succeed(Command::new("cp").arg("--recursive").arg(from.join(".")).arg(to));
    chown(to, Some(owner), Some(owner)).expect("root may");
}

/// The server of the tests is not static: copies what it is linked with.
fn add_libraries(root: &Root, binary: &str) {
    let linked = succeed(Command::new("ldd").arg(root.join(binary)));
    for path in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(path);
        fs::create_dir_all(to.parent().expect("a folder")).expect("it is made");
        fs::copy(path, to).expect("copied");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chroot"), ignore = "chroot is not allowed")]
async fn an_image_from_scratch_serves() {
    let out = tempfile::tempdir().expect("a directory");
    let context = dist::image(&release(out.path())).expect("a context");
    let Image { root, user, folder, entry_point } = build(&context);
    let files: Vec<_> = root.listing().into_iter().filter(|line| line.starts_with("100")).collect();
    let certificates = "100644 0 /etc/ssl/certs/ca-certificates.crt";
    assert!(files.iter().all(|file| file == certificates || file == "100755 0 /usr/bin/ws-server"), "{files:?}");
    assert_eq!((user, folder.as_str()), (format!("{NOBODY}:{NOBODY}"), "/data"));

    add_libraries(&root, &entry_point);
    // There is no shell to change the folder with, so the data directory is given as an absolute path.
    let server = root.server("/", &entry_point, &["--data-dir", &folder]);
    let server = Process::run(server, SocketAddr::from(([127, 0, 0, 1], 0))).await;
    assert_eq!(http::get(server.addr(), "/health").await.status, 200);
    assert_eq!(http::get(server.addr(), "/ready").await.status, 200);
    assert!(root.join("/data/ws.db").exists());
    server.signal(Signal::Term).await;
    assert_eq!(server.exit_code().await, Some(0));

    // Without root certificates, what is not encrypted still works.
    succeed(Command::new("rm").args(["-r", "-f"]).arg(root.join("/etc/ssl")));
    let report = succeed(root.command(&entry_point).args(["doctor", "--addr", "127.0.0.1:0"]));
    assert!(report.contains("fan-out         ok "), "{report}");
}
