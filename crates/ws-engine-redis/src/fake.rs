//! A Redis for tests, which says what they have it say, and when: it runs no scripts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use ws_core::engine::Epoch;

use crate::keys::Keys;
use crate::link::{Link, OnPush, Patience};
use crate::location::{Address, Location};
use crate::message::epoch;
use crate::options::RedisOptions;
use crate::resp::{self, Parsed, Value};
use crate::scripts::{Hashes, Script};
use crate::shared::Shared;
use crate::told::Told;

/// The generation of every partition.
pub(crate) const G: u64 = 1;

/// The engine of one server, and what its sink was told. Its scripts are named in place of their hashes.
pub(crate) fn server() -> (Arc<Shared>, Arc<Told>) {
    server_with(RedisOptions::for_tests())
}

pub(crate) fn server_with(options: RedisOptions) -> (Arc<Shared>, Arc<Told>) {
    let keys = Keys::of_units(&options.prefix, options.partitions, 1).remove(0);
    let (shared, told) = (Shared::alone(options, keys, hashes()), Arc::<Told>::default());
    shared.sink.set(told.clone()).expect("it is the first one");
    shared.generations.iter().for_each(|generation| generation.store(G, Ordering::Release));
    (Arc::new(shared), told)
}

/// Names in place of hashes.
pub(crate) fn hashes() -> Hashes {
    Hashes(Script::ALL.map(|script| script.name().as_bytes().to_vec()).to_vec())
}

/// The end of a connection that is Redis.
pub(crate) struct Peer {
    socket: Box<dyn Socket>,
    read: Vec<u8>,
    /// Of how many channels it was asked who is there, each time.
    pub(crate) counted: Vec<usize>,
}

impl Peer {
    fn new(socket: impl Socket + 'static) -> Self {
        Peer { socket: Box::new(socket), read: Vec::new(), counted: Vec::new() }
    }
}

/// Something to read from and to write to.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Where a Redis is dialled, and options that lead there. Time must not be paused.
pub(crate) async fn listen() -> (TcpListener, RedisOptions) {
    let redis = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = redis.local_addr().expect("it is bound").port();
    let address = Address::Tcp("127.0.0.1".to_owned(), port);
    (redis, RedisOptions { locations: vec![Location::Server(address)], ..RedisOptions::for_tests() })
}

/// What a node of a Redis Cluster answers that says of a range of slots that it has them itself.
pub(crate) fn slots(range: &str, node: &TcpListener) -> Vec<u8> {
    let port = node.local_addr().expect("it is bound").port();
    let node = array(&[bulk(b"127.0.0.1"), format!(":{port}\r\n").into_bytes()]);
    let (first, last) = range.split_once('-').expect("two slots");
    let [first, last] = [first, last].map(|slot| format!(":{slot}\r\n").into_bytes());
    array(&[array(&[first, last, node])])
}

/// Where these options lead.
pub(crate) fn address(options: &RedisOptions) -> Address {
    let [Location::Server(address)] = &options.locations[..] else { panic!("a server") };
    address.clone()
}

/// The next connection, before its greeting.
pub(crate) async fn accept(redis: &TcpListener) -> Peer {
    let (socket, _) = redis.accept().await.expect("somebody dials");
    Peer::new(socket)
}

/// Gives a server a writer and a feed, as after a dial.
pub(crate) fn connect(shared: &Arc<Shared>) -> (Peer, Peer) {
    let (writer, to_writer) = link(Box::new(|_| {}));
    let feed = shared.clone();
    let (subscriber, to_subscriber) = link(Box::new(move |parts| feed.pushed(parts)));
    *shared.writer.write() = Some(writer);
    *shared.subscriber.write() = Some(subscriber);
    (to_writer, to_subscriber)
}

/// Gives a server a reader.
pub(crate) fn read(shared: &Arc<Shared>) -> Peer {
    let (reader, to_reader) = link(Box::new(|_| {}));
    *shared.reader.write() = Some(reader);
    to_reader
}

/// Takes the connections away, as when one of them has ended.
pub(crate) fn disconnect(shared: &Arc<Shared>) {
    for slot in [&shared.writer, &shared.subscriber] {
        let link = slot.write().take();
        link.iter().for_each(|link| link.end("it is cut"));
    }
    shared.unfollow_all();
}

