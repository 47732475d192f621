//! Why a certificate and its key cannot be used.

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
    /// The file that the error is about.
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

/// What is wrong with a certificate or its key: the file, what it contains, what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file is far too large for a certificate or key.
    #[error("{}: larger than {TLS_FILE_BYTES_MAX} bytes; a PEM file is a few thousand", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// A file is truncated or damaged PEM.
    #[error("{}: damaged PEM: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is damaged.
        reason: String,
    },
    /// A file does not contain what it should.
    #[error("{}: no {wanted} in it, but {found}; allowed: {allowed}", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// Certificate or private key.
        wanted: &'static str,
        /// The PEM sections that it contains.
        found: String,
        /// The PEM sections that it may contain.
        allowed: &'static str,
    },
    /// A private key needs a passphrase.
    #[error("{}: the private key is encrypted; allowed: one without a passphrase (`openssl pkey` removes it)", file.display())]
    Encrypted {
        /// The file.
        file: PathBuf,
    },
    /// A certificate cannot be used.
    #[error("{}: not a certificate that a server can use: {reason}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The error of rustls.
        reason: String,
    },
    /// A private key cannot be used.
    #[error("{}: not a key that can be used: {reason}; allowed: RSA (2048 to 4096 bits), ECDSA (P-256, P-384), Ed25519", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The error of rustls.
        reason: String,
    },
    /// The key does not belong to the certificate.
    #[error("{}: not the key of the first certificate in {}", key_file.display(), cert_file.display())]
    Mismatch {
        /// The certificate.
        cert_file: PathBuf,
        /// The key.
        key_file: PathBuf,
    },
    /// TLS is unavailable, for example for lack of randomness.
    #[error("TLS is unavailable: {reason}")]
    Unavailable {
        /// The error of rustls.
        reason: String,
    },
}
