//! A new certificate while the server runs.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::{Files, Socket, Trust, serve, within};

async fn assert_alive(socket: &mut Socket) {
    within("room to send", socket.send(Message::text("hello"))).await.expect("the server takes it");
    let echoed = within("a message", socket.next()).await.expect("the socket is open").expect("a message");
    assert_eq!(echoed, Message::text("hello"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_see_the_new_one_and_connections_go_on() {
    let files = Files::new();
    let old = Trust::in_certificate(&files.renew());
    let tls = files.load();
    let addr = serve(tls.clone(), std::time::Duration::from_secs(10));
    let mut before = old.connect(addr).await;

    let new = Trust::in_certificate(&files.renew());
    assert!(new.tls(addr).await.is_err(), "nothing has been read yet");
    tls.reload().expect("they fit");
    let mut after = new.connect(addr).await;
    assert!(old.tls(addr).await.is_err(), "the old certificate is gone, for who comes back with a ticket too");
    assert_alive(&mut after).await;
    assert_alive(&mut before).await;

    files.write("key.pem", "nonsense");
    let error = tls.reload().expect_err("no key").to_string();
    assert!(error.contains("key.pem: no private key in it"), "{error}");
    assert_alive(&mut new.connect(addr).await).await;
    assert_alive(&mut after).await;
}
