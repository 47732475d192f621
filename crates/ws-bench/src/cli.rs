//! The command line: scenarios, their options, and the format of durations.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::target::Target;

#[derive(Debug, Parser)]
#[command(name = "ws-bench", version, about = "Load generator for servers that speak the ws-server protocol")]
#[command(after_help = "Exit codes: 0 success, 1 the run failed or the server lost something, 2 invalid usage.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Requests and responses: requests per second and latency
    Echo(Echo),
    /// One connection broadcasts to all: deliveries per second, latency and loss
    Fanout(Fanout),
    /// Idle connections: handshake rate, memory and CPU per connection
    Idle(Idle),
    /// Open and close connections: handshakes per second and latency
    Connect(Connect),
    /// Many channels with a few subscribers each: deliveries per second, memory per channel and subscription
    Channels(Channels),
    /// All clients disconnect, miss publications and reconnect: time to catch up, and whether each gets all of them
    Recover(Recover),
    /// Subscribers that never read: their effect on the others and on the memory of the server, with and without in turns
    Slow(Slow),
    /// Publishers that wait for acknowledgements: publishes per second and latency
    Publish(Publish),
    /// Publishers over the HTTP API: publishes per second and latency, and deliveries to subscribers
    Api(Api),
    /// Runs of Claude, with a provider of its own: time from the provider's byte to the subscriber's frame
    Runs(Runs),
    /// Attackers beside well-behaved clients: their effect on the latter, with and without in turns
    Attack(Attack),
}

