//! Two servers on one Redis behind each proxy: one is drained, and comes back, and the other one is killed. Whoever
//! connects meanwhile finds a server.

use std::net::SocketAddr;

use tempfile::NamedTempFile;
use ws_tests::process::Signal;
use ws_tests::redis::Redis;

use super::program::Proxy;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "nginx", found = "redis-server")), ignore = "needs nginx and Redis")]
async fn nginx() {
    check("### nginx", program::nginx_of).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "haproxy", found = "redis-server")), ignore = "needs HAProxy and Redis")]
async fn haproxy() {
    check("### HAProxy", program::haproxy_of).await;
}

/// What both servers are started with.
struct Settings {
    _file: NamedTempFile,
    variables: Vec<(&'static str, String)>,
}

impl Settings {
    async fn start(&self, addr: SocketAddr) -> Process {
        Process::start_at(addr, SERVER, &as_text(&self.variables)).await
    }
}

async fn check(section: &str, proxy: impl FnOnce(&[SocketAddr; 2]) -> Proxy) {
    let redis = Redis::start().await;
    let (file, mut variables) = configuration(section);
    variables.extend([
        ("WS_SERVER__ENGINE__TYPE", "redis".to_owned()),
        ("WS_SERVER__ENGINE__REDIS__URL", redis.url()),
        ("WS_SERVER__DRAIN__GRACE", "3s".to_owned()),
    ]);
    let settings = Settings { _file: file, variables };
    // Addresses of their own, so that nobody else takes the port of one that is started again.
    let (mut one, mut two) =
        (settings.start(([127, 0, 77, 6], 0).into()).await, settings.start(([127, 0, 77, 7], 0).into()).await);
    let proxy = proxy(&[one.addr(), two.addr()]);
    proxy.ready().await;

    // Both are used.
    let held = proxy.connects(4).await;
    one.logged("connection opened").await;
    two.logged("connection opened").await;

    // It drains for as long as these connections are there.
    one.signal(Signal::Term).await;
    let mut gone = one.follow_log();
    for _ in 0..20 {
        proxy.connects(1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(held);
    let addr = one.addr();
    assert_eq!(one.exit_code().await, Some(0));
    let log = within("the end of its log", &mut gone).await.expect("it was read");
    let opened =
        log.iter().skip_while(|line| !line.contains("\"draining\"")).filter(|line| line.contains("connection opened"));
    assert!(log.iter().any(|line| line.contains("\"draining\"")), "{log:?}");
    assert_eq!(opened.count(), 0, "nobody new comes to a server that drains: {log:?}");
    proxy.connects(4).await;

    let mut one = settings.start(addr).await;
    until("the proxy to find the server that is back", async || {
        proxy.connects(1).await;
        let opened = tokio::time::timeout(Duration::from_millis(50), one.logged("connection opened"));
        opened.await.ok().map(drop)
    })
    .await;
    two.kill().await;
    proxy.connects(10).await;
}

impl Proxy {
    /// Connects so many clients, each of which is answered.
    async fn connects(&self, clients: u8) -> Vec<TlsStream<TcpStream>> {
        let mut held = Vec::new();
        for n in 0..clients {
            let (status, mut stream) = self.handshake(client(20 + n), "", &BROWSER[..1]).await;
            assert_eq!(status, 101);
            echo(&mut stream).await;
            held.push(stream);
        }
        held
    }
}
