//! Every setting of rustls that matters, spelled out.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, Error, InconsistentKeys, NoKeyLog, RootCertStore, ServerConfig};

use super::error::TlsError;
use super::files;

/// The protocol over TLS (RFC 7301). A client that offers only others is refused; one that offers none is not.
const ALPN: &[u8] = b"http/1.1";

/// Session tickets after a TLS 1.3 handshake. One is enough for one reconnect.
const TICKETS: usize = 1;

/// Reads the files and builds the configuration for handshakes.
pub(super) fn read(cert_file: &Path, key_file: &Path) -> Result<ServerConfig, TlsError> {
    let chain = files::certificates(cert_file)?;
    let key = files::key(key_file)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    if let Some(own) = chain.first() {
        validity_warning(own).into_iter().for_each(|warning| tracing::warn!(file = %cert_file.display(), "{warning}"));
    }
    // Newest first, as rustls takes them.
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(unavailable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| blame(error, cert_file, key_file))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // The client's order counts: a phone without AES in hardware prefers ChaCha20.
    config.ignore_client_order = false;
    // Records of 16 KiB, the maximum.
    config.max_fragment_size = None;
    // Sessions live in their tickets, sealed with a key that changes every six hours, so they need no memory here.
    // A reload starts a new key, so that every client sees the new certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(unavailable)?;
    config.send_tls13_tickets = TICKETS;
    config.max_tls13_tickets = TICKETS;
    // Early data can be replayed, and a WebSocket handshake has effects.
    config.max_early_data_size = 0;
    config.send_half_rtt_data = false;
    config.require_ems = false;
    config.enable_secret_extraction = false;
    config.key_log = Arc::new(NoKeyLog {});
    config.cert_compressors = Vec::new();
    config.cert_decompressors = Vec::new();
    Ok(config)
}

/// Names the file that causes an error.
fn blame(error: Error, cert_file: &Path, key_file: &Path) -> TlsError {
    let reason = error.to_string();
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { cert_file: cert_file.to_owned(), key_file: key_file.to_owned() }
        }
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => {
            TlsError::Certificate { file: cert_file.to_owned(), reason }
        }
        _ => TlsError::Key { file: key_file.to_owned(), reason },
    }
}

fn unavailable(error: Error) -> TlsError {
    TlsError::Unavailable { reason: error.to_string() }
}

/// A warning if clients will refuse the certificate because of its dates.
pub(super) fn validity_warning(own: &CertificateDer<'_>) -> Option<&'static str> {
    match dates(own, &Arc::new(rustls::crypto::ring::default_provider())) {
        Some(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            Some("the certificate has expired: clients will refuse it")
        }
        Some(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            Some("the certificate is not valid yet: clients will refuse it")
        }
        _ => None,
    }
}

/// The error of a client that trusts only this certificate. Dates are checked before the name and the issuer.
fn dates(own: &CertificateDer<'_>, provider: &Arc<rustls::crypto::CryptoProvider>) -> Option<CertificateError> {
    let mut roots = RootCertStore::empty();
    roots.add(own.clone().into_owned()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().ok()?;
    let name = ServerName::try_from("localhost").ok()?;
    match verifier.verify_server_cert(own, &[], &name, &[], UnixTime::now()) {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn dates_are_told() {
        let check = |from: i32, to: i32, expect: &str| {
            let mut params = CertificateParams::new(["example.org".to_owned()]).expect("a name");
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            let key = KeyPair::generate().expect("a key");
            let cert = params.self_signed(&key).expect("a certificate");
            let found = dates(cert.der(), &Arc::new(rustls::crypto::ring::default_provider()));
            let said = format!("{found:?}");
            assert!(said.contains(expect), "{from} to {to}: {said}");
        };
        check(2020, 2021, "Expired");
        check(4000, 4001, "NotValidYet");
        check(2020, 4000, "NotValidForName");
    }
}
