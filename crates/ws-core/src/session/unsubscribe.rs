//! `unsubscribe`: ends a subscription.

use ws_proto::action::{Unsubscribe, UnsubscribeData};
use ws_proto::{ErrorBody, ErrorCode, Request};

use super::answer::respond;
use super::state::{Session, Stop};

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<Unsubscribe<'_>>()?;
    let channel = session.channel(&payload.channel)?;
    session.options(channel)?;
    if !session.membership.unsubscribe(channel.as_str()) {
        let message = "this connection is not subscribed to the channel";
        return Err(ErrorBody::new(ErrorCode::NotSubscribed, message).into());
    }
    session.remove_subscription_grant(channel.as_str());
    respond(request.id, &UnsubscribeData { channel: channel.as_str().into() }, out);
    session.end_streams_of(channel.as_str(), out);
    Ok(())
}
