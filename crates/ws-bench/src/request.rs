//! Requests ready to send. A [`Template`] is a complete frame or HTTP request into which only numbers are written, of eight digits
//! each: that of the request, and that of the channel if there is one.

use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::json;
use ws_proto::action::{Broadcast, Echo, Publish, Subscribe, Unsubscribe};
use ws_proto::{Action, Position, encode_request};

use crate::channel::Names;
use crate::frame;
use crate::message::{DIGITS, digits};

/// Stands for the number of the request.
const PLACEHOLDER: &str = "########";
/// Stands for the number of the channel.
const CHANNEL_PLACEHOLDER: &str = "@@@@@@@@";

/// Eight digits that identify the messages of this run among others on the same server.
pub(crate) fn run_mark() -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    // The upper half of the product depends on all bits of both.
    let mark = digits((time ^ u64::from(process::id()).rotate_right(16)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
    String::from_utf8_lossy(&mark).into_owned()
}

/// The frame of a request, or an HTTP request. Its number is the id, and appears in the message if that has a placeholder.
#[derive(Debug)]
pub(crate) struct Template {
    frame: Vec<u8>,
    numbers_at: Vec<usize>,
    channels_at: Vec<usize>,
}

impl Template {
    fn new(payload: &(impl Action + Serialize)) -> Template {
        let mut bytes = Vec::new();
        append(&mut bytes, PLACEHOLDER, payload);
        Template::of(bytes)
    }

    fn of(bytes: Vec<u8>) -> Template {
        let all = |placeholder: &str| {
            let windows = bytes.windows(DIGITS).enumerate();
            windows.filter(|(_, window)| *window == placeholder.as_bytes()).map(|(at, _)| at).collect()
        };
        let (numbers_at, channels_at) = (all(PLACEHOLDER), all(CHANNEL_PLACEHOLDER));
        Template { frame: bytes, numbers_at, channels_at }
    }

    pub(crate) fn echo(message: &str) -> Template {
        Template::new(&Echo { message })
    }

    /// Broadcasts `run`, the number of the request and padding: `payload` bytes in total.
    pub(crate) fn broadcast(run: &str, payload: usize) -> Template {
        Template::new(&Broadcast { message: stamped(run, payload) })
    }

    pub(crate) fn subscribe(names: &Names) -> Template {
        Template::new(&Subscribe { channel: names.with(CHANNEL_PLACEHOLDER).into(), ..Subscribe::default() })
    }

    pub(crate) fn unsubscribe(names: &Names) -> Template {
        Template::new(&Unsubscribe { channel: names.with(CHANNEL_PLACEHOLDER).into() })
    }

    /// Publishes the mark of the run, the number of the request and padding: `payload` bytes in total.
    pub(crate) fn publish(names: &Names, payload: usize) -> Template {
        Template::new(&publication(names, payload))
    }

    /// Like [`Template::publish`], with a `msg_id` made of the mark of the run and the number of the request.
    pub(crate) fn publish_with_msg_id(names: &Names, payload: usize) -> Template {
        let msg_id = Some(stamped(names.mark(), 0).into());
        Template::new(&Publish { msg_id, ..publication(names, payload) })
    }

    /// A request to the HTTP API that publishes to channel 0: [`Template::publish`] as a body.
    pub(crate) fn api_publish(names: &Names, payload: usize, host: &str, key: &str) -> Template {
        let body = json!({ "data": stamped(names.mark(), payload) }).to_string();
        let (channel, length) = (names.name(0), body.len());
        let head = format!(
            "POST /api/v1/channels/{channel}/publications HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        Template::of((head + &body).into_bytes())
    }

    /// Appends the frame of request `number`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, number: u64) {
        self.write_to(out, number, 0);
    }

    /// Appends the frame of request `number` for `channel`.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>, number: u64, channel: u64) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        for (numbers_at, number) in [(&self.numbers_at, number), (&self.channels_at, channel)] {
            for placeholder in numbers_at {
                out[start + placeholder..][..DIGITS].copy_from_slice(&digits(number));
            }
        }
    }
}

/// The mark, a placeholder and padding: `payload` bytes, or as many as those need.
fn stamped(mark: &str, payload: usize) -> String {
    let padding = "x".repeat(payload.saturating_sub(mark.len() + DIGITS));
    format!("{mark}{PLACEHOLDER}{padding}")
}

fn publication(names: &Names, payload: usize) -> Publish<'static, String> {
    let channel = names.with(CHANNEL_PLACEHOLDER).into();
    Publish { channel, data: stamped(names.mark(), payload), msg_id: None, age_ms: None, tags: None }
}

/// Appends the frame that subscribes to everything after a position.
pub(crate) fn subscribe_since(out: &mut Vec<u8>, channel: &str, since: &Position<'_>) {
    let subscribe = Subscribe { channel: channel.into(), since: Some(since.clone()), ..Subscribe::default() };
    append(out, "since", &subscribe);
}

fn append(out: &mut Vec<u8>, id: &str, payload: &(impl Action + Serialize)) {
    let request = encode_request(id, payload).expect("payloads of the protocol serialize");
    frame::text(out, request.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The request in a frame with a 7-bit or 16-bit length.
    fn request(frame: &[u8]) -> Value {
        let text = String::from_utf8_lossy(&frame[2 + 4..]).into_owned();
        serde_json::from_str(text.trim_start_matches(|c| c != '{')).expect("JSON")
    }

    #[test]
    fn a_template_fills_in_its_number_everywhere() {
        let mut out = b"before".to_vec();
        Template::broadcast("cafe0000", 20).write(&mut out, 0x2a);
        let request = request(&out[6..]);
        assert_eq!(request["id"], "0000002a");
        assert_eq!(request["payload"]["message"], "cafe00000000002axxxx");
        assert_eq!(Template::echo("#").numbers_at.len(), 1);
    }

    #[test]
    fn a_channel_has_a_number_of_its_own() {
        let names = Names::new(Some("chat"), "cafe0000");
        let mut out = Vec::new();
        Template::publish(&names, 18).write_to(&mut out, 0x2a, 3);
        let request = request(&out);
        assert_eq!((&request["id"], &request["action"]), (&"0000002a".into(), &"publish".into()));
        assert_eq!(request["payload"], json!({"channel": names.name(3), "data": "cafe00000000002axx"}));
    }

    #[test]
    fn a_msg_id_is_that_of_one_publication() {
        let names = Names::new(None, "cafe0000");
        let mut out = Vec::new();
        Template::publish_with_msg_id(&names, 16).write_to(&mut out, 0x2a, 3);
        let payload = json!({"channel": names.name(3), "data": "cafe00000000002a", "msg_id": "cafe00000000002a"});
        assert_eq!(request(&out)["payload"], payload);
    }

    #[test]
    fn a_position_travels_as_since() {
        let mut out = Vec::new();
        subscribe_since(&mut out, "c", &Position { epoch: "e".into(), offset: 7 });
        assert_eq!(request(&out)["payload"], json!({"channel": "c", "since": {"epoch": "e", "offset": 7}}));
    }
}
