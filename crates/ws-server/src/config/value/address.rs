//! Addresses to listen on: `IP:PORT` or `localhost:PORT`, one or several.
//!
//! Names other than `localhost` are not looked up: what a server binds should not depend on a resolver.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::setting::{InvalidValue, Setting, Typed};

/// A list of addresses, not empty and without duplicates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses;

impl Setting for Vec<SocketAddr> {
    type Rule = Addresses;

    fn read(_: &Addresses, typed: &Typed) -> Result<Self, InvalidValue> {
        let mut list = Self::new();
        for item in split(typed) {
            let text = item.text().ok_or_else(|| item.invalid())?;
            let addr = parse(text).map_err(|hint| item.invalid_because(hint))?;
            if addr.port() != 0 && list.contains(&addr) {
                return Err(item.invalid_because(format!("{addr} is listed twice")));
            }
            list.push(addr);
        }
        if list.is_empty() { Err(typed.invalid_because("at least one address is needed")) } else { Ok(list) }
    }

    fn show(&self, _: &Addresses) -> String {
        let quoted: Vec<_> = self.iter().map(|addr| format!("\"{addr}\"")).collect();
        format!("[{}]", quoted.join(", "))
    }

    fn allowed(_: &Addresses) -> String {
        "IP:PORT, [IPv6]:PORT or localhost:PORT (which is 127.0.0.1), or several of them".to_owned()
    }
}

/// The entries of a list, or of a text from outside a file, where commas separate them.
fn split(typed: &Typed) -> Vec<Typed> {
    match typed {
        Typed::List(items) => items.iter().flat_map(split).collect(),
        Typed::Bare(text) => text.split(',').map(|part| Typed::Bare(part.trim_ascii().to_owned())).collect(),
        Typed::Quoted(_) | Typed::Integer(_) | Typed::Boolean(_) | Typed::Section | Typed::Other(_) => {
            vec![typed.clone()]
        }
    }
}

/// The error is a hint: what to write instead.
fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    if text.contains(',') {
        return Err("several addresses are a list: [\"…\", \"…\"]".to_owned());
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Err(format!("the port is missing: {}", SocketAddr::new(ip, 3000)));
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
        let shown = Vec::<SocketAddr>::read(&Addresses, typed).map(|value| value.show(&Addresses));
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
        check(&Typed::List(vec![bare("1.2.3.4:1"), bare("1.2.3.4:2")]), Ok("[\"1.2.3.4:1\", \"1.2.3.4:2\"]"));
    }

    #[test]
    fn hints() {
        check(&bare("localhost:1,127.0.0.1:1"), Err("127.0.0.1:1 is listed twice"));
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
        check(&Typed::Integer(3000), Err(""));
    }
}
