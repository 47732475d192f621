//! The inspector: an operator sees what goes on, and acts on it.

use ws_server::config::ApiRights;
use ws_tests::api::{KEY, key, with_key};
use ws_tests::chromium::{Browser, Page, PageOptions};
use ws_tests::prelude::*;

use super::{browser, fill, has, press, shows, text_of};

async fn open(browser: &Browser, server: &Server, options: &PageOptions) -> Page {
    let page = browser.open(&format!("http://{}/inspect", server.addr()), options).await.expect("the page opens");
    shows(&page, "!document.querySelector('#login').hidden").await;
    page
}

async fn log_in(page: &Page, key: &str) {
    fill(page, "#key", key).await;
    page.click("#login-send").await.expect("a button");
}

/// Nothing on the console, but for the request without a key that finds out whether there is one.
fn quiet(page: &Page) {
    let errors: Vec<_> = page.console_errors().into_iter().filter(|error| !error.contains("401")).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn an_operator_watches_publishes_unsubscribes_and_closes() {
    let browser = browser().await;
    let server = Server::with(with_key).await;
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "news"})).await;
    for (width, language) in [(1280, "en"), (390, "zh-CN")] {
        let page = open(&browser, &server, &PageOptions { width, language, ..PageOptions::default() }).await;
        log_in(&page, KEY).await;
        has(&page, "#state", json!({"state": "live"})).await;
        has(&page, "#gauge-connections", json!({"value": "1"})).await;
        shows(&page, &format!("document.querySelector(\"tr[data-connection='{}'] button\")", client.id())).await;
        page.click(&format!("tr[data-connection='{}'] button", client.id())).await.expect("a row");
        shows(&page, "document.querySelector('#cursors li[data-channel=news]')").await;
        shows(&page, "document.querySelector('#watch').getAttribute('aria-pressed') === 'true'").await;
        client.ask("echo", json!({"message": {"token": "swordfish"}})).await;
        let frame = "#seen li[data-direction=in]";
        shows(&page, &format!("document.querySelector('{frame}')")).await;
        let text = text_of(&page, frame).await;
        assert!(text.contains("YOUR_TOKEN") && !text.contains("swordfish"), "{text}");
        shows(&page, "document.querySelector('tr[data-channel=news]')").await;
        page.click("tr[data-channel=news] button").await.expect("a row");
        press(&page, "#publish-send", "#publish-result", "ok").await;
        client.event("publication").await;
        let wide = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(page.eval(wide).await.expect("a value"), true, "{width}");
        let address = page.eval("location.href").await.expect("a value").to_string();
        assert!(!address.contains(KEY), "{address}");
        quiet(&page);
    }
    let page = open(&browser, &server, &PageOptions::default()).await;
    log_in(&page, KEY).await;
    shows(&page, &format!("document.querySelector(\"tr[data-connection='{}'] button\")", client.id())).await;
    page.click(&format!("tr[data-connection='{}'] button", client.id())).await.expect("a row");
    shows(&page, "document.querySelector('#cursors li[data-channel=news]')").await;
    press(&page, "#cursors li[data-channel=news] button", "#detail-result", "ok").await;
    client.event("unsubscribed").await;
    shows(&page, "!document.querySelector('#cursors li')").await;
    fill(&page, "#close-code-field", "4711").await;
    press(&page, "#close-send", "#detail-result", "ok").await;
    assert_eq!(client.closed().await.0, 4711);
    shows(&page, "document.querySelector('#seen li[data-event=closed]')").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn it_says_what_is_wrong_with_a_key() {
    let browser = browser().await;
    let server = Server::with(|config| {
        with_key(config);
        config.api.keys = vec![key("reader", ApiRights::Publish)];
    })
    .await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    for (key, code) in [("wrong", "unauthenticated"), ("reader", "permission_denied")] {
        log_in(&page, key).await;
        has(&page, "#login-result", json!({"code": code})).await;
        shows(&page, "document.querySelector('#board').hidden").await;
    }
    log_in(&page, KEY).await;
    has(&page, "#state", json!({"state": "live"})).await;
    page.reload().await.expect("the page loads again");
    has(&page, "#state", json!({"state": "live"})).await;
    page.click("#leave").await.expect("a button");
    shows(&page, "!document.querySelector('#login').hidden").await;

    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    has(&page, "#login-result", json!({"code": "not_available"})).await;
    shows(&page, "document.querySelector('#configure').open").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn every_word_is_there_in_both_languages() {
    let browser = browser().await;
    let server = Server::with(with_key).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let missing = "import('/page/words.js').then(({ WORDS: { en, zh } }) => {
        const marks = ['i18n', 'i18nLabel', 'i18nTitle', 'i18nPlaceholder'];
        const marked = [...document.querySelectorAll('*')].flatMap(({ dataset }) => marks.map((mark) => dataset[mark]));
        const keys = new Set([...Object.keys(en), ...Object.keys(zh), ...marked.filter(Boolean)]);
        return [...keys].filter((key) => !Object.hasOwn(en, key) || !Object.hasOwn(zh, key));
    })";
    assert_eq!(page.eval(missing).await.expect("a list"), json!([]));
}
