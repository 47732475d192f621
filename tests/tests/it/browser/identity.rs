//! The identity panel: a token before and after connecting, and what the page shows.

use ws_core::Access;
use ws_tests::chromium::PageOptions;
use ws_tests::prelude::*;

use super::{browser, drop_connection, fill, has, open, press, quiet, row, shows, text_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_token_names_the_user_of_the_page() {
    let browser = browser().await;
    let server = Server::with(|config| {
        token::accept(config);
        config.auth.expiry_notice = Duration::from_secs(600);
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    assert_eq!(text_of(&page, "#token-state").await, "anonymous");
    let type_token = async |token: &str| {
        page.eval("document.querySelector('#token').value = ''").await.expect("a field");
        page.click("#token").await.expect("a field");
        page.type_text(token).await.expect("a keyboard");
    };
    let result = async |status: &str| {
        shows(&page, &format!("document.querySelector('#token-result').dataset.status === '{status}'")).await;
        text_of(&page, "#token-result").await
    };

    type_token("nonsense").await;
    page.click("#authenticate").await.expect("a button");
    assert!(result("error").await.contains("invalid_token"));
    type_token(&token::of("ann", &json!({"exp": token::in_seconds(3600.0), "channels": ["lobby"]}))).await;
    page.click("#authenticate").await.expect("a button");
    assert!(result("ok").await.contains("ann"));
    assert_eq!(text_of(&page, "#user").await, "ann");
    assert!(text_of(&page, "#token-state").await.starts_with("ann · until "));
    shows(&page, "document.querySelector('#channel-list li[data-channel=lobby][data-state=live]') !== null").await;

    // The next connection logs in with it.
    type_token(&token::of("bob", &json!({"exp": token::in_seconds(60.0)}))).await;
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#state').dataset.state === 'disconnected'").await;
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#user').textContent === 'bob'").await;
    shows(&page, "document.querySelector('#token-state').dataset.status === 'expiring'").await;
    shows(&page, "/^\\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('#expires').textContent)").await;
    // One that is not near its end: nothing on the wire says when that is, the page knows it from the token.
    type_token(&token::of("carl", &json!({"exp": token::in_seconds(86_400.0 * 3.0)}))).await;
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#state').dataset.state === 'disconnected'").await;
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#user').textContent === 'carl'").await;
    assert!(text_of(&page, "#token-state").await.starts_with("carl · until 2"), "with the date");
    assert_eq!(text_of(&page, "#expires").await.len(), "2026-11-28 09:30:00".len());
    quiet(&page);

    type_token("nonsense").await;
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#state').dataset.state === 'disconnected'").await;
    page.click("#connect").await.expect("a button");
    // The client logs in after the greeting, and does not come back with what was refused.
    shows(&page, "document.querySelector('#close-info').dataset.reconnect === 'false'").await;
    assert!(text_of(&page, "#close-meaning").await.contains("given up: rejected: invalid_token"));
    assert!(result("error").await.contains("invalid_token"));
    has(&page, "#state", json!({"state": "disconnected", "acts": ""})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_subscription_token_opens_its_channel_after_a_reconnect_too() {
    let browser = browser().await;
    let server = Server::with(|config| {
        token::accept(config);
        config.channels.subscribe = Access::GRANTED;
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    fill(&page, "#token", &token::of("ann", &json!({}))).await;
    press(&page, "#authenticate", "#token-result", "ok").await;
    fill(&page, "#channel-name", "news").await;
    press(&page, "#channel-subscribe", "#channel-result", "error").await;
    fill(&page, "#channel-token", &token::of("ann", &json!({"channel": "news"}))).await;
    press(&page, "#channel-subscribe", "#channel-result", "ok").await;
    drop_connection(&page).await;
    fill(&page, "#channel-token", "").await;
    page.click("#act-now").await.expect("a button");
    has(&page, &row("news"), json!({"state": "live"})).await;
    has(&page, "#recovery-list li", json!({"channel": "news", "status": "recovered"})).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn what_an_anonymous_page_was_refused_is_asked_for_again_by_its_user() {
    let browser = browser().await;
    let server = Server::with(|config| {
        token::accept(config);
        config.channels.subscribe = Access::AUTHENTICATED;
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let token = token::of("ann", &json!({}));
    fill(&page, "#token", &token).await;
    press(&page, "#authenticate", "#token-result", "ok").await;
    fill(&page, "#channel-name", "news").await;
    press(&page, "#channel-subscribe", "#channel-result", "ok").await;
    fill(&page, "#token", "").await;
    drop_connection(&page).await;
    page.click("#act-now").await.expect("a button");
    has(&page, &row("news"), json!({"state": "refused"})).await;
    fill(&page, "#token", &token).await;
    press(&page, "#authenticate", "#token-result", "ok").await;
    has(&page, &row("news"), json!({"state": "live"})).await;
    assert_eq!(text_of(&page, ".channel-trouble").await, "");
    quiet(&page);
}
