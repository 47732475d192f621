//! How a connection begins: socket, TLS, protocol, login. What may have changed is read anew for each: passwords,
//! certificates, the addresses of a name.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::limits::SENTINEL_WITHIN;
use crate::link::{Failure, Link, OnPush, Patience};
use crate::location::Address;
use crate::options::RedisOptions;
use crate::owned::Owned;
use crate::resp::Value;
use crate::tls;

/// Why a connection could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialError {
    /// It may be there later.
    #[error("{0}")]
    Unreachable(String),
    /// The login is refused.
    #[error("{0}")]
    Refused(String),
    /// It is a replica, which takes no writes.
    #[error("{0} is a replica")]
    Replica(Address),
}

/// Who logs in.
struct Login<'a> {
    username: &'a str,
    password_file: Option<&'a Path>,
}

/// Connects to a primary, and speaks RESP3 from then on.
///
/// # Errors
/// [`DialError`].
pub(crate) async fn dial(
    options: &RedisOptions,
    address: &Address,
    patience: Patience,
    on_push: OnPush,
) -> Result<Owned, DialError> {
    let login = Login { username: &options.username, password_file: options.password_file.as_deref() };
    let (link, hello) = open(options, address, &login, options.command_timeout, patience, on_push).await?;
    match role(&hello) {
        Some(b"replica") => Err(DialError::Replica(address.clone())),
        _ => Ok(link),
    }
}

/// Connects to a Sentinel, for questions.
///
/// # Errors
/// [`DialError`], never `Replica`.
pub(crate) async fn dial_sentinel(options: &RedisOptions, address: &Address) -> Result<Owned, DialError> {
    let file = options.sentinel_password_file.as_deref();
    let login = Login { username: &options.sentinel_username, password_file: file };
    let within = options.command_timeout.min(SENTINEL_WITHIN);
    let link = open(options, address, &login, within, Patience::Command(within), Box::new(|_| {})).await;
    link.map(|(link, _)| link)
}

/// Connects to a node of a Redis Cluster, for questions.
///
/// # Errors
/// [`DialError`], never `Replica`.
pub(crate) async fn dial_node(options: &RedisOptions, address: &Address) -> Result<Owned, DialError> {
    let login = Login { username: &options.username, password_file: options.password_file.as_deref() };
    let within = options.command_timeout.min(SENTINEL_WITHIN);
    let link = open(options, address, &login, within, Patience::Command(within), Box::new(|_| {})).await;
    link.map(|(link, _)| link)
}

/// A connection, and what it was greeted with.
async fn open(
    options: &RedisOptions,
    address: &Address,
    login: &Login<'_>,
    within: Duration,
    patience: Patience,
    on_push: OnPush,
) -> Result<(Owned, Value), DialError> {
    let unreachable = |error: &str| DialError::Unreachable(format!("{address}: {error}"));
    let password = login.password_file.map(password).transpose().map_err(DialError::Unreachable)?;
    let connected = timeout(within, connect(options, address, patience, on_push)).await;
    let connected = connected.unwrap_or_else(|_| Err(format!("no connection within {within:?}")));
    let link = Owned(connected.map_err(|error| unreachable(&error))?);
    let hello = match &password {
        None => link.call(["HELLO", "3"]).await,
        Some(password) => {
            let user = if login.username.is_empty() { "default" } else { login.username };
            link.call(["HELLO", "3", "AUTH", user, password]).await
        }
    };
    let failure = match hello {
        Ok(hello) => return Ok((link, hello)),
        Err(Failure::Refused(error)) => Failure::Refused(without_password(&error, password.as_deref())),
        Err(failure) => failure,
    };
    let wants_certificate = options.tls.as_ref().is_some_and(|tls| tls.identity.is_none());
    Err(match failure {
        Failure::Refused(error) if is_login(&error) => {
            DialError::Refused(format!("{address} refuses the login: {error}"))
        }
        Failure::Refused(error) if error.starts_with("ERR unknown command") => {
            DialError::Refused(format!("{address} does not speak RESP3 (HELLO): {error}"))
        }
        // Who demands a certificate says so only after the handshake, if at all.
        Failure::Lost { reason, .. } if wants_certificate => {
            unreachable(&format!("{reason}; if it demands a certificate, set engine.redis.tls_cert_file"))
        }
        failure => unreachable(&failure.to_string()),
    })
}

/// Whether an error says that the user or its password is wrong, or has not the right.
pub(crate) fn is_login(error: &str) -> bool {
    ["NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO"].iter().any(|code| error.starts_with(code))
}

