//! Files that the configuration names: whether they are what they should be, before a port is bound.

use ws_transport::{Tls, TlsFile};

use crate::auth;
use crate::config::{Config, Mistake, Source};

/// All mistakes in the files with keys and certificates.
#[must_use]
pub fn check(config: &Config) -> Vec<Mistake> {
    let keys = auth::keys(config).err().unwrap_or_default();
    let files = config.tls.cert_file.as_ref().zip(config.tls.key_file.as_ref());
    let tls = files.map(|(cert_file, key_file)| Tls::check(cert_file, key_file)).unwrap_or_default();
    let tls = tls.into_iter().map(|(file, error)| {
        let (key, allowed) = match file {
            TlsFile::Certificate => ("tls.cert_file", "a certificate in PEM, and those between it and a root"),
            TlsFile::Key => ("tls.key_file", "the private key of the certificate, in PEM"),
        };
        let (source, allowed) = (Source::Key(key.to_owned()), allowed.to_owned());
        Mistake { source, key: String::new(), found: error.to_string(), allowed, hint: None }
    });
    keys.into_iter().chain(tls).collect()
}
