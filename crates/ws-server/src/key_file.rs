//! Files with a key or a secret.

use std::fs;
use std::path::Path;

/// Longest file with a key, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// What such a file may be, for mistakes.
pub(crate) const ALLOWED: &str = "a file with a key, of at most 64KiB";

/// The bytes of such a file. `Err`: why not, as in "which …".
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > KEY_FILE_BYTES_MAX {
        return Err(format!("has {length} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.is_empty() { Err("is empty".to_owned()) } else { Ok(bytes) }
}

/// Editors put one at the end of a file; it is not part of the secret.
pub(crate) fn without_line_break(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_at_the_end_is_not_the_secret() {
        for (file, secret) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", "")] {
            assert_eq!(without_line_break(file.as_bytes()), secret.as_bytes());
        }
    }
}
