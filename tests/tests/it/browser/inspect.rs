//! The inspector: an operator sees what goes on, and acts on it.

use std::net::SocketAddr;

use ws_server::config::ApiRights;
use ws_tests::api::{KEY, key, with_key};
use ws_tests::chromium::{Browser, Page, PageOptions};
use ws_tests::prelude::*;
use ws_tests::process::Signal;

use super::{browser, fill, has, press, quiet, shows, text_of};
use crate::SERVER;

async fn open(browser: &Browser, server: &Server, options: &PageOptions) -> Page {
    open_at(browser, server.addr(), options).await
}

async fn open_at(browser: &Browser, addr: SocketAddr, options: &PageOptions) -> Page {
    let page = browser.open(&format!("http://{addr}/inspect"), options).await.expect("the page opens");
    shows(&page, "!document.querySelector('#login').hidden").await;
    page
}

async fn log_in(page: &Page, key: &str) {
    fill(page, "#key", key).await;
    page.click("#login-send").await.expect("a button");
}

/// Waits for the row of a connection, and opens it.
async fn open_connection(page: &Page, client: &Client) {
    let row = format!("tr[data-connection='{}'] button", client.id());
    shows(page, &format!("document.querySelector(\"{row}\")")).await;
    page.click(&row).await.expect("a row");
    shows(page, "document.querySelector('#watch').getAttribute('aria-pressed') === 'true'").await;
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
        open_connection(&page, &client).await;
        shows(&page, "document.querySelector('#cursors li[data-channel=news]')").await;
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
    open_connection(&page, &client).await;
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
    log_in(&page, KEY).await;
    has(&page, "#login-result", json!({"code": "not_available"})).await;
    shows(&page, "document.querySelector('#configure').open").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn opening_it_asks_for_nothing_without_a_key() {
    let browser = browser().await;
    let server = Server::with(with_key).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    has(&page, "#state", json!({"state": "disconnected"})).await;
    has(&page, "#login-result", json!({"code": ""})).await;
    shows(&page, "document.activeElement === document.querySelector('#key')").await;
    let asked = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/api/')).length";
    assert_eq!(page.eval(asked).await.expect("a number"), 0);
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn it_goes_on_through_a_drain_and_says_when_the_server_is_gone() {
    let browser = browser().await;
    let server = Process::start(SERVER, &[("WS_SERVER_API_KEY", KEY), ("WS_SERVER__DRAIN__GRACE", "30s")]).await;
    let mut client = Client::connect(server.addr(), "/ws").await;
    let page = open_at(&browser, server.addr(), &PageOptions::default()).await;
    log_in(&page, KEY).await;
    has(&page, "#state", json!({"state": "live"})).await;
    open_connection(&page, &client).await;
    server.signal(Signal::Term).await;
    client.event("draining").await;
    has(&page, "#state", json!({"state": "draining"})).await;
    assert_eq!(client.closed().await.0, 1001);
    shows(&page, "document.querySelector('#seen li[data-event=closed]')").await;
    assert!(text_of(&page, "#seen li[data-event=closed]").await.contains("closed with 1001"));
    drop(client);
    has(&page, "#state", json!({"state": "trouble"})).await;
    assert_eq!(text_of(&page, "#state").await, "The server does not answer.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn the_keyboard_is_enough() {
    let browser = browser().await;
    let server = Server::with(with_key).await;
    let mut client = server.connect().await;
    client.ask("subscribe", json!({"channel": "news"})).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    page.type_text(KEY).await.expect("a keyboard");
    page.key("Enter").await.expect("a keyboard");
    has(&page, "#state", json!({"state": "live"})).await;
    let press = async |key: &str| page.key(key).await.expect("a keyboard");
    let focused = async |id: &str| shows(&page, &format!("document.activeElement.id === '{id}'")).await;
    for (key, id) in [("c", "channels-prefix"), ("p", "publish-channel")] {
        press(key).await;
        focused(id).await;
        // What is typed is text, until Escape leaves the field.
        press("p").await;
        shows(&page, &format!("document.querySelector('#{id}').value === 'p'")).await;
        press("Escape").await;
        focused("").await;
    }
    shows(&page, &format!("document.querySelector(\"tr[data-connection='{}'] button\")", client.id())).await;
    page.eval("document.querySelector('#connections-rows button').focus()").await.expect("a row");
    press("Enter").await;
    focused("detail").await;
    let is_watching = |is: bool| format!("document.querySelector('#watch').getAttribute('aria-pressed') === '{is}'");
    shows(&page, &is_watching(true)).await;
    press("w").await;
    shows(&page, &is_watching(false)).await;
    press("w").await;
    shows(&page, &is_watching(true)).await;
    press("Escape").await;
    shows(&page, "document.querySelector('#detail').hidden").await;
    shows(&page, "document.activeElement.closest('#connections-rows')").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_page_that_nobody_sees_asks_for_nothing() {
    let browser = browser().await;
    let server = Server::with(with_key).await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let spy = "{ const [set, clear, ask] = [setInterval, clearInterval, fetch]; window.running = new Set(); window.asked = 0; \
               window.setInterval = (...of) => { const id = set(...of); running.add(id); return id; }; \
               window.clearInterval = (id) => { running.delete(id); clear(id); }; \
               window.fetch = (...of) => { asked += 1; return ask(...of); }; }";
    page.eval(spy).await.expect("a page");
    log_in(&page, KEY).await;
    has(&page, "#state", json!({"state": "live"})).await;
    shows(&page, "running.size === 1").await;
    let hide = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        )
    };
    page.eval(&hide(true)).await.expect("a page");
    has(&page, "#state", json!({"state": "paused"})).await;
    shows(&page, "running.size === 0").await;
    let before = page.eval("asked").await.expect("a number");
    page.eval(&hide(false)).await.expect("a page");
    has(&page, "#state", json!({"state": "live"})).await;
    shows(&page, &format!("running.size === 1 && asked > {before}")).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_watcher_that_is_too_slow_is_told_how_much_is_left_out() {
    const REQUESTS: usize = 5_000;
    let browser = browser().await;
    let server = Server::with(|config| {
        with_key(config);
        config.limits.requests_per_second = 0;
    })
    .await;
    let mut client = server.connect().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    log_in(&page, KEY).await;
    open_connection(&page, &client).await;
    let echo = |n| format!(r#"{{"type":"request","id":"{n}","action":"echo","payload":{{"message":{n}}}}}"#);
    for batch in 0..REQUESTS / 100 {
        client.texts((0..100).map(|n| echo(batch * 100 + n))).await;
        for _ in 0..100 {
            client.json().await;
        }
    }
    shows(&page, "document.querySelector('#seen li[data-event=dropped]')").await;
    let left_out =
        "Math.max(...[...document.querySelectorAll('#seen li[data-event=dropped]')].map((row) => row.dataset.frames))";
    assert!(page.eval(left_out).await.expect("a number").as_u64().is_some_and(|frames| frames > 0));
    shows(&page, "document.querySelectorAll('#seen li').length <= 500").await;
    // It goes on with what comes now.
    let last = "document.querySelector('#seen').lastElementChild";
    until("the newest frame to be shown", async || {
        client.ask("echo", json!({"message": "the newest"})).await;
        let shown = page.eval(&format!("{last}.textContent.includes('the newest')")).await.expect("a value");
        (shown == true).then_some(())
    })
    .await;
    quiet(&page);
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
