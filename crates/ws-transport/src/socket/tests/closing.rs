//! How a connection closes: what its peer still gets, and what it can still send.

use tokio::io::AsyncWriteExt;

use super::*;
use crate::limits::CLOSING_BYTES_MAX;

/// Ends as soon as it gets a message, after an answer of this size.
struct Farewell {
    bytes: usize,
    code: CloseCode,
}

impl Endpoint for Farewell {
    fn text(&mut self, _: &str, _: u64, out: &mut Vec<u8>) -> Flow {
        frame::append(Opcode::Text, out, |out| out.resize(out.len() + self.bytes, b'x'));
        Flow::Close(self.code)
    }

    fn binary(&mut self, _: &[u8], _: u64, _: &mut Vec<u8>) -> Flow {
        Flow::Continue
    }
}

/// A socket with this endpoint, and its client.
async fn socket_with<E: Endpoint + Unpin>(endpoint: E, options: SocketOptions) -> (Socket<E>, TcpStream) {
    let options = Arc::new(options);
    let (client, accepted) = pair().await;
    let (read, connection) = open(Stream::Plain(accepted), HeartbeatMode::Ping, &options);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    (Socket::new(read, connection, address, endpoint, &[], options), client)
}

/// What the client reads until the socket ends.
async fn all<E: Endpoint + Unpin>(socket: Socket<E>, client: &mut TcpStream) -> Vec<u8> {
    let (mut read, mut buffer, mut socket) = (Vec::new(), vec![0; 1 << 16], Some(socket));
    loop {
        tokio::task::yield_now().await;
        if let Some(running) = &mut socket
            && turns(running, 1).await
        {
            socket = None;
        }
        match client.try_read(&mut buffer) {
            Ok(0) => return read,
            Ok(bytes) => read.extend_from_slice(&buffer[..bytes]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "a reset"),
        }
    }
}

/// The close frame at the end of what a client has read.
fn last_close(bytes: &[u8]) -> Option<u16> {
    let reasons = CloseCode::ALL.iter().map(|code| {
        let payload = [&code.as_u16().to_be_bytes()[..], code.reason().as_bytes()].concat();
        (code.as_u16(), [&[0x88, payload.len() as u8][..], &payload].concat())
    });
    reasons.into_iter().find(|(_, frame)| bytes.ends_with(frame)).map(|(code, _)| code)
}

#[tokio::test]
async fn a_client_that_finishes_after_our_close_frame_gets_all_of_it() {
    for code in [CloseCode::TooManyErrors, CloseCode::TooBig, CloseCode::GoingAway] {
        let bytes = 60_000;
        let (mut socket, mut client) =
            socket_with(Farewell { bytes, code }, socket_options(&start(&Late::new(false)))).await;
        client.write_all(&masked("bye")).await.expect("room");
        client.shutdown().await.expect("half closed");
        while !matches!(socket.phase, Phase::Flushing(_)) {
            assert!(!turns(&mut socket, 1).await, "{code:?}: most of the answer is still here");
        }
        let read = all(socket, &mut client).await;
        assert!(read.len() > bytes, "{code:?}: {} bytes", read.len());
        assert_eq!(last_close(&read), Some(code.as_u16()));
    }
}

#[tokio::test]
async fn a_half_closed_client_that_broke_the_protocol_is_told() {
    let hub = start(&Late::new(false));
    let options = socket_options(&hub);
    let unmasked = [0x81, 2, b'{', b'}'];
    let (mut socket, mut client) = socket_with(Owing { closes: false }, options).await;
    // It sent this, and then its FIN; an answer is due before the server goes on.
    socket.reader.feed(&unmasked, &config(OUTBOX_BYTES_MAX));
    (socket.backlog, socket.phase) = (true, Phase::HalfClosed(timer(ANSWERS_TIMEOUT)));
    client.shutdown().await.expect("half closed");
    assert_eq!(last_close(&all(socket, &mut client).await), Some(1002));
}

/// While a connection is being closed, its peer cannot have the server keep what it sends.
#[tokio::test]
async fn a_closing_connection_reads_little_and_keeps_less() {
    let hub = start(&Late::new(false));
    let options = || SocketOptions { message_bytes_max: 1 << 30, ..socket_options(&hub) };
    let code = CloseCode::InvalidToken;
    let (mut socket, mut client) = socket_with(Farewell { bytes: 1, code }, options()).await;
    client.write_all(&masked("bye")).await.expect("room");
    while !matches!(socket.phase, Phase::Closing(_)) {
        assert!(!turns(&mut socket, 1).await);
    }
    let mut head = vec![0x81, 0xff];
    head.extend_from_slice(&(1u64 << 29).to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    client.write_all(&head).await.expect("room");
    while !matches!(socket.phase, Phase::Lingering(_)) {
        assert!(!turns(&mut socket, 1).await, "it waits for the end of its stream");
    }
    let (chunk, mut sent) = (vec![0; 1 << 16], 0);
    let has_ended = loop {
        sent += client.try_write(&chunk).unwrap_or_default();
        match turns(&mut socket, 1).await {
            true => break true,
            false if sent > 2 * CLOSING_BYTES_MAX => break false,
            false => {}
        }
    };
    assert!(has_ended, "it took {sent} bytes");
}
