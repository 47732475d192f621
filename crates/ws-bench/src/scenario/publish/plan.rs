//! What all publishers of a row share.

use crate::channel::Names;
use crate::cli::Publish;
use crate::measure::Clock;
use crate::request::Template;

/// Made once for each row.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clock: Clock,
    pub(super) request: Template,
    pub(super) publishers: u64,
    pub(super) in_flight: usize,
    pub(super) first_channel: u64,
    /// Number of channels that have a publisher.
    pub(super) channels: u64,
}

impl Plan {
    pub(super) fn new(options: &Publish, names: &Names, row: u64, publishers: usize) -> Plan {
        let template = if options.msg_ids { Template::publish_with_msg_id } else { Template::publish };
        Plan {
            clock: Clock::start(),
            request: template(names, options.payload),
            publishers: publishers as u64,
            in_flight: options.in_flight,
            first_channel: row * options.channels as u64,
            channels: options.channels.min(publishers) as u64,
        }
    }

    /// The number of the `nth` publish of a publisher, cut to the eight digits that come back.
    #[inline]
    pub(super) fn number(&self, publisher: u64, nth: u64) -> u64 {
        u64::from((nth * self.publishers + publisher) as u32)
    }

    #[inline]
    pub(super) fn channel(&self, publisher: u64) -> u64 {
        self.first_channel + publisher % self.channels
    }
}
