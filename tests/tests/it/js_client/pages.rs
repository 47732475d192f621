//! Pages that publish from IndexedDB: a reload, and a second tab, lose nothing and repeat nothing.

use ws_tests::chromium::{Browser, Page, PageOptions};
use ws_tests::prelude::*;

/// How long the clients wait for an answer. What was perhaps sent counts as older by this.
const REQUEST: Duration = Duration::from_secs(3);

/// Makes a client on the page, over the store that all pages of this origin share, and waits until it reads.
const CLIENT: &str = "Promise.all([import('/client/ws-client.js'), import('/client/indexeddb.js')]).then(([{ connect }, { indexedDb }]) => {
    window.lost = [];
    window.client = connect(new URL('/ws', location.href), { store: indexedDb('test'), timers: { store: 60_000, request: 3_000 } });
    client.lost((entry, error) => lost.push([entry.data, error.kind]));
    const room = client.channel('room');
    room.subscribe(() => {}); // who reads may read the history
    return new Promise((resolve) => room.status.subscribe(({ state }) => state === 'live' && resolve(0)));
})";

async fn server() -> Server {
    Server::with(|config| {
        config.channels.history_size = 5_000;
        config.limits.requests_per_second = 0;
    })
    .await
}

/// Waits until the channel, which is new, is older than what is published in it from now on and then repeated: of what
/// may have been before it, the server would say that nobody knows.
async fn is_older() {
    tokio::time::sleep(REQUEST + Duration::from_millis(100)).await;
}

async fn run(page: &Page, js: &str) -> Value {
    page.eval(js).await.unwrap_or_else(|error| panic!("{error}\n{js}"))
}

/// Puts these numbers into the outbox; does not wait for more than the first answers.
async fn publish(page: &Page, from: u32, to: u32) {
    let js = format!(
        "{{ const sent = []; for (let n = {from}; n < {to}; n += 1) sent.push(client.channel('room').publish(n)); \
         Promise.all(sent.slice(0, 20)).then(() => 0) }}"
    );
    run(page, &js).await;
}

/// What the channel has, by the history.
async fn stored(page: &Page) -> Value {
    let read = "(async () => { const all = []; for await (const { data } of client.channel('room').history()) all.push(data); return all; })()";
    run(page, read).await
}

/// Waits until this number, a JavaScript expression, is at its goal. Each step towards it has its own time: every
/// publication is stored before it is sent, which takes long on a busy disk.
async fn comes_to(page: &Page, number: &str, goal: u64) {
    let mut at = run(page, number).await;
    while at != goal {
        let step = format!("{number} to go on from {at} to {goal}");
        at = until(&step, async || Some(run(page, number).await).filter(|now| *now != at)).await;
    }
}

async fn sent(page: &Page) {
    comes_to(page, "client.pending.get()", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_page_that_is_reloaded_while_it_sends() {
    let server = server().await;
    let browser = Browser::launch().await.expect("the browser starts");
    let page =
        browser.open(&format!("http://{}/", server.addr()), &PageOptions::default()).await.expect("the page opens");
    run(&page, CLIENT).await;
    is_older().await;
    publish(&page, 0, 1_000).await;
    let before = run(&page, "client.pending.get()").await;
    assert!(before.as_u64().is_some_and(|left| left > 0), "in the middle: {before} are left");
    page.reload().await.expect("the page loads again");
    run(&page, CLIENT).await;
    let count =
        "(async () => { let n = 0; for await (const _ of client.channel('room').history()) n += 1; return n; })()";
    comes_to(&page, count, 1_000).await;
    sent(&page).await;
    assert_eq!(stored(&page).await, json!((0..1_000).collect::<Vec<_>>()));
    assert_eq!(run(&page, "lost").await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn a_second_tab_on_the_same_store() {
    let server = server().await;
    let browser = Browser::launch().await.expect("the browser starts");
    let url = format!("http://{}/", server.addr());
    let page = browser.open(&url, &PageOptions::default()).await.expect("the page opens");
    run(&page, CLIENT).await;
    is_older().await;
    let second = browser.open_beside(&page, &url, &PageOptions::default()).await.expect("the page opens");
    publish(&page, 0, 500).await;
    run(&second, CLIENT).await;
    publish(&second, 500, 1_000).await;
    sent(&page).await;
    sent(&second).await;
    let all = stored(&page).await;
    let mut numbers: Vec<u64> = all.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1_000).collect::<Vec<_>>(), "each once");
    for page in [&page, &second] {
        assert_eq!(run(page, "lost").await, json!([]));
        let left = "new Promise((resolve) => { indexedDB.open('test 1').onsuccess = ({ target: { result } }) => { \
                    result.transaction('entries').objectStore('entries').count().onsuccess = ({ target }) => resolve(target.result); }; })";
        let empty = format!("(async () => {{ for (;;) if (await {left} === 0) return true; }})()");
        assert_eq!(run(page, &empty).await, true, "nothing is left in the store");
    }
}
