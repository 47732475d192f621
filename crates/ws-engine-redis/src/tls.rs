//! TLS by rustls, with what the files of an operator say at the moment of a dial: a certificate that was renewed is used
//! from the next connection on. The provider (ring) is named here, so nothing depends on a default of the process.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::options::{Identity, TlsOptions};

/// Speaks TLS with a server that proves to be `host`, a name or an IP address.
///
/// # Errors
/// In words, with the file that is the reason.
pub(crate) async fn connect(
    options: &TlsOptions,
    host: &str,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let options = options.clone();
    // The roots of some systems are hundreds of files.
    let config = tokio::task::spawn_blocking(move || config(&options)).await;
    let config = config.map_err(|error| error.to_string())??;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} is no name of a server"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
    stream.map_err(|error| format!("no TLS: {error}"))
}

fn config(options: &TlsOptions) -> Result<ClientConfig, String> {
    let roots = match &options.ca_file {
        Some(file) => roots(file)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots);
    match &options.identity {
        None => Ok(config.with_no_client_auth()),
        Some(Identity { cert_file, key_file }) => {
            let config = config.with_client_auth_cert(certificates(cert_file)?, key(key_file)?);
            config.map_err(|error| format!("{} and {}: {error}", cert_file.display(), key_file.display()))
        }
    }
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("{}: not the certificate of an authority: {error}", file.display()))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let (mut roots, found) = (RootCertStore::empty(), rustls_native_certs::load_native_certs());
    // Systems have roots that rustls does not understand; it leaves them out.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
    Err(format!("the system has no certificates of authorities{why}: set engine.redis.tls_ca_file"))
}

/// All certificates of a file, at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(&read(file)?).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        // The library's words quote the file.
        Ok(_) | Err(_) => Err(format!("{}: no certificate in PEM in it", file.display())),
    }
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let pem = read(file)?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => Ok(key),
        Err(_) if String::from_utf8_lossy(&pem).contains("ENCRYPTED") => {
            Err(format!("{}: the private key is encrypted; use one without a passphrase", file.display()))
        }
        Err(_) => Err(format!("{}: no private key in PEM in it", file.display())),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}
