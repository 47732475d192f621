//! What the page says of the connection, and that it says it no longer than it holds.

use std::net::SocketAddr;

use ws_tests::chromium::PageOptions;
use ws_tests::prelude::*;

use super::{
    answered, browser, drop_connection, fill, has, open, open_at, press, quiet, row, shows, subscribe, text_of,
};
use crate::SERVER;

/// An address of loopback that no other test uses: nobody takes the port while no server listens there.
const HOST: &str = "127.0.0.3:0";

async fn start(addr: SocketAddr) -> Process {
    Process::start_at(addr, SERVER, &[("WS_SERVER__CHANNELS__HISTORY_SIZE", "2")]).await
}

async fn publish(server: &Process, channel: &str, count: u32) {
    let mut client = Client::connect(server.addr(), "/ws").await;
    for n in 1..=count {
        client.ask("publish", json!({"channel": channel, "data": n})).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn while_it_waits_the_header_counts_down_and_a_button_connects_now() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    shows(&page, "document.querySelector('#act-now').hidden").await;
    drop_connection(&page).await;
    has(&page, "#state", json!({"state": "disconnected", "acts": "reconnect"})).await;
    let words = "document.querySelector('#state').textContent.replace(/\\s+/g, ' ').trim()";
    shows(&page, &format!("/^Reconnecting in 3,[56]\\d\\d s$/.test({words})")).await;
    shows(&page, &format!("/^Reconnecting in 3,59[0-8] s$/.test({words})")).await; // it counts
    page.click("#act-now").await.expect("a button");
    shows(&page, &format!("{words} === 'Connected'")).await;
    shows(&page, "document.querySelector('#act-now').hidden").await;

    page.click("#connect").await.expect("a button");
    shows(&page, &format!("{words} === 'Disconnected'")).await;
    shows(&page, "document.querySelector('#act-now').hidden").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn in_a_drain_the_header_counts_down_to_the_move() {
    let browser = browser().await;
    let mut server = Server::with(|config| {
        config.drain.reconnect_spread = Duration::from_secs(1000);
        config.drain.grace = Duration::from_secs(2000);
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    server.begin_drain();
    has(&page, "#state", json!({"state": "draining", "acts": "move"})).await;
    page.click("#act-now").await.expect("a button");
    shows(&page, "document.querySelector('#state').dataset.acts === 'reconnect'").await; // the server takes nobody in
    page.eval("document.querySelector('#auto-reconnect').click()").await.expect("a box");
    drop(page);
    assert_eq!(server.stop().await.1, 0, "it has moved by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn after_a_restart_a_new_stream_is_not_called_a_loss() {
    let browser = browser().await;
    let mut server = start(HOST.parse().expect("an address")).await;
    let addr = server.addr();
    let page = open_at(&browser, addr, &PageOptions::default()).await;
    for channel in ["quiet", "news", "many"] {
        subscribe(&page, channel).await;
    }
    publish(&server, "news", 3).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "3", "renewed": "false"})).await;
    drop_connection(&page).await;
    server.kill().await;
    server = start(addr).await;
    publish(&server, "news", 2).await;
    publish(&server, "many", 5).await;
    page.click("#act-now").await.expect("a button");

    has(&page, &row("quiet"), json!({"state": "live", "offset": "0", "renewed": "true"})).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "2", "renewed": "true", "seen": "5"})).await;
    let note = text_of(&page, &format!("{} .channel-note", row("news"))).await;
    assert!(note.starts_with("New stream since ") && note.contains("read up to 3"), "{note}");
    for channel in ["quiet", "news"] {
        assert_eq!(text_of(&page, &format!("{} .channel-trouble", row(channel))).await, "");
    }
    let recovery = |channel: &str| format!("#recovery-list li[data-channel=\"{channel}\"]");
    has(&page, &recovery("quiet"), json!({"status": "renewed", "count": "0", "done": "true"})).await;
    has(&page, &recovery("news"), json!({"status": "renewed", "count": "2", "expected": "2", "done": "true"})).await;
    // What the new stream no longer keeps is known to be missing.
    has(&page, &row("many"), json!({"state": "gap", "offset": "5", "seen": "2"})).await;
    assert!(text_of(&page, &format!("{} .channel-trouble", row("many"))).await.contains("1–3"));
    has(&page, &recovery("many"), json!({"status": "gap", "count": "2", "done": "true"})).await;
    quiet(&page);
}

/// Echoes one by one until one is refused. The page notes the refusal itself: one that is polled for
/// may be gone by then.
const ECHO_UNTIL_REFUSED: &str = "(async () => {
    const result = document.querySelector('#echo-result');
    for (let n = 0; n < 200; n += 1) {
        const answered = new Promise((resolve) => {
            new MutationObserver((_, observer) => {
                if (!['ok', 'error'].includes(result.dataset.status)) return;
                observer.disconnect();
                resolve(result.dataset.status);
            }).observe(result, { attributes: true });
        });
        document.querySelector('#echo-send').click();
        if (await answered === 'error') return true;
    }
    return false;
})()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn an_error_goes_when_it_may_hold_no_longer() {
    let browser = browser().await;
    let server = Server::with(|config| {
        config.limits.requests_per_second = 1;
        config.limits.requests_burst = 20;
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let cleared = async |result: &str| {
        shows(&page, &format!("document.querySelector('{result}').textContent === ''")).await;
    };
    // Edited.
    fill(&page, "#channel-name", "nowhere:news").await;
    press(&page, "#channel-subscribe", "#channel-result", "error").await;
    fill(&page, "#channel-name", "news").await;
    cleared("#channel-result").await;
    fill(&page, "#channel-mode", "rewind").await;
    fill(&page, "#channel-rewind", "").await;
    press(&page, "#channel-subscribe", "#channel-result", "invalid").await;
    fill(&page, "#channel-rewind", "1").await;
    cleared("#channel-result").await;
    shows(&page, "document.querySelector('#channel-form [aria-invalid=true]') === null").await;
    // Subscribed meanwhile.
    fill(&page, "#history-channel", "news").await;
    press(&page, "#history-load", "#history-result", "error").await;
    press(&page, "#channel-subscribe", "#channel-result", "ok").await;
    cleared("#history-result").await;
    // The alarm of the counter, by Clear.
    has(&page, "#errors", json!({"value": "2", "alarm": "true"})).await;
    page.click("#clear").await.expect("a button");
    has(&page, "#errors", json!({"value": "2", "alarm": "false"})).await;
    // A rate limit, by its time.
    assert_eq!(page.eval(ECHO_UNTIL_REFUSED).await.expect("a button"), json!(true));
    cleared("#echo-result").await;
    // Connected again.
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#state').dataset.state === 'disconnected'").await;
    assert!(answered(&page, "echo", "offline").await.contains("Not connected"));
    page.click("#connect").await.expect("a button");
    cleared("#echo-result").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn documents_and_schemas_are_two_clicks_away() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    page.click("#docs").await.expect("a button");
    shows(&page, "document.querySelector('#docs-menu').checkVisibility()").await;
    let links = "Promise.all([...document.querySelectorAll('#docs-menu a')].map(async ({ href }) => (await fetch(href)).status))";
    assert_eq!(page.eval(links).await.expect("a list"), json!([200, 200, 200, 200, 200]));
    page.key("Escape").await.expect("a keyboard");
    shows(&page, "!document.querySelector('#docs-menu').checkVisibility()").await;
    quiet(&page);
}
