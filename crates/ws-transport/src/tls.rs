//! The certificate of a server, and its change while the server runs.
//!
//! TLS 1.2 and 1.3 by rustls with ring; `http/1.1` in ALPN; no client certificates, no early data.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerSessionMemoryCache;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};
use tokio_rustls::{Accept, TlsAcceptor};

use crate::limits::{TLS_BUFFER_BYTES_MAX, TLS_LOOK_INTERVAL, TLS_SESSIONS_MAX};

/// A certificate and its key, from two files. A cheap handle.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Files>);

#[derive(Debug)]
struct Files {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: Mutex<Current>,
}

/// What new handshakes use.
#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// What the files looked like when they were last read.
    seen: [Option<Look>; 2],
}

/// By what a change of a file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    length: u64,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("{file:?} {why}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The two do not fit, or cannot be used.
    #[error("{cert_file:?} and {key_file:?} do not go together: {source}")]
    Pair {
        /// The certificate.
        cert_file: PathBuf,
        /// The key.
        key_file: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads a certificate, with those between it and the root, and its private key, both in PEM.
    ///
    /// # Errors
    /// A file cannot be read, has nothing of the kind in it, or the two do not go together.
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        // Before reading: what changes meanwhile is read again.
        let seen = [look(cert_file), look(key_file)];
        let config = read(cert_file, key_file)?;
        let current = Mutex::new(Current { config, seen });
        Ok(Tls(Arc::new(Files { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), current })))
    }

    /// Reads both files again, for new handshakes.
    ///
    /// # Errors
    /// As [`load`](Self::load); what was there before stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Files { cert_file, key_file, current } = &*self.0;
        let seen = [look(cert_file), look(key_file)];
        let read = read(cert_file, key_file);
        let mut current = current.lock();
        // Whatever comes of it: the same files are not tried again before they change.
        current.seen = seen;
        current.config = read?;
        Ok(())
    }

    /// Reads them again whenever one has changed, and says so in the log. Never ends.
    ///
    /// A certificate and its key are replaced one after the other; until both are there, the old ones are used.
    pub async fn watch(self) {
        loop {
            tokio::time::sleep(TLS_LOOK_INTERVAL).await;
            let tls = self.clone();
            let looked = tokio::task::spawn_blocking(move || tls.has_changed().then(|| tls.reload())).await;
            match looked {
                Ok(Some(Ok(()))) => tracing::info!("the certificate has changed: new connections get the new one"),
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "the certificate has changed; the one from before stays")
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    fn has_changed(&self) -> bool {
        let seen = self.0.current.lock().seen;
        seen != [look(&self.0.cert_file), look(&self.0.key_file)]
    }

    /// Begins a handshake over a socket.
    pub(crate) fn accept<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        let config = self.0.current.lock().config.clone();
        let limit = |session: &mut ServerConnection| session.set_buffer_limit(Some(TLS_BUFFER_BYTES_MAX));
        TlsAcceptor::from(config).accept_with(stream, limit)
    }
}

fn look(file: &Path) -> Option<Look> {
    let metadata = fs::metadata(file).ok()?;
    Some(Look { modified: metadata.modified().ok(), length: metadata.len() })
}

fn read(cert_file: &Path, key_file: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(cert_file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| wrong(cert_file, &error, "certificate"))?;
    if certificates.is_empty() {
        return Err(wrong(cert_file, &pem::Error::NoItemsFound, "certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| wrong(key_file, &error, "private key"))?;
    let pair = |source| TlsError::Pair { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.max_early_data_size = 0;
    config.session_storage = ServerSessionMemoryCache::new(TLS_SESSIONS_MAX);
    config.ticketer = ring::Ticketer::new().map_err(pair)?;
    Ok(Arc::new(config))
}

fn wrong(file: &Path, error: &pem::Error, what: &str) -> TlsError {
    let why = match error {
        pem::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => format!("cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("has no {what} in it, in PEM and without a password"),
        error => format!("is no {what} in PEM: {error:?}"),
    };
    TlsError::File { file: file.to_owned(), why }
}
