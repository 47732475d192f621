//! Networks of proxies: none, one or several.

use ws_transport::TrustedNetwork;

use super::setting::{InvalidValue, Setting, Typed};

/// A list of networks, which may be empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Networks;

impl Setting for Vec<TrustedNetwork> {
    type Rule = Networks;

    fn read(_: &Networks, typed: &Typed) -> Result<Self, InvalidValue> {
        let items = match typed {
            Typed::List(items) => items.clone(),
            Typed::Bare(text) => text.split(',').map(|item| Typed::Bare(item.to_owned())).collect(),
            other => vec![other.clone()],
        };
        let given = items.iter().filter(|item| item.text() != Some("") || items.len() > 1);
        given.map(read).collect()
    }

    fn show(&self, _: &Networks) -> String {
        let quoted: Vec<_> = self.iter().map(|network| format!("\"{network}\"")).collect();
        format!("[{}]", quoted.join(", "))
    }

    fn allowed(_: &Networks) -> String {
        "networks (10.0.0.0/8, fd00::/8), addresses or loopback, any number of them".to_owned()
    }
}

fn read(item: &Typed) -> Result<TrustedNetwork, InvalidValue> {
    let text = item.text().ok_or_else(|| item.invalid())?;
    match TrustedNetwork::parse(text) {
        Some(network) if network.trunc() != network => {
            Err(item.invalid_because(format!("the network is {}", network.trunc())))
        }
        Some(network) => Ok(network),
        None => Err(hint(text).map_or_else(|| item.invalid(), |hint| item.invalid_because(hint))),
    }
}

fn hint(text: &str) -> Option<&'static str> {
    match text {
        "localhost" | "unix" => Some("write loopback"),
        "*" => Some("write the networks of your proxies: whoever is trusted may claim any address"),
        _ if text.contains(',') => Some("several networks are a list: [\"…\", \"…\"]"),
        _ if text.contains('%') => Some("leave the zone out: fe80::/10"),
        _ if text.contains("]:") || text.matches(':').count() == 1 => Some("leave the port out"),
        _ if text.contains(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit()) => {
            Some("names are not looked up: write the IP address")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        let read = Vec::<TrustedNetwork>::read(&Networks, &Typed::Bare(text.to_owned()));
        let read = read.map(|list| list.show(&Networks)).map_err(|wrong| wrong.hint.unwrap_or_default());
        assert_eq!(read.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn networks() {
        check("", Ok("[]"));
        check("loopback, 10.0.0.0/8", Ok("[\"loopback\", \"10.0.0.0/8\"]"));
        check("192.0.2.7/32,fd00::/8", Ok("[\"192.0.2.7\", \"fd00::/8\"]"));
        check("::ffff:10.0.0.0/104", Ok("[\"10.0.0.0/8\"]"));
        let list = Typed::List(vec![Typed::Quoted("::1".to_owned())]);
        assert!(Vec::<TrustedNetwork>::read(&Networks, &list).is_ok_and(|list| list.len() == 1));
        assert!(Vec::<TrustedNetwork>::read(&Networks, &Typed::Integer(1)).is_err());
    }

    #[test]
    fn hints() {
        check("10.1.2.3/8", Err("the network is 10.0.0.0/8"));
        check("localhost", Err("write loopback"));
        check("10.0.0.1:80", Err("leave the port out"));
        check("[::1]:80", Err("leave the port out"));
        check("fe80::1%eth0", Err("leave the zone out: fe80::/10"));
        check("proxy.example.org", Err("names are not looked up: write the IP address"));
        check("*", Err("write the networks of your proxies: whoever is trusted may claim any address"));
        check("10.0.0.0/33", Err(""));
        check("10.0.0.0/8,", Err(""));
    }
}
