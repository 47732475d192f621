//! The path of the workspace.

use std::path::{Path, PathBuf};

/// The workspace that this was built in.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
