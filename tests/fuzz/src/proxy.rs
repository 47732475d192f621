//! What proxies say about the client: any lines of `X-Forwarded-For` and `Forwarded`, and any bytes at the beginning of
//! a connection to a server that expects a PROXY header.

use std::net::{IpAddr, Ipv4Addr};

use ws_transport::{ClientHeader, ProxyOptions, TrustedNetwork};

use super::upgrade;

/// The first byte says what the rest is.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => lines(ClientHeader::XForwardedFor, rest),
        1 => lines(ClientHeader::Forwarded, rest),
        _ => {
            let answer = upgrade::behind_a_proxy(rest);
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
            let begins = rest.starts_with(b"PROXY ") || rest.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
            assert!(begins || answer.is_empty(), "nobody is served without a PROXY header");
        }
    }
}

/// Lines are separated by line feeds. Whatever a client has written: what a proxy appends is found.
fn lines(header: ClientHeader, data: &[u8]) {
    let peer = IpAddr::from(Ipv4Addr::new(10, 0, 0, 1));
    let client = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    let trusted = vec![TrustedNetwork::parse("10.0.0.0/8").expect("a network")];
    let options = ProxyOptions { trusted, header, protocol: false };
    let appended = match header {
        ClientHeader::Forwarded => b", for=\"192.0.2.1:80\"".as_slice(),
        ClientHeader::XForwardedFor | ClientHeader::None => b", 192.0.2.1",
    };
    let mut lines: Vec<_> = data.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    options.client_of(peer, lines.iter().map(Vec::as_slice));
    if let Some(last) = lines.last_mut() {
        last.extend_from_slice(appended);
    }
    assert_eq!(options.client_of(peer, lines.iter().map(Vec::as_slice)), client);
    assert_eq!(options.client_of(client, lines.iter().map(Vec::as_slice)), client, "it is not trusted itself");
}
