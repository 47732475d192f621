//! The chat of `docs/examples/chat`, as its server serves it: what people copy does what it says.

use ws_tests::api::{Api, KEY};
use ws_tests::chromium::{Browser, Page, PageOptions};
use ws_tests::prelude::*;

use super::{browser, fill, quiet, shows};
use crate::SERVER;

/// The server with the configuration that lies beside the page.
async fn server() -> Process {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/chat/ws-server.toml");
    Process::with_args(SERVER, &["--addr", "127.0.0.1:0", "--config", config], &[("WS_SERVER_API_KEY", KEY)]).await
}

async fn enter(browser: &Browser, server: &Process, name: &str, options: &PageOptions) -> Page {
    let url = format!("http://{}/docs/examples/chat/index.html", server.addr());
    let page = browser.open(&url, options).await.expect("the page opens");
    fill(&page, "#name", name).await;
    connected(&page).await;
    page
}

async fn connected(page: &Page) {
    shows(page, "document.querySelector('#status').textContent === 'Connected'").await;
}

async fn type_text(page: &Page, text: &str) {
    page.click("#text").await.expect("a field");
    page.type_text(text).await.expect("a keyboard");
}

async fn say(page: &Page, text: &str) {
    type_text(page, text).await;
    page.key("Enter").await.expect("a keyboard");
}

/// Waits until these are the texts of all messages that were sent.
async fn reads(page: &Page, texts: &[&str]) {
    let read = "[...document.querySelectorAll('#messages li')].map((row) => `${row.className} ${row.children[1].textContent}`)";
    let texts = json!(texts.iter().map(|text| format!("sent {text}")).collect::<Vec<_>>());
    shows(page, &format!("JSON.stringify({read}) === JSON.stringify({texts})")).await;
}

/// How many messages the page has stored, to be sent.
async fn stored(page: &Page) -> Value {
    let count = "new Promise((resolve, reject) => {
        const open = indexedDB.open('chat 1');
        open.onerror = () => reject(open.error);
        open.onsuccess = () => {
            const count = open.result.transaction('entries').objectStore('entries').count();
            count.onerror = () => reject(count.error);
            count.onsuccess = () => (open.result.close(), resolve(count.result));
        };
    })";
    page.eval(count).await.expect("a database")
}

async fn here(page: &Page, names: &[&str]) {
    let shown = "[...document.querySelectorAll('#here li')].map((row) => row.textContent).sort()";
    shows(page, &format!("JSON.stringify({shown}) === JSON.stringify({})", json!(names))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn two_people_talk_and_see_each_other() {
    let (browser, server) = (browser().await, server().await);
    let ann = enter(&browser, &server, "Ann", &PageOptions::default()).await;
    say(&ann, "Is anybody here?").await;
    // He comes later, and reads what was said.
    let bob = enter(&browser, &server, "Bob", &PageOptions { width: 390, dark: true, ..PageOptions::default() }).await;
    reads(&bob, &["Is anybody here?"]).await;
    for page in [&ann, &bob] {
        here(page, &["Ann", "Bob"]).await;
    }
    type_text(&bob, "Y").await;
    shows(&ann, "document.querySelector('#typing').textContent === 'Bob …'").await;
    say(&bob, "es <img src=x onerror=\"document.title = 'broken into'\">").await;
    let all = ["Is anybody here?", "Yes <img src=x onerror=\"document.title = 'broken into'\">"];
    for page in [&ann, &bob] {
        reads(page, &all).await;
        shows(page, "!document.querySelector('#messages img') && document.title === 'Chat'").await;
        shows(page, "document.querySelector('#typing').textContent === ''").await;
    }
    // There and back at once: everybody is here as before, and has a name.
    for room in ["music", "lobby"] {
        bob.eval(&format!("location.hash = 'room={room}', 0")).await.expect("a page");
    }
    reads(&bob, &all).await;
    for page in [&ann, &bob] {
        here(page, &["Ann", "Bob"]).await;
    }
    // Another room has its own people and messages.
    bob.click("#rooms li:nth-child(2) a").await.expect("a link");
    here(&bob, &["Bob"]).await;
    here(&ann, &["Ann"]).await;
    reads(&bob, &[]).await;
    say(&bob, "Music").await;
    reads(&bob, &["Music"]).await;
    reads(&ann, &all).await;
    assert_eq!(bob.eval("document.documentElement.scrollWidth <= innerWidth").await.expect("a value"), true);
    drop(bob);
    quiet(&ann);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn what_is_written_offline_survives_a_reload() {
    let (browser, server) = (browser().await, server().await);
    let ann = enter(&browser, &server, "Ann", &PageOptions::default()).await;
    say(&ann, "one").await;
    reads(&ann, &["one"]).await;
    // Offline, as far as this page can tell, and for as long as it lives.
    ann.eval("window.WebSocket = class { constructor() { throw new Error('offline'); } }, 0").await.expect("a page");
    let mut api = Api::connect(server.addr()).await;
    let connections = api.ok("GET", "/connections", Value::Null).await;
    let id = connections["connections"][0]["connection_id"].as_str().expect("an id").to_owned();
    api.ok("DELETE", &format!("/connections/{id}"), json!({"code": 4003})).await;
    shows(&ann, "document.querySelector('#status').textContent === 'Offline'").await;
    shows(&ann, "/^again in \\d+ s$/.test(document.querySelector('#again').textContent)").await;
    let bob = enter(&browser, &server, "Bob", &PageOptions::default()).await;
    say(&bob, "two").await;
    reads(&bob, &["one", "two"]).await;
    for text in ["three", "four"] {
        say(&ann, text).await;
    }
    shows(&ann, "document.querySelector('#status').textContent.endsWith(' · 2 to be sent')").await;
    shows(&ann, "document.querySelectorAll('#messages .waiting').length === 2").await;
    reads(&bob, &["one", "two"]).await;
    // A page that is gone before that has lost it.
    until("both to be stored", async || (stored(&ann).await == 2).then_some(())).await;
    ann.reload().await.expect("the page loads again");
    for page in [&ann, &bob] {
        reads(page, &["one", "two", "three", "four"]).await;
    }
    connected(&ann).await;
    assert_eq!(ann.eval("document.querySelector('#name').value").await.expect("a name"), "Ann");
    quiet(&bob);
}
