//! What the cases publish and query.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use ws_proto::publication::{BODY_DATA_START, encode_publication_body};

use crate::engine::{History, HistoryQuery, Publication, Retention};

/// Something to publish.
#[derive(Debug, Clone)]
pub(super) struct Message<'a> {
    pub(super) body: Arc<[u8]>,
    pub(super) data: Range<usize>,
    pub(super) id: Option<&'a str>,
    pub(super) age_ms: u64,
}

impl<'a> Message<'a> {
    /// A publication like a client's: `data` is JSON.
    pub(super) fn new(data: impl ToString) -> Self {
        Message::sent(data, 1_700_000_000_000)
    }

    /// The same, published at another time.
    pub(super) fn sent(data: impl ToString, time: u64) -> Self {
        let data = RawValue::from_string(data.to_string()).expect("the data is JSON");
        let mut body = Vec::new();
        let bytes = encode_publication_body(&data, time, None, None, None, &mut body);
        Message { body: body.into(), data: BODY_DATA_START..BODY_DATA_START + bytes, id: None, age_ms: 0 }
    }

    /// Any bytes, all of which are data.
    pub(super) fn raw(body: Vec<u8>) -> Self {
        Message { data: 0..body.len(), body: body.into(), id: None, age_ms: 0 }
    }

    pub(super) fn id(self, id: &'a str) -> Self {
        Message { id: Some(id), ..self }
    }

    /// A repeat of what was first sent so long ago.
    pub(super) fn repeated(self, age: Duration) -> Self {
        Message { age_ms: at_least_ms(age), ..self }
    }

    /// The publication at this offset that results from it.
    pub(super) fn at(&self, offset: impl Into<Option<u64>>) -> Publication {
        Publication { offset: offset.into(), body: self.body.clone() }
    }
}

/// An age in milliseconds that is not less, and not zero.
pub(super) fn at_least_ms(age: Duration) -> u64 {
    age.as_millis() as u64 + 1
}

/// Keeps `size` publications of any age.
pub(super) fn keep(size: usize) -> Retention {
    Retention::new(size, Duration::ZERO)
}

/// Queries everything retained in a channel that keeps 100 publications.
pub(super) fn all(channel: &str) -> HistoryQuery<'_> {
    HistoryQuery {
        channel,
        retention: keep(100),
        after: 0,
        before: None,
        reverse: false,
        limit: 10_000,
        bytes_max: 1 << 30,
    }
}

/// The same in a channel with another retention.
pub(super) fn all_of(channel: &str, retention: Retention) -> HistoryQuery<'_> {
    HistoryQuery { retention, ..all(channel) }
}

pub(super) fn offsets(history: &History) -> Vec<u64> {
    history.publications.iter().filter_map(|publication| publication.offset).collect()
}
