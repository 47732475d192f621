//! Who signs certificates, and the certificates of a Redis and of its clients.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use ws_engine_redis::{Identity, TlsOptions};

use crate::fixture::Redis;

/// An authority, with its files in a directory of its own.
#[derive(Debug)]
pub(crate) struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let (dir, key) = (tempfile::tempdir().expect("a directory"), KeyPair::generate().expect("a key"));
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Two authorities of one name would be taken for each other.
        params.distinguished_name.push(DnType::CommonName, dir.path().display().to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write(&dir.path().join("ca.pem"), &params.self_signed(&key).expect("a certificate").pem());
        Authority { dir, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for these names or addresses.
    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let [cert_file, key_file] =
            ["crt", "key"].map(|end| self.dir.path().join(format!("{}.{end}", names.join("-"))));
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.distinguished_name.push(DnType::CommonName, names.concat());
        write(&cert_file, &params.signed_by(&key, &self.issuer).expect("a certificate").pem());
        write(&key_file, &key.serialize_pem());
        Identity { cert_file, key_file }
    }

    /// Options that trust it.
    pub(crate) fn tls(&self) -> TlsOptions {
        TlsOptions { ca_file: Some(self.ca_file()), identity: None }
    }

    /// Arguments of a Redis that has this certificate, and asks its clients for one as `clients` says.
    pub(crate) fn arguments(&self, identity: &Identity, clients: &str) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let files = [path(&identity.cert_file), path(&identity.key_file), path(&self.ca_file())];
        let names = ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"].map(str::to_owned);
        let files = names.into_iter().zip(files).flat_map(|(name, file)| [name, file]);
        files.chain(["--tls-auth-clients".to_owned(), clients.to_owned()]).collect()
    }

    /// A Redis with this certificate, on a port that is TLS.
    pub(crate) async fn redis(&self, identity: &Identity, clients: &str) -> Redis {
        let port = |port: u16| ["--tls-port".to_owned(), port.to_string()].to_vec();
        Redis::on_port(|number| [port(number), self.arguments(identity, clients)].concat()).await
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("room");
}
