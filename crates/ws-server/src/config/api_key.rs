//! One further key of the HTTP API.

use std::path::PathBuf;

use ws_transport::ApiRights;

use super::key::section;
use super::value::{Choice, Secret, text, words};

/// Longest API key, in bytes.
pub(crate) const API_KEY_BYTES_MAX: usize = 1024;

impl Choice for ApiRights {
    const ALL: &'static [(&'static str, Self)] =
        &[("read", Self::Read), ("publish", Self::Publish), ("admin", Self::Admin)];
}

section! {
    /// A key of the HTTP API.
    pub struct ApiKey {
        /// The name of the key, for the log. Several keys may have the same, as when one replaces the other.
        name: Option<String> = "", text(64);
        /// The key itself, in printable ASCII without spaces. Better set by its variable, or in a file of its own.
        key: Option<Secret> = "", text(API_KEY_BYTES_MAX), secret: true;
        /// A file with the key; a line break at its end is ignored.
        key_file: Option<PathBuf> = "", ();
        /// What the key may do; each includes the one before. `read`: every GET. `publish`: publish and broadcast too.
        /// `admin`: everything.
        rights: ApiRights = "publish", words();
    }
}
