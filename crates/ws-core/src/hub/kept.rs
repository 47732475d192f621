//! What a participant keeps across restarts: values under names, and lists of names.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use ws_proto::publication::{BODY_DATA_START, HistoryEntry, encode_publication_body};
use ws_proto::{ErrorBody, ErrorCode};

use super::entries::{Stored, stored};
use super::handle::Hub;
use crate::clock::Clock;
use crate::engine::pending::Pending;
use crate::engine::{Append, Appended, History, HistoryQuery, Retention};
use crate::limits::{HISTORY_PAGE_BYTES_MAX, LISTED_MAX};
use crate::state::unavailable;

impl Hub {
    /// Keeps a value under a name, in place of the one before, for as long as the engine keeps anything. Values that are
    /// kept one after the other, without waiting for the answers, are stored in this order.
    ///
    /// # Errors
    /// `overloaded` (nothing was stored), `engine_unavailable` (it may have been).
    pub fn keep(&self, name: &str, value: &RawValue) -> impl Future<Output = Result<(), ErrorBody>> + Send + use<> {
        let pending = self.append_private(name, value, VALUE, None);
        async move { answered(pending).await.map(drop) }
    }

    /// The value that is kept under a name, as an entry of a history.
    ///
    /// # Errors
    /// `overloaded`, `engine_unavailable`.
    pub async fn kept(&self, name: &str) -> Result<Option<Stored>, ErrorBody> {
        let history = self.newest(name, VALUE).await?;
        history.publications.first().map(|publication| stored(history.epoch, publication)).transpose()
    }

    /// Keeps nothing under a name any more.
    ///
    /// # Errors
    /// `overloaded` (it is still kept), `engine_unavailable` (it may be).
    pub async fn forget(&self, name: &str) -> Result<(), ErrorBody> {
        let channel = private_channel(name);
        answered(Pending::call(|done| self.shared.engine.remove(&channel, done))).await.map(drop)
    }

    /// Puts a name into a list, unless it is there. The list keeps the last 1,024.
    ///
    /// # Errors
    /// `overloaded` (it was not put there), `engine_unavailable` (it may have been).
    pub async fn enlist(&self, list: &str, name: &str) -> Result<(), ErrorBody> {
        let value = to_raw_value(name).map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))?;
        answered(self.append_private(list, &value, LIST, Some(name))).await.map(drop)
    }

    /// The names in a list.
    ///
    /// # Errors
    /// `overloaded`, `engine_unavailable`.
    pub async fn listed(&self, list: &str) -> Result<Vec<String>, ErrorBody> {
        let history = self.newest(list, LIST).await?;
        let name = |publication| {
            let stored = stored(history.epoch, publication)?;
            let entry = serde_json::from_str::<HistoryEntry<'_, String>>(stored.entry.get());
            entry.map(|entry| entry.data).map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))
        };
        history.publications.iter().map(name).collect()
    }

    fn append_private(
        &self,
        name: &str,
        value: &RawValue,
        retention: Retention,
        msg_id: Option<&str>,
    ) -> Pending<Appended> {
        let mut body = Vec::new();
        let bytes = encode_publication_body(value, Clock::unix_ms(), None, None, None, &mut body);
        let append = Append {
            channel: &private_channel(name),
            retention,
            body: Arc::from(body),
            data: BODY_DATA_START..BODY_DATA_START + bytes,
            msg_id,
            age_ms: 0,
            read_us: None,
        };
        Pending::call(|done| self.shared.engine.append(append, done))
    }

    /// As many as are retained, the newest first.
    async fn newest(&self, name: &str, retention: Retention) -> Result<History, ErrorBody> {
        let query = HistoryQuery {
            channel: &private_channel(name),
            retention,
            after: 0,
            before: None,
            reverse: true,
            limit: retention.size,
            bytes_max: HISTORY_PAGE_BYTES_MAX,
        };
        answered(Pending::call(|done| self.shared.engine.history(query, done))).await
    }
}

/// One value, for ever.
const VALUE: Retention = Retention::new(1, Duration::ZERO);

/// Some names, for ever.
const LIST: Retention = Retention::new(LISTED_MAX, Duration::ZERO);

/// No client can name it.
fn private_channel(name: &str) -> String {
    format!("*{name}")
}

async fn answered<T: Send + 'static>(pending: Pending<T>) -> Result<T, ErrorBody> {
    let result = poll_fn(|cx| pending.poll(|| cx.waker().clone()).map_or(Poll::Pending, Poll::Ready)).await;
    result.map_err(|error| unavailable(&error))
}
