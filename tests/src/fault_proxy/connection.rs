//! One connection from its accept to its end.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::fault::{End, Way};
use super::lane::Lane;
use super::link::Link;

/// Passes bytes between the client and the server until one of them or the script ends it.
pub(super) async fn run(mut client: TcpStream, upstream: SocketAddr, link: &Link) {
    let mut server = None;
    // What is to happen at once happens before the server hears of it.
    link.step();
    let end = tokio::select! {
        end = link.ended() => end,
        end = pass(&mut client, &mut server, upstream, link) => end,
        () = link.clock() => End::Reset,
    };
    finish(end, client, server).await;
}

async fn pass(client: &mut TcpStream, server: &mut Option<TcpStream>, upstream: SocketAddr, link: &Link) -> End {
    if link.weather().borrow().mute {
        read_out(client).await;
        return End::Cut;
    }
    let connected = async {
        let stream = TcpStream::connect(upstream).await?;
        stream.set_nodelay(true)?;
        client.set_nodelay(true)?;
        std::io::Result::Ok(stream)
    };
    let Ok(stream) = connected.await else { return End::Reset };
    let server = server.insert(stream);
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let there = Lane::new(Way::ToServer, link, from_client, to_server).run();
    let back = Lane::new(Way::ToClient, link, from_server, to_client).run();
    match tokio::try_join!(there, back) {
        Ok(_) => End::Cut,
        Err(_) => End::Reset,
    }
}

async fn finish(end: End, client: TcpStream, server: Option<TcpStream>) {
    match end {
        End::Cut => {
            let server = async {
                if let Some(server) = server {
                    cut(server).await;
                }
            };
            tokio::join!(cut(client), server);
        }
        End::Reset => {
            reset(client);
            server.into_iter().for_each(reset);
        }
        End::Forget => {
            reset(client);
            if let Some(mut server) = server {
                read_out(&mut server).await;
            }
        }
    }
}

/// The peer reads its end. The socket stays until the peer has ended too: closed with unread bytes, it would reset.
async fn cut(mut stream: TcpStream) {
    if tokio::io::AsyncWriteExt::shutdown(&mut stream).await.is_ok() {
        read_out(&mut stream).await;
    }
}

/// Fails only if the peer has gone already.
fn reset(stream: TcpStream) {
    drop(stream.set_zero_linger());
}

/// Reads and forgets, until the peer ends.
async fn read_out(stream: &mut TcpStream) {
    let mut bytes = vec![0; 4096];
    while let Ok(1..) = stream.read(&mut bytes).await {}
}
