//! What is taken away from the page: copies, programs, and the exported list. No token is in any of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use ws_tests::api::{KEY, with_key};
use ws_tests::chromium::{Page, PageOptions};
use ws_tests::prelude::*;

use super::{answered, browser, fill, open, press, quiet, shows, subscribe};

/// From here on the page's copies are in `window.copied`.
async fn keep_copies(page: &Page) {
    page.eval("navigator.clipboard.writeText = async (text) => { window.copied = text; }").await.expect("a clipboard");
}

/// Opens the last sent frame of this action and copies it with one of its buttons.
async fn copied(page: &Page, action: &str, button: &str) -> String {
    let row = format!("#frames li[data-direction=out][data-name={action}] .row");
    shows(page, &format!("document.querySelector('{row}') !== null")).await;
    let open = format!(
        "{{ const row = [...document.querySelectorAll('{row}')].at(-1); \
         if (row.ariaExpanded !== 'true') row.click(); window.copied = null; \
         row.parentElement.querySelector('[data-does={button}]').click(); }}"
    );
    page.eval(&open).await.expect("a row with buttons");
    shows(page, "window.copied !== null").await;
    page.eval("window.copied").await.expect("a copy").as_str().expect("text").to_owned()
}

/// Runs the program until it prints a line with `words`.
async fn prints(program: PathBuf, before: &[&str], source: &str, words: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("copied.mjs");
    std::fs::write(&file, source).expect("a file");
    let mut command = Command::new(program);
    command.args(before).arg(&file).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.env("PYTHONUNBUFFERED", "1").spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    within("the line", async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if line.contains(words) {
                return;
            }
        }
        panic!("{words} was not printed by\n{source}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(all(found = "chromium", found = "node", found = "python")),
    ignore = "Chromium, Node.js (npm ci in tests/js) or Python (tests/py/requirements.txt) is missing"
)]
async fn what_was_sent_is_copied_as_programs_that_run() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    keep_copies(&page).await;
    fill(&page, "#echo-payload", r#"{"message": "it's \"quoted\" \\ \n 中文"}"#).await;
    answered(&page, "echo", "ok").await;
    let said = r#""echo":"it's \"quoted\" \\ \n 中文""#;

    let polyfill = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/browser.mjs").display().to_string();
    let script = copied(&page, "echo", "javascript").await;
    prints(require::found("node"), &["--import", &polyfill], &script, said).await;
    let script = copied(&page, "echo", "python").await;
    prints(require::found("python"), &[], &script, said).await;
    let line = copied(&page, "echo", "websocat").await;
    assert!(line.contains(r"it'\''s") && line.contains("| websocat --no-close 'ws://127.0.0.1:"), "{line}");
    quiet(&page);
}

