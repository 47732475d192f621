//! Copies a channel from one server to another, each publication once, also over restarts of this program:
//! `cargo run -p ws-client --example bridge -- ws://one:8080/ws ws://two:8080/ws news`
//!
//! Where it is in the first server's channel is kept in `bridge-from.log`; what the second one has not acknowledged is in
//! `bridge-to.log`. An id that says which publication it copies makes a copy that is made again no second one.

use futures_util::StreamExt;
use serde_json::Value;
use ws_client::{Client, Event, Outbox, Publishing};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(from), Some(to), Some(channel)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: bridge FROM TO CHANNEL".into());
    };
    let from = Client::builder(from).outbox(Outbox::file("bridge-from.log")).start()?;
    let to = Client::builder(to).outbox(Outbox::file("bridge-to.log")).start()?;
    let target = to.channel::<Value>(channel.clone());
    let mut events = from.channel::<Value>(channel).subscribe().since_stored().start();
    while let Some(event) = events.next().await {
        match event {
            Event::Publication(publication) => {
                let id = publication.position.map(|position| format!("{}-{}", position.epoch, position.offset));
                let copy = Publishing { id, tags: publication.tags, max_age: None };
                // The position moves when the next event is asked for: after this has an end.
                if let Err(error) = target.publish_with(&publication.data, copy).await {
                    eprintln!("not copied: {error}");
                }
            }
            Event::Gap(gap) => eprintln!("gone before it could be copied: {gap:?}"),
            Event::Refused(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
