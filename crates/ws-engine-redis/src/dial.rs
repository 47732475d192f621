//! How a connection to Redis begins: socket, protocol, login.

use std::fs;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::link::{Failure, Link, OnPush, Patience};
use crate::options::{Address, RedisOptions};
use crate::owned::Owned;

/// Why a connection could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialError {
    /// It may be there later.
    #[error("{0}")]
    Unreachable(String),
    /// Redis refuses the login.
    #[error("Redis refuses the login: {0}")]
    Refused(String),
}

/// Connects, and speaks RESP3 from then on.
///
/// # Errors
/// [`DialError`].
pub(crate) async fn dial(options: &RedisOptions, patience: Patience, on_push: OnPush) -> Result<Owned, DialError> {
    let within = options.command_timeout;
    let password = password(options)?;
    let connected = timeout(within, connect(&options.address, patience, on_push)).await;
    let link = connected
        .map_err(|_| unreachable(options, format!("no connection within {within:?}")))?
        .map_err(|error| unreachable(options, error))?;
    let link = Owned(link);
    let hello = match password {
        None => link.call(["HELLO", "3"]).await,
        Some(password) => {
            let user = if options.username.is_empty() { "default" } else { &options.username };
            link.call(["HELLO", "3", "AUTH", user, &password]).await
        }
    };
    match hello {
        Ok(_) => Ok(link),
        Err(Failure::Refused(error)) if is_login(&error) => Err(DialError::Refused(error)),
        Err(failure) => Err(unreachable(options, failure)),
    }
}

/// Whether an error says that the user or its password is wrong, or has not the right.
pub(crate) fn is_login(error: &str) -> bool {
    ["NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO"].iter().any(|code| error.starts_with(code))
}

async fn connect(address: &Address, patience: Patience, on_push: OnPush) -> std::io::Result<Link> {
    Ok(match address {
        Address::Tcp(host, port) => {
            let socket = TcpStream::connect((host.as_str(), *port)).await?;
            socket.set_nodelay(true)?;
            let (read, write) = socket.into_split();
            Link::begin(read, write, patience, on_push)
        }
        Address::Unix(path) => {
            let (read, write) = UnixStream::connect(path).await?.into_split();
            Link::begin(read, write, patience, on_push)
        }
    })
}

fn password(options: &RedisOptions) -> Result<Option<String>, DialError> {
    let Some(file) = &options.password_file else { return Ok(None) };
    // A few bytes, and it may have changed.
    let read = fs::read_to_string(file);
    let read = read.map_err(|error| DialError::Unreachable(format!("{}: {error}", file.display())))?;
    Ok(Some(read.trim_end_matches(['\r', '\n']).to_owned()))
}

fn unreachable(options: &RedisOptions, error: impl std::fmt::Display) -> DialError {
    DialError::Unreachable(format!("{}: {error}", options.address))
}

/// A pause before the next dial, at random between half and all of it, which doubles up to a bound.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new((first, max): (Duration, Duration)) -> Self {
        Backoff { first, next: first, max }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        let random = uuid::Uuid::new_v4().as_u64_pair().1 >> 11;
        whole / 2 + (whole / 2).mul_f64(random as f64 / (1_u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::fake::listen;

    #[tokio::test]
    async fn nobody_is_dialled_without_a_password_to_say() {
        let (redis, options) = listen().await;
        let options = RedisOptions { password_file: Some(PathBuf::from("/nowhere/password")), ..options };
        let dialled = dial(&options, Patience::Command(options.command_timeout), Box::new(|_| {})).await;
        let error = dialled.expect_err("it says nothing");
        assert!(matches!(&error, DialError::Unreachable(error) if error.contains("/nowhere/password")), "{error}");
        let accepted = timeout(Duration::from_millis(20), redis.accept()).await;
        assert!(accepted.is_err(), "a connection is left");
    }

    #[test]
    fn pauses_grow_up_to_a_bound_and_differ() {
        let (first, max) = (Duration::from_millis(50), Duration::from_secs(2));
        let mut backoff = Backoff::new((first, max));
        for doubled in [1, 2, 4, 8, 16, 32, 40, 40] {
            let pause = backoff.pause();
            assert!((first * doubled / 2..=first * doubled).contains(&pause), "{pause:?} of {:?}", first * doubled);
        }
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}
