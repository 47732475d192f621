//! `subscribe`: a cursor in a channel's stream.

use std::sync::Arc;

use ws_proto::action::Subscribe;
use ws_proto::{ErrorBody, ErrorCode, Request};

use super::{Asked, Session, Stop, respond, unavailable};
use crate::access::{Right, Wish};
use crate::engine::{History, HistoryQuery, Pending};
use crate::options::ChannelOptions;
use crate::registry::Named;
use crate::subscribing::{From, needs_position};
use crate::subscription::Subscription;

/// A subscription that waits for the engine to say where its stream is.
#[derive(Debug)]
pub(super) struct Attached {
    subscription: Arc<Subscription>,
    position: Pending<History>,
}

pub(super) fn run(session: &mut Session, request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    let payload = request.payload::<Subscribe<'_>>()?;
    let from = from(&payload)?;
    let channel = session.channel(&payload.channel)?;
    let options = session.options(channel)?;
    let wish = Wish { right: Right::Subscribe, channel: Some(channel), access: options.subscribe };
    if let Some(Asked::Position(attached)) = session.asked.take() {
        return attached.go_on(session, request, &from, out);
    }
    session.check(wish)?;
    if !options.has_history() && from != From::Now {
        let message = "this channel keeps no history, so neither `since` nor `rewind` is possible";
        return Err(ErrorBody::new(ErrorCode::NotAvailable, message).into());
    }
    let subscription = session.membership.attach(channel, &options)?;
    if needs_position(subscription.channel()) {
        let position = ask(session, &subscription, &options);
        Attached { subscription, position }.go_on(session, request, &from, out)
    } else {
        begin(session, request, &subscription, &from, None, out);
        Ok(())
    }
}

fn from<'a>(payload: &Subscribe<'a>) -> Result<From<'a>, ErrorBody> {
    match (&payload.since, payload.rewind) {
        (Some(_), Some(_)) => {
            let message = "payload: `since` and `rewind` exclude each other";
            Err(ErrorBody::new(ErrorCode::InvalidPayload, message))
        }
        (Some(since), None) => Ok(From::Since { epoch: since.epoch.clone(), offset: since.offset }),
        (None, Some(n)) if n > 0 => Ok(From::Last(n.into())),
        (None, _) => Ok(From::Now),
    }
}

fn ask(session: &Session, subscription: &Subscription, options: &ChannelOptions) -> Pending<History> {
    let query = HistoryQuery {
        channel: subscription.channel().name(),
        retention: options.retention(),
        after: 0,
        before: None,
        reverse: false,
        limit: 0,
        bytes_max: 0,
    };
    session.ask(|engine, done| engine.history(query, done))
}

impl Attached {
    fn go_on(
        self,
        session: &mut Session,
        request: &Request<'_>,
        from: &From<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let options = self.subscription.channel().options().clone();
        let Some(position) = self.position.take() else {
            session.asked = Some(Asked::Position(self));
            return Err(Stop::Hold);
        };
        match position {
            // Where the stream has begun again since the engine answered, its second answer says so.
            Ok(history) if !begin(session, request, &self.subscription, from, Some(&history), out) => {
                let position = ask(session, &self.subscription, &options);
                Attached { position, ..self }.go_on(session, request, from, out)
            }
            Ok(_) => Ok(()),
            Err(error) => {
                session.membership.unsubscribe(self.subscription.channel().name());
                Err(unavailable(&error).into())
            }
        }
    }
}

/// Answers, and then lets the fan-out follow. False when the position is one of a stream that has ended.
fn begin(
    session: &Session,
    request: &Request<'_>,
    subscription: &Arc<Subscription>,
    from: &From<'_>,
    history: Option<&History>,
    out: &mut Vec<u8>,
) -> bool {
    let Some((begun, data)) = session.membership.begin(subscription, from, history) else { return false };
    let counters = &session.membership.shared().counters;
    counters.recovered.add(u64::from(data.recovered == Some(true)));
    counters.not_recovered.add(u64::from(data.recovered == Some(false)));
    respond(request.id, &data, out);
    // The answer goes out before what the fan-out delivers from now on, and behind the answers before it.
    session.connection().queue(out);
    out.clear();
    session.membership.follow(subscription.clone(), &begun);
    true
}
