//! TLS in the server itself: a certificate and a key from files, which may be replaced while it runs.
//!
//! TLS 1.2 and 1.3 by rustls with ring; no client certificates, no early data, HTTP/1.1 alone. What goes on in a
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

/// What a server needs to speak TLS. Cheap to clone; all clones are the same certificate.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    cert_file: PathBuf,
    key_file: PathBuf,
    /// What the next handshake uses. Replaced as a whole, and held only while it is cloned.
    config: RwLock<Arc<ServerConfig>>,
    /// The files as they were when they were last read with success. Held while they are read: one at a time.
    stamps: Mutex<Stamps>,
}

impl Tls {
    /// Reads a certificate (the server's own first, then those between it and a root) and its key, both as PEM; they
    /// may be one file. Blocks for as long as reading files takes.
    ///
    /// A certificate that has expired, or is not valid yet, is a warning in the log.
    ///
    /// # Errors
    /// When a file cannot be read, has not in it what it should, or the key is not that of the certificate.
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        // Before they are read, so that a change in between is seen as one.
        let stamps = Stamps::of(cert_file, key_file);
        let config = config::read(cert_file, key_file)?;
        Ok(Tls(Arc::new(Shared {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
            config: RwLock::new(Arc::new(config)),
            stamps: Mutex::new(stamps),
        })))
    }

    /// All that is wrong with the files, each mistake with the one that it is about; nothing where
    /// [`load`](Self::load) succeeds. Blocks like it.
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

    /// What [`load`](Self::load) would warn of, for who only checks.
    pub fn doubt(cert_file: &Path) -> Option<&'static str> {
        files::certificates(cert_file).ok()?.first().and_then(config::doubt)
    }

    /// Reads both files again: handshakes from now on use what is in them, connections that are open go on. Tickets
    /// of sessions before it are no longer taken. Blocks like [`load`](Self::load).
    ///
    /// [`watch`](Self::watch) does so some seconds after a file has changed.
    ///
    /// # Errors
    /// Those of [`load`](Self::load); then what was read before stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let mut stamps = self.0.stamps.lock();
        let seen = Stamps::of(&self.0.cert_file, &self.0.key_file);
        let config = config::read(&self.0.cert_file, &self.0.key_file)?;
        *self.0.config.write() = Arc::new(config);
        *stamps = seen;
        Ok(())
    }

    /// Waits for the peer's handshake; the caller bounds the time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.0.config.read().clone();
        let bound = |session: &mut rustls::ServerConnection| session.set_buffer_limit(Some(TLS_BUFFER_BYTES_MAX));
        TlsAcceptor::from(config).accept_with(stream, bound).await
    }
}
