//! A backend worker: takes jobs from one channel and publishes results in another, and loses neither when it is killed:
//! `cargo run -p ws-client --example worker -- ws://127.0.0.1:8080/ws jobs results`

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use ws_client::{Client, Event, Outbox, Publishing};

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    numbers: Vec<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Done {
    sum: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(jobs), Some(results)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: worker URL JOBS RESULTS".into());
    };
    let client = Client::builder(url).outbox(Outbox::file("worker.log")).start()?;
    let results = client.channel::<Done>(results);
    let mut events = client.channel::<Job>(jobs).subscribe().since_stored().start();
    while let Some(event) = events.next().await {
        match event {
            Event::Publication(job) => {
                let sum = job.data.numbers.iter().sum();
                // A job that is done again after a crash has the same id: its result is published once.
                let id = job.msg_id.map(|job| format!("done-{job}"));
                results.publish_with(&Done { sum }, Publishing { id, ..Publishing::default() }).await?;
            }
            Event::Undecodable { bytes, error, .. } => eprintln!("no job: {error}: {bytes}"),
            Event::Gap(gap) => eprintln!("jobs that nobody did: {gap:?}"),
            Event::Refused(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
