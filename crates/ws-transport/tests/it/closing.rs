//! The end: a close frame, the goodbye of TLS behind it, and then the FIN.

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::fixture::{MESSAGE_BYTES_MAX, MIB, Socket, noise, start, within};

/// The close frame that comes next.
async fn closed(socket: &mut Socket) -> Option<CloseFrame> {
    loop {
        match within("a close frame", socket.next()).await {
            Some(Ok(Message::Close(close))) => return close,
            Some(Ok(_)) => {}
            end => panic!("no close frame: {end:?}"),
        }
    }
}

/// rustls tells a socket that ends without a goodbye from one that ends with it.
async fn assert_goodbye(socket: Socket) {
    let mut stream = socket.into_inner();
    let mut rest = Vec::new();
    within("the end", stream.read_to_end(&mut rest)).await.expect("a goodbye");
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_is_answered_and_said_goodbye_to() {
    let (addr, trust) = start();
    let mut socket = trust.connect(addr).await;
    let going = CloseFrame { code: 1000.into(), reason: "bye".into() };
    within("room to send", socket.send(Message::Close(Some(going)))).await.expect("the server takes it");
    assert_eq!(closed(&mut socket).await.map(|close| u16::from(close.code)), Some(1000));
    assert_goodbye(socket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_rule_is_told_before_the_goodbye() {
    let (addr, trust) = start();
    let mut socket = trust.connect(addr).await;
    // It may be told while it still sends.
    let _ = within("room to send", socket.send(Message::binary(noise(MESSAGE_BYTES_MAX + 1)))).await;
    assert_eq!(closed(&mut socket).await.map(|close| u16::from(close.code)), Some(1009));
    assert_goodbye(socket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_arrives_before_the_close() {
    const MESSAGES: usize = 4;
    let (addr, trust) = start();
    let (mut sink, mut stream) = trust.with_receive_buffer(addr, 16 * 1024).await.split();
    let message = Message::binary(noise(MIB));
    let sending = async {
        for _ in 0..MESSAGES {
            sink.send(message.clone()).await.expect("the server takes it");
        }
        sink.send(Message::Close(None)).await.expect("the server takes it");
    };
    let reading = async {
        for _ in 0..MESSAGES {
            let echoed = stream.next().await.expect("the socket is open").expect("a message");
            assert!(echoed == message, "it arrives as it was");
        }
    };
    within("the messages", async { tokio::join!(sending, reading) }).await;
    let mut socket = sink.reunite(stream).expect("its halves");
    assert_eq!(closed(&mut socket).await, None);
    assert_goodbye(socket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_goodbye_or_goes_without_is_gone() {
    use tokio::io::AsyncWriteExt;

    let (addr, trust) = start();
    for says_goodbye in [true, false] {
        let mut stream = trust.connect(addr).await.into_inner();
        let mut rest = Vec::new();
        if says_goodbye {
            within("the goodbye", stream.shutdown()).await.expect("the server takes it");
            within("the end", stream.read_to_end(&mut rest)).await.expect("a goodbye");
        } else {
            let (mut stream, _session) = stream.into_inner();
            within("the FIN", stream.shutdown()).await.expect("the server takes it");
            within("the end", stream.read_to_end(&mut rest)).await.expect("an end");
        }
    }
}
