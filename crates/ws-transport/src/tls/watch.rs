//! Notices when the files have been replaced.
//!
//! Certificate and key are often written one after the other. Until they fit together, the previous ones stay in use.
//! The files' metadata is polled, because inotify does not follow the symbolic links that Kubernetes and certbot swap.

use super::Tls;
use super::stamps::Stamps;
use crate::limits::TLS_POLL_INTERVAL;

impl Tls {
    /// Reloads when a file has changed, and says so in the log, until the future is dropped.
    pub async fn watch(self) {
        let mut last_error = None;
        loop {
            tokio::time::sleep(TLS_POLL_INTERVAL).await;
            let tls = self.clone();
            let looked = tokio::task::spawn_blocking(move || tls.check_once(last_error)).await;
            last_error = looked.unwrap_or_default();
        }
    }

    /// Checks once. Takes the error of the last check and returns the error of this one, so that the same error is
    /// logged once.
    fn check_once(&self, last_error: Option<String>) -> Option<String> {
        let seen = Stamps::of(&self.0.cert_file, &self.0.key_file);
        if *self.0.stamps.lock() == seen {
            return None;
        }
        let Err(error) = self.reload() else {
            tracing::info!(file = %self.0.cert_file.display(), "the new certificate is in use");
            return None;
        };
        let error = error.to_string();
        if last_error.as_ref() != Some(&error) {
            tracing::warn!(%error, "the new certificate cannot be used; the previous one stays in use");
        }
        Some(error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn write(dir: &TempDir, name: &str, text: &str) {
        // A new file in place of the old one, as those who renew certificates do it.
        let path = dir.path().join("new");
        fs::write(&path, text).expect("a file");
        fs::rename(path, dir.path().join(name)).expect("a file");
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn files_that_come_one_after_the_other_are_taken_when_they_fit() {
        let dir = TempDir::new().expect("a directory");
        let (cert, key) = pair();
        write(&dir, "cert.pem", &cert);
        write(&dir, "key.pem", &key);
        let tls = Tls::load(&dir.path().join("cert.pem"), &dir.path().join("key.pem")).expect("a certificate");
        let config = || tls.0.config.read().clone();
        let first = config();
        assert_eq!(tls.check_once(None), None);
        assert!(std::sync::Arc::ptr_eq(&first, &config()), "nothing has changed");

        let (cert, key) = pair();
        write(&dir, "key.pem", &key);
        let error = tls.check_once(None).expect("they do not fit");
        assert!(error.contains("key.pem: not the key of the first certificate in"), "{error}");
        assert_eq!(tls.check_once(Some(error.clone())), Some(error), "it goes on trying");
        assert!(std::sync::Arc::ptr_eq(&first, &config()), "the one before stays");
        write(&dir, "cert.pem", &cert);
        assert_eq!(tls.check_once(None), None);
        let second = config();
        assert!(!std::sync::Arc::ptr_eq(&first, &second), "now they fit");
        assert_eq!(tls.check_once(None), None);
        assert!(std::sync::Arc::ptr_eq(&second, &config()), "and are read once");
        fs::remove_file(dir.path().join("key.pem")).expect("a file");
        assert!(tls.check_once(None).is_some_and(|error| error.contains("cannot be read")));
    }
}
