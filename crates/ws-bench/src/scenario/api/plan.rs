//! What all connections of a run share.

use crate::measure::Clock;
use crate::request::Template;
use crate::target::Server;

/// What all connections of the run share, read-only.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clock: Clock,
    pub(super) server: Server,
    pub(super) request: Template,
    pub(super) in_flight: usize,
}
