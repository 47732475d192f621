//! A link that ends with its owner. Without that, its tasks would keep the connection open, and ping it, for ever.

use std::ops::Deref;

use crate::link::Link;

/// See the module.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) Link);

impl Deref for Owned {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.end("it is not used any more");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::link::Patience;

    #[tokio::test]
    async fn a_connection_does_not_outlive_its_owner() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (read, write) = tokio::io::split(ours);
        let link = Link::begin(read, write, Patience::Command(Duration::from_secs(5)), Box::new(|_| {}));
        drop(Owned(link.clone()));
        assert_eq!(link.ended().await, "it is not used any more");
        assert_eq!(theirs.read(&mut [0; 64]).await.expect("it is closed in order"), 0);
    }
}