/// An error up to where it quotes what was sent, or a part of that.
fn without_password(error: &str, password: Option<&str>) -> String {
    let quotes = [Some("with args"), password.filter(|password| !password.is_empty())];
    let end = quotes.into_iter().flatten().filter_map(|quote| error.find(quote)).min();
    error[..end.unwrap_or(error.len())].trim_end_matches([' ', ',']).to_owned()
}

/// What a server says that it is when it is greeted.
fn role(hello: &Value) -> Option<&[u8]> {
    let pairs = hello.as_array()?.chunks_exact(2);
    pairs.filter_map(|pair| Some((pair[0].as_bytes()?, &pair[1]))).find(|(key, _)| *key == b"role")?.1.as_bytes()
}

async fn connect(
    options: &RedisOptions,
    address: &Address,
    patience: Patience,
    on_push: OnPush,
) -> Result<Link, String> {
    let words = |error: std::io::Error| error.to_string();
    match (address, &options.tls) {
        (Address::Tcp(host, port), tls) => {
            let socket = TcpStream::connect((host.as_str(), *port)).await.map_err(words)?;
            socket.set_nodelay(true).map_err(words)?;
            let Some(tls) = tls else {
                let (read, write) = socket.into_split();
                return Ok(Link::begin(read, write, patience, on_push));
            };
            let (read, write) = tokio::io::split(tls::connect(tls, host, socket).await?);
            Ok(Link::begin(read, write, patience, on_push))
        }
        (Address::Unix(path), None) => {
            let (read, write) = UnixStream::connect(path).await.map_err(words)?.into_split();
            Ok(Link::begin(read, write, patience, on_push))
        }
        (Address::Unix(_), Some(_)) => Err("a Unix socket has no TLS".to_owned()),
    }
}

/// The password that a file has at the moment.
fn password(file: &Path) -> Result<String, String> {
    let read = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(read.trim_end_matches(['\r', '\n']).to_owned())
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
    use crate::fake::{accept, address, listen};

    #[tokio::test]
    async fn nobody_is_dialled_without_a_password_to_say() {
        let (redis, options) = listen().await;
        let options = RedisOptions { password_file: Some(PathBuf::from("/nowhere/password")), ..options };
        let patience = Patience::Command(options.command_timeout);
        let dialled = dial(&options, &address(&options), patience, Box::new(|_| {})).await;
        let error = dialled.expect_err("it says nothing");
        assert!(matches!(&error, DialError::Unreachable(error) if error.contains("/nowhere/password")), "{error}");
        let accepted = timeout(Duration::from_millis(20), redis.accept()).await;
        assert!(accepted.is_err(), "a connection is left");
    }

    /// Refuses the greeting with a password, which is the same for Sentinels.
    async fn refuse(error: &str) -> [DialError; 2] {
        let (redis, options) = listen().await;
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "hunter2secret\n").expect("room");
        let password_file = Some(file.path().to_path_buf());
        let options = RedisOptions { sentinel_password_file: password_file.clone(), password_file, ..options };
        let answer = async || {
            let mut peer = accept(&redis).await;
            assert_eq!(peer.next().await[4], b"hunter2secret");
            peer.say(format!("-{error}\r\n").as_bytes()).await;
            peer.is_closed().await;
        };
        let (at, patience) = (address(&options), Patience::Command(options.command_timeout));
        let (dialled, ()) = tokio::join!(dial(&options, &at, patience, Box::new(|_| {})), answer());
        let (asked, ()) = tokio::join!(dial_sentinel(&options, &at), answer());
        [dialled, asked].map(|dialled| dialled.expect_err("it is refused"))
    }

    #[tokio::test]
    async fn a_password_that_redis_quotes_is_not_told() {
        let quoted = "'3' 'AUTH' 'default' 'hunter2secret' ";
        let unknown = |quoted: &str| format!("ERR unknown command 'HELLO', with args beginning with: {quoted}");
        // Redis quotes 128 bytes.
        for error in [unknown(quoted), unknown(&quoted[..30])] {
            for error in refuse(&error).await {
                let words = error.to_string();
                assert!(words.ends_with(": ERR unknown command 'HELLO'"), "{words}");
                assert!(matches!(error, DialError::Refused(_)) && words.contains("does not speak RESP3"), "{words}");
            }
        }
        for error in refuse("ERR a proxy cannot AUTH default hunter2secret").await {
            let words = error.to_string();
            assert!(words.ends_with(": Redis says: ERR a proxy cannot AUTH default"), "{words}");
        }
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