fn link(on_push: OnPush) -> (Link, Peer) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(ours);
    let link = Link::begin(read, write, Patience::Command(Duration::from_secs(3600)), on_push);
    (link, Peer::new(theirs))
}

impl Peer {
    /// The next command. The time, and who is there, is asked for at any time.
    pub(crate) async fn next(&mut self) -> Vec<Vec<u8>> {
        self.try_next().await.expect("the connection has ended")
    }

    /// As [`Peer::next`]; `None`: the connection has ended.
    pub(crate) async fn try_next(&mut self) -> Option<Vec<Vec<u8>>> {
        loop {
            if let Ok(Parsed::Whole(Value::Array(args), bytes)) = resp::parse(&self.read) {
                self.read.drain(..bytes);
                let args: Vec<_> = args.iter().filter_map(|arg| arg.as_bytes().map(<[u8]>::to_vec)).collect();
                match args[0].as_slice() {
                    // Nobody is in any channel.
                    b"EVALSHA" if args[1] == b"counts" => {
                        let channels = args.len() - 8;
                        self.counted.push(channels);
                        self.say(&array(&vec![b"$-1\r\n".to_vec(); channels])).await;
                    }
                    b"TIME" => self.say(&array(&[bulk(b"0"), bulk(b"0")])).await,
                    _ => return Some(args),
                }
                continue;
            }
            if self.socket.read_buf(&mut self.read).await.expect("it reads") == 0 {
                return None;
            }
        }
    }

    /// The next command has to be this one: its name, or that of its script.
    pub(crate) async fn expect(&mut self, name: &str) -> Vec<Vec<u8>> {
        let command = timeout(Duration::from_millis(50), self.next()).await.unwrap_or_else(|_| panic!("no {name}"));
        let is_script = command[0] == b"EVALSHA";
        assert_eq!(String::from_utf8_lossy(&command[usize::from(is_script)]), name);
        command
    }

    /// No command comes. Time has to be paused.
    pub(crate) async fn is_idle(&mut self) {
        let next = timeout(Duration::from_millis(50), self.next()).await;
        assert!(next.is_err(), "it was asked for {next:?}");
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.expect("it is read");
    }

    /// Says something, and lets it be dealt with.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.write(bytes).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Confirms that a topic is subscribed to.
    pub(crate) async fn confirm(&mut self, topic: &[u8]) {
        self.say(&push(&[bulk(b"ssubscribe"), bulk(topic), b":1\r\n".to_vec()])).await;
    }

    /// Tells the position of one channel.
    pub(crate) async fn position(&mut self, e: u64, top: u64) {
        self.positions(e, top, 1).await;
    }

    /// Tells the positions of channels, which are all the same.
    pub(crate) async fn positions(&mut self, e: u64, top: u64, channels: usize) {
        let position = bulk(&[meta(e, top), 1_u64.to_be_bytes().to_vec()].concat());
        self.say(&array(&vec![position; channels])).await;
    }

    /// Answers a page of a channel without publications.
    pub(crate) async fn page(&mut self, e: u64, top: u64) {
        self.say(&array(&[bulk(&meta(e, top)), bulk(&(top + 1).to_be_bytes()), b":0\r\n".to_vec()])).await;
    }

    /// Answers that a publication was found.
    pub(crate) async fn found(&mut self, e: u64, offset: u64) {
        let record = crate::message::record(b"1", &(0..1));
        self.say(&array(&[bulk(&meta(e, offset)), bulk(&offset.to_be_bytes()), bulk(&record)])).await;
    }

    /// Tells that a channel was removed.
    pub(crate) async fn removed(&mut self, topic: &[u8], e: u64) {
        let message = [b"R", &e.to_be_bytes()[..], &G.to_be_bytes(), &[0; 8]].concat();
        self.pushed(topic, &message).await;
    }

    pub(crate) async fn pushed(&mut self, topic: &[u8], message: &[u8]) {
        self.say(&push(&[bulk(b"smessage"), bulk(topic), bulk(message)])).await;
    }

