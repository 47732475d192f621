//! The list of frames: what a row says, what is in sight, and what is new.

use ws_tests::chromium::{Page, PageOptions};
use ws_tests::prelude::*;

use super::{browser, fill, has, open, quiet, shows, subscribe, text_of};

/// Lower than the frames of these tests are together.
const LOW: PageOptions = PageOptions { width: 1280, height: 640, language: "en", dark: false };

/// Whether all of an element is in sight in the list.
fn in_sight(element: &str) -> String {
    format!(
        "(() => {{ const [inner, outer] = [{element}, document.querySelector('#frames')].map((each) => each.getBoundingClientRect()); \
         return inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1; }})()"
    )
}

async fn publish(client: &mut Client, data: &Value, count: u32) {
    for _ in 0..count {
        client.ask("publish", json!({"channel": "news", "data": data})).await;
    }
}

async fn shows_publications(page: &Page, count: u32) {
    shows(page, &format!("document.querySelectorAll('#frames li[data-name=publication]').length === {count}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn an_opened_frame_is_in_sight_and_what_is_new_is_counted() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &LOW).await;
    let mut client = server.connect().await;
    subscribe(&page, "news").await;
    publish(&mut client, &json!({"text": "hello"}), 30).await;
    shows_publications(&page, 30).await;
    shows(&page, "document.querySelector('#newest').hidden").await;

    page.eval("document.querySelector('#frames li:last-child .row').click()").await.expect("a row");
    shows(&page, &in_sight("document.querySelector('#frames li:last-child')")).await;
    shows(&page, "!document.querySelector('#auto-scroll').checked").await;
    has(&page, "#newest", json!({"value": "0"})).await;
    shows(&page, "!document.querySelector('#newest').hidden").await;

    // It stays where it is while others come, and they are counted.
    publish(&mut client, &json!(1), 3).await;
    has(&page, "#newest", json!({"value": "3"})).await;
    assert_eq!(text_of(&page, "#newest").await, "↓ 3 new");
    shows(&page, &in_sight("document.querySelector('#frames li.open')")).await;
    page.click("#newest").await.expect("a button");
    shows(&page, "document.querySelector('#auto-scroll').checked && document.querySelector('#newest').hidden").await;
    shows(&page, &in_sight("document.querySelector('#frames li:last-child')")).await;

    // One that is larger than the list begins in sight.
    let long: Vec<u32> = (0..100).collect();
    publish(&mut client, &json!(long), 1).await;
    shows_publications(&page, 34).await;
    page.eval("document.querySelector('#frames li:last-child .row').focus()").await.expect("a row");
    page.key("Enter").await.expect("a keyboard");
    shows(&page, "document.querySelector('#frames li:last-child .detail') !== null").await;
    shows(&page, &in_sight("document.querySelector('#frames li:last-child .row')")).await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn following_ends_and_begins_with_the_readers_own_scrolling() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &LOW).await;
    let mut client = server.connect().await;
    subscribe(&page, "news").await;
    publish(&mut client, &json!(1), 30).await;
    shows_publications(&page, 30).await;
    shows(&page, &in_sight("document.querySelector('#frames li:last-child')")).await;
    page.eval("document.querySelector('#frames').scrollTop = 0").await.expect("a list");
    shows(&page, "!document.querySelector('#newest').hidden").await;
    publish(&mut client, &json!(1), 2).await;
    has(&page, "#newest", json!({"value": "2"})).await;
    page.eval("document.querySelector('#frames').scrollTop = 1e6").await.expect("a list");
    shows(&page, "document.querySelector('#newest').hidden && document.querySelector('#auto-scroll').checked").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_row_shows_channel_offset_and_data_first() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    subscribe(&page, "news").await;
    // A number that JavaScript would round stays as it was on the wire.
    fill(&page, "#publish-data", r#"{"text": "<b>hi</b>", "n": 12345678901234567890}"#).await;
    page.click("#publish-send").await.expect("a button");
    shows_publications(&page, 1).await;
    let preview = text_of(&page, "#frames li[data-name=publication] .preview").await;
    assert_eq!(preview, r#"news #1 {"text":"<b>hi</b>","n":12345678901234567890}"#);
    let sent = text_of(&page, "#frames li[data-direction=out][data-name=publish] .preview").await;
    assert_eq!(sent, r#"news {"text":"<b>hi</b>","n":12345678901234567890}"#);
    quiet(&page);
}

/// Of each a part of the page without its server: large frames in a hidden tab, and a crowd.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn what_waits_and_who_is_listed_is_bounded() {
    let browser = browser().await;
    let server = Server::start().await;
    let page = open(&browser, &server, &PageOptions::default()).await;
    let log = "import('/page/log.js').then(({ FrameLog }) => {
        const [log, text] = [new FrameLog(), 'x'.repeat(1024 * 1024)];
        for (let seq = 1; seq <= 50; seq += 1) log.arrive({ seq, text, name: '', kind: '', direction: 'in' });
        const { waiting, dropped } = log;
        log.take();
        return [waiting, dropped, log.kept.length, log.kept[0].seq, log.dropped];
    })";
    assert_eq!(page.eval(log).await.expect("numbers"), json!([16, 34, 16, 35, 34]));
    let present = "import('/page/present.js').then(({ Present }) => {
        const present = new Present('news', true);
        const clients = (from) => Array.from({ length: 1500 }, (_, n) => ({ connection_id: `${from + n}`, user: null }));
        present.add({ connections: 4500, users: 0, clients: clients(0), next: 'a' });
        const { next } = present;
        present.add({ connections: 4500, users: 0, clients: clients(1500), next: 'b' });
        present.hear({ event: 'join', channel: 'news', client: { connection_id: 'x', user: null } });
        return [next, present.next ?? null, present.clients.size, present.connections];
    })";
    assert_eq!(page.eval(present).await.expect("values"), json!(["a", null, 2000, 4501]));
    quiet(&page);
}
