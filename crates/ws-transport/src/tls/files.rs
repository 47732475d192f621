//! Reads certificates and keys from PEM files (RFC 7468).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsError;
use crate::limits::TLS_FILE_BYTES_MAX;

const BEGIN: &str = "-----BEGIN ";

/// All certificates of a file, in order; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| damaged(file, &error))?;
    if chain.is_empty() {
        return Err(missing(file, &pem, "certificate", "CERTIFICATE"));
    }
    Ok(chain)
}

/// The first private key of a file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(file)?;
    if is_encrypted(&pem) {
        return Err(TlsError::Encrypted { file: file.to_owned() });
    }
    match PrivateKeyDer::pem_slice_iter(&pem).next() {
        Some(key) => key.map_err(|error| damaged(file, &error)),
        None => Err(missing(file, &pem, "private key", "PRIVATE KEY (PKCS #8), RSA PRIVATE KEY, EC PRIVATE KEY")),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(TLS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(source) => Err(TlsError::Unreadable { file: file.to_owned(), source }),
        Ok(read) if read as u64 > TLS_FILE_BYTES_MAX => Err(TlsError::TooLarge { file: file.to_owned() }),
        Ok(_) => Ok(bytes),
    }
}

/// PKCS #8 says so in its label, the older formats in a line after it.
fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// In our own words: the library's quote the file, which may contain a key.
fn damaged(file: &Path, error: &rustls::pki_types::pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end line of its own (are the line breaks gone?)",
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section does not end in five dashes",
        pem::Error::Base64Decode(_) => "a section is not base64",
        pem::Error::SectionTooLarge => "a section is too large",
        _ => "it cannot be read to its end",
    };
    TlsError::Damaged { file: file.to_owned(), reason: reason.to_owned() }
}

/// Says what the file contains instead: the labels of its sections, nothing of their contents.
fn missing(file: &Path, pem: &[u8], wanted: &'static str, allowed: &'static str) -> TlsError {
    let text = String::from_utf8_lossy(pem);
    // Without line breaks, a whole key may stand where a label should be.
    let is_label =
        |label: &&str| label.bytes().all(|byte| byte.is_ascii_uppercase() || b"0123456789 #".contains(&byte));
    let labels = text.lines().filter_map(|line| line.strip_prefix(BEGIN)?.trim_end().strip_suffix("-----"));
    let labels: Vec<_> = labels.filter(is_label).collect();
    let found = match labels.as_slice() {
        [] if pem.is_empty() => "nothing at all".to_owned(),
        [] => "nothing that is PEM".to_owned(),
        labels => labels.join(", "),
    };
    TlsError::Missing { file: file.to_owned(), wanted, found, allowed }
}
