//! TLS in the server itself, with a certificate and a key from files that may be replaced while it runs.
//!
//! TLS 1.2 and 1.3 by rustls with ring; no client certificates, no early data, only HTTP/1.1. What happens in a
//! connection after its handshake is in `socket/tls.rs`.

mod config;
mod error;
mod files;
mod stamps;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub use self::error::{TlsError, TlsFile};
use self::stamps::Stamps;
use crate::limits::TLS_BUFFER_BYTES_MAX;

/// A certificate and its key. Cheap to clone; all clones share them.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    cert_file: PathBuf,
    key_file: PathBuf,
    /// For the next handshake. Replaced as a whole, and locked only while it is cloned.
    config: RwLock<Arc<ServerConfig>>,
    /// The files as they were when they were last read successfully. Locked while they are read, one reload at a time.
    stamps: Mutex<Stamps>,
}

impl Tls {
    /// Reads a certificate chain (the server's certificate first, then the intermediates) and its key, both in PEM.
    /// They may be in one file. Blocks while it reads.
    ///
    /// A certificate that has expired, or is not valid yet, is a warning in the log.
    ///
    /// # Errors
    /// When a file cannot be read or does not contain what it should, or the key does not belong to the certificate.
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        // Taken before the files are read, so that a change in between is noticed.
        let stamps = Stamps::of(cert_file, key_file);
        let config = config::read(cert_file, key_file)?;
        Ok(Tls(Arc::new(Shared {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
            config: RwLock::new(Arc::new(config)),
            stamps: Mutex::new(stamps),
        })))
    }

    /// All mistakes in the files, each with the file that it is about. Empty if [`load`](Self::load) would succeed.
    /// Blocks while it reads.
    pub fn check(cert_file: &Path, key_file: &Path) -> Vec<(TlsFile, TlsError)> {
        let cert = files::certificates(cert_file).err().map(|error| (TlsFile::Certificate, error));
        let key = files::key(key_file).err().map(|error| (TlsFile::Key, error));
        let mistakes: Vec<_> = cert.into_iter().chain(key).collect();
        if !mistakes.is_empty() {
            return mistakes;
        }
        let together = config::read(cert_file, key_file).err();
        together.into_iter().map(|error| (error.file(), error)).collect()
    }

    /// The warning that [`load`](Self::load) would log.
    pub fn warning(cert_file: &Path) -> Option<&'static str> {
        files::certificates(cert_file).ok()?.first().and_then(config::validity_warning)
    }

    /// Reads both files again. New handshakes use the new certificate, open connections continue. Session tickets from
    /// before are no longer accepted. Blocks like [`load`](Self::load).
    ///
    /// [`watch`](Self::watch) does this some seconds after a file has changed.
    ///
    /// # Errors
    /// Those of [`load`](Self::load). The previous certificate then stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let mut stamps = self.0.stamps.lock();
        let seen = Stamps::of(&self.0.cert_file, &self.0.key_file);
        let config = config::read(&self.0.cert_file, &self.0.key_file)?;
        *self.0.config.write() = Arc::new(config);
        *stamps = seen;
        Ok(())
    }

    /// Waits for the peer's handshake. The caller sets the timeout.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.0.config.read().clone();
        let bound = |session: &mut rustls::ServerConnection| session.set_buffer_limit(Some(TLS_BUFFER_BYTES_MAX));
        TlsAcceptor::from(config).accept_with(stream, bound).await
    }
}
