//! A chat in the terminal: `cargo run -p ws-client --example chat -- ws://127.0.0.1:8080/ws lobby ann`

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use ws_client::{Client, Event};

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    name: String,
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(room), Some(name)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: chat URL ROOM NAME".into());
    };
    let client = Client::builder(url).start()?;
    let chat = client.channel::<Message>(room);
    let mut events = chat.subscribe().start();
    let mut status = client.status();
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Publication(said)) if !said.own => println!("{}: {}", said.data.name, said.data.text),
                Some(Event::Gap(_)) => println!("(some messages are gone)"),
                Some(Event::Refused(error)) => return Err(error.into()),
                Some(_) => {}
                None => return Ok(()),
            },
            Ok(()) = status.changed() => println!("({:?})", status.borrow_and_update().state),
            line = lines.next_line() => {
                let Some(text) = line? else { break };
                let said = chat.publish(&Message { name: name.clone(), text });
                // Typing goes on: it is sent when the connection is there.
                tokio::spawn(async move {
                    if let Err(error) = said.await {
                        eprintln!("(not sent: {error})");
                    }
                });
            }
        }
    }
    client.close(std::time::Duration::from_secs(5)).await?;
    Ok(())
}
