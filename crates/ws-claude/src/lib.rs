//! Claude as a participant: a run asks the provider and publishes what comes back into a channel of its own.
//!
//! Two halves. [`upstream`] speaks the provider's Messages API and knows no channel. The other half takes runs, publishes
//! through the hub's operations, and knows no HTTP.

pub mod upstream;
