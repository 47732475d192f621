//! Locks and atomics of the code that loom checks: `tests/model` replaces them with loom's.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

pub(crate) use parking_lot::Mutex;
