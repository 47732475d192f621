//! The PROXY protocol: a proxy names the client at the beginning of a connection, before TLS and HTTP. Version 1 is a
//! line of text, version 2 is binary: <https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>. The crate `ppp`
//! parses; here is how many bytes belong to the header.

use std::io;
use std::net::IpAddr;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits::{PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX};

/// Enough to tell the versions apart, and shorter than any header.
const START_BYTES: usize = 12;

/// Bytes of a header of version 2 before the addresses; the last two are the length of the rest.
const V2_FIXED_BYTES: usize = 16;

/// Why a connection has no PROXY header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyHeaderError {
    /// The peer has sent nothing, as load balancers do to see whether somebody listens.
    #[error("the peer has sent nothing")]
    Silent,
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    #[error("the PROXY header is not valid")]
    Invalid,
    #[error("the PROXY header is too long")]
    TooLong,
    #[error("the PROXY header was not read: {0}")]
    Io(#[from] io::Error),
}

/// Reads a PROXY header, and not a byte of what follows. `None`: it names nobody, as the proxy speaks for itself
/// (`LOCAL`), does not know (`UNKNOWN`), or names something else than an IP address. The caller sets the timeout.
pub(crate) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<IpAddr>, ProxyHeaderError> {
    let mut header = vec![0; START_BYTES];
    if stream.read(&mut header[..1]).await? == 0 {
        return Err(ProxyHeaderError::Silent);
    }
    stream.read_exact(&mut header[1..]).await?;
    let named = if header.starts_with(v2::PROTOCOL_PREFIX) {
        read_v2(stream, &mut header).await?
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        read_v1(stream, &mut header).await?
    } else {
        return Err(ProxyHeaderError::Missing);
    };
    Ok(named.map(|address| address.to_canonical()))
}

/// Byte by byte, as nothing but its end says how long the line is.
async fn read_v1(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
) -> Result<Option<IpAddr>, ProxyHeaderError> {
    while header.last() != Some(&b'\n') {
        if header.len() == PROXY_V1_BYTES_MAX {
            return Err(ProxyHeaderError::TooLong);
        }
        header.push(stream.read_u8().await?);
    }
    let header = v1::Header::try_from(&header[..]).map_err(|_| ProxyHeaderError::Invalid)?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(tcp) => Some(tcp.source_address.into()),
        v1::Addresses::Tcp6(tcp) => Some(tcp.source_address.into()),
        v1::Addresses::Unknown => None,
    })
}

async fn read_v2(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
) -> Result<Option<IpAddr>, ProxyHeaderError> {
    header.resize(V2_FIXED_BYTES, 0);
    stream.read_exact(&mut header[START_BYTES..]).await?;
    let length = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([header[14], header[15]]));
    if length > PROXY_V2_BYTES_MAX {
        return Err(ProxyHeaderError::TooLong);
    }
    header.resize(length, 0);
    stream.read_exact(&mut header[V2_FIXED_BYTES..]).await?;
    let header = v2::Header::try_from(&header[..]).map_err(|_| ProxyHeaderError::Invalid)?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some(ip.source_address.into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some(ip.source_address.into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &[u8] = v2::PROTOCOL_PREFIX;

    /// What the header names (`-`: nobody), and what is left behind it; or the error.
    #[track_caller]
    fn check(bytes: &[u8], expect: Result<(&str, &[u8]), &str>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut rest = bytes;
        let read = runtime.block_on(read_header(&mut rest));
        let read = read.map(|named| named.map_or("-".to_owned(), |address| address.to_string()));
        let read = read.map_err(|error| error.to_string().split(':').next().unwrap_or_default().to_owned());
        let read = read.as_ref().map(|named| (named.as_str(), rest)).map_err(String::as_str);
        assert_eq!(read, expect, "{}", String::from_utf8_lossy(bytes));
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    const INVALID: &str = "the PROXY header is not valid";

    #[test]
    fn version_1() {
        check(b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\nGET", Ok(("192.0.2.1", b"GET")));
        check(b"PROXY TCP6 2001:db8::1 ::1 4711 443\r\n", Ok(("2001:db8::1", b"")));
        check(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Ok(("192.0.2.1", b"")));
        check(b"PROXY UNKNOWN\r\nX", Ok(("-", b"X")));
        let longest = [b"PROXY UNKNOWN ".to_vec(), vec![b'f'; 91], b"\r\nX".to_vec()].concat();
        check(&longest, Ok(("-", b"X")));
        for wrong in [
            "PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\n",
            "PROXY UDP4 192.0.2.1 10.0.0.1 4711 443\r\n",
            "PROXYTCP4 192.0.2.1 10.0.0.1 4711 443\r\n",
        ] {
            check(wrong.as_bytes(), Err(INVALID));
        }
        check(&[b"PROXY UNKNOWN ".to_vec(), vec![b'f'; 200]].concat(), Err("the PROXY header is too long"));
    }

    #[test]
    fn version_2() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 3, 4];
        let v6: Vec<u8> = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 20]].concat();
        let with_tlv = [&v4[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        check(&[v2(0x21, 0x11, &v4), b"GET".to_vec()].concat(), Ok(("192.0.2.1", b"GET")));
        check(&[v2(0x21, 0x11, &with_tlv), b"GET".to_vec()].concat(), Ok(("192.0.2.1", b"GET")));
        check(&v2(0x21, 0x21, &v6), Ok(("2001:db8::1", b"")));
        // LOCAL, an unknown family, a Unix socket.
        check(&[v2(0x20, 0x11, &v4), b"X".to_vec()].concat(), Ok(("-", b"X")));
        check(&v2(0x20, 0, &[]), Ok(("-", b"")));
        check(&v2(0x21, 0, &[]), Ok(("-", b"")));
        check(&v2(0x21, 0x31, &[0; 216]), Ok(("-", b"")));
        check(&v2(0x11, 0x11, &v4), Err(INVALID));
        check(&v2(0x22, 0x11, &v4), Err(INVALID));
        check(&v2(0x21, 0x11, &v4[..11]), Err(INVALID));
        check(&v2(0x21, 0x11, &[0; PROXY_V2_BYTES_MAX]), Err("the PROXY header is too long"));
    }

    #[test]
    fn what_is_none() {
        check(b"", Err("the peer has sent nothing"));
        check(b"GET / HTTP/1.1\r\n", Err("the connection does not begin with a PROXY header"));
        check(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",
            Err("the connection does not begin with a PROXY header"),
        );
        for cut in [&b"PROXY TCP4 192.0.2.1"[..], b"PRO", SIGNATURE, &SIGNATURE[..5]] {
            check(cut, Err("the PROXY header was not read"));
        }
    }
}
