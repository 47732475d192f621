//! Each fault as the two sides see it, against a server that the test plays itself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Both ends of the next connection through the proxy.
struct Ends {
    client: TcpStream,
    server: TcpStream,
}

impl Ends {
    async fn open(proxy: &FaultProxy, listener: &TcpListener) -> Self {
        let client = within("a connection", TcpStream::connect(proxy.addr())).await.expect("the proxy listens");
        client.set_nodelay(true).expect("a socket");
        let (server, _) = within("the proxy to connect", listener.accept()).await.expect("a connection");
        Ends { client, server }
    }

    fn end(&mut self, way: Way) -> (&mut TcpStream, &mut TcpStream) {
        match way {
            Way::ToServer => (&mut self.client, &mut self.server),
            Way::ToClient => (&mut self.server, &mut self.client),
        }
    }

    /// Sends this, and waits until it has arrived. Returns the sizes in which it came.
    async fn pass(&mut self, way: Way, bytes: &[u8]) -> Vec<usize> {
        let (from, to) = self.end(way);
        within("room", from.write_all(bytes)).await.expect("the socket is open");
        let (mut got, mut sizes, mut part) = (Vec::new(), Vec::new(), vec![0; 64 * 1024]);
        while got.len() < bytes.len() {
            let count = within("bytes", to.read(&mut part)).await.expect("bytes");
            assert!(count > 0, "the end after {} of {} bytes", got.len(), bytes.len());
            got.extend_from_slice(&part[..count]);
            sizes.push(count);
        }
        assert!(got == bytes, "the same bytes, in order");
        sizes
    }
}

async fn upstream() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

fn addr(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("bound")
}

async fn scripted(steps: impl IntoIterator<Item = Step>) -> (FaultProxy, TcpListener) {
    let listener = upstream().await;
    let proxy = FaultProxy::scripted(addr(&listener), Script::new().on(1..=1, steps)).await;
    (proxy, listener)
}

/// Reads to the end: what came, and the error if it was none of FIN.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let mut got = Vec::new();
    let end = within("the end", stream.read_to_end(&mut got)).await;
    (got, end.err().map(|error| error.kind()))
}

fn is_quiet(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0; 1]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

const MS: Duration = Duration::from_millis(1);
const RESET: Option<std::io::ErrorKind> = Some(std::io::ErrorKind::ConnectionReset);