/// What a shell prints that runs the copied line with the key of the API.
async fn run_in_shell(line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("WS_SERVER_API_KEY", KEY).kill_on_drop(true);
    let output = within("curl", command.output()).await.expect("a shell");
    assert!(output.status.success(), "{line}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(found = "chromium", found = "curl")), ignore = "Chromium or curl is missing")]
async fn what_the_server_api_has_too_is_copied_as_curl() {
    let browser = browser().await;
    let server = Server::with(with_key).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    keep_copies(&page).await;
    fill(&page, "#publish-channel", "it's").await;
    fill(&page, "#publish-data", r#"{"n": 12345678901234567890, "text": "it's"}"#).await;
    press(&page, "#publish-send", "#publish-result", "ok").await;
    let curl = format!("curl -sS 'http://{}/api/v1/channels/it'\\''s/publications", server.addr());
    let key = r#"-H "Authorization: Bearer $WS_SERVER_API_KEY""#;
    let body = r#"'{"data":{"n":12345678901234567890,"text":"it'\''s"}}'"#;
    let expected = format!("{curl}' {key} \\\n  -H 'Content-Type: application/json' --data-binary {body}\n");
    assert_eq!(copied(&page, "publish", "curl").await, expected);
    let answer = run_in_shell(&expected).await;
    assert!(answer.contains(r#""offset":2"#), "{answer}");
    subscribe(&page, "it's").await;
    fill(&page, "#history-channel", "it's").await;
    press(&page, "#history-load", "#history-result", "ok").await;
    let expected = format!("{curl}?limit=20' {key}\n");
    assert_eq!(copied(&page, "get_history", "curl").await, expected);
    let answer = run_in_shell(&expected).await;
    assert!(answer.contains(r#"{"offset":2,"data":{"n":12345678901234567890,"text":"it's"},"#), "{answer}");
    // Nothing of the kind for what needs the connection.
    let subscribe = "document.querySelector('#frames li[data-direction=out][data-name=subscribe]')";
    page.eval(&format!("{subscribe}.firstElementChild.click()")).await.expect("a row");
    shows(
        &page,
        &format!("{subscribe}.querySelector('[data-does=python]') && !{subscribe}.querySelector('[data-does=curl]')"),
    )
    .await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn curl_gets_the_origin_of_an_address_and_nothing_secret_of_it() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    for (address, api) in [
        ("wss://h/ws?token=secret", "https://h/api/v1"),
        ("wss://h/realtime?token=secret#secret", "https://h/api/v1"),
        ("ws://ann:secret@h:8080/chat/ws/?access_token=secret", "http://h:8080/chat/api/v1"),
        ("wss://h?token=secret", "https://h/api/v1"),
    ] {
        for (payload, end) in [
            (json!({"channel": "c", "data": {"token": "secret"}}), "/channels/c/publications"),
            (json!({"channel": "eyJhbGci.eyJzdWIi.secret", "data": 1}), "/channels/YOUR_TOKEN/publications"),
        ] {
            let frame = json!({"id": "1", "type": "request", "action": "publish", "payload": payload}).to_string();
            let (address, frame) = (json!(address), json!(frame));
            let js = format!("import('/page/code.js').then(({{ LANGUAGES }}) => LANGUAGES.curl({address}, {frame}))");
            let curl = page.eval(&js).await.expect("a line");
            let curl = curl.as_str().expect("text");
            assert!(curl.starts_with(&format!("curl -sS '{api}{end}' ")) && !curl.contains("secret"), "{curl}");
        }
    }
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn copies_and_exports_have_no_token() {
    let browser = browser().await;
    let server = Server::with(token::accept).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    keep_copies(&page).await;
    let token = token::of("ann", &json!({}));
    fill(&page, "#token", &token).await;
    press(&page, "#authenticate", "#token-result", "ok").await;
    for button in ["copy", "javascript", "python", "websocat"] {
        let copy = copied(&page, "authenticate", button).await;
        assert!(copy.contains("YOUR_TOKEN") && !copy.contains(&token), "{button}: {copy}");
    }
    // As data, too.
    fill(&page, "#echo-payload", &json!({"message": token}).to_string()).await;
    answered(&page, "echo", "ok").await;
    let copy = copied(&page, "echo", "copy").await;
    assert!(copy.contains("YOUR_TOKEN") && !copy.contains("eyJ"), "{copy}");

    // The next connection has it in its address.
    for state in ["disconnected", "connected"] {
        page.click("#connect").await.expect("a button");
        shows(&page, &format!("document.querySelector('#state').dataset.state === '{state}'")).await;
    }
    fill(&page, "#broadcast-payload", r#"{"message": 1}"#).await;
    answered(&page, "broadcast", "ok").await;
    for button in ["javascript", "python", "websocat"] {
        let copy = copied(&page, "broadcast", button).await;
        assert!(copy.contains("/ws?token=YOUR_TOKEN") && !copy.contains("eyJ"), "{copy}");
    }

    page.eval("URL.createObjectURL = (blob) => { window.exported = blob; return '#'; }").await.expect("a page");
    page.click("#export").await.expect("a button");
    let exported = page.eval("window.exported.text()").await.expect("a file");
    let exported = exported.as_str().expect("text");
    assert!(!exported.contains("eyJ") && exported.contains("YOUR_TOKEN"), "{exported}");
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named = |name: &str| lines.iter().find(|line| line["name"] == name && line["direction"] == "in");
    let connected = named("connected").expect("the greeting");
    assert!(connected["text"].as_str().is_some_and(|text| text.starts_with('{')), "{connected}");
    assert!(named("authenticate").is_some_and(|answer| answer["rtt_ms"].is_number() && answer["kind"] == "response"));
    quiet(&page);
}
