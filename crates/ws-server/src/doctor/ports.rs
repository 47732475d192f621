//! The addresses of the configuration: free, used by a ws-server that runs already, or not to be had.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;
use ws_transport::ListenAddr;

use super::report::Check;
use super::socket;
use crate::config::Config;
use crate::limits::DOCTOR_ANSWER_TIMEOUT;

const WHAT: &str = "address";

/// What a connect says where nobody listens.
const GONE: [ErrorKind; 2] = [ErrorKind::NotFound, ErrorKind::ConnectionRefused];

/// Who has the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Nobody.
    Free,
    /// A server, or another program, has at least one of them.
    Taken,
}

/// A check per address, and who has them.
pub(super) async fn check(config: &Config) -> (Vec<Check>, Use) {
    let (mut checks, mut used) = (Vec::new(), Use::Free);
    for addr in config.addr.iter().chain(&config.metrics.addr) {
        let (check, used_by) = match addr {
            ListenAddr::Tcp(addr) => tcp(*addr, config.tls.cert_file.is_some()).await,
            ListenAddr::Unix(path) => unix(path).await,
        };
        checks.push(check);
        if used_by == Use::Taken {
            used = Use::Taken;
        }
    }
    (checks, used)
}

async fn tcp(addr: SocketAddr, is_tls: bool) -> (Check, Use) {
    match TcpListener::bind(addr) {
        Ok(_) => (Check::fine(WHAT, format!("{addr} is free")), Use::Free),
        Err(error) => (taken(addr, is_tls, &error).await, Use::Taken),
    }
}

/// Whoever listens there is not asked who it is. The file of a server that was killed is replaced at the start.
async fn unix(path: &Path) -> (Check, Use) {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_socket = path.symlink_metadata().map(|file| file.file_type().is_socket());
    // A server that hangs may have a full backlog.
    let connected = timeout(DOCTOR_ANSWER_TIMEOUT, UnixStream::connect(path)).await;
    if matches!(is_socket, Ok(false)) {
        let advice = "remove it, or use another path";
        (Check::problem(WHAT, format!("unix:{shown} is a file that is no socket"), advice), Use::Taken)
    } else if !matches!(&connected, Ok(Err(error)) if GONE.contains(&error.kind())) {
        (Check::fine(WHAT, format!("unix:{shown} is used by a process that listens")), Use::Taken)
    } else if folder.is_dir() {
        (Check::fine(WHAT, format!("unix:{shown} is free")), Use::Free)
    } else {
        let advice = "create it, or use another path";
        (Check::problem(WHAT, format!("unix:{shown} has no directory"), advice), Use::Taken)
    }
}

async fn taken(addr: SocketAddr, is_tls: bool, error: &io::Error) -> Check {
    match error.kind() {
        ErrorKind::AddrInUse => match running(addr, is_tls).await {
            Some(version) => Check::fine(WHAT, format!("{addr} is used by ws-server {version}, which answers")),
            None => {
                let advice = "stop the other program (ss -ltnp shows it), or use another address";
                Check::problem(WHAT, format!("{addr} is used by a program that is not a ws-server"), advice)
            }
        },
        ErrorKind::PermissionDenied => {
            let advice = "the service needs CAP_NET_BIND_SERVICE, or use a port from 1024 on behind a proxy";
            Check::problem(WHAT, format!("{addr} may not be bound: {error}"), advice)
        }
        _ => {
            Check::problem(WHAT, format!("{addr} cannot be bound: {error}"), "use an address of this machine (ip addr)")
        }
    }
}

/// The version of the ws-server that has this address.
async fn running(addr: SocketAddr, is_tls: bool) -> Option<String> {
    let scheme = if is_tls { "https" } else { "http" };
    // Its certificate names a host, and this asks an address of this machine.
    let client = socket::client().tls_danger_accept_invalid_certs(true).timeout(DOCTOR_ANSWER_TIMEOUT).build().ok()?;
    let answer = client.get(format!("{scheme}://{}/health", reachable(addr))).send().await.ok()?;
    let answer: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
    answer["uptime_s"].as_u64()?;
    Some(answer["version"].as_str()?.to_owned())
}

/// The unspecified address is reached on loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    async fn check_one(addr: &str) -> (Check, Use) {
        let addr = match addr.strip_prefix("unix:") {
            Some(path) => ListenAddr::Unix(path.into()),
            None => ListenAddr::Tcp(addr.parse().expect("an address")),
        };
        let config = Config { addr: vec![addr], ..Config::default() };
        let (mut checks, used) = check(&config).await;
        (checks.remove(0), used)
    }

    #[tokio::test]
    async fn free_taken_and_not_ours() {
        let (free, used) = check_one("127.0.0.1:0").await;
        assert_eq!((free.verdict, used), (Verdict::Fine, Use::Free));
        // A documentation address (RFC 5737), which no machine has.
        let (foreign, used) = check_one("192.0.2.1:3000").await;
        assert_eq!((foreign.verdict, used), (Verdict::Problem, Use::Taken));
    }

    #[tokio::test]
    async fn sockets_with_a_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = format!("unix:{}", folder.path().join("ws.sock").display());
        let (free, used) = check_one(&path).await;
        assert_eq!((free.verdict, used), (Verdict::Fine, Use::Free), "{free:?}");
        let listener = std::os::unix::net::UnixListener::bind(&path[5..]).expect("a socket");
        assert_eq!(check_one(&path).await.1, Use::Taken);
        drop(listener);
        assert_eq!(check_one(&path).await.1, Use::Free, "a file that nobody listens at");
        std::fs::remove_file(&path[5..]).expect("it is there");
        std::fs::write(&path[5..], "").expect("a file");
        assert_eq!(check_one(&path).await.0.verdict, Verdict::Problem);
        assert_eq!(check_one("unix:/nowhere/at/all").await.0.verdict, Verdict::Problem);
    }

    #[tokio::test]
    async fn another_program_is_not_a_server() {
        let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = other.local_addr().expect("an address");
        let hang_up = tokio::spawn(async move { drop(other.accept().await) });
        let (check, used) = check_one(&addr.to_string()).await;
        assert_eq!((check.verdict, used), (Verdict::Problem, Use::Taken), "{check:?}");
        hang_up.await.expect("it was asked");
    }
}
