//! What a session appends: answers, events and errors, as encoded frames.

use ws_proto::event::Notify;
use ws_proto::{RequestId, encode_notification, encode_response};

use crate::frame::{self, Opcode};

pub(super) fn respond<D: serde::Serialize>(id: RequestId<'_>, data: &D, out: &mut Vec<u8>) {
    append(out, |out| encode_response(id, data, out));
}

pub(super) fn append_event<E: Notify>(event: &E, out: &mut Vec<u8>) {
    append(out, |out| encode_notification(event, out));
}

pub(super) fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    frame::append(Opcode::Text, out, write);
}
