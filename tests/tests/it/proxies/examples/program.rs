//! The proxies as ordinary processes, each on an address of loopback of its own, so that nobody else takes its port.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use ws_tests::prelude::*;
use ws_tests::tls::Certificate;

use super::document::{HOST, block, replaced};

/// Connections per address that the examples allow here.
const LIMIT: &str = "3";

/// The section about several servers.
const SEVERAL: &str = "### Proxies in front of several servers";

/// A running proxy. Dropping it kills it.
pub(super) struct Proxy {
    pub(super) addr: SocketAddr,
    pub(super) certificate: Certificate,
    dir: TempDir,
    _child: Child,
}

impl Proxy {
    /// Everything that it has logged.
    pub(super) fn logs(&self) -> String {
        let files = fs::read_dir(self.dir.path()).expect("it is there").map(|entry| entry.expect("readable").path());
        let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned()).collect()
    }
}

/// Where a proxy runs before it is started.
struct Place {
    addr: SocketAddr,
    certificate: Certificate,
    dir: TempDir,
}

impl Place {
    fn new(ip: [u8; 4]) -> Self {
        let free = TcpListener::bind(SocketAddr::from((ip, 0))).expect("loopback");
        let addr = free.local_addr().expect("an address");
        Place { addr, certificate: Certificate::new(), dir: tempfile::tempdir().expect("a directory") }
    }

    /// A path in its directory, as text.
    fn path(&self, name: &str) -> String {
        text(&self.dir.path().join(name))
    }

    /// Writes the configuration and runs the program, whose output is a log.
    fn run(self, name: &str, config: &str, args: &[&str]) -> Proxy {
        let file = self.path("config");
        fs::write(&file, config).expect("room");
        let log = File::create(self.path("output.log")).expect("room");
        let child = Command::new(require::found(name))
            .args(args)
            .arg(&file)
            .env("HOME", self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        Proxy { addr: self.addr, certificate: self.certificate, dir: self.dir, _child: child }
    }
}

/// The example with these servers in place of its own.
fn addresses(example: &str, [one, two]: &[SocketAddr; 2]) -> String {
    replaced(example, &[("10.0.0.11:3000", &one.to_string()), ("10.0.0.12:3000", &two.to_string())])
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

pub(super) fn nginx(server: SocketAddr) -> Proxy {
    let config = replaced(&block("### nginx", "nginx"), &[("127.0.0.1:3000", &server.to_string())]);
    run_nginx(Place::new([127, 0, 77, 1]), &config)
}

/// nginx in front of several servers: another upstream.
pub(super) fn nginx_of(servers: &[SocketAddr; 2]) -> Proxy {
    let one = block("### nginx", "nginx");
    let (before, after) = one.split_once("upstream ws_server {\n").expect("an upstream");
    let after = after.split_once("}\n").expect("its end").1;
    let config = format!("{before}{}{after}", addresses(&block(SEVERAL, "nginx"), servers));
    run_nginx(Place::new([127, 0, 77, 4]), &config)
}

fn run_nginx(place: Place, example: &str) -> Proxy {
    let example = replaced(
        example,
        &[
            ("listen 443", &format!("listen {}", place.addr)),
            ("/etc/ssl/chat.example.org.pem", &text(&place.certificate.cert_file())),
            ("/etc/ssl/chat.example.org.key", &text(&place.certificate.key_file())),
            ("/var/log/nginx/", &place.path("")),
            ("limit_conn per_address 100", &format!("limit_conn per_address {LIMIT}")),
        ],
    );
    let (pid, body, other) = (place.path("pid"), place.path("body"), place.path("other"));
    let config = format!(
        "daemon off; master_process off; pid {pid};\nevents {{}}\nhttp {{\nclient_body_temp_path {body};\n\
         proxy_temp_path {other}/p; fastcgi_temp_path {other}/f; uwsgi_temp_path {other}/u; scgi_temp_path {other}/s;\n\
         {example}}}\n"
    );
    fs::create_dir(&other).expect("room");
    place.run("nginx", &config, &["-c"])
}

pub(super) fn haproxy(server: SocketAddr) -> Proxy {
    let config = replaced(&block("### HAProxy", "haproxy"), &[("127.0.0.1:3000", &server.to_string())]);
    run_haproxy(Place::new([127, 0, 77, 2]), &config)
}

/// HAProxy in front of several servers: another backend.
pub(super) fn haproxy_of(servers: &[SocketAddr; 2]) -> Proxy {
    let one = block("### HAProxy", "haproxy");
    let (before, _) = one.split_once("\nbackend ws_server\n").expect("a backend");
    let config = format!("{before}\n{}", addresses(&block(SEVERAL, "haproxy"), servers));
    run_haproxy(Place::new([127, 0, 77, 5]), &config)
}

fn run_haproxy(place: Place, example: &str) -> Proxy {
    let pem = place.path("pem");
    let files =
        [place.certificate.cert_file(), place.certificate.key_file()].map(|path| fs::read(path).expect("a file"));
    fs::write(&pem, files.concat()).expect("room");
    let config = replaced(
        example,
        &[
            ("bind :443", &format!("bind {}", place.addr)),
            ("/etc/ssl/chat.example.org.pem", &pem),
            ("sc0_conn_cur gt 100", &format!("sc0_conn_cur gt {LIMIT}")),
        ],
    );
    place.run("haproxy", &config, &["-db", "-f"])
}

pub(super) fn caddy(server: SocketAddr) -> Proxy {
    let place = Place::new([127, 0, 77, 3]);
    let (cert, key) = (text(&place.certificate.cert_file()), text(&place.certificate.key_file()));
    let (ip, port) = (place.addr.ip(), place.addr.port());
    let site = format!("{HOST}:{port} {{\n\tbind {ip}\n\ttls {cert} {key}\n");
    let config = replaced(
        &block("### Caddy", "caddyfile"),
        &[
            ("127.0.0.1:3000", &server.to_string()),
            (&format!("{HOST} {{\n"), &site),
            ("\tlog {\n", "\tadmin off\n\tauto_https disable_redirects\n\tlog {\n"),
        ],
    );
    place.run("caddy", &config, &["run", "--adapter", "caddyfile", "--config"])
}
