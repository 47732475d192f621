//! The test page in a real browser: it works for a person, in both languages, without errors on the console.

mod channels;
mod chat;
mod claude;
mod identity;
mod inspect;
mod kept;
mod list;
mod phone;
mod state;
mod taken;

use std::net::SocketAddr;

use ws_tests::chromium::{Browser, Page, PageOptions};
use ws_tests::prelude::*;

/// A browser.
async fn browser() -> Browser {
    Browser::launch().await.expect("the browser starts")
}

/// The page of a server, connected.
async fn open(browser: &Browser, server: &Server, options: &PageOptions) -> Page {
    open_at(browser, server.addr(), options).await
}

async fn open_at(browser: &Browser, addr: SocketAddr, options: &PageOptions) -> Page {
    let page = browser.open(&format!("http://{addr}/"), options).await.expect("the page opens");
    // Automatically, or after a click.
    let idle = page.eval("document.querySelector('#state').dataset.state === 'disconnected'").await.expect("a value");
    if idle == true {
        page.click("#connect").await.expect("a button");
    }
    shows(&page, "document.querySelector('#state').dataset.state === 'connected'").await;
    page
}

async fn shows(page: &Page, condition: &str) {
    page.wait_for(condition, DEADLINE).await.unwrap_or_else(|error| panic!("{error}\n{:?}", page.console_errors()));
}

async fn text_of(page: &Page, selector: &str) -> String {
    let text = page.eval(&format!("document.querySelector('{selector}').textContent")).await.expect("an element");
    text.as_str().expect("text").to_owned()
}

/// Clicks a button and waits for its result.
async fn answered(page: &Page, name: &str, status: &str) -> String {
    page.click(&format!("#{name}-send")).await.expect("a button");
    shows(page, &format!("document.querySelector('#{name}-result').dataset.status === '{status}'")).await;
    text_of(page, &format!("#{name}-result")).await
}

/// Puts a value into a field, as typing it would.
async fn fill(page: &Page, field: &str, value: &str) {
    let (field, value) = (json!(field), json!(value));
    let js = format!(
        "{{ const field = document.querySelector({field}); field.value = {value}; \
         for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, {{ bubbles: true }})); }}"
    );
    page.eval(&js).await.expect("a field");
}

/// Clicks a button of a panel and waits until its result has this status.
async fn press(page: &Page, button: &str, result: &str, status: &str) {
    page.click(button).await.expect("a button");
    shows(page, &format!("document.querySelector('{result}').dataset.status === '{status}'")).await;
}

async fn subscribe(page: &Page, channel: &str) {
    fill(page, "#channel-name", channel).await;
    press(page, "#channel-subscribe", "#channel-result", "ok").await;
}

/// Waits until the element has these values in its data attributes.
async fn has(page: &Page, element: &str, values: Value) {
    let (element, values) = (json!(element), values.to_string());
    let condition = format!(
        "Object.entries({values}).every(([name, value]) => document.querySelector({element})?.dataset[name] === value)"
    );
    shows(page, &condition).await;
}

fn row(channel: &str) -> String {
    format!("#channel-list li[data-channel=\"{channel}\"]")
}

/// Breaks the connection off; the page comes back when it is told to.
async fn drop_connection(page: &Page) {
    fill(page, "#drop-delay", "3600").await;
    page.click("#drop-now").await.expect("a button");
    shows(page, "document.querySelector('#state').dataset.acts === 'reconnect'").await;
}

/// Reloads the page and waits until it is connected again.
async fn reload(page: &Page) {
    page.reload().await.expect("the page loads again");
    shows(page, "document.querySelector('#state').dataset.state === 'connected'").await;
}

fn quiet(page: &Page) {
    assert_eq!(page.console_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn the_three_actions_and_a_second_page() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let second = open(&browser, &server, &PageOptions::default()).await;
    assert!(uuid::Uuid::parse_str(&text_of(&page, "#connection-id").await).is_ok());

    assert!(answered(&page, "echo", "ok").await.contains("Hello"));
    assert!(answered(&page, "connections", "ok").await.contains('2'));
    assert!(answered(&page, "broadcast", "ok").await.contains('2'));
    for page in [&page, &second] {
        let event = "#frames li[data-direction=in][data-kind=notification][data-name=broadcast]";
        shows(page, &format!("document.querySelector('{event}') !== null")).await;
        assert!(text_of(page, event).await.contains("Hello everyone!"));
        quiet(page);
    }
    drop(second);
    server.wait_for_metric("ws_connections", 1.0).await;
    assert!(answered(&page, "connections", "ok").await.contains('1'));
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#state').dataset.state === 'disconnected'").await;
    server.wait_for_metric("ws_connections", 0.0).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_raw_frame_that_is_not_json_shows_the_error() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    page.click("#raw-templates button[data-template=malformed]").await.expect("a button");
    page.click("#raw-send").await.expect("a button");
    let error = "#frames li[data-direction=in][data-kind=error]";
    shows(&page, &format!("document.querySelector('{error}') !== null")).await;
    assert!(text_of(&page, error).await.contains("malformed"));
    shows(&page, "document.querySelector('#errors').dataset.value === '1'").await;

    page.click("#raw-templates button[data-template=unknown]").await.expect("a button");
    assert!(answered(&page, "raw", "error").await.contains("unknown_action"));
    let fill = r#"{ const field = document.querySelector('#echo-payload'); field.value = '{'; field.dispatchEvent(new Event('input')); }"#;
    page.eval(fill).await.expect("a field");
    shows(&page, "document.querySelector('#echo-result').dataset.status === 'invalid'").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn chinese_and_english_by_the_browsers_language() {
    let browser = browser().await;
    let server = Server::start().await;
    for (language, connected, disconnect) in [("zh-CN", "已连接", "断开"), ("en", "Connected", "Disconnect")] {
        let options = PageOptions { language, ..PageOptions::default() };
        let page = open(&browser, &server, &options).await;
        let lang = page.eval("document.documentElement.lang").await.expect("an attribute");
        assert!(lang.as_str().is_some_and(|lang| lang.starts_with(&language[..2])), "{lang}");
        assert!(text_of(&page, "#state").await.contains(connected));
        assert_eq!(text_of(&page, "#connect").await, disconnect);
        quiet(&page);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn every_word_is_there_in_both_languages() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let missing = "import('/page/words.js').then(({ WORDS: { en, zh } }) => {
        const marks = ['i18n', 'i18nLabel', 'i18nTitle', 'i18nPlaceholder'];
        const marked = [...document.querySelectorAll('*')].flatMap(({ dataset }) => marks.map((mark) => dataset[mark]));
        const keys = new Set([...Object.keys(en), ...Object.keys(zh), ...marked.filter(Boolean)]);
        return [...keys].filter((key) => !Object.hasOwn(en, key) || !Object.hasOwn(zh, key));
    })";
    assert_eq!(page.eval(missing).await.expect("a list"), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_drain_is_shown_and_the_phone_has_no_sideways_scrolling() {
    let browser = browser().await;
    let mut server = Server::start().await;
    let options = PageOptions { width: 390, height: 800, dark: true, ..PageOptions::default() };
    let page = open(&browser, &server, &options).await;
    let wide = page.eval("document.documentElement.scrollWidth <= innerWidth").await.expect("a value");
    assert_eq!(wide, true);
    page.eval("document.querySelector('#auto-reconnect').click()").await.expect("a box");
    server.begin_drain();
    shows(&page, "document.querySelector('#close-info').dataset.code === '1001'").await;
    assert_eq!(server.stop().await, (1, 0));
}
