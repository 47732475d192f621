//! Files that the configuration names: whether they are what they should be, before a port is bound.

use ws_transport::Tls;

use crate::auth;
use crate::config::{Config, Mistake, Source};

/// All mistakes in the files with keys and certificates.
#[must_use]
pub fn check(config: &Config) -> Vec<Mistake> {
    let keys = auth::keys(config).err().unwrap_or_default();
    let files = config.tls.cert_file.as_ref().zip(config.tls.key_file.as_ref());
    let tls = files.and_then(|(cert_file, key_file)| Tls::load(cert_file, key_file).err()).map(|error| Mistake {
        source: Source::Key("tls.cert_file".to_owned()),
        key: String::new(),
        found: error.to_string(),
        allowed: "a certificate and its private key, both in PEM".to_owned(),
        hint: None,
    });
    keys.into_iter().chain(tls).collect()
}
