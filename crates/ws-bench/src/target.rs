//! The server to test: its URL, its address, and the handshake request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// The sample key of RFC 6455, section 1.3. Keys have to differ only if there are
/// caches between client and server. With a fixed key the right response is known in advance.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// `ws://HOST[:PORT]/PATH[?QUERY]`, parsed but not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    host: String,
    port: u16,
    path: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Target, String> {
        let rest = after_scheme(url)?;
        if rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
            return Err("a URL has no spaces, control characters or fragment".to_owned());
        }
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (host, port) = host_and_port(authority)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Target { url: url.to_owned(), host, port, path })
    }
}

fn after_scheme(url: &str) -> Result<&str, String> {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => Ok(rest),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("wss") => {
            Err("wss:// is not supported yet: only ws://".to_owned())
        }
        Some((scheme, _)) => Err(format!("'{scheme}://' is not a WebSocket URL: write ws://HOST:PORT/PATH")),
        None => Err("not a URL: write ws://HOST:PORT/PATH".to_owned()),
    }
}

fn host_and_port(authority: &str) -> Result<(String, u16), String> {
    if authority.contains('@') {
        return Err("user and password in the URL are not supported".to_owned());
    }
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => {
            let port = &authority[colon + 1..];
            (&authority[..colon], port.parse().map_err(|_| format!("'{port}' is not a port"))?)
        }
        _ => (authority, 80),
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() || (bare == host && host.contains([':', '[', ']'])) {
        return Err("the URL has no host (write an IPv6 address in brackets)".to_owned());
    }
    Ok((bare.to_owned(), port))
}

/// A resolved target, and the source addresses to connect from.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The whole handshake request.
    pub(crate) request: Vec<u8>,
    /// Empty: the system chooses.
    pub(crate) sources: Vec<IpAddr>,
    /// Size of the receive buffer of a connection; `None`: the system chooses.
    pub(crate) receive_bytes: Option<u32>,
}

impl Target {
    /// Resolves the host. Of several addresses it takes the first IPv4 one.
    pub(crate) fn look_up(&self) -> io::Result<Server> {
        let mut found: Vec<SocketAddr> = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.host)))?
            .collect();
        found.sort_by_key(|address| !address.is_ipv4());
        let address = *found.first().ok_or_else(|| io::Error::other(format!("{}: no address", self.host)))?;
        Ok(Server { address, request: self.request(), sources: Vec::new(), receive_bytes: None })
    }

    /// Host and port, as in a `Host` header.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }

    fn request(&self) -> Vec<u8> {
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.path,
            self.authority()
        )
        .into_bytes()
    }
}

impl Server {
    /// Spreads connections over `count` source addresses, which is possible only for IPv4 loopback. Returns whether it is.
    pub(crate) fn spread(&mut self, count: usize) -> bool {
        let possible = matches!(self.address.ip(), IpAddr::V4(ip) if ip.is_loopback()) && count <= 200;
        if possible {
            self.sources = (1..=count as u8).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).collect();
        }
        possible
    }

    /// The same with the addresses 127.0.0.`first` to 127.0.0.`last`.
    pub(crate) fn spread_over(&mut self, first: u8, last: u8) {
        if self.spread(1) {
            self.sources = (first..=last).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).collect();
        }
    }

    pub(crate) fn source(&self, index: usize) -> Option<IpAddr> {
        (!self.sources.is_empty()).then(|| self.sources[index % self.sources.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, host: &str, port: u16, path: &str) {
        let target: Target = url.parse().expect(url);
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), (host, port, path));
    }

    #[test]
    fn urls_are_taken_apart() {
        check("ws://127.0.0.1:3000/ws", "127.0.0.1", 3000, "/ws");
        check("WS://localhost", "localhost", 80, "/");
        check("ws://h:1?token=a", "h", 1, "/?token=a");
        check("ws://[::1]:9/a/b?c=/d", "::1", 9, "/a/b?c=/d");
        check("ws://[::1]/", "::1", 80, "/");
    }

    #[test]
    fn bad_urls_say_why() {
        let why = |url: &str| url.parse::<Target>().expect_err(url);
        assert!(why("wss://h/").contains("not supported yet"));
        assert!(why("http://h/").contains("ws://"));
        assert!(why("h:3000").contains("not a URL"));
        assert!(why("ws://h:99999/").contains("port"));
        assert!(why("ws://:3000/").contains("host"));
        assert!(why("ws://::1/").contains("host") || why("ws://::1/").contains("port"));
        assert!(why("ws://a@h/").contains("user"));
        assert!(why("ws://h/a b").contains("spaces"));
    }

    #[test]
    fn loopback_targets_are_reached_from_several_addresses() {
        let mut server = "ws://127.0.0.1:1/"
            .parse::<Target>()
            .and_then(|t| t.look_up().map_err(|e| e.to_string()))
            .expect("look-up");
        assert_eq!(server.source(5), None);
        assert!(server.spread(3));
        assert_eq!(server.source(5), Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))));
        server.spread_over(7, 9);
        assert_eq!(server.source(4), Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8))));
        server.address = "10.0.0.1:1".parse().expect("address");
        assert!(!server.spread(3));
    }
}
