//! TLS by rustls, with a configuration that stands alone.
//!
//! It carries its own provider (ring), so it needs no process default, and it does not matter which features of rustls
//! the program links. Roots: those of the system, in place of which `SSL_CERT_FILE` and `SSL_CERT_DIR` count where
//! they are set, as in other programs; and those of Mozilla that come with the crate, for containers without any.

use std::env;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::DialError;
use super::target::Target;

/// All clients of the process use one: the roots take half a megabyte.
static SHARED: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// The configuration of clients that were given none.
///
/// # Errors
/// Why the certificates that the environment names cannot be read. The next call tries again.
pub(super) async fn shared() -> Result<Arc<ClientConfig>, String> {
    let made = || async {
        // Reads hundreds of files on some systems.
        let made = tokio::task::spawn_blocking(|| config(&["SSL_CERT_FILE", "SSL_CERT_DIR"])).await;
        made.map_err(|error| error.to_string())?
    };
    SHARED.get_or_try_init(made).await.cloned()
}

/// `variables`: if one of these is set, the system's roots have to be readable.
fn config(variables: &[&str]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let found = rustls_native_certs::load_native_certs();
    let named = variables.iter().find(|name| env::var_os(name).is_some());
    if let (Some(name), Some(error)) = (named, found.errors.first()) {
        return Err(format!("the certificates that {name} names cannot be read: {error}"));
    }
    // Systems have roots that webpki does not understand; it leaves them out.
    roots.add_parsable_certificates(found.certs);
    with_roots(roots)
}

pub(super) fn with_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

pub(super) async fn connect(
    target: &Target,
    config: Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, DialError> {
    let name = target.server_name().map_err(|reason| failed(target, reason))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    stream.map_err(|error| failed(target, error.to_string()))
}

pub(super) fn failed(target: &Target, reason: String) -> DialError {
    DialError::Tls { host: target.to_string(), reason }
}
