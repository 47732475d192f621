//! Channels, as the server API sees them. The caller has checked the rights.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use ws_proto::api::{ChannelInfo, ChannelPage};
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::channel::Channel;
use crate::engine::HistoryQuery;
use crate::engine::pending::Pending;
use crate::options::ChannelOptions;
use crate::registry::Named;
use crate::state::{page_limit, unavailable};

impl Hub {
    /// A page of the channels that have subscribers and whose names begin with `prefix`. `after` is `next` of the page
    /// before. Pages have no channel twice, and leave out none that was there throughout.
    ///
    /// # Errors
    /// `invalid_payload`: the limit is not 1 to 1,000, or `after` is no cursor.
    pub fn list_channels(
        &self,
        prefix: &str,
        limit: Option<u32>,
        after: Option<&str>,
    ) -> Result<ChannelPage, ErrorBody> {
        self.shared.knows_all("a list of the channels")?;
        let (max, after) = (page_limit(limit)?, after.map(name_of).transpose()?);
        let found = self.shared.channels.page(after.as_deref(), max + 1, |channel| channel.name().starts_with(prefix));
        let channels = found.iter().take(max).map(|channel| info(channel)).collect();
        Ok(ChannelPage { channels, next: (found.len() > max).then(|| cursor(found[max - 1].name())) })
    }

    /// One channel, also without subscribers. Asks the engine for the position of its stream.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `overloaded`, `engine_unavailable`.
    pub async fn channel(&self, name: &str) -> Result<ChannelInfo, ErrorBody> {
        self.shared.knows_all("the subscribers of a channel")?;
        let options = self.channel_options(name)?;
        let none = || ChannelInfo { channel: name.to_owned(), subscribers: 0, epoch: None, offset: None };
        let mut found = self.shared.channels.get(name).map_or_else(none, |channel| info(&channel));
        if options.has_history() {
            let query = HistoryQuery {
                channel: name,
                retention: options.retention(),
                after: 0,
                before: None,
                reverse: false,
                limit: 0,
                bytes_max: 0,
            };
            let pending = Pending::<_, ()>::call(|done| self.shared.read_history(query, done));
            let position = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
            let position = position.map_err(|error| unavailable(&error))?;
            (found.epoch, found.offset) = (Some(position.epoch.to_string()), Some(position.top));
        }
        Ok(found)
    }

    /// The options of a channel.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`.
    pub fn channel_options(&self, name: &str) -> Result<Arc<ChannelOptions>, ErrorBody> {
        self.shared.channel_options(ChannelName::parse(name)?)
    }
}

fn info(channel: &Channel) -> ChannelInfo {
    let state = channel.lock();
    let (epoch, end) = (state.epoch, state.end.offset);
    ChannelInfo {
        channel: channel.name().to_owned(),
        subscribers: state.subscriptions.into(),
        epoch: epoch.map(|epoch| epoch.to_string()),
        offset: epoch.map(|_| end),
    }
}

/// A name as a cursor, in which only a few characters are allowed.
fn cursor(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn name_of(after: &str) -> Result<String, ErrorBody> {
    let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
    let byte = |pair: &[u8]| Some((digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?) as u8);
    let bytes: Option<Vec<u8>> = after.as_bytes().chunks(2).map(byte).collect();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|name| ChannelName::parse(name).is_ok());
    let error = || ErrorBody::new(ErrorCode::InvalidPayload, "`after` is not a cursor: pass `next` of the page before");
    name.ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_name() {
        for name in ["a", "chat:新闻", "x#ann,bob"] {
            let cursor = cursor(name);
            assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric()));
            assert_eq!(name_of(&cursor).ok().as_deref(), Some(name));
        }
        for wrong in ["", "6", "6A", "zz", "ff", "20", "é"] {
            assert!(name_of(wrong).is_err(), "{wrong:?}");
        }
    }
}