impl Scenario {
    pub(crate) fn common(&self) -> &Common {
        match self {
            Scenario::Echo(echo) => &echo.common,
            Scenario::Fanout(fanout) => &fanout.common,
            Scenario::Idle(idle) => &idle.common,
            Scenario::Connect(connect) => &connect.common,
            Scenario::Channels(channels) => &channels.common,
            Scenario::Recover(recover) => &recover.common,
            Scenario::Slow(slow) => &slow.common,
            Scenario::Publish(publish) => &publish.common,
            Scenario::Api(api) => &api.common,
            Scenario::Runs(runs) => &runs.common,
            Scenario::Attack(attack) => &attack.common,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Server to test: ws://HOST:PORT/PATH
    #[arg(default_value = "ws://127.0.0.1:3000/ws", value_name = "URL")]
    pub(crate) target: Target,
    /// How long to measure (ms, s, m). `slow` and `attack`: for each turn; `--sweep`: for each row; `recover`: ignored
    #[arg(long, default_value = "5s", value_parser = positive)]
    pub(crate) duration: Duration,
    /// How long to apply load before measuring. `idle` and `channels`: how long to rest before reading memory
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// Process id of the server on this machine, to report its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Threads that drive connections [default: half of the CPUs, 1 to 4]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) threads: Option<u16>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Do not show progress
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Echo {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections that send requests
    #[arg(long, default_value_t = 100, value_parser = count)]
    pub(crate) connections: usize,
    /// Requests in flight per connection
    #[arg(long, default_value_t = 1, value_parser = window)]
    pub(crate) in_flight: usize,
    /// Length of the message in bytes
    #[arg(long, default_value_t = 128, value_parser = payload)]
    pub(crate) payload: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections; all of them receive, the first one publishes
    #[arg(long, default_value_t = 1000, value_parser = count)]
    pub(crate) connections: usize,
    /// Publishes in flight: not yet received by every connection
    #[arg(long, default_value_t = 16, value_parser = window)]
    pub(crate) in_flight: usize,
    /// Publishes per second at a fixed rate instead; latency is measured from when each was due
    #[arg(long, conflicts_with = "in_flight", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Length of the message in bytes, at least 16
    #[arg(long, default_value_t = 128, value_parser = stamped_payload)]
    pub(crate) payload: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections to keep open
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    pub(crate) connections: usize,
    /// Handshakes in progress at the same time
    #[arg(long, default_value_t = 64, value_parser = window)]
    pub(crate) concurrency: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections being opened or closed at the same time
    #[arg(long, default_value_t = 64, value_parser = window)]
    pub(crate) concurrency: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Channels {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Channels, published to in turn
    #[arg(long, default_value_t = 1000, value_parser = count)]
    pub(crate) channels: usize,
    /// Subscribers of each channel
    #[arg(long, default_value_t = 10, value_parser = count)]
    pub(crate) subscribers: usize,
    /// Subscriptions per connection, at most one per channel
    #[arg(long, default_value_t = 1, value_parser = count)]
    pub(crate) per_connection: usize,
    /// Publications in flight: not yet received by every subscriber
    #[arg(long, default_value_t = 16, value_parser = window)]
    pub(crate) window: usize,
    /// Publish this many, without a warm-up, instead of for --duration; 0: measure only memory
    #[arg(long, value_parser = publications)]
    pub(crate) publications: Option<u64>,
    /// Length of the data in bytes, at least 16
    #[arg(long, default_value_t = 128, value_parser = stamped_payload)]
    pub(crate) payload: usize,
    /// Namespace of the channels [default: none]
    #[arg(long, value_parser = namespace)]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Recover {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Clients that disconnect and reconnect
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    pub(crate) clients: usize,
    /// Channels that the clients are spread over
    #[arg(long, default_value_t = 1, value_parser = count)]
    pub(crate) channels: usize,
    /// Publications to each channel while all clients are disconnected
    #[arg(long, default_value_t = 100, value_parser = publications)]
    pub(crate) publications: u64,
    /// Handshakes in progress at the same time
    #[arg(long, default_value_t = 64, value_parser = window)]
    pub(crate) concurrency: usize,
    /// Length of the data in bytes, at least 16
    #[arg(long, default_value_t = 128, value_parser = stamped_payload)]
    pub(crate) payload: usize,
    /// Namespace of the channels [default: none]
    #[arg(long, value_parser = namespace)]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Slow {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Subscribers that read
    #[arg(long, default_value_t = 100, value_parser = count)]
    pub(crate) subscribers: usize,
    /// Subscribers that never read, in every other turn
    #[arg(long, default_value_t = 1, value_parser = count)]
    pub(crate) slow: usize,
    /// Length of the data in bytes, at least 16
    #[arg(long, default_value_t = 16_384, value_parser = stamped_payload)]
    pub(crate) bytes: usize,
    /// Publications per second; latency is measured from when each was due
    #[arg(long, default_value_t = 50.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Namespace of the channel [default: none]
    #[arg(long, value_parser = namespace)]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections that publish
    #[arg(long, default_value_t = 100, value_parser = count)]
    pub(crate) publishers: usize,
    /// Measure several numbers of publishers, one after the other: 1,10,100
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', conflicts_with = "publishers", value_parser = count)]
    pub(crate) sweep: Vec<usize>,
    /// Publishes in flight per publisher, 1 to 64
    #[arg(long, default_value_t = 1, value_parser = unanswered)]
    pub(crate) in_flight: usize,
    /// Length of the data in bytes, at least 16
    #[arg(long, default_value_t = 128, value_parser = stamped_payload)]
    pub(crate) payload: usize,
    /// Channels, assigned to the publishers in turn; each publisher uses one
    #[arg(long, default_value_t = 1, value_parser = count)]
    pub(crate) channels: usize,
    /// Namespace of the channels [default: none]
    #[arg(long, value_parser = namespace)]
    pub(crate) namespace: Option<String>,
    /// Give each publication its own msg_id
    #[arg(long)]
    pub(crate) msg_ids: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Runs at the same time. The server's limits on runs, and on new ones per second, have to allow them
    #[arg(long, default_value_t = 200, value_parser = count)]
    pub(crate) runs: usize,
    /// Subscribers of each run
    #[arg(long, default_value_t = 5, value_parser = count)]
    pub(crate) subscribers: usize,
    /// Tokens that the provider writes for each run
    #[arg(long, default_value_t = 50.0, value_parser = rate)]
    pub(crate) tokens_per_second: f64,
    /// Where the provider listens: the server's `claude.base_url` is `http://` and this
    #[arg(long, default_value = "127.0.0.1:4010", value_name = "ADDRESS")]
    pub(crate) upstream: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct Api {
    #[command(flatten)]
    pub(crate) common: Common,
    /// API key with the right to publish
    #[arg(long, env = "WS_BENCH_KEY", hide_env_values = true)]
    pub(crate) key: String,
    /// HTTP connections that publish
    #[arg(long, default_value_t = 1, value_parser = count)]
    pub(crate) connections: usize,
    /// Requests in flight per connection (pipelining)
    #[arg(long, default_value_t = 1, value_parser = window)]
    pub(crate) in_flight: usize,
    /// WebSocket connections that subscribe to the channel
    #[arg(long, default_value_t = 0, value_parser = any_count)]
    pub(crate) subscribers: usize,
    /// Length of the data in bytes, at least 16
    #[arg(long, default_value_t = 128, value_parser = stamped_payload)]
    pub(crate) payload: usize,
    /// Namespace of the channel [default: none]
    #[arg(long, value_parser = namespace)]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Attack {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Well-behaved clients, which send an echo at a fixed interval
    #[arg(long, default_value_t = 1000, value_parser = count)]
    pub(crate) clients: usize,
    /// Requests per second of all these clients together
    #[arg(long, default_value_t = 2000.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Length of the message in bytes
    #[arg(long, default_value_t = 128, value_parser = payload)]
    pub(crate) payload: usize,
    /// Attackers that open a socket and send nothing
    #[arg(long, default_value_t = 2000, value_parser = any_count)]
    pub(crate) half_open: usize,
    /// Attackers that send a handshake byte by byte
    #[arg(long, default_value_t = 1000, value_parser = any_count)]
    pub(crate) slow_drip: usize,
    /// Attackers that send invalid messages as fast as they can until they are disconnected
    #[arg(long, default_value_t = 500, value_parser = any_count)]
    pub(crate) malformed: usize,
    /// How long such an attacker waits before it reconnects
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub(crate) malformed_pause: Duration,
    /// Sockets that one more host opens from an address of its own, and opens again when they are closed: a third say
    /// nothing, a third send half a request, a third one request and then nothing
    #[arg(long, default_value_t = 0, value_parser = any_count)]
    pub(crate) one_host: usize,
    /// How long that host waits before it opens a socket again
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) one_host_pause: Duration,
    /// Another server that the attackers connect to instead. On the same cores it shows what the attackers themselves
    /// cost the machine, which is no fault of the server under test
    #[arg(long, value_name = "URL")]
    pub(crate) attack_url: Option<Target>,
    /// Further good clients per second that come while there are attackers, from the good clients' addresses: each
    /// connects, and leaves again
    #[arg(long, default_value_t = 0, value_parser = any_count)]
    pub(crate) newcomers: usize,
}

fn within(text: &str, min: usize, max: usize) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(format!("must be {min} to {max}")) }
}

fn count(text: &str) -> Result<usize, String> {
    within(text, 1, 10_000_000)
}

fn any_count(text: &str) -> Result<usize, String> {
    within(text, 0, 10_000_000)
}

fn window(text: &str) -> Result<usize, String> {
    within(text, 1, 16_384)
}

fn unanswered(text: &str) -> Result<usize, String> {
    within(text, 1, 64)
}

fn payload(text: &str) -> Result<usize, String> {
    within(text, 0, 8 << 20)
}

fn stamped_payload(text: &str) -> Result<usize, String> {
    within(text, 16, 8 << 20)
}

/// Publications are numbered with eight hexadecimal digits.
fn publications(text: &str) -> Result<u64, String> {
    within(text, 0, 1_000_000_000).map(|number| number as u64)
}

fn namespace(text: &str) -> Result<String, String> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '*' | '#' | '"' | '\\');
    match text {
        "" => Err("must not be empty".to_owned()),
        long if long.len() > 200 => Err("must be at most 200 bytes".to_owned()),
        text if text.contains(bad) => Err("must not contain white space, ':', '*', '#', '\"' or '\\'".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.01..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be 0.01 to 1000000 per second".to_owned()),
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        length => Ok(length),
    }
}

/// `500ms`, `5s`, `1.5m`: a number and a unit; at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "" => return Err(format!("a unit is missing: write {text}s, {text}ms or {text}m")),
        _ => return Err(format!("unknown unit '{unit}': write ms, s or m")),
    };
    match number.parse::<f64>().map(|n| n * scale) {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) => Err("must be at most a day".to_owned()),
        Err(_) => Err(format!("'{number}' is not a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_need_a_number_and_a_unit() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for bad in ["5", "", "s", "5h", "-1s", "5 s", "nans", "infs", "9999m"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(positive("0ms").is_err());
    }

    #[test]
    fn options_are_checked_and_may_exclude_each_other() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("ws-bench fanout --rate 20").is_ok());
        assert!(parse("ws-bench fanout --rate 20 --in-flight 4").is_err());
        assert!(parse("ws-bench fanout --payload 8").is_err());
        assert!(parse("ws-bench channels --channels 10 --per-connection 5 --publications 0 --namespace chat").is_ok());
        assert!(parse("ws-bench channels --namespace a:b").is_err());
        assert!(parse("ws-bench publish --sweep 1,10,100 --in-flight 64 --msg-ids --channels 3").is_ok());
        assert!(parse("ws-bench publish --sweep 1,10 --publishers 5").is_err());
        assert!(parse("ws-bench publish --sweep 1,,10").is_err());
        assert!(parse("ws-bench publish --in-flight 65").is_err());
        assert!(parse("ws-bench echo wss://example.org/ws").is_err());
        assert!(parse("ws-bench echo ws://[::1]:9/x --in-flight 0").is_err());
    }
}
