//! `echo`: sends the value back.

use serde_json::value::RawValue;
use ws_proto::Request;
use ws_proto::action::{Echo, EchoData};

use super::answer::respond;
use super::state::Stop;

pub(super) fn run(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let Echo { message } = request.payload::<Echo<&RawValue>>()?;
    respond(request.id, &EchoData { echo: message }, out);
    Ok(())
}
