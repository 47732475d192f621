//! The real binary and its configuration: sources, mistakes, exit codes. Nothing here binds a port.

use std::fs;
use std::path::Path;
use std::process::Command;

use ws_server::config::{Config, Sources, load, reference};

/// What one run of the binary gave.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the binary with nothing but these variables and arguments.
fn run(env: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-server"));
    let output = command.env_clear().envs(env.iter().copied()).args(args).output().expect("the binary runs");
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A configuration file of its own for each test.
fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the file is written");
    path.into_os_string().into_string().expect("a path in UTF-8")
}

#[test]
fn all_mistakes_at_once() {
    let path = file(
        "mistakes.toml",
        "adr = 'x'\nlog_format = 'xml'\n\n[limits]\nconnections_max = '7'\nmesage_bytes_max = 1\nerrors_max = -1\n\
         handshake_timeout = 10\nwrite_timeout = '2d'\n\n[heartbeats]\ninterval = 1\n",
    );
    let env = [
        ("WS_SERVER__LIMITS__OUTBOX_BYTES_MAX", "5KiB"),
        ("WS_SERVER__LIMITS__WRITE_TIMOUT", "5s"),
        ("WS_SERVER__DRAIN__GRACE", "soon"),
        ("RUST_LOG", "warning"),
    ];
    let ran = run(&env, &["check-config", "--addr", ":80", "--config", &path]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(78), ""));
    let heads: Vec<_> = ran.err.lines().filter(|line| !line.starts_with("    ")).collect();
    let at = |rest: &str| format!("{path}:{rest}");
    let expect = [
        "ws-server: 13 mistakes in the configuration".to_owned(),
        at("1: adr: found an unknown key"),
        at("2: log_format: found \"xml\""),
        at("5: limits.connections_max: found \"7\""),
        at("6: limits.mesage_bytes_max: found an unknown key"),
        at("7: limits.errors_max: found -1"),
        at("8: limits.handshake_timeout: found 10"),
        at("9: limits.write_timeout: found \"2d\""),
        at("11: heartbeats: found an unknown section"),
        "WS_SERVER__DRAIN__GRACE: drain.grace: found \"soon\"".to_owned(),
        "WS_SERVER__LIMITS__WRITE_TIMOUT: limits.write_timout: found an unknown key".to_owned(),
        "--addr: addr: found \":80\"".to_owned(),
        "WS_SERVER__LIMITS__OUTBOX_BYTES_MAX: limits.outbox_bytes_max: found 5120 bytes, \
         less than limits.message_bytes_max (65536 bytes)"
            .to_owned(),
        "RUST_LOG: found \"warning\"".to_owned(),
    ];
    assert_eq!(heads, expect);
    for hint in ["limits.message_bytes_max?", "[heartbeat]?", "WS_SERVER__LIMITS__WRITE_TIMEOUT?", "mean warn?"] {
        assert!(ran.err.contains(hint), "{hint} is in {}", ran.err);
    }
}

