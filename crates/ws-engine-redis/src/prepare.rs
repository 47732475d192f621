//! What every new connection begins with: the scripts are loaded, and the data is one that this server understands.

use crate::link::{Failure, Link};
use crate::resp::Value;
use crate::scripts::Script;
use crate::shared::Shared;

/// Loads the scripts. Their hashes.
///
/// # Errors
/// In words.
pub(crate) async fn load_scripts(link: &Link) -> Result<Vec<Vec<u8>>, String> {
    let mut hashes = Vec::new();
    for script in Script::ALL {
        let loaded = link.call(["SCRIPT", "LOAD", &script.text()]).await;
        let loaded = loaded.map_err(|failure| format!("the script {} cannot be loaded: {failure}", script.name()))?;
        hashes.push(loaded.as_bytes().unwrap_or_default().to_vec());
    }
    Ok(hashes)
}

/// Compares what the data was set up with; the first server of a cluster sets it up.
///
/// # Errors
/// In words.
pub(crate) async fn setup(link: &Link, shared: &Shared) -> Result<(), String> {
    let (key, own) = (shared.keys.setup(), format!("partitions={}", shared.keys.partitions()));
    let words = |failure: Failure| failure.to_string();
    // A Redis that is full refuses every SET, also one that would change nothing.
    let found = match link.call(["GET", &key]).await.map_err(words)? {
        Value::Null => link.call(["SET", &key, &own, "NX", "GET"]).await.map_err(words)?,
        found => found,
    };
    match found.as_bytes() {
        Some(found) if found != own.as_bytes() => {
            let found = String::from_utf8_lossy(found).into_owned();
            Err(format!(
                "its data was set up with {found}, and engine.redis says {own}; take the same number, or another prefix"
            ))
        }
        _ => Ok(()),
    }
}

/// Hears what is told on these topics from now on.
///
/// # Errors
/// In words.
pub(crate) async fn hear(link: &Link, topics: &[String]) -> Result<(), String> {
    let (done, confirmed) = tokio::sync::oneshot::channel();
    let args: Vec<_> = std::iter::once("SSUBSCRIBE").chain(topics.iter().map(String::as_str)).collect();
    link.send(|batch| batch.subscription(args, topics.len(), move |result| drop(done.send(result))))?;
    let confirmed = confirmed.await.unwrap_or_else(|_| Err(Failure::Refused("it was dropped".to_owned())));
    confirmed.map(drop).map_err(|failure| failure.to_string())
}
