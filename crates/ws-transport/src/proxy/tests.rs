//! The search for the client, against a model that reads the whole chain as a list.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

fn options(header: ClientHeader) -> ProxyOptions {
    let trusted = ["loopback", "10.0.0.0/8", "fd00::/8"];
    let trusted = trusted.iter().map(|text| TrustedNetwork::parse(text).expect("a network")).collect();
    ProxyOptions { trusted, header, protocol: false }
}

#[track_caller]
fn check(header: ClientHeader, peer: &str, lines: &[(&'static str, &'static str)], expect: &str) {
    let mut headers = HeaderMap::new();
    for (name, line) in lines {
        headers.append(*name, HeaderValue::from_static(line));
    }
    let options = options(header);
    let client = options.client(options.peer(peer.parse().expect("an address")), &headers);
    assert_eq!(client.to_string(), expect, "{peer}: {lines:?}");
}

#[test]
fn the_rightmost_address_that_is_not_trusted() {
    let check = |peer, lines: &[&'static str], expect| {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        check(ClientHeader::XForwardedFor, peer, &lines, expect);
    };
    check("127.0.0.1", &[], "127.0.0.1");
    check("127.0.0.1", &["192.0.2.1"], "192.0.2.1");
    check("192.0.2.9", &["192.0.2.1"], "192.0.2.9");
    check("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1");
    check("10.0.0.1", &["6.6.6.6, 192.0.2.1", "10.0.0.2"], "192.0.2.1");
    check("::ffff:10.0.0.1", &["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1");
    // All are trusted: the leftmost. An entry that is no address: the last trusted one before it.
    check("10.0.0.1", &["10.0.0.3, fd00::2"], "10.0.0.3");
    check("10.0.0.1", &["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2");
    check("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1");
    check("10.0.0.1", &[""], "10.0.0.1");
}

#[test]
fn only_the_configured_header_counts() {
    let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
    check(ClientHeader::XForwardedFor, "10.0.0.1", &lines, "192.0.2.1");
    check(ClientHeader::Forwarded, "10.0.0.1", &lines, "192.0.2.2");
    check(ClientHeader::None, "10.0.0.1", &lines, "10.0.0.1");
}

#[test]
fn nobody_is_trusted_by_default() {
    let none = ProxyOptions::default();
    let peer = none.peer(IpAddr::from([127, 0, 0, 1]));
    assert!(!peer.is_trusted);
    assert_eq!(none.client_of(peer.address, [&b"192.0.2.1"[..]].into_iter()), peer.address);
}

/// An entry of the chain, and how a proxy wrote it.
#[derive(Debug, Clone)]
struct Written {
    address: Option<IpAddr>,
    x_forwarded_for: String,
    forwarded: String,
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (1u8..3).prop_map(|n| IpAddr::from([10, 0, 0, n])),
        (1u8..3).prop_map(|n| IpAddr::from([192, 0, 2, n])),
        (1u16..3).prop_map(|n| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, n])),
        (1u16..3).prop_map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    let known = (address(), any::<bool>(), proptest::option::of(1u16..)).prop_map(|(address, mapped, port)| {
        let shown = match address {
            IpAddr::V4(v4) if mapped => format!("[{}]", v4.to_ipv6_mapped()),
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        let shown = port.map_or(shown.clone(), |port| format!("{shown}:{port}"));
        let forwarded = format!("by=_x;for=\"{shown}\";host=\"a, \\\"b\"");
        Written { address: Some(address), x_forwarded_for: shown, forwarded }
    });
    let nobody = prop_oneof!["[a-z_]{0,5}", Just("999.1.1.1".to_owned()), Just("\"10.0.0.1".to_owned())];
    let nobody =
        nobody.prop_map(|text| Written { address: None, forwarded: format!("for={text}"), x_forwarded_for: text });
    prop_oneof![4 => known, 1 => nobody]
}

/// From the peer to the left: everything that is trusted, and the next one.
fn model(options: &ProxyOptions, peer: IpAddr, chain: &[Written]) -> IpAddr {
    let believed = chain.iter().rev().map_while(|entry| entry.address);
    let path: Vec<_> = std::iter::once(peer).chain(believed).collect();
    *path.iter().find(|address| !options.trusts(**address)).unwrap_or(&path[path.len() - 1])
}

/// The entries in lines: a new one begins where `cuts` says so.
fn lines(chain: &[Written], cuts: &[bool], text: fn(&Written) -> &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (at, entry) in chain.iter().enumerate() {
        match lines.last_mut() {
            Some(line) if !cuts.get(at).copied().unwrap_or_default() => *line += &format!(", {}", text(entry)),
            _ => lines.push(text(entry).to_owned()),
        }
    }
    lines
}

proptest! {
    #[test]
    fn the_search_agrees_with_the_model(
        peer in address(),
        chain in proptest::collection::vec(written(), 0..6),
        cuts in proptest::collection::vec(any::<bool>(), 6),
    ) {
        for (header, text) in [
            (ClientHeader::XForwardedFor, (|entry| &entry.x_forwarded_for) as fn(&Written) -> &str),
            (ClientHeader::Forwarded, |entry| &entry.forwarded),
        ] {
            let options = options(header);
            let lines = lines(&chain, &cuts, text);
            let client = options.client_of(peer, lines.iter().map(String::as_bytes));
            prop_assert_eq!(client, model(&options, peer, &chain), "{:?}", lines);
        }
    }

    #[test]
    fn what_a_client_sends_changes_nothing(before in proptest::collection::vec(any::<u8>(), 0..60), client in address()) {
        for (header, entry) in [
            (ClientHeader::XForwardedFor, format!(", {client}")),
            (ClientHeader::Forwarded, format!(", for=\"[{}]\"", match client {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            })),
        ] {
            let options = options(header);
            if !options.trusts(client) {
                let line = [&before[..], entry.as_bytes()].concat();
                let found = options.client_of(IpAddr::from([10, 0, 0, 1]), [&line[..]].into_iter());
                prop_assert_eq!(found, client, "{:?}", String::from_utf8_lossy(&line));
            }
        }
    }
}
