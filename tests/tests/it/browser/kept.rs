//! What outlives the page: fields and subscriptions over a reload, and saved requests. Tokens only where asked for.

use ws_tests::chromium::{Page, PageOptions};
use ws_tests::prelude::*;

use super::{browser, fill, has, open, quiet, reload, row, shows, subscribe, text_of};

async fn value_of(page: &Page, field: &str) -> String {
    let value = page.eval(&format!("document.querySelector('{field}').value")).await.expect("a field");
    value.as_str().expect("text").to_owned()
}

/// All that the page has stored.
async fn stored(page: &Page) -> String {
    let all = "JSON.stringify([{ ...sessionStorage }, { ...localStorage }])";
    page.eval(all).await.expect("storage").as_str().expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_reload_keeps_fields_and_subscriptions_and_no_token() {
    let browser = browser().await;
    let server = Server::with(token::accept).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    fill(&page, "#publish-data", "draft").await;
    page.click("#publish-send").await.expect("a button");
    has(&page, &row("news"), json!({"offset": "1"})).await;
    let token = token::of("ann", &json!({}));
    fill(&page, "#raw-text", &format!(r#"{{"type": "mine", "token": "{token}"}}"#)).await;
    fill(&page, "#token", &token).await;

    reload(&page).await;
    assert_eq!(value_of(&page, "#publish-data").await, "draft");
    assert_eq!(value_of(&page, "#raw-text").await, r#"{"type": "mine", "token": "YOUR_TOKEN"}"#);
    assert_eq!(value_of(&page, "#token").await, "");
    assert!(!stored(&page).await.contains("eyJ"), "no token is stored");
    // It goes on from its position: what was seen does not come again.
    has(&page, &row("news"), json!({"state": "live", "offset": "1", "seen": "0"})).await;
    has(&page, "#recovery-list li", json!({"channel": "news", "status": "recovered", "expected": "0"})).await;
    server.connect().await.ask("publish", json!({"channel": "news", "data": 2})).await;
    has(&page, &row("news"), json!({"state": "live", "offset": "2", "seen": "1", "jumps": "0"})).await;

    page.click("#channel-unsubscribe").await.expect("a button");
    shows(&page, "document.querySelector('#channel-list li') === null").await;
    fill(&page, "#token", &token).await;
    page.click("#token-keep").await.expect("a box");
    reload(&page).await;
    assert_eq!(value_of(&page, "#token").await, token, "asked for, the token is kept in this tab");
    shows(&page, "document.querySelector('#user').textContent === 'ann'").await;
    shows(&page, "document.querySelector('#channel-list li') === null").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn requests_are_saved_by_name_without_tokens() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let token = token::of("ann", &json!({}));
    let save = async |text: &str, name: &str| {
        fill(&page, "#raw-text", text).await;
        fill(&page, "#saved-name", name).await;
        page.click("#saved-save").await.expect("a button");
    };
    save(&format!(r#"{{"id":"1","type":"request","action":"authenticate","payload":{{"token":"{token}"}}}}"#), "")
        .await;
    save(r#"{"type": "ping"}"#, "<b>mine</b>").await;
    assert!(!stored(&page).await.contains("eyJ"), "no token is stored");

    reload(&page).await;
    let names = "[...document.querySelectorAll('#saved-list li')].map((each) => each.dataset.saved).join()";
    shows(&page, &format!("{names} === 'authenticate,<b>mine</b>'")).await;
    page.click("#saved-list li:first-child button").await.expect("a button");
    assert!(value_of(&page, "#raw-text").await.contains(r#""token":"YOUR_TOKEN""#));
    page.click("#saved-list li:last-child button").await.expect("a button");
    assert_eq!(value_of(&page, "#raw-text").await, r#"{"type": "ping"}"#);
    assert_eq!(text_of(&page, "#saved-list li:last-child button").await, "<b>mine</b>");
    page.click("#saved-list li:first-child .remove").await.expect("a button");
    shows(&page, &format!("{names} === '<b>mine</b>'")).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_sent_frame_is_edited_as_a_raw_one() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    super::answered(&page, "echo", "ok").await;
    // Rows are drawn a moment after their frames.
    shows(&page, "document.querySelector('#frames li[data-direction=out][data-name=echo] .row')").await;
    let edit = "{ const row = document.querySelector('#frames li[data-direction=out][data-name=echo] .row'); \
                row.click(); row.parentElement.querySelector('[data-does=edit]').click(); }";
    page.eval(edit).await.expect("a row");
    assert!(value_of(&page, "#raw-text").await.contains(r#""action":"echo""#));
    quiet(&page);
}
