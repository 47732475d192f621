//! Addresses to listen on: `IP:PORT`, `localhost:PORT` or `unix:PATH`, one or several.
//!
//! Names other than `localhost` are not looked up: what a server binds should not depend on a resolver.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ws_transport::ListenAddr;

use super::setting::{InvalidValue, Setting, Typed};

/// A list of addresses, not empty and without duplicates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses;

/// One address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address;

impl Setting for ListenAddr {
    type Rule = Address;

    fn read(_: &Address, typed: &Typed) -> Result<Self, InvalidValue> {
        let text = typed.text().ok_or_else(|| no_text(typed))?;
        parse(text).map_err(|hint| typed.invalid_because(hint))
    }

    fn show(&self, _: &Address) -> String {
        toml::Value::String(self.to_string()).to_string()
    }

    fn allowed(_: &Address) -> String {
        "IP:PORT, [IPv6]:PORT, localhost:PORT (which is 127.0.0.1) or unix:PATH".to_owned()
    }
}

impl Setting for Vec<ListenAddr> {
    type Rule = Addresses;

    fn read(_: &Addresses, typed: &Typed) -> Result<Self, InvalidValue> {
        let mut list = Self::new();
        for item in typed.items() {
            let addr = ListenAddr::read(&Address, &item)?;
            if addr.tcp().is_none_or(|addr| addr.port() != 0) && list.contains(&addr) {
                return Err(item.invalid_because(format!("{addr} is listed twice")));
            }
            list.push(addr);
        }
        if list.is_empty() { Err(typed.invalid_because("at least one address is needed")) } else { Ok(list) }
    }

    fn show(&self, _: &Addresses) -> String {
        let quoted: Vec<_> = self.iter().map(|addr| addr.show(&Address)).collect();
        format!("[{}]", quoted.join(", "))
    }

    fn allowed(_: &Addresses) -> String {
        format!("{}, or several of them", ListenAddr::allowed(&Address))
    }
}

const ZONE: &str = "[fe80::1%2]:3000, as `ip link` numbers them";

fn lacks_zone(addr: SocketAddr) -> bool {
    matches!(addr, SocketAddr::V6(addr) if addr.ip().is_unicast_link_local() && addr.scope_id() == 0)
}

fn no_text(item: &Typed) -> InvalidValue {
    match item {
        Typed::Integer(port) => item.invalid_because(format!("the address is missing: \"0.0.0.0:{port}\"")),
        _ => item.invalid(),
    }
}

/// The error is a hint: what to write instead.
fn parse(text: &str) -> Result<ListenAddr, String> {
    match ListenAddr::unix(text) {
        Some(addr) => addr.map_err(|error| format!("no socket can have this path: {error}")),
        None => parse_tcp(text).map(ListenAddr::Tcp),
    }
}

