//! The data directory of the durable engine: writable, with room, and a disk whose `fsync` is real and quick.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::report::Check;
use crate::config::{Config, EngineType};
use crate::limits::DOCTOR_SYNC_TIME;

const WHAT: &str = "data directory";

const MIB: u64 = 1 << 20;
const FREE_MIN: u64 = 64 * MIB;
const FREE_ENOUGH: u64 = 1024 * MIB;

/// A commit waits for one sync. Hard disks take some 10 ms, solid-state ones less than 5.
const SYNC_ENOUGH: Duration = Duration::from_millis(30);

/// File systems in memory.
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];

/// File systems whose locks and syncs are another machine's.
const REMOTE: [&str; 6] = ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"];

/// What was measured.
#[derive(Debug)]
struct Disk {
    free: u64,
    sync: Duration,
    /// Name of the file system, if known.
    kind: Option<String>,
}

pub(super) fn check(config: &Config) -> Check {
    if config.engine.r#type != EngineType::Sqlite {
        return Check::skipped(WHAT, "the engine keeps nothing on the disk");
    }
    let dir = &config.engine.sqlite.dir;
    match examine(dir) {
        Ok(disk) => judge(dir, &disk),
        Err(error) => Check::problem(
            WHAT,
            format!("{} cannot be used: {error}", dir.display()),
            "create it, and let the server's user write there (systemd: StateDirectory)",
        ),
    }
}

/// Looks at the directory, or at the nearest one above it that exists: the server creates the rest.
fn examine(dir: &Path) -> io::Result<Disk> {
    let dir = std::path::absolute(dir)?;
    let exists = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let (probe, sync) = sync_time(exists)?;
    drop(probe);
    let space = rustix::fs::statvfs(exists)?;
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    Ok(Disk { free: space.f_bavail * space.f_frsize, sync, kind: kind(&mounts, &fs::canonicalize(exists)?) })
}

/// A file that is removed when this is dropped.
struct Probe(PathBuf);

impl Drop for Probe {
    fn drop(&mut self) {
        // It is empty or 4 KiB; what keeps it from being removed was reported already.
        let _ = fs::remove_file(&self.0);
    }
}

/// The median time of writing 4 KiB and syncing them.
fn sync_time(dir: &Path) -> io::Result<(Probe, Duration)> {
    let probe = Probe(dir.join(format!(".ws-server-doctor-{}", std::process::id())));
    let mut file = File::create_new(&probe.0)?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || (began.elapsed() < DOCTOR_SYNC_TIME && times.len() < 100) {
        let one = Instant::now();
        file.write_all(&[b'x'; 4096])?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    times.sort();
    Ok((probe, times[times.len() / 2]))
}

/// The file system of a path: that of the longest mount point that it begins with; the last of equal ones covers the
/// others.
fn kind(mounts: &str, path: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

fn judge(dir: &Path, disk: &Disk) -> Check {
    let Disk { free, sync, kind } = disk;
    let kind = kind.as_deref().unwrap_or("unknown file system");
    let found =
        format!("{}: {kind}, {} MiB free, fsync takes {:.1} ms", dir.display(), free / MIB, sync.as_secs_f64() * 1e3);
    if *free < FREE_MIN {
        Check::problem(WHAT, found, "free some space: with a full disk, publications are refused")
    } else if VOLATILE.contains(&kind) {
        Check::problem(WHAT, found, "this is memory, and lost with the power: use a directory on a disk")
    } else if REMOTE.contains(&kind) {
        Check::warning(WHAT, found, "use a local disk: locks and syncs of network file systems are not reliable")
    } else if *free < FREE_ENOUGH {
        Check::warning(WHAT, found, "less than 1 GiB is free")
    } else if *sync > SYNC_ENOUGH {
        let advice = "each commit waits for that: a faster disk, or engine.sqlite.fsync = \"interval\" if you can \
                      afford to lose a second";
        Check::warning(WHAT, found, advice)
    } else {
        Check::fine(WHAT, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn verdicts() {
        let check = |free, sync_ms, kind: &str| {
            let disk = Disk { free, sync: Duration::from_millis(sync_ms), kind: Some(kind.to_owned()) };
            judge(Path::new("/data"), &disk).verdict
        };
        assert_eq!(check(FREE_ENOUGH, 1, "ext4"), Verdict::Fine);
        assert_eq!(check(FREE_ENOUGH - 1, 1, "ext4"), Verdict::Warning);
        assert_eq!(check(FREE_MIN - 1, 1, "ext4"), Verdict::Problem);
        assert_eq!(check(FREE_ENOUGH, 31, "ext4"), Verdict::Warning);
        assert_eq!(check(FREE_ENOUGH, 1, "tmpfs"), Verdict::Problem);
        assert_eq!(check(FREE_ENOUGH, 1, "nfs4"), Verdict::Warning);
    }

    #[test]
    fn the_longest_mount_point_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/b /run/data xfs rw 0 0\n";
        let check = |path: &str| kind(mounts, Path::new(path));
        assert_eq!(check("/srv").as_deref(), Some("ext4"));
        assert_eq!(check("/runner").as_deref(), Some("ext4"));
        assert_eq!(check("/run/x").as_deref(), Some("tmpfs"));
        assert_eq!(check("/run/data/x").as_deref(), Some("xfs"));
        assert_eq!(kind("", Path::new("/srv")), None);
    }

    #[test]
    fn nothing_is_left_behind() {
        let dir = std::env::temp_dir().join(format!("ws-server-doctor-test-{}", std::process::id()));
        fs::create_dir(&dir).expect("a directory");
        let disk = examine(&dir.join("is/created/later")).expect("it can be written");
        let left = fs::read_dir(&dir).expect("readable").count();
        fs::remove_dir_all(&dir).expect("removed");
        assert!(disk.free > 0 && left == 0, "{disk:?}, {left} files left");
    }
}
