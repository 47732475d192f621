//! Publications of a participant: in any channel, streams included, under ids that no client can use.

use std::future::poll_fn;
use std::task::Poll;

use serde_json::value::RawValue;
use ws_proto::event::Sender;
use ws_proto::publication::encode_history_entry;
use ws_proto::{ChannelName, ErrorBody, ErrorCode, limits};

use super::handle::Hub;
use crate::engine::pending::Pending;
use crate::engine::{Epoch, FindQuery, Publication};
use crate::state::{Draft, unavailable};

/// One publication of a participant.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The value.
    pub data: &'a RawValue,
    /// Who it is from.
    pub from: &'a Sender,
    /// Makes it idempotent. Readers do not see it.
    pub id: Option<&'a str>,
    /// Whether it is the last one of a stream that is held: from its age on the stream's age counts.
    pub is_last: bool,
}

/// A publication that is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The epoch of its stream.
    pub epoch: String,
    /// Its offset.
    pub offset: u64,
    /// As an entry of the history.
    pub entry: Box<RawValue>,
}

impl Hub {
    /// An id for publications that no client can use, as clients' are shorter.
    pub fn private_id(name: &str) -> String {
        format!("{name:_<width$}", width = limits::MSG_ID_BYTES_MAX + 1)
    }

    /// Publishes. Waits for room, and for the engine's answer; gives the position, where there is history, and whether
    /// this id had been published before.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `conflict` (the id has other data), `overloaded` (nothing was published),
    /// `engine_unavailable` (it may have been).
    pub async fn append(&self, entry: &Entry<'_>) -> Result<(Option<(Epoch, u64)>, bool), ErrorBody> {
        let options = self.shared.channel_options(ChannelName::parse(entry.channel)?)?;
        let draft = Draft {
            channel: entry.channel,
            options: &options,
            data: entry.data,
            from: Some(entry.from),
            msg_id: entry.id,
            shows_id: false,
            is_last: entry.is_last,
            repeat: None,
            tags: None,
            read_us: self.shared.clock.now_us(),
        };
        let result = self.submit(&draft).await;
        let place = result.as_ref().ok().map(|appended| (appended.position, appended.duplicate));
        self.shared.published(entry.channel, result)?;
        place.ok_or_else(|| ErrorBody::new(ErrorCode::Internal, "an answer without a place"))
    }

    /// The retained publication that was published under this id.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `overloaded`, `engine_unavailable`.
    pub async fn find(&self, channel: &str, id: &str) -> Result<Option<Stored>, ErrorBody> {
        let options = self.shared.channel_options(ChannelName::parse(channel)?)?;
        let query = FindQuery { channel, retention: options.retention(), msg_id: id };
        let pending = Pending::<_, ()>::call(|done| self.shared.engine.find(query, done));
        let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
        let found = result.map_err(|error| unavailable(&error))?;
        found.map(|found| stored(found.epoch, &found.publication)).transpose()
    }
}

pub(super) fn stored(epoch: Epoch, publication: &Publication) -> Result<Stored, ErrorBody> {
    let (mut entry, offset) = (Vec::new(), publication.offset.unwrap_or_default());
    encode_history_entry(offset, &publication.body, &mut entry);
    let entry = serde_json::from_slice(&entry);
    let entry = entry
        .map_err(|error| ErrorBody::new(ErrorCode::Internal, format!("a stored publication is not JSON: {error}")))?;
    Ok(Stored { epoch: epoch.to_string(), offset, entry })
}