fn parse_tcp(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse() {
        return if lacks_zone(addr) { Err(format!("a link-local address needs its zone: {ZONE}")) } else { Ok(addr) };
    }
    if text.starts_with('/') {
        return Err(format!("a Unix socket is unix:{text}"));
    }
    if text.contains(',') {
        return Err("several addresses are a list: [\"…\", \"…\"]".to_owned());
    }
    if text.contains('%') {
        return Err(format!("a zone is the number of an interface: {ZONE}"));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!("write it without {scheme}://: {}", rest.trim_end_matches('/')));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Err(format!("the port is missing: {}", SocketAddr::new(ip, 3000)));
    }
    if text == "localhost" {
        return Err("the port is missing: localhost:3000".to_owned());
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let Ok(port) = port.parse::<u16>() else {
        return Err("a port is a number from 0 to 65535, after the last colon".to_owned());
    };
    match host {
        "localhost" => Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        "" => Err(format!("the address is missing: 0.0.0.0:{port} (all of IPv4), [::]:{port} or 127.0.0.1:{port}")),
        "*" => Err(format!("all addresses are 0.0.0.0:{port} (IPv4) or [::]:{port}")),
        host if host.contains(':') => Err(format!("write IPv6 in brackets: [{host}]:{port}")),
        _ => Err("names are not looked up: write the IP address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok`: the value as it is shown again. `Err`: the hint.
    #[track_caller]
    fn check(typed: &Typed, expect: Result<&str, &str>) {
        let shown = Vec::<ListenAddr>::read(&Addresses, typed).map(|value| value.show(&Addresses));
        let shown = shown.map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{typed}");
    }

    fn bare(text: &str) -> Typed {
        Typed::Bare(text.to_owned())
    }

    #[test]
    fn addresses() {
        check(&bare("0.0.0.0:3000"), Ok("[\"0.0.0.0:3000\"]"));
        check(&bare("[::]:0"), Ok("[\"[::]:0\"]"));
        check(&bare("localhost:80"), Ok("[\"127.0.0.1:80\"]"));
        check(&bare("127.0.0.1:0, 127.0.0.1:0"), Ok("[\"127.0.0.1:0\", \"127.0.0.1:0\"]"));
        check(&bare("unix:/run/ws.sock,[::1]:80"), Ok("[\"unix:/run/ws.sock\", \"[::1]:80\"]"));
        check(&bare("unix:a \\b"), Ok("['unix:a \\b']"));
        check(&Typed::List(vec![bare("1.2.3.4:1"), bare("1.2.3.4:2")]), Ok("[\"1.2.3.4:1\", \"1.2.3.4:2\"]"));
    }

    #[test]
    fn hints() {
        check(&bare("localhost:1,127.0.0.1:1"), Err("127.0.0.1:1 is listed twice"));
        check(&bare("unix:a,unix:a"), Err("unix:a is listed twice"));
        check(&bare("unix:"), Err("no socket can have this path: the path is missing"));
        check(&bare("/run/ws.sock"), Err("a Unix socket is unix:/run/ws.sock"));
        check(&bare(":80"), Err("the address is missing: 0.0.0.0:80 (all of IPv4), [::]:80 or 127.0.0.1:80"));
        check(&bare("80"), Err("the address is missing: 0.0.0.0:80 (all of IPv4), [::]:80 or 127.0.0.1:80"));
        check(&bare("*:80"), Err("all addresses are 0.0.0.0:80 (IPv4) or [::]:80"));
        check(&bare("127.0.0.1"), Err("the port is missing: 127.0.0.1:3000"));
        check(&bare("::1"), Err("the port is missing: [::1]:3000"));
        check(&bare("fe80::1:2:3:4:5:6:80"), Err("write IPv6 in brackets: [fe80::1:2:3:4:5:6]:80"));
        check(&bare("localhost:99999"), Err("a port is a number from 0 to 65535, after the last colon"));
        check(&bare("example.org:80"), Err("names are not looked up: write the IP address"));
        check(&Typed::Quoted("1.2.3.4:1,1.2.3.4:2".to_owned()), Err("several addresses are a list: [\"…\", \"…\"]"));
        check(&Typed::List(vec![]), Err("at least one address is needed"));
        check(&Typed::Integer(3000), Err("the address is missing: \"0.0.0.0:3000\""));
        check(&Typed::Boolean(true), Err(""));
        check(&bare("localhost"), Err("the port is missing: localhost:3000"));
        check(&bare("http://0.0.0.0:3000/"), Err("write it without http://: 0.0.0.0:3000"));
    }

    #[test]
    fn zones() {
        check(&bare("[fe80::1%3]:80"), Ok("[\"[fe80::1%3]:80\"]"));
        let zone = "a zone is the number of an interface: [fe80::1%2]:3000, as `ip link` numbers them";
        for text in ["[fe80::1%eth0]:80", "fe80::1%eth0", "[fe80::1%25eth0]:80"] {
            check(&bare(text), Err(zone));
        }
        check(
            &bare("[fe80::1]:80"),
            Err("a link-local address needs its zone: [fe80::1%2]:3000, as `ip link` numbers them"),
        );
    }
}
