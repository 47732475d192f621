//! What every new connection begins with: the scripts are loaded, and the data is one that this server understands.

use crate::link::{Failure, Link};
use crate::resp::Value;
use crate::scripts::Script;
use crate::shared::Shared;

/// Why Redis cannot be used, or cannot yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrepareError {
    /// It has refused something, or has not answered.
    #[error("{what}: {failure}")]
    Failed { what: String, failure: Failure },
    /// It has taken too long.
    #[error("{0}")]
    Late(String),
    /// It was set up in another way.
    #[error("{0}")]
    Other(String),
}

impl PrepareError {
    pub(crate) fn failed(what: impl Into<String>) -> impl FnOnce(Failure) -> Self {
        let what = what.into();
        |failure| PrepareError::Failed { what, failure }
    }

    /// Whether it may work in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            PrepareError::Failed { failure, .. } => failure.is_passing(),
            PrepareError::Late(_) => true,
            PrepareError::Other(_) => false,
        }
    }
}

impl From<PrepareError> for String {
    fn from(error: PrepareError) -> Self {
        error.to_string()
    }
}

/// Loads the scripts. Their hashes.
///
/// # Errors
/// [`PrepareError::Failed`].
pub(crate) async fn load_scripts(link: &Link) -> Result<Vec<Vec<u8>>, PrepareError> {
    let mut hashes = Vec::new();
    for script in Script::ALL {
        let loaded = link.call(["SCRIPT", "LOAD", &script.text()]).await;
        let loaded = loaded.map_err(PrepareError::failed(format!("the script {} cannot be loaded", script.name())))?;
        hashes.push(loaded.as_bytes().unwrap_or_default().to_vec());
    }
    Ok(hashes)
}

/// Compares what the data was set up with, if it was.
///
/// # Errors
/// [`PrepareError`].
pub(crate) async fn compare_setup(link: &Link, shared: &Shared) -> Result<(), PrepareError> {
    let found = read_setup(link, &shared.keys.setup()).await?;
    judge_setup(&found, &shared.setup())
}

/// The same; the first server of a cluster sets the data up. In a Redis Cluster, both over a connection to the node that has
/// the slot of that.
///
/// # Errors
/// [`PrepareError`].
pub(crate) async fn setup(link: &Link, shared: &Shared) -> Result<(), PrepareError> {
    let (key, own) = (shared.keys.setup(), shared.setup());
    let found = match read_setup(link, &key).await? {
        // A Redis that is full refuses every SET, also one that would change nothing.
        Value::Null => link.call(["SET", &key, &own, "NX", "GET"]).await.map_err(no_setup(&key))?,
        found => found,
    };
    judge_setup(&found, &own)
}

async fn read_setup(link: &Link, key: &str) -> Result<Value, PrepareError> {
    link.call(["GET", key]).await.map_err(no_setup(key))
}

fn no_setup(key: &str) -> impl FnOnce(Failure) -> PrepareError {
    PrepareError::failed(format!("{key} cannot be read or set"))
}

fn judge_setup(found: &Value, own: &str) -> Result<(), PrepareError> {
    match found.as_bytes() {
        Some(found) if found != own.as_bytes() => {
            let found = String::from_utf8_lossy(found);
            Err(PrepareError::Other(format!(
                "its data was set up with {found}, and engine.redis says {own}; partitions and shards stay what they are \
                 for the life of the data: take the same, in the same order, or another prefix"
            )))
        }
        _ => Ok(()),
    }
}

/// Which process of Redis is at the other end: a random number of it. Empty where it does not say.
///
/// # Errors
/// In words.
pub(crate) async fn run_id(link: &Link) -> Result<String, String> {
    let info = link.call(["INFO", "server"]).await.map_err(|failure| failure.to_string())?;
    let info = String::from_utf8_lossy(info.as_bytes().unwrap_or_default()).into_owned();
    let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    Ok(run_id.unwrap_or_default().to_owned())
}

/// Hears what is told on these topics from now on.
///
/// # Errors
/// [`Failure`], in words.
pub(crate) async fn hear(link: &Link, topics: &[String]) -> Result<(), String> {
    let args: Vec<_> = std::iter::once("SSUBSCRIBE").chain(topics.iter().map(String::as_str)).collect();
    link.subscribe(args, topics.len()).await.map_err(|failure| failure.to_string())
}
