//! The way out of a connection, as far as this crate sees it.

use std::io;

/// The writing half of a socket.
///
/// Implemented by the transport. Called under the connection's lock, so it must never wait.
pub trait Outlet: Send {
    /// Writes as many of `bytes` as the socket accepts without waiting, and returns how many.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if it accepts none for now; with any other error the socket is gone.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Whether it still holds bytes that the socket has not accepted: TLS, for example, sends a record as a whole. It
    /// accepts nothing more until they are sent.
    fn has_unsent(&self) -> bool {
        false
    }

    /// Sends as many of those bytes as the socket accepts without waiting, and returns how many.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    fn try_flush(&self) -> io::Result<usize> {
        Ok(0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// A socket that accepts up to `BLOCK` bytes before it sends any, and then nothing more until they are sent.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Blocks {
        pub(crate) pipe: Pipe,
        inside: Arc<Mutex<Vec<u8>>>,
    }

    pub(crate) const BLOCK: usize = 16;

    impl Outlet for Blocks {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            assert!(!self.has_unsent(), "nothing more before that has gone");
            let taken = bytes.len().min(BLOCK);
            self.inside.lock().extend_from_slice(&bytes[..taken]);
            let _ = self.try_flush();
            Ok(taken)
        }

        fn try_flush(&self) -> io::Result<usize> {
            let mut inside = self.inside.lock();
            let sent = self.pipe.try_write(&inside)?;
            inside.drain(..sent);
            Ok(sent)
        }

        fn has_unsent(&self) -> bool {
            !self.inside.lock().is_empty()
        }
    }

    /// A socket that accepts `room` bytes and keeps them.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Pipe(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Pipe {
        pub(crate) fn with_room(room: usize) -> Self {
            Pipe(Arc::new(Mutex::new((room, Vec::new()))))
        }

        pub(crate) fn make_room(&self, room: usize) {
            self.0.lock().0 += room;
        }

        pub(crate) fn take(&self) -> Vec<u8> {
            std::mem::take(&mut self.0.lock().1)
        }
    }

    impl Outlet for Pipe {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            let mut pipe = self.0.lock();
            let taken = bytes.len().min(pipe.0);
            if taken == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            pipe.0 -= taken;
            pipe.1.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
    }
}
