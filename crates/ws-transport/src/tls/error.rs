//! Why there is no TLS.

use std::io;
use std::path::PathBuf;

use crate::limits::TLS_FILE_BYTES_MAX;

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificate's.
    Certificate,
    /// The key's.
    Key,
}

impl TlsError {
    /// The file that it is about, of two that can be read.
    pub(super) fn file(&self) -> TlsFile {
        match self {
            TlsError::Key { .. } | TlsError::Encrypted { .. } | TlsError::Mismatch { .. } => TlsFile::Key,
            TlsError::Unreadable { .. }
            | TlsError::TooLarge { .. }
            | TlsError::Damaged { .. }
            | TlsError::Missing { .. }
            | TlsError::Certificate { .. }
            | TlsError::Unavailable { .. } => TlsFile::Certificate,
        }
    }
}

/// What is wrong with a certificate or its key: which file, what is in it, what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is far too large to be what it should be.
    #[error("{}: larger than {TLS_FILE_BYTES_MAX} bytes; a PEM file is a few thousand", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// A file is PEM that is cut off or damaged.
    #[error("{}: damaged PEM: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A file has not in it what it should.
    #[error("{}: no {wanted} in it, but {found}; allowed: {allowed}", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// Certificate or private key.
        wanted: &'static str,
        /// The sections that are there.
        found: String,
        /// The sections of which one must be.
        allowed: &'static str,
    },
    /// A private key needs a passphrase.
    #[error("{}: the private key is encrypted; allowed: one without a passphrase (`openssl pkey` takes it off)", file.display())]
    Encrypted {
        /// The file.
        file: PathBuf,
    },
    /// A certificate is none that can be used.
    #[error("{}: not a certificate that a server can use: {reason}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What rustls says.
        reason: String,
    },
    /// A private key is none that can be used.
    #[error("{}: not a key that can be used: {reason}; allowed: RSA (2048 to 4096 bits), ECDSA (P-256, P-384), Ed25519", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What rustls says.
        reason: String,
    },
    /// Each of the two is good, but they do not belong together.
    #[error("{}: not the key of the first certificate in {}", key_file.display(), cert_file.display())]
    Mismatch {
        /// The certificate.
        cert_file: PathBuf,
        /// The key.
        key_file: PathBuf,
    },
    /// There is no randomness, or another surprise.
    #[error("TLS cannot be had: {reason}")]
    Unavailable {
        /// What rustls says.
        reason: String,
    },
}
