//! What an operator sets.

use std::path::PathBuf;
use std::time::Duration;

/// How the engine is opened; `ws-server` has defaults and ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Directory of the database; made where it is missing.
    pub dir: PathBuf,
    /// When what was committed is forced to the disk.
    pub fsync: Fsync,
    /// Most publications of one transaction.
    pub batch_publications_max: usize,
    /// Bytes of publications that may wait to be stored; at it, publishers wait.
    pub queue_bytes_max: usize,
    /// Channels without publications and subscribers whose position is remembered; those that have been idle
    /// for longest are forgotten first.
    pub idle_channels_max: usize,
}

/// When what was committed is forced to the disk. A crash of the process loses nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// With each commit, before its answers: a power failure loses nothing that was acknowledged.
    Commit,
    /// So often: a power failure may lose what was acknowledged since.
    Interval(Duration),
}
