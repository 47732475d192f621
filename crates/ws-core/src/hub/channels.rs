//! Channels, as the server API sees them, with the subscribers of all servers. The caller has checked the rights.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use ws_proto::api::{ChannelInfo, ChannelPage};
use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::handle::Hub;
use crate::cluster::{Question, merged};
use crate::engine::pending::Pending;
use crate::engine::{Epoch, HistoryQuery};
use crate::options::ChannelOptions;
use crate::registry::page_order;
use crate::state::{page_limit, unavailable};

impl Hub {
    /// A page of the channels that have subscribers and whose names begin with `prefix`. `after` is `next` of the page
    /// before. Pages have no channel twice, and leave out none that was there throughout.
    ///
    /// # Errors
    /// `invalid_payload`: the limit is not 1 to 1,000, or `after` is no cursor. `engine_unavailable`, `overloaded`.
    pub async fn list_channels(
        &self,
        prefix: &str,
        limit: Option<u32>,
        after: Option<&str>,
    ) -> Result<ChannelPage, ErrorBody> {
        let (max, after) = (page_limit(limit)?, after.map(name_of).transpose()?);
        let question = Question::Channels { prefix: prefix.into(), after: after.as_deref().map(Into::into), max };
        let mut pages = self.shared.asking.all(&question).await?;
        pages.push(self.shared.own_channels(prefix, after.as_deref(), max));
        let page = merged(pages, max, |one, other| page_order(&one.channel, &other.channel), join);
        let last = page.entries.last().filter(|_| page.more);
        let next = last.map(|last| cursor(&last.channel));
        Ok(ChannelPage { channels: page.entries, next })
    }

    /// One channel, also without subscribers. Asks the engine for the position of its stream.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `overloaded`, `engine_unavailable`.
    pub async fn channel(&self, name: &str) -> Result<ChannelInfo, ErrorBody> {
        let position = self.position(name).await?;
        let question = Question::Subscribers { channel: name.into() };
        let others: Vec<u64> = self.shared.asking.all(&question).await?;
        Ok(ChannelInfo {
            channel: name.to_owned(),
            subscribers: self.shared.own_subscribers(name) + others.iter().sum::<u64>(),
            epoch: position.map(|(epoch, _)| epoch.to_string()),
            offset: position.map(|(_, top)| top),
        })
    }

    /// The position of a channel's stream, epoch and top; `None` without history. Asks the engine.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`, `overloaded`, `engine_unavailable`.
    pub async fn position(&self, name: &str) -> Result<Option<(Epoch, u64)>, ErrorBody> {
        let options = self.channel_options(name)?;
        if !options.has_history() {
            return Ok(None);
        }
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
        Ok(Some((position.epoch, position.top)))
    }

    /// The options of a channel.
    ///
    /// # Errors
    /// `invalid_channel`, `unknown_namespace`.
    pub fn channel_options(&self, name: &str) -> Result<Arc<ChannelOptions>, ErrorBody> {
        self.shared.channel_options(ChannelName::parse(name)?)
    }
}

/// The same channel on two servers. One may not have got as far as the other.
fn join(kept: &mut ChannelInfo, other: ChannelInfo) {
    kept.subscribers += other.subscribers;
    if kept.epoch.is_none() || (kept.epoch == other.epoch && kept.offset < other.offset) {
        (kept.epoch, kept.offset) = (other.epoch, other.offset);
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
