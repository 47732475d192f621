//! What is wrong with a certificate or a key is said so that it can be put right.

use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};
use ws_transport::Tls;

use crate::fixture::{Files, pair, shown};

#[test]
fn mistakes_name_the_file_what_is_in_it_and_what_is_allowed() {
    let files = Files::new();
    let (good, other) = (pair(), KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key"));
    let (cert, key) = (good.cert.pem(), good.signing_key.serialize_pem());
    let check = |cert: Option<&str>, key: Option<&str>, blamed: &str, expect: &str| {
        let [cert_file, key_file] = [("cert.pem", cert), ("key.pem", key)].map(|(name, text)| match text {
            Some(text) => files.write(name, text),
            None => files.path("none.pem"),
        });
        let error = Tls::load(&cert_file, &key_file).expect_err(expect).to_string();
        assert!(error.starts_with(&shown(&files.path(blamed))) && error.contains(expect), "{error}");
    };
    check(None, Some(&key), "none.pem", "cannot be read: No such file or directory");
    check(Some(&cert), None, "none.pem", "cannot be read: No such file or directory");
    check(Some(""), Some(&key), "cert.pem", "no certificate in it, but nothing at all; allowed: CERTIFICATE");
    check(Some("\0\u{1}"), Some(&key), "cert.pem", "no certificate in it, but nothing that is PEM");
    check(Some(&key), Some(&key), "cert.pem", "no certificate in it, but PRIVATE KEY;");
    check(Some(&cert), Some(&cert), "key.pem", "no private key in it, but CERTIFICATE; allowed: PRIVATE KEY (PKCS #8)");
    check(Some(&cert[..cert.len() / 2]), Some(&key), "cert.pem", "damaged PEM");
    check(Some(&cert), Some(&key[..key.len() / 2]), "key.pem", "damaged PEM");
    check(Some(&cert), Some(&other.serialize_pem()), "key.pem", "not the key of the first certificate in");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    check(Some(&cert), Some(&encrypted), "key.pem", "the private key is encrypted");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n";
    check(Some(&cert), Some(old), "key.pem", "the private key is encrypted");
    let nonsense = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    check(Some(&nonsense("CERTIFICATE")), Some(&key), "cert.pem", "not a certificate that a server can use");
    check(Some(&cert), Some(&nonsense("PRIVATE KEY")), "key.pem", "not a key that can be used");
    let huge = "x".repeat(1024 * 1024 + 1);
    check(Some(&huge), Some(&key), "cert.pem", "larger than 1048576 bytes");
}

#[test]
fn both_may_be_one_file() {
    let (files, good) = (Files::new(), pair());
    let both = files.write("both.pem", &(good.signing_key.serialize_pem() + &good.cert.pem()));
    Tls::load(&both, &both).expect("a certificate and its key");
}

/// A key whose line breaks have become `\n`, as they do in variables, is in no error: not as text, and not as numbers.
#[test]
fn nothing_of_a_key_is_told() {
    let files = Files::new();
    let good = pair();
    let key = good.signing_key.serialize_pem();
    let secret = key.lines().nth(1).expect("base64");
    let numbers: Vec<_> = secret.bytes().take(8).map(|byte| byte.to_string()).collect();
    let one_line = key.replace('\n', "\\n");
    let files = [files.write("cert.pem", &good.cert.pem()), files.write("key.pem", &one_line)];
    for text in [one_line.trim_end_matches("\\n").to_owned(), one_line.clone(), one_line.replace("-----\\n", "----\\n")]
    {
        std::fs::write(&files[1], text).expect("room");
        for cert_file in &files {
            let error = Tls::load(cert_file, &files[1]).expect_err("it is none").to_string();
            assert!(!error.contains(secret) && !error.contains(&numbers.join(", ")), "{error}");
        }
    }
}