    /// Answers that something was appended, or removed.
    pub(crate) async fn done(&mut self, e: u64, offset: Option<u64>) {
        let mut parts = vec![bulk(&G.to_be_bytes()), bulk(&e.to_be_bytes())];
        parts.extend(offset.map(|offset| format!(":{offset}\r\n").into_bytes()));
        self.say(&array(&parts)).await;
    }

    /// Answers the greeting of a connection.
    pub(crate) async fn greet(&mut self) {
        assert_eq!(self.next().await[0], b"HELLO");
        self.say(b"%1\r\n+role\r\n+master\r\n").await;
    }

    /// Answers a command of a server that starts as a Redis in which nothing is.
    pub(crate) async fn grant(&mut self, command: &[Vec<u8>]) {
        let [name, first] = [0, 1].map(|at| command.get(at).map_or(&b""[..], Vec::as_slice));
        match (name, first) {
            (b"INFO", _) => self.write(&bulk(b"redis_version:7.0.15\r\nrole:master\r\n")).await,
            (b"SCRIPT", _) => self.write(&bulk(script_of(&command[2]).as_bytes())).await,
            (b"GET" | b"SET", _) => self.write(b"_\r\n").await,
            (b"SSUBSCRIBE", topic) => self.confirm(topic).await,
            (b"SUNSUBSCRIBE", topic) => {
                self.write(&push(&[bulk(b"sunsubscribe"), bulk(topic), b":0\r\n".to_vec()])).await;
            }
            (b"EVALSHA", b"generation") => {
                self.write(&bulk(&[&G.to_be_bytes()[..], &[b'0'; 40], &[0; 8]].concat())).await
            }
            (b"EVALSHA", b"append") => {
                self.pushed(b"topic", b"").await;
                self.done(1, Some(1)).await;
            }
            _ => self.write(b":1\r\n").await,
        }
    }

    /// Waits until the other end has closed the connection. It asks for nothing more before.
    pub(crate) async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let closed = timeout(Duration::from_secs(20), self.socket.read_to_end(&mut rest)).await;
        closed.expect("it is closed").expect("it reads");
        assert!(rest.is_empty(), "it is used: {}", String::from_utf8_lossy(&rest));
    }

    /// Waits until the other end has closed the connection, whatever it asks for before.
    pub(crate) async fn is_closed_after_all(&mut self) {
        while self.try_next().await.is_some() {}
    }

    /// Has a channel be followed that is empty. Its topic.
    pub(crate) async fn follow(&mut self, e: u64) -> Vec<u8> {
        let mut topics = self.follow_batch(e).await;
        assert_eq!(topics.len(), 1, "one topic");
        topics.remove(0)
    }

    /// Has channels be followed that are empty. Their topics.
    pub(crate) async fn follow_batch(&mut self, e: u64) -> Vec<Vec<u8>> {
        let topics = self.expect("SSUBSCRIBE").await.split_off(1);
        self.expect("position").await;
        for topic in &topics {
            self.confirm(topic).await;
        }
        self.positions(e, 0, topics.len()).await;
        topics
    }
}

/// The epoch of this number.
pub(crate) fn of(e: u64) -> Epoch {
    epoch(e, G)
}

fn meta(e: u64, top: u64) -> Vec<u8> {
    let mut meta: Vec<_> = [e, G, G, top].iter().flat_map(|number| number.to_be_bytes()).collect();
    meta.resize(104, 0);
    meta
}

/// What `INFO` answers.
pub(crate) fn info(line: &str) -> Vec<u8> {
    bulk(format!("# Server\r\n{line}\r\n").as_bytes())
}

/// The name of the script of a text.
fn script_of(text: &[u8]) -> &'static str {
    let script = Script::ALL.into_iter().find(|script| script.text().as_bytes() == text);
    script.expect("a script").name()
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn array(parts: &[Vec<u8>]) -> Vec<u8> {
    [format!("*{}\r\n", parts.len()).into_bytes(), parts.concat()].concat()
}

fn push(parts: &[Vec<u8>]) -> Vec<u8> {
    [format!(">{}\r\n", parts.len()).into_bytes(), parts.concat()].concat()
}
