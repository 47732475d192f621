//! One publication on the wire: encoded once, sent as an event and stored as a history entry.
//!
//! Both share the **body**, `"data":…,"time":…,"from":{…},"msg_id":…,"tags":{…}}`: no opening
//! brace, one closing brace, absent fields left out. [`encode_publication_body`] writes it; the other two
//! functions put in front of it what makes it an event or an entry:
//!
//! ```
//! use serde_json::value::RawValue;
//! use ws_proto::publication::{encode_history_entry, encode_publication_body, encode_publication_event};
//!
//! let data: &RawValue = serde_json::from_str("[1.50]")?;
//! let (mut body, mut event, mut entry) = (Vec::new(), Vec::new(), Vec::new());
//! encode_publication_body(data, 1_700_000_000_000, None, Some("m1"), None, &mut body);
//! encode_publication_event("news", Some(7), &body, &mut event);
//! encode_history_entry(7, &body, &mut entry);
//!
//! assert_eq!(body, br#""data":[1.50],"time":1700000000000,"msg_id":"m1"}"#);
//! assert_eq!(
//!     event,
//!     br#"{"type":"notification","data":{"event":"publication","channel":"news","offset":7,"data":[1.50],"time":1700000000000,"msg_id":"m1"}}"#
//! );
//! assert_eq!(entry, br#"{"offset":7,"data":[1.50],"time":1700000000000,"msg_id":"m1"}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! All of them append to the caller's buffer. A client decodes [`crate::event::PublicationEvent`] and
//! [`HistoryEntry`]. Not here: clocks (the time is passed in) and storage.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::sender::Sender;

/// Labels that a publisher gives a publication.
pub type Tags<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// One publication in the history: the `publication` event without `event` and `channel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "HistoryEntry"))]
pub struct HistoryEntry<'a, M> {
    /// Its offset in the stream.
    pub offset: u64,
    /// The value, byte for byte as it was published.
    pub data: M,
    /// When the server accepted it, in milliseconds since 1970.
    pub time: u64,
    /// Who published it; absent if it came from the server API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// The id its publisher gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg_id: Option<Cow<'a, str>>,
    /// The labels its publisher gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags<'a>>,
}

const DATA: &[u8] = br#""data":"#;
const TIME: &str = r#","time":"#;

/// Where the data begins in a body. The data is `body[BODY_DATA_START..][..length]`, with the length returned by
/// [`encode_publication_body`].
pub const BODY_DATA_START: usize = DATA.len();

/// Appends the body of a publication and returns the length of its data in bytes. `time` is in
/// milliseconds since 1970. The data is copied unchanged.
pub fn encode_publication_body(
    data: &RawValue,
    time: u64,
    from: Option<&Sender>,
    msg_id: Option<&str>,
    tags: Option<&Tags<'_>>,
    out: &mut Vec<u8>,
) -> usize {
    let data = data.get().as_bytes();
    out.reserve(data.len() + 192);
    out.extend_from_slice(DATA);
    out.extend_from_slice(data);
    field(TIME, &time, out);
    if let Some(from) = from {
        field(r#","from":"#, from, out);
    }
    if let Some(msg_id) = msg_id {
        field(r#","msg_id":"#, msg_id, out);
    }
    if let Some(tags) = tags {
        field(r#","tags":"#, tags, out);
    }
    out.push(b'}');
    data.len()
}

/// Where the digits of the time lie in a body whose data ends at `data_end`, and the time; `None`: it is no body of
/// [`encode_publication_body`].
pub fn body_time(body: &[u8], data_end: usize) -> Option<(Range<usize>, u64)> {
    let digits = body.get(data_end..)?.strip_prefix(TIME.as_bytes())?;
    let n = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    let time = std::str::from_utf8(&digits[..n]).ok()?.parse().ok()?;
    let from = data_end + TIME.len();
    Some((from..from + n, time))
}

/// Appends the frame of a `publication` event around a body; `offset` is absent in a channel without history.
pub fn encode_publication_event(channel: &str, offset: Option<u64>, body: &[u8], out: &mut Vec<u8>) {
    const HEAD: &str = r#"{"type":"notification","data":{"event":"publication","channel":"#;
    out.reserve(HEAD.len() + channel.len() + body.len() + 40);
    field(HEAD, channel, out);
    if let Some(offset) = offset {
        field(r#","offset":"#, &offset, out);
    }
    out.push(b',');
    out.extend_from_slice(body);
    out.push(b'}');
}

/// Appends the entry of a history around a body.
pub fn encode_history_entry(offset: u64, body: &[u8], out: &mut Vec<u8>) {
    out.reserve(body.len() + 40);
    field(r#"{"offset":"#, &offset, out);
    out.push(b',');
    out.extend_from_slice(body);
}

/// Numbers, strings and maps of strings always serialize, and writing to a `Vec` cannot fail.
fn field<T: Serialize + ?Sized>(head: &str, value: &T, out: &mut Vec<u8>) {
    out.extend_from_slice(head.as_bytes());
    serde_json::to_writer(out, value).expect("fields of a publication serialize");
}
