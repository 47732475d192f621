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
