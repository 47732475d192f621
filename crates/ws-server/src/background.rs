//! Tasks that run beside the server and end with it.

use tokio::task::JoinHandle;

/// Aborts its tasks when it is dropped.
#[derive(Debug)]
pub(crate) struct BackgroundTasks(pub(crate) Vec<JoinHandle<()>>);

impl Drop for BackgroundTasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}
