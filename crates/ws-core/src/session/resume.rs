//! How a held frame is retried.

use ws_proto::OwnedRequest;
use ws_proto::action::ActionName;

use super::held::Held;
use super::state::{Ended, Session, Stop};
use super::{ask_claude, authenticate, broadcast, get_connections, get_history, get_presence, publish, subscribe};

/// Retries it.
///
/// # Errors
/// It is refused, or has to be held further.
pub(super) fn go_on(held: Held, session: &mut Session, out: &mut Vec<u8>) -> Result<(), Ended> {
    match held {
        Held::Queued(request) => run(session, &request, out),
        Held::Refusal(id, refused) => Err(Ended { id, stop: Stop::Refused(refused) }),
        Held::Keys(request, keys) => {
            if keys.poll(|| session.waker()).is_none() {
                return Err(Ended::held(Held::Keys(request, keys)));
            }
            session.has_renewed_keys = true;
            let done = run(session, &request, out);
            session.has_renewed_keys = false;
            done
        }
        Held::Publish(held) => publish::go_on(held, session, out),
        Held::Broadcast(held) => broadcast::go_on(held, session, out),
        Held::Subscribe(held) => subscribe::go_on(held, session, out),
        Held::History(held) => get_history::go_on(held, session, out),
        Held::Login(held) => authenticate::go_on(*held, session, out),
        Held::Presence(held) => get_presence::go_on(held, session, out),
        Held::Connections(held) => get_connections::go_on(held, session, out),
        Held::Run(held) => ask_claude::go_on(held, session, out),
    }
}

fn run(session: &mut Session, request: &OwnedRequest, out: &mut Vec<u8>) -> Result<(), Ended> {
    let request = request.as_request();
    session
        .run(ActionName::from_name(&request.action), &request, out)
        .map_err(|stop| Ended { id: Some(request.id.into()), stop })
}