#[test]
fn what_is_printed_loads_to_the_same() {
    let path =
        file("given.toml", "addr = ['127.0.0.1:0', '[::1]:7']\nlimits.errors_max = 0\nlimits.connections_max = 0\n");
    let env = [
        ("WS_SERVER__HEARTBEAT__INTERVAL", "0s"),
        ("WS_SERVER__LIMITS__MESSAGE_BYTES_MAX", "1_048_577"),
        ("WS_SERVER__DRAIN__GRACE", "90s"),
    ];
    let ran = run(&env, &["print-config", "--log-format=json", "--config", &path]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    for line in [
        format!("addr = [\"127.0.0.1:0\", \"[::1]:7\"]  # from {path}:1"),
        "log_format = \"json\"  # from --log-format".to_owned(),
        "channels_per_connection_max = 128".to_owned(),
        "outbox_bytes_max = 1_048_577  # raised to limits.message_bytes_max".to_owned(),
        "interval = \"0s\"  # from WS_SERVER__HEARTBEAT__INTERVAL".to_owned(),
        "grace = \"90s\"  # from WS_SERVER__DRAIN__GRACE".to_owned(),
    ] {
        assert!(ran.out.lines().any(|printed| printed == line), "{line} is in\n{}", ran.out);
    }

    let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let given =
        Sources { config: Some(path.into()), env, ..Sources::default() }.flag("--log-format", ["json".to_owned()]);
    let printed = Sources { config: Some(file("printed.toml", &ran.out).into()), ..Sources::default() };
    assert_eq!(load(&given).expect("fine").config, load(&printed).expect("fine").config);
}

#[test]
fn defaults_print_and_load() {
    let ran = run(&[], &["print-config"]);
    assert!(!ran.out.contains("# from"), "{}", ran.out);
    let printed = Sources { config: Some(file("defaults.toml", &ran.out).into()), ..Sources::default() };
    assert_eq!(Config::load(&printed), Ok(Config::default()));
}

#[test]
fn channels_and_namespaces_print_and_load() {
    let path = file(
        "channels.toml",
        "[channels]\nhistory_size = 50\npresence = false\n\n[namespaces.chat]\nhistory_ttl = '0s'\npresence = true\n\
         join_leave = true\nread_history = ['subscriber', 'granted']\n\n[namespaces.'a.b']\n\n[engine.memory]\nhistory_bytes_max = '64MiB'\n",
    );
    let env = [
        ("WS_SERVER__CHANNELS__ON_LAG", "latest"),
        ("WS_SERVER__NAMESPACES__CHAT__HISTORY_SIZE", "7"),
        ("WS_SERVER__NAMESPACES__NEWS__PUBLISH", "nobody"),
        ("WS_SERVER__CHANNELS__READ_PRESENCE", "subscriber, granted"),
        ("WS_SERVER__ACTIONS__BROADCAST", "nobody"),
        ("WS_SERVER__LIMITS__MESSAGE_BYTES_MAX", "4MiB"),
    ];
    let ran = run(&env, &["print-config", "--config", &path]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    for expect in [
        format!(
            "[channels]\nhistory_size = 50  # from {path}:2\nhistory_ttl = \"5m\"\npresence = false  # from {path}:3\n"
        ),
        "\n[namespaces.\"a.b\"]\nhistory_size = 50  # as in [channels]\n".to_owned(),
        format!(
            "\n[namespaces.chat]\nhistory_size = 7  # from WS_SERVER__NAMESPACES__CHAT__HISTORY_SIZE\n\
             history_ttl = \"0s\"  # from {path}:6\npresence = true  # from {path}:7\njoin_leave = true  # from {path}:8\n\
             join_leave_max = 100  # as in [channels]\non_lag = \"latest\"  # as in [channels]\n"
        ),
        "publish = \"nobody\"  # from WS_SERVER__NAMESPACES__NEWS__PUBLISH\n".to_owned(),
        "channel_log_bytes_max = \"8MiB\"  # raised to twice limits.message_bytes_max\n".to_owned(),
        format!("[engine.memory]\nhistory_bytes_max = \"64MiB\"  # from {path}:14\n"),
        format!("read_history = [\"granted\", \"subscriber\"]  # from {path}:9\n"),
        "read_presence = [\"granted\", \"subscriber\"]  # from WS_SERVER__CHANNELS__READ_PRESENCE\n".to_owned(),
    ] {
        assert!(ran.out.contains(&expect), "{expect} is in\n{}", ran.out);
    }

    let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let given = load(&Sources { config: Some(path.into()), env, ..Sources::default() }).expect("fine").config;
    let printed = Sources { config: Some(file("channels-printed.toml", &ran.out).into()), ..Sources::default() };
    assert_eq!(given, load(&printed).expect("fine").config);
    assert_eq!(given.namespaces["a.b"], given.channels);
}

#[test]
fn mistakes_in_channels_and_namespaces() {
    let path = file(
        "namespaces.toml",
        "[channels]\nsubscribe = 'subscriber'\npublish = 'everyone'\npresence = 'true'\nhistory_size = -1\n\n\
         [namespaces.'chat:']\non_leg = 'gap'\n\n[namespaces.news]\npresence = false\njoin_leave = true\n\
         history_ttl = '367d'\n\n[namespace.x]\n",
    );
    let ran = run(&[("WS_SERVER__NAMESPACES__CHAT__ON_LAG", "drop")], &["check-config", "--config", &path]);
    let heads: Vec<_> = ran.err.lines().filter(|line| !line.starts_with("    ")).collect();
    let at = |rest: &str| format!("{path}:{rest}");
    let expect = [
        "ws-server: 10 mistakes in the configuration".to_owned(),
        at("2: channels.subscribe: found \"subscriber\""),
        at("3: channels.publish: found \"everyone\""),
        at("4: channels.presence: found \"true\""),
        at("5: channels.history_size: found -1"),
        at("7: namespaces.\"chat:\": found a name with :"),
        at("8: namespaces.\"chat:\".on_leg: found an unknown key"),
        at("12: namespaces.news.join_leave: found true, while namespaces.news.presence is false"),
        at("13: namespaces.news.history_ttl: found \"367d\""),
        at("15: namespace: found an unknown section"),
        "WS_SERVER__NAMESPACES__CHAT__ON_LAG: namespaces.chat.on_lag: found \"drop\"".to_owned(),
    ];
    assert_eq!(heads, expect);
    for hint in [
        "anyone, authenticated, granted or nobody, or a list of which any suffices\n",
        "write true without quotes",
        "namespaces.\"chat:\".on_lag?",
    ] {
        assert!(ran.err.contains(hint), "{hint} is in {}", ran.err);
    }
}

/// The address that is printed when the last of these sources is the strongest that is given.
#[track_caller]
fn check_addr(env: &[(&str, &str)], flags: &[&str], expect: &str) {
    let ran = run(env, &[&["print-config"], flags].concat());
    let line = ran.out.lines().find(|line| line.starts_with("addr = "));
    assert_eq!(line, Some(expect), "{}", ran.err);
}

#[test]
fn the_later_source_wins() {
    let path = file("order.toml", "\naddr = '127.0.0.2:1'\n");
    let other = file("other.toml", "addr = '127.0.0.9:1'\n");
    let (named, seed) = (("WS_SERVER_CONFIG", path.as_str()), ("WEBSOCKET_ADDR", "127.0.0.3:1"));
    check_addr(&[], &[], "addr = [\"0.0.0.0:3000\"]");
    check_addr(&[named], &[], &format!("addr = [\"127.0.0.2:1\"]  # from {path}:2"));
    check_addr(&[named], &["--config", &other], &format!("addr = [\"127.0.0.9:1\"]  # from {other}:1"));
    check_addr(&[named, seed], &[], "addr = [\"127.0.0.3:1\"]  # from WEBSOCKET_ADDR");
    let several = ("WS_SERVER__ADDR", "127.0.0.4:1, 127.0.0.4:2");
    check_addr(&[named, several], &[], "addr = [\"127.0.0.4:1\", \"127.0.0.4:2\"]  # from WS_SERVER__ADDR");
    check_addr(&[named, seed], &["--addr", "[::]:1"], "addr = [\"[::]:1\"]  # from --addr");
}

#[track_caller]
fn check_exit(env: &[(&str, &str)], flags: &[&str], code: i32, out: &str, err: &str) {
    let ran = run(env, flags);
    assert_eq!((ran.code, ran.out.as_str()), (Some(code), out), "{}", ran.err);
    assert!(ran.err.contains(err), "{err} is in {}", ran.err);
}

#[test]
fn exit_codes() {
    let bad = [("WS_SERVER_CONFIG", "does/not/exist.toml")];
    let version = format!("ws-server {}, protocol 1\n", env!("CARGO_PKG_VERSION"));
    check_exit(&[], &["check-config"], 0, "configuration is fine\n", "");
    check_exit(&bad, &["version"], 0, &version, "");
    check_exit(
        &bad,
        &["check-config"],
        78,
        "",
        "WS_SERVER_CONFIG: found \"does/not/exist.toml\", which cannot be read",
    );
    check_exit(&bad, &["print-config"], 78, "", "1 mistake in the configuration");
    check_exit(&bad, &[], 78, "", "1 mistake in the configuration");
    check_exit(&[], &["--config", "."], 78, "", "--config: found \".\", which cannot be read");
    check_exit(&[], &["--log-format", "xml"], 78, "", "allowed: text or json");
    check_exit(&[], &["--adr", "x"], 2, "", "--addr");
    let broken = file("broken.toml", "[limits]\nerrors_max = \n");
    check_exit(&[], &["check-config", "--config", &broken], 78, "", &format!("{broken}:2: found a syntax error"));
}

#[test]
fn warnings_do_not_fail() {
    let open = "warning: no authentication: whoever reaches the server may connect, publish and broadcast\n";
    check_exit(&[], &["check-config"], 0, "configuration is fine\n", open);
    let env = [("RUST_LOG", "info,my_app=debug"), ("WS_SERVER__HEARTBEAT__INTERVAL", "0s")];
    let filter = "warning: RUST_LOG: no module here is called my_app\n";
    check_exit(&env, &["check-config"], 0, "configuration is fine\n", filter);
    check_exit(&env, &["print-config"], 0, &run(&env, &["print-config"]).out, "");
}

#[test]
fn what_cannot_work_is_a_mistake() {
    for (name, value, told) in [
        ("WS_SERVER__AUTH__KEYS__0__SECRET", "swordfish", "a secret that can be guessed from a token"),
        ("WS_SERVER__AUTH__ANONYMOUS", "false", "nobody could connect"),
        ("WS_SERVER__CHANNELS__PUBLISH", "granted", "nobody could meet it"),
        ("WS_SERVER__ENGINE__SQLITE__FSYNC", "commit", "a section that does nothing"),
        ("WS_SERVER__LIMITS__REQUESTS_BURST", "7", "without a rate, nothing is limited"),
        ("WS_SERVER__AUTH__JWKS_URL", "https://id.example/keys", "found none, while auth.jwks_url is set"),
        ("RUST_LOG", "nonsense", "which would log nothing at all"),
        ("RUST_LOG", "ws_core=loud", "error parsing level filter"),
    ] {
        for args in [&["check-config"][..], &[]] {
            check_exit(&[(name, value)], args, 78, "", told);
        }
        let empty = format!("warning: {name} is set to nothing, which counts as not set\n");
        let empty = if name == "RUST_LOG" { "" } else { &empty };
        check_exit(&[(name, "")], &["check-config"], 0, "configuration is fine\n", empty);
    }
    for name in ["WS_SERVER_CONFIG", "WEBSOCKET_ADDR", "WS_SERVER_DATA_DIR"] {
        let empty = format!("warning: {name} is set to nothing, which counts as not set\n");
        check_exit(&[(name, "")], &["check-config"], 0, "configuration is fine\n", &empty);
    }
}

/// The exit code and standard error under this limit of open files.
fn run_under(files: u32, args: &str) -> (Option<i32>, String) {
    let script = format!("ulimit -n {files} && exec \"$0\" {args}");
    let output = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_ws-server")]).env_clear().output();
    let output = output.expect("there is a shell");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn there_is_room_for_a_connection() {
    for args in ["check-config", "--addr 127.0.0.1:0"] {
        let (code, told) = run_under(64, args);
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains("limits.connections_max: found a limit of 64 open files"), "{told}");
    }
    let (code, told) = run_under(65, "check-config");
    assert_eq!((code, told.contains("open files")), (Some(0), false), "the default is no promise: {told}");
    let path = file("too-many.toml", "limits.connections_max = 2\n");
    let (code, told) = run_under(65, &format!("check-config --config {path}"));
    assert_eq!(code, Some(0), "{told}");
    let warning = format!("warning: {path}:1: limits.connections_max is 2, and 1 connections fit");
    assert!(told.contains(&warning), "{told}");
}

#[test]
fn a_secret_in_a_url_is_not_shown() {
    let keys = "https://id.example/keys?api_key=swordfish";
    let env = [("WS_SERVER__AUTH__JWKS_URL", keys), ("WS_SERVER__AUTH__AUDIENCE", "chat")];
    let ran = run(&env, &["print-config"]);
    let line = "# jwks_url = \"https://id.example/keys?…\" is not shown whole  # from WS_SERVER__AUTH__JWKS_URL\n";
    assert!(ran.out.contains(line) && !ran.out.contains("swordfish"), "{}", ran.out);
    for wrong in ["http://id.example/keys?swordfish", "https://ann:swordfish@id.example", "id.example/?swordfish"] {
        let ran = run(&[("WS_SERVER__AUTH__JWKS_URL", wrong)], &["check-config"]);
        assert_eq!(ran.code, Some(78));
        assert!(ran.err.contains("auth.jwks_url: found") && !ran.err.contains("swordfish"), "{}", ran.err);
    }
}

#[test]
fn every_key_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let text = fs::read_to_string(path).unwrap_or_default();
    let reference = reference();
    let missing: Vec<_> = reference.lines().filter(|row| !text.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/OPERATIONS.md lacks these lines:\n{}", missing.join("\n"));
}
