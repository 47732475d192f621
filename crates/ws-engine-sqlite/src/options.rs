//! The configurable options.

use std::path::PathBuf;
use std::time::Duration;

/// How the engine is opened; `ws-server` has the defaults and ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Directory of the database; created if it is missing.
    pub dir: PathBuf,
    /// When a commit is synced to the disk.
    pub fsync: Fsync,
    /// Most publications in one transaction.
    pub batch_publications_max: usize,
    /// Bytes of publications that may wait to be stored; at it, publishers wait.
    pub queue_bytes_max: usize,
    /// Channels without publications and subscribers whose position is remembered; those idle
    /// for longest are forgotten first.
    pub idle_channels_max: usize,
}

/// When a commit is synced to the disk. A crash of the process loses nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// With each commit, before its answers: a power failure loses nothing that was acknowledged.
    Commit,
    /// At this interval: a power failure may lose what was acknowledged since the last sync.
    Interval(Duration),
}