fn numbered(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn without_faults_bytes_and_ends_pass() {
    let (proxy, listener) = scripted([]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    for way in [Way::ToServer, Way::ToClient] {
        ends.pass(way, &numbered(100)).await;
    }
    ends.client.shutdown().await.expect("open");
    assert_eq!(rest(&mut ends.server).await, (vec![], None), "the client's end arrives");
    ends.pass(Way::ToClient, b"half closed").await;
    drop(ends.server);
    assert_eq!(rest(&mut ends.client).await, (vec![], None));
    proxy.until_open(0).await;
    assert_eq!((proxy.accepted(), proxy.faults().len()), (1, 0));
}

#[tokio::test]
async fn a_server_that_breaks_off_resets_the_client() {
    let (proxy, listener) = scripted([]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    ends.server.set_zero_linger().expect("a socket");
    drop(ends.server);
    assert_eq!(rest(&mut ends.client).await, (vec![], RESET));
}

#[tokio::test]
async fn a_cut_and_a_reset_come_at_their_byte() {
    for (fault, client_end, server_end) in [(Fault::Cut, None, None), (Fault::Reset, RESET, RESET)] {
        let (proxy, listener) = scripted([after_bytes(Way::ToClient, 1000, fault)]).await;
        let mut ends = Ends::open(&proxy, &listener).await;
        ends.server.write_all(&numbered(1500)).await.expect("room");
        let (got, end) = rest(&mut ends.client).await;
        assert!(got == numbered(1000), "{fault:?}: {} bytes", got.len());
        assert_eq!(end, client_end, "{fault:?}");
        assert_eq!(rest(&mut ends.server).await, (vec![], server_end), "{fault:?}");
        drop(ends);
        proxy.until_open(0).await;
        assert_eq!(proxy.faults(), BTreeMap::from([(fault.name(), 1)]));
    }
}

#[tokio::test]
async fn steps_wait_for_the_step_before() {
    let steps = [
        after_bytes(Way::ToServer, 10, Fault::Join { wait: MS }),
        after_bytes(Way::ToServer, 10, Fault::Clear),
        after(MS, Fault::Split { bytes_max: 5 }),
        after_bytes(Way::ToClient, u64::MAX, Fault::Cut).at_the_latest(500 * MS),
    ];
    let (proxy, listener) = scripted(steps).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    ends.pass(Way::ToServer, &numbered(15)).await;
    assert_eq!(proxy.faults(), BTreeMap::from([("join", 1)]), "the second ten are not full");
    ends.pass(Way::ToServer, &numbered(5)).await;
    assert_eq!(rest(&mut ends.client).await, (vec![], None));
    assert_eq!(proxy.faults(), BTreeMap::from([("clear", 1), ("cut", 1), ("join", 1), ("split", 1)]), "{proxy}");
}

#[tokio::test]
async fn a_forgotten_connection_is_reset_for_the_client_alone() {
    let (proxy, listener) = scripted([after_bytes(Way::ToServer, 3, Fault::Forget)]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    ends.client.write_all(b"abcdef").await.expect("room");
    assert_eq!(rest(&mut ends.client).await, (vec![], RESET));
    let mut got = [0; 3];
    within("bytes", ends.server.read_exact(&mut got)).await.expect("bytes");
    assert!(is_quiet(&ends.server), "the server waits for more");
    ends.server.write_all(&numbered(100_000)).await.expect("and may write");
    assert_eq!(proxy.open(), 1);
    drop(ends.server);
    proxy.until_open(0).await;
}

#[tokio::test]
async fn half_open_is_silence_one_way_until_it_is_cleared() {
    for (way, back) in [(Way::ToServer, Way::ToClient), (Way::ToClient, Way::ToServer)] {
        let (proxy, listener) = scripted([]).await;
        let mut ends = Ends::open(&proxy, &listener).await;
        proxy.now(Fault::HalfOpen(way));
        ends.end(way).0.write_all(b"lost?").await.expect("room");
        ends.pass(back, &numbered(100)).await;
        assert!(is_quiet(ends.end(way).1));
        proxy.now(Fault::Clear);
        let mut got = [0; 5];
        within("what was held back", ends.end(way).1.read_exact(&mut got)).await.expect("bytes");
        assert_eq!(&got, b"lost?");
    }
}

#[tokio::test]
async fn nobody_hears_of_an_end_in_a_black_hole() {
    let (proxy, listener) = scripted([at_once(Fault::Blackhole)]).await;
    let Ends { client, mut server } = Ends::open(&proxy, &listener).await;
    drop(client);
    // More than all buffers hold: the proxy reads on, because nobody is left to read it.
    let numbers = numbered(1 << 20);
    for _ in 0..16 {
        within("room", server.write_all(&numbers)).await.expect("the server notices nothing");
    }
    assert!(is_quiet(&server));
    drop(server);
    proxy.until_open(0).await;
}

#[tokio::test]
async fn a_muted_connection_is_accepted_and_never_reaches_the_server() {
    let (proxy, listener) = scripted([at_once(Fault::Mute), after_bytes(Way::ToServer, 1, Fault::Cut)]).await;
    let mut client = TcpStream::connect(proxy.addr()).await.expect("it listens");
    client.write_all(&numbered(1000)).await.expect("room");
    let mut ends = Ends::open(&proxy, &listener).await;
    ends.pass(Way::ToServer, b"the first that arrives is the second connection").await;
    assert!(is_quiet(&client));
    proxy.now(Fault::Reset);
    assert_eq!(rest(&mut client).await, (vec![], RESET));
}

#[tokio::test]
async fn split_segments_are_small_and_joined_ones_large() {
    let (proxy, listener) = scripted([at_once(Fault::Split { bytes_max: 7 })]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    let sizes = ends.pass(Way::ToClient, &numbered(200)).await;
    assert!(sizes.len() >= 10, "{sizes:?}");

    let (proxy, listener) = scripted([at_once(Fault::Join { wait: 1500 * MS })]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    for part in numbered(200).chunks(20) {
        ends.client.write_all(part).await.expect("room");
        tokio::task::yield_now().await;
    }
    let mut got = vec![0; 1000];
    let count = within("bytes", ends.server.read(&mut got)).await.expect("bytes");
    assert_eq!(count, 200, "all in one");
}

#[tokio::test]
async fn delays_add_up_to_no_disorder_and_slow_is_slow() {
    let delay = Fault::Delay { least: 20 * MS, jitter: 20 * MS };
    let (proxy, listener) = scripted([at_once(delay)]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    let begun = Instant::now();
    for n in 0..5 {
        ends.pass(Way::ToServer, &numbered(n * 10 + 1)).await;
    }
    assert!(begun.elapsed() >= 100 * MS, "{:?}", begun.elapsed());

    let (proxy, listener) = scripted([at_once(Fault::Slow { bytes_per_s: 20_000 })]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    let begun = Instant::now();
    ends.pass(Way::ToClient, &numbered(4000)).await;
    assert!(begun.elapsed() >= 150 * MS, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_refusing_port_keeps_its_connections() {
    let (proxy, listener) = scripted([]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    proxy.refuse().await;
    for _ in 0..3 {
        let refused = TcpStream::connect(proxy.addr()).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    ends.pass(Way::ToServer, b"goes on").await;
    proxy.accept().await;
    Ends::open(&proxy, &listener).await.pass(Way::ToServer, b"again").await;
}

#[tokio::test]
async fn a_script_refuses_for_a_while() {
    let (proxy, listener) =
        scripted([after_bytes(Way::ToServer, 2, Fault::Refuse(50 * MS)), at_once(Fault::Reset)]).await;
    let mut ends = Ends::open(&proxy, &listener).await;
    ends.client.write_all(b"ab").await.expect("room");
    assert_eq!(rest(&mut ends.client).await.1, RESET);
    until("the port to listen again", async || TcpStream::connect(proxy.addr()).await.ok()).await;
    assert_eq!(proxy.faults(), BTreeMap::from([("refuse", 1), ("reset", 1)]));
}

#[tokio::test]
async fn without_a_server_the_client_is_reset() {
    let place = serve::reserve().expect("a port");
    let proxy = FaultProxy::start(place.local_addr().expect("bound")).await;
    let mut client = TcpStream::connect(proxy.addr()).await.expect("the proxy listens");
    assert_eq!(rest(&mut client).await, (vec![], RESET));
    let listener = upstream().await;
    proxy.set_upstream(addr(&listener));
    Ends::open(&proxy, &listener).await.pass(Way::ToServer, b"there").await;
}

#[test]
fn a_seed_repeats_its_steps_and_ends_every_connection() {
    let (chaos, other) = (Chaos::new(1), Chaos::new(2));
    let steps: Vec<_> = (1..=1000).map(|nth| chaos.steps(nth)).collect();
    assert!(steps == (1..=1000).map(|nth| chaos.steps(nth)).collect::<Vec<_>>());
    assert!(steps != (1..=1000).map(|nth| other.steps(nth)).collect::<Vec<_>>());
    let ends = ["cut", "reset", "forget"];
    assert!(steps.iter().all(|steps| ends.contains(&steps.last().expect("steps").fault.name())));
    assert!(steps.iter().flatten().all(|step| step.time.is_some()), "none waits for bytes alone");
    let names: std::collections::BTreeSet<_> = steps.iter().flatten().map(|step| step.fault.name()).collect();
    assert_eq!(names.len(), 11, "all but clear: {names:?}");
}

#[test]
fn the_curve_counts_per_span() {
    let start = Instant::now();
    let accepts = [0, 5, 100, 101, 350].map(|ms| start + ms * MS);
    assert_eq!(curve(&accepts, start, 100 * MS), [2, 2, 0, 1]);
    assert_eq!(curve(&accepts, start + 101 * MS, 100 * MS), [1, 0, 1]);
}
