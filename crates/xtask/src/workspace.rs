//! Where the workspace lies.

use std::path::{Path, PathBuf};

/// The workspace that this was built from.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
