//! Pages of a channel's history, and its removal. The caller has checked the rights.

use serde_json::value::RawValue;
use ws_proto::action::{GetHistory, HistoryData};
use ws_proto::publication::encode_history_entry;
use ws_proto::{ErrorBody, ErrorCode};

use super::error::unavailable;
use super::page;
use super::shared::Shared;
use crate::engine::pending::Pending;
use crate::engine::{EngineError, Epoch, History, HistoryQuery, Publication};
use crate::limits::HISTORY_PAGE_BYTES_MAX;
use crate::options::ChannelOptions;

impl Shared {
    /// Asks the engine for a page.
    ///
    /// # Errors
    /// `invalid_payload` (the limit), `not_available`.
    pub(crate) fn history(
        &self,
        payload: &GetHistory<'_>,
        options: &ChannelOptions,
    ) -> Result<Pending<History>, ErrorBody> {
        let limit = page::limit(payload.limit)?;
        check_history(options)?;
        let query = HistoryQuery {
            channel: &payload.channel,
            retention: options.retention(),
            after: payload.since.as_ref().map_or(0, |since| since.offset),
            before: payload.before,
            reverse: payload.reverse.unwrap_or(false),
            limit,
            bytes_max: self.history_page_bytes_max(),
        };
        Ok(Pending::call(|done| self.read_history(query, done)))
    }

    /// Has the engine remove all publications of a channel.
    ///
    /// # Errors
    /// `not_available`.
    pub(crate) fn remove_history(&self, channel: &str, options: &ChannelOptions) -> Result<Pending<Epoch>, ErrorBody> {
        check_history(options)?;
        Ok(Pending::call(|done| self.engine.remove(channel, done)))
    }

    /// Most bytes of the entries of a page: what one answer has room for, and never more than the protocol allows.
    fn history_page_bytes_max(&self) -> usize {
        page::bytes_max(self.limits.outbox_bytes_max).min(HISTORY_PAGE_BYTES_MAX)
    }

    /// The answer, with as many publications as fit. `epoch` is the one that the caller expects.
    ///
    /// # Errors
    /// `stale_position`, and the errors of the engine.
    pub(crate) fn history_data<'a>(
        &self,
        channel: &'a str,
        epoch: Option<&str>,
        result: Result<History, EngineError>,
    ) -> Result<HistoryData<'a, Box<RawValue>>, ErrorBody> {
        let history = result.map_err(|error| unavailable(&error))?;
        if epoch.is_some_and(|epoch| Epoch::parse(epoch) != Some(history.epoch)) {
            let message = format!("`payload.since.epoch` is another epoch; the channel is in {}", history.epoch);
            return Err(ErrorBody::new(ErrorCode::StalePosition, message));
        }
        let mut publications = entries(&history)?;
        let fitting = page::fitting(publications.iter().map(|entry| entry.get().len()), self.history_page_bytes_max());
        let more = history.more || fitting < publications.len();
        publications.truncate(fitting);
        Ok(HistoryData {
            channel: channel.into(),
            epoch: history.epoch.to_string().into(),
            offset: history.top,
            publications,
            more,
        })
    }
}

fn check_history(options: &ChannelOptions) -> Result<(), ErrorBody> {
    if options.has_history() {
        return Ok(());
    }
    Err(ErrorBody::new(ErrorCode::NotAvailable, "this channel keeps no history (`history_size = 0`)"))
}

fn entries(history: &History) -> Result<Vec<Box<RawValue>>, ErrorBody> {
    let entry = |publication: &Publication| {
        let mut entry = Vec::new();
        encode_history_entry(publication.offset.unwrap_or_default(), &publication.body, &mut entry);
        serde_json::from_slice(&entry)
    };
    let entries = history.publications.iter().map(entry).collect::<Result<_, _>>();
    entries.map_err(|error| ErrorBody::new(ErrorCode::Internal, format!("a stored publication is not JSON: {error}")))
}
