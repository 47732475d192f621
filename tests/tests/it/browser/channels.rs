//! Channels on the test page: what it shows of subscriptions, presence, history, and recovery after a lost connection.

use ws_tests::api::{Api, with_key};
use ws_tests::chromium::{Page, PageOptions};
use ws_tests::prelude::*;

use super::{browser, fill, has, open, press, quiet, row, shows, subscribe, text_of};

/// Waits until the history panel shows entries with these offsets.
async fn shows_history(page: &Page, offsets: &[&str]) {
    let offsets = json!(offsets.join(" "));
    let shown = "[...document.querySelectorAll('#history-list li')].map((entry) => entry.dataset.offset).join(' ')";
    shows(page, &format!("{shown} === {offsets}")).await;
}

/// Publishes 1, 2, 3 and so on.
async fn publish(client: &mut Client, channel: &str, count: u32) {
    for n in 1..=count {
        client.ask("publish", json!({"channel": channel, "data": n})).await;
    }
}

/// Drops the page's connection, publishes meanwhile, and lets the page reconnect.
async fn publish_while_away(page: &Page, server: &Server, channel: &str, count: u32) {
    let mut client = server.connect().await;
    fill(page, "#drop-delay", "3600").await; // no automatic reconnect within this test
    page.click("#drop-now").await.expect("a button");
    has(page, &row(channel), json!({"state": "waiting"})).await;
    publish(&mut client, channel, count).await;
    page.click("#connect").await.expect("a button");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn what_is_published_is_shown_as_text_with_its_offset() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    has(&page, &row("news"), json!({"state": "live", "offset": "0"})).await;
    // The other panels follow the channel.
    fill(&page, "#publish-data", r#"{"html": "<img src=x>"}"#).await;
    fill(&page, "#publish-msg-id", "m-1").await;
    press(&page, "#publish-send", "#publish-result", "ok").await;
    has(&page, "#publish-result", json!({"offset": "1", "ack": "memory", "duplicate": "false"})).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "1", "seen": "1", "jumps": "0"})).await;
    shows(&page, "document.querySelector('.channel-last').textContent.endsWith('{\"html\":\"<img src=x>\"}')").await;
    let event = "#frames li[data-direction=in][data-name=publication]";
    shows(&page, &format!("document.querySelector('{event}')?.textContent.includes('<img src=x>')")).await;

    press(&page, "#publish-send", "#publish-result", "ok").await;
    has(&page, "#publish-result", json!({"offset": "1", "duplicate": "true"})).await;
    fill(&page, "#publish-data", "other").await;
    press(&page, "#publish-send", "#publish-result", "error").await;
    assert!(text_of(&page, "#publish-result").await.contains("conflict"));
    fill(&page, "#channel-name", "nowhere:news").await;
    press(&page, "#channel-subscribe", "#channel-result", "error").await;
    assert!(text_of(&page, "#channel-result").await.contains("unknown_namespace"));
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_second_page_is_seen_to_come_and_go() {
    let browser = browser().await;
    let server = Server::with(|config| config.channels.join_leave = true).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    press(&page, "#presence-load", "#presence-result", "ok").await;
    has(&page, "#presence-counts", json!({"connections": "1", "users": "0", "joined": "0"})).await;

    let second = open(&browser, &server, &PageOptions::default()).await;
    let id = text_of(&second, "#connection-id").await;
    subscribe(&second, "news").await;
    has(&page, "#presence-counts", json!({"connections": "2", "joined": "1", "left": "0", "live": "true"})).await;
    shows(&page, "document.querySelector('#presence-how').textContent.startsWith('Live: 1 joined')").await;
    has(&page, &format!("#presence-list li[data-connection=\"{id}\"]"), json!({"joined": "true"})).await;
    fill(&second, "#presence-limit", "1").await;
    press(&second, "#presence-load", "#presence-result", "ok").await;
    shows(&second, "document.querySelectorAll('#presence-list li').length === 1").await;
    second.click("#presence-more").await.expect("a button");
    shows(&second, "document.querySelectorAll('#presence-list li').length === 2").await;
    shows(&second, "document.querySelector('#presence-more').hidden").await;
    quiet(&second);
    drop(second);
    has(&page, "#presence-counts", json!({"connections": "1", "left": "1", "stale": "false"})).await;

    page.click("#channel-unsubscribe").await.expect("a button");
    has(&page, "#presence-counts", json!({"stale": "true"})).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn where_only_counts_come_presence_loads_the_list_again() {
    let browser = browser().await;
    let server = Server::with(|config| {
        config.channels.join_leave = true;
        config.channels.join_leave_max = 2;
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    press(&page, "#presence-load", "#presence-result", "ok").await;
    let mut clients = server.connect_many(4).await;
    for client in &mut clients {
        client.ask("subscribe", json!({"channel": "news"})).await;
    }
    has(&page, "#presence-counts", json!({"connections": "5", "stale": "false", "live": "true"})).await;
    shows(&page, "document.querySelectorAll('#presence-list li').length === 5").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn presence_that_nobody_tells_is_refreshed_on_demand() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    press(&page, "#presence-load", "#presence-result", "ok").await;
    shows(&page, "document.querySelector('#presence-load').textContent === 'Refresh'").await;
    let mut other = server.connect().await;
    other.ask("subscribe", json!({"channel": "news"})).await;
    press(&page, "#presence-load", "#presence-result", "ok").await;
    has(&page, "#presence-counts", json!({"connections": "2", "live": "false", "stale": "false"})).await;
    shows(&page, "document.querySelector('#presence-how').textContent.includes('does not tell joins and leaves')")
        .await;

    // A new connection loads it again by itself.
    fill(&page, "#drop-delay", "3600").await;
    page.click("#drop-now").await.expect("a button");
    has(&page, "#presence-counts", json!({"stale": "true"})).await;
    other.ask("unsubscribe", json!({"channel": "news"})).await;
    page.click("#act-now").await.expect("a button");
    has(&page, "#presence-counts", json!({"connections": "1", "stale": "false"})).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn the_history_is_paged_in_both_directions() {
    let browser = browser().await;
    let server = Server::with(with_key).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    publish(&mut server.connect().await, "news", 5).await;
    subscribe(&page, "news").await;
    fill(&page, "#history-limit", "2").await;
    press(&page, "#history-load", "#history-result", "ok").await;
    shows_history(&page, &["1", "2"]).await;
    page.click("#history-more").await.expect("a button");
    shows_history(&page, &["1", "2", "3", "4"]).await;
    page.click("#history-more").await.expect("a button");
    shows_history(&page, &["1", "2", "3", "4", "5"]).await;
    shows(&page, "document.querySelector('#history-more').hidden").await;

    page.click("#history-reverse").await.expect("a box");
    page.click("#history-load").await.expect("a button");
    shows_history(&page, &["5", "4"]).await;
    page.click("#history-more").await.expect("a button");
    shows_history(&page, &["5", "4", "3", "2"]).await;

    // A list is of one stream.
    Api::connect(server.addr()).await.ok("DELETE", "/channels/news/publications", Value::Null).await;
    publish(&mut server.connect().await, "news", 5).await;
    press(&page, "#history-more", "#history-result", "error").await;
    assert!(text_of(&page, "#history-result").await.contains("stale_position"));
    shows_history(&page, &["5", "4", "3", "2"]).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn what_was_missed_while_away_is_recovered_and_counted() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    publish_while_away(&page, &server, "news", 7).await;
    let recovered = json!({"channel": "news", "status": "recovered", "count": "7", "expected": "7", "done": "true"});
    has(&page, "#recovery-list li", recovered).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "7", "seen": "7", "jumps": "0"})).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn what_is_no_longer_retained_is_shown_as_a_gap() {
    let browser = browser().await;
    let server = Server::with(|config| config.channels.history_size = 2).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    publish_while_away(&page, &server, "news", 5).await;
    has(&page, "#recovery-list li", json!({"status": "gap", "count": "2", "expected": "2", "done": "true"})).await;
    has(&page, &row("news"), json!({"state": "gap", "offset": "5", "jumps": "0"})).await;
    assert!(text_of(&page, ".channel-trouble").await.contains("1–3"));
    page.click("#publish-send").await.expect("a button");
    has(&page, &row("news"), json!({"state": "live", "offset": "6"})).await;
    shows(&page, "document.querySelector('.channel-trouble').textContent === ''").await;
    quiet(&page);
}

/// The server subscribes what a token lists, from now on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn what_was_missed_in_a_channel_of_the_token_is_shown_as_a_gap() {
    let browser = browser().await;
    let server = Server::with(|config| {
        token::accept(config);
        with_key(config);
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    fill(&page, "#token", &token::of("ann", &json!({"channels": ["news"]}))).await;
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#state').dataset.state === 'disconnected'").await;
    page.click("#connect").await.expect("a button");
    has(&page, &row("news"), json!({"state": "live", "offset": "0"})).await;
    let mut client = server.connect().await;
    publish(&mut client, "news", 3).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "3", "seen": "3"})).await;
    publish_while_away(&page, &server, "news", 2).await;
    has(&page, "#recovery-list li", json!({"channel": "news", "status": "gap", "count": "0", "done": "true"})).await;
    has(&page, &row("news"), json!({"state": "gap", "offset": "5", "seen": "3", "jumps": "0"})).await;
    assert!(text_of(&page, ".channel-trouble").await.contains("4–5"));
    client.ask("publish", json!({"channel": "news", "data": 6})).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "6", "seen": "4"})).await;

    // Nothing was published: nothing is missed.
    publish_while_away(&page, &server, "news", 0).await;
    has(&page, "#recovery-list li", json!({"status": "recovered", "expected": "0"})).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "6"})).await;

    // Another stream.
    super::drop_connection(&page).await;
    Api::connect(server.addr()).await.ok("DELETE", "/channels/news/publications", Value::Null).await;
    publish(&mut client, "news", 2).await;
    page.click("#connect").await.expect("a button");
    has(&page, "#recovery-list li", json!({"status": "gap", "count": "0"})).await;
    has(&page, &row("news"), json!({"state": "gap", "offset": "2", "renewed": "true"})).await;
    assert!(text_of(&page, ".channel-trouble").await.contains("1–2"));
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_rewind_where_nothing_is_retained_any_more_becomes_live() {
    let browser = browser().await;
    let server = Server::with(|config| config.channels.history_ttl = Duration::from_millis(1)).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let mut client = server.connect().await;
    publish(&mut client, "news", 3).await;
    client.ask("subscribe", json!({"channel": "news"})).await;
    until("the publications to expire", async || {
        let history = client.ask("get_history", json!({"channel": "news"})).await;
        history["publications"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    fill(&page, "#channel-mode", "rewind").await;
    subscribe(&page, "news").await;
    has(&page, &row("news"), json!({"state": "live", "offset": "3", "seen": "0"})).await;
    quiet(&page);
}
