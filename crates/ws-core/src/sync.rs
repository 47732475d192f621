//! The locks and atomics of what is shared between threads and modelled: `tests/model` puts loom's in their place.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

pub(crate) use parking_lot::Mutex;
