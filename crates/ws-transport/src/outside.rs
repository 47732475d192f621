//! Sockets that are no WebSocket: not yet, as they speak HTTP, or no longer, as they are being closed. No limit of the hub
//! is about them, so they have one of their own, all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::OUTSIDE_SOCKETS_MAX;

/// How many there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outside(Arc<AtomicUsize>);

/// One of them, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Outside {
    /// Counts one more; nothing where there are too many.
    pub(crate) fn enter(&self) -> Option<Place> {
        // Dropping it counts it out again.
        let place = Place(self.0.clone());
        (place.0.fetch_add(1, Ordering::AcqRel) < OUTSIDE_SOCKETS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_one_goes() {
        let outside = Outside::default();
        let mut places: Vec<_> = (0..OUTSIDE_SOCKETS_MAX).map(|_| outside.enter().expect("room")).collect();
        assert!(outside.enter().is_none() && outside.enter().is_none());
        places.pop();
        assert!(outside.enter().is_some());
    }
}
