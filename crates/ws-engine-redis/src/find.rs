//! Looking for a publication by its id.

use std::sync::Arc;

use tokio::time::{Instant, sleep};
use ws_core::engine::{Done, EngineError, FindQuery, Found, Publication, Retention, RoundTrip};

use crate::limits::PAGE_AGAIN;
use crate::link::Failure;
use crate::message::{Position, body};
use crate::refusal::{is_moving, is_stale};
use crate::resp::Value;
use crate::scripts::{Script, ttl_ms};
use crate::shared::Shared;

/// A query, and who asks.
struct Search {
    channel: Box<str>,
    retention: Retention,
    id: Box<str>,
    came: Instant,
    done: Done<Option<Found>>,
}

impl Shared {
    pub(crate) fn find(self: &Arc<Self>, query: &FindQuery<'_>, done: Done<Option<Found>>) {
        let FindQuery { channel, retention, msg_id } = *query;
        self.search(Search { channel: channel.into(), retention, id: msg_id.into(), came: Instant::now(), done });
    }

    fn search(self: &Arc<Self>, search: Search) {
        let Some(link) = self.reader.read().clone() else { return self.search_again(search) };
        let partition = self.keys.partition(&search.channel);
        let mut args = self.eval(Script::Find, self.script_keys(partition, &search.channel));
        let numbers = [search.retention.size.to_string(), ttl_ms(search.retention).to_string()];
        args.extend(numbers.map(String::into_bytes));
        args.push(search.id.as_bytes().to_vec());
        let (shared, mut search) = (self.clone(), Some(search));
        let sent = link.send(|batch| {
            if let Some(search) = search.take() {
                let asked = Instant::now();
                batch.command(args, move |result| {
                    shared.stats.answered(RoundTrip::Page, asked);
                    shared.searched(search, result);
                });
            }
        });
        if let (Err(_), Some(search)) = (sent, search) {
            self.search_again(search);
        }
    }

    fn searched(self: &Arc<Self>, search: Search, result: Result<Value, Failure>) {
        match result {
            Ok(Value::Array(parts)) => match found(&parts) {
                Some(found) => self.tell(search, found),
                None => {
                    let other = "a script has answered what this version does not understand".to_owned();
                    (search.done)(Err(EngineError::Unavailable(other)));
                }
            },
            Ok(Value::Bytes(answer)) if answer == b"NONE" => (search.done)(Ok(None)),
            Ok(_) => self.search_renewed(search),
            Err(Failure::Refused(error)) if is_stale(&error) => self.search_renewed(search),
            Err(Failure::Refused(error)) if is_moving(&error) => self.search_again(search),
            // To look twice does no harm.
            Err(Failure::Lost { .. }) if !self.is_closed() => self.search_again(search),
            Err(failure) => (search.done)(Err(EngineError::Unavailable(failure.to_string()))),
        }
    }

    /// The data, or the scripts, have just gone: they are renewed.
    fn search_renewed(self: &Arc<Self>, search: Search) {
        self.renew();
        self.search_again(search);
    }

    fn search_again(self: &Arc<Self>, search: Search) {
        if !self.may_be_sent(search.came) {
            return (search.done)(Err(self.unavailable()));
        }
        let shared = self.clone();
        self.runtime.spawn(async move {
            sleep(PAGE_AGAIN).await;
            shared.search(search);
        });
    }

    /// Answers when the sink has been given what was found.
    fn tell(self: &Arc<Self>, search: Search, found: Found) {
        let until = (found.epoch, found.publication.offset.unwrap_or_default());
        let (shared, deadline, done) = (self.clone(), self.deadline(search.came), search.done);
        let then = move |has_come: bool| done(if has_come { Ok(Some(found)) } else { Err(shared.unavailable()) });
        self.when_delivered(&search.channel, until, deadline, Box::new(then));
    }
}

/// An answer of the script.
fn found(parts: &[Value]) -> Option<Found> {
    let [meta, offset, record] = parts else { return None };
    let position = Position::of(meta.as_bytes()?, offset.as_bytes()?)?;
    let publication = Publication { offset: Some(position.oldest), body: body(record.as_bytes()?)? };
    Some(Found { epoch: position.epoch(), publication })
}
