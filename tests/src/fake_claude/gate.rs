//! Where a script waits until the test lets it go on.

use tokio::sync::watch;

/// A gate in a script: [`Script::until`](super::Script::until). Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Gate(watch::Sender::new(false))
    }
}

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every script go on that waits at it or comes to it.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn opened(&self) {
        self.0.subscribe().wait_for(|is_open| *is_open).await.expect("this is a sender itself");
    }
}
