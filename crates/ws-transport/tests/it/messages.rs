//! What is sent arrives, whatever its size and however slowly it is read.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::{Files, MIB, Socket, Trust, VERSIONS, noise, serve, start, within};

async fn next(socket: &mut Socket) -> Message {
    within("a message", socket.next()).await.expect("the socket is open").expect("a message")
}

async fn echo(socket: &mut Socket, message: Message) {
    within("room to send", socket.send(message.clone())).await.expect("the server takes it");
    assert_eq!(next(socket).await.into_data(), message.into_data());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echo_in_every_version() {
    for version in VERSIONS {
        let files = Files::new();
        let trust = Trust::with_versions(&files.renew(), &[version]);
        let addr = serve(files.load(), std::time::Duration::from_secs(10));
        let mut socket = trust.connect(addr).await;
        assert_eq!(socket.get_ref().get_ref().1.protocol_version(), Some(version.version));
        echo(&mut socket, Message::text("hello")).await;
        // Around the size of a record, and of the buffers on the way.
        for bytes in [0, 1, 16_383, 16_384, 16_385, 32 * 1024, 47 * 1024, 64 * 1024, 100_000, MIB] {
            echo(&mut socket, Message::binary(noise(bytes))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_reach_a_slow_reader() {
    const MESSAGES: usize = 3;
    let (addr, trust) = start();
    let socket = trust.with_receive_buffer(addr, 16 * 1024).await;
    let message = noise(8 * MIB);
    let (mut sink, mut stream) = socket.split();
    let sent = message.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            sink.send(Message::binary(sent.clone())).await.expect("the server takes it");
        }
        sink
    });
    for _ in 0..MESSAGES {
        let echoed = within("a message", stream.next()).await.expect("the socket is open").expect("a message");
        assert!(echoed.into_data() == message, "it arrives as it was");
    }
    drop(within("the sender", sending).await.expect("it has sent all"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_messages_keep_their_order() {
    const MESSAGES: usize = 50_000;
    let (addr, trust) = start();
    let (mut sink, mut stream) = trust.with_receive_buffer(addr, 16 * 1024).await.split();
    let sending = tokio::spawn(async move {
        for n in 0..MESSAGES {
            sink.feed(Message::text(n.to_string())).await.expect("the server takes it");
        }
        sink.flush().await.expect("the server takes it");
        sink
    });
    for n in 0..MESSAGES {
        let echoed = within("a message", stream.next()).await.expect("the socket is open").expect("a message");
        assert_eq!(echoed, Message::text(n.to_string()));
    }
    drop(within("the sender", sending).await.expect("it has sent all"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_under_way() {
    let files = Files::new();
    let trust = Trust::with_versions(&files.renew(), &[&rustls::version::TLS13]);
    let addr = serve(files.load(), std::time::Duration::from_secs(10));
    let mut socket = trust.connect(addr).await;
    for n in 0..10 {
        let session = socket.get_mut().get_mut().1;
        session.refresh_traffic_keys().expect("TLS 1.3");
        echo(&mut socket, Message::text(n.to_string())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_right_behind_the_handshake_is_not_lost() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    // A masked text frame, "hi"; the mask is zero.
    const HI: [u8; 8] = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let (addr, trust) = start();
    // In one record, in two of one packet, and with a frame that is cut.
    for cuts in [vec![], vec![0], vec![0, 3], vec![5]] {
        let mut stream = trust.tls(addr).await.expect("TLS");
        let head = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut bytes = head.as_bytes().to_vec();
        bytes.extend_from_slice(&HI);
        let mut from = 0;
        for cut in cuts {
            stream.get_mut().1.writer_all(&bytes[from..head.len() + cut]);
            from = head.len() + cut;
        }
        within("room to send", stream.write_all(&bytes[from..])).await.expect("the server takes it");
        let mut answer = Vec::new();
        while !answer.ends_with(&[0x81, 2, b'h', b'i']) {
            let read = within("the answer", stream.read_buf(&mut answer)).await.expect("an answer");
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
    }
}

trait WriterAll {
    fn writer_all(&mut self, bytes: &[u8]);
}

impl WriterAll for rustls::ClientConnection {
    /// Makes a record that is sent with the next one.
    fn writer_all(&mut self, bytes: &[u8]) {
        std::io::Write::write_all(&mut self.writer(), bytes).expect("room");
    }
}
