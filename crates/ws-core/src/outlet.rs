//! The way out of a connection, as far as this crate sees it.

use std::io;

/// The writing half of a socket.
///
/// Implemented by the transport. Called under the connection's lock, so it must never wait.
pub trait Outlet: Send {
    /// Writes as many of `bytes` as the socket takes at once.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it takes none for now; anything else: the socket is gone.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// A socket that takes `room` bytes and keeps what it took.
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
