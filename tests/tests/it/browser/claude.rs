//! Claude's panel, before a server that plays a run from a script.

use ws_tests::chromium::{Page, PageOptions};
use ws_tests::prelude::*;

use super::{browser, fill, has, quiet, shows, text_of};

/// Stands in for the server: `wrote(text…)` writes into the run's stream, `ended(data)` ends it, in its channel too;
/// `other(data)` is what the channel says of a run of somebody else.
const SCRIPT: &str = r#"{
    window.sent = [];
    let socket, offset = 0;
    const stream = 'claude:lobby/r', from = { service: 'claude', user: null };
    const say = (data) => socket.onmessage({ data: JSON.stringify({ type: 'notification', data }) });
    const publish = (channel, offset, data) => say({ event: 'publication', channel, offset, data, time: Date.now(), from });
    const answers = {
        subscribe: ({ channel, since }) => ({ channel, epoch: 'e', offset, after: since?.offset ?? offset }),
        ask_claude: ({ run_id, channel }) => ({ run_id, channel, epoch: 'e', offset: 1, stream, stream_epoch: 'e' }),
        cancel_claude: ({ run_id }) => ({ run_id, status: 'cancelling' }),
    };
    window.WebSocket = class {
        constructor() {
            socket = this;
            setTimeout(() => {
                this.readyState = 1;
                this.onopen();
                say({ event: 'connected', connection_id: 'c', protocol: 1, server: 'script', time: Date.now(), user: null,
                    heartbeat: { interval_ms: 1e6, timeout_ms: 1e6 }, limits: { message_bytes_max: 65536, channels_max: 128 } });
            });
        }
        send(text) {
            const { id, action, payload } = JSON.parse(text);
            window.sent.push([action, payload]);
            const refused = action === 'ask_claude' && payload.prompt === 'no';
            queueMicrotask(() => socket === this && this.onmessage({ data: JSON.stringify(refused
                ? { id, type: 'error', error: { code: 'not_available', message: 'no key: set claude.api_key', retryable: false } }
                : { id, type: 'response', data: answers[action]?.(payload) ?? {} }) }));
        }
        close() { this.readyState = 3; }
    };
    window.wrote = (...texts) => texts.forEach((text) => publish(stream, offset += 1, { claude: 'text', index: offset - 1, text }));
    window.other = (data) => publish('lobby', 3, { stream: `claude:lobby/${data.run_id}`, stream_epoch: 'e', ...data });
    window.ended = (data) => {
        const { text, ...rest } = { claude: 'finished', run_id: sent.find(([action]) => action === 'ask_claude')[1].run_id, ...data };
        publish(stream, offset += 1, rest);
        publish('lobby', 2, { ...rest, text });
    };
}"#;

async fn run(page: &Page, js: &str) {
    page.eval(js).await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn an_answer_is_read_while_it_is_written_over_a_reconnect_and_stopped() {
    let browser = browser().await;
    let server = Server::start().await;
    let url = format!("http://{}/?connect=off", server.addr());
    let page = browser.open(&url, &PageOptions::default()).await.expect("the page opens");
    run(&page, SCRIPT).await;
    page.click("#connect").await.expect("a button");
    has(&page, "#state", json!({"state": "connected"})).await;

    fill(&page, "#claude-prompt", "no").await;
    page.click("#claude-ask").await.expect("a button");
    has(&page, "#claude-result", json!({"status": "error"})).await;
    assert!(text_of(&page, "#claude-result").await.ends_with("not_available: no key: set claude.api_key"));

    fill(&page, "#claude-prompt", "What is <b>bold</b>?").await;
    fill(&page, "#claude-context", "2").await;
    run(&page, "sent.length = 0").await;
    page.click("#claude-ask").await.expect("a button");
    has(&page, "#claude-result", json!({"status": "ok"})).await;
    let asked = page.eval("sent.find(([action]) => action === 'ask_claude')[1]").await.expect("a request");
    assert_eq!((&asked["prompt"], &asked["context"]), (&json!("What is <b>bold</b>?"), &json!(2)));
    let row = "#claude-list li";
    has(&page, row, json!({"status": "running", "channel": "lobby"})).await;
    assert_eq!(text_of(&page, ".run-prompt").await, "What is <b>bold</b>?");
    let reads = async |text: &str| {
        shows(&page, &format!("document.querySelector('.run-text').textContent === {}", json!(text))).await;
    };
    run(&page, "wrote('It ', '<i>is</i> ')").await;
    reads("It <i>is</i> ").await;

    // The stream goes on where it was, once.
    fill(&page, "#drop-delay", "3600").await;
    page.click("#drop-now").await.expect("a button");
    has(&page, "#state", json!({"acts": "reconnect"})).await;
    run(
        &page,
        "sent.length = 1, sent[0] = ['ask_claude', { run_id: document.querySelector('#claude-list li').dataset.run }]",
    )
    .await;
    page.click("#act-now").await.expect("a button");
    has(&page, "#state", json!({"state": "connected"})).await;
    shows(&page, "sent.some(([action, { since }]) => action === 'subscribe' && since.offset === 2)").await;
    run(&page, "wrote('so')").await;
    reads("It <i>is</i> so").await;

    page.click(".run .stop").await.expect("a button");
    shows(&page, "sent.some(([action]) => action === 'cancel_claude')").await;
    run(
        &page,
        "ended({ status: 'cancelled', text: 'It <i>is</i> so.', usage: { input_tokens: 12, output_tokens: 3 } })",
    )
    .await;
    has(&page, row, json!({"status": "cancelled"})).await;
    reads("It <i>is</i> so.").await;
    assert_eq!(text_of(&page, ".run-state").await, "stopped · 12 tokens in, 3 out");
    shows(&page, "document.querySelector('.run .stop').hidden").await;
    quiet(&page);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "chromium"), ignore = "Chromium is missing")]
async fn runs_that_have_ended_or_are_not_shown_are_not_followed() {
    let browser = browser().await;
    let server = Server::start().await;
    let url = format!("http://{}/?connect=off", server.addr());
    let page = browser.open(&url, &PageOptions::default()).await.expect("the page opens");
    run(&page, SCRIPT).await;
    page.click("#connect").await.expect("a button");
    has(&page, "#state", json!({"state": "connected"})).await;
    // As a rewind brings them: many that have ended, and more that have not than are shown.
    let begin = "const begin = (id) => other({ claude: 'started', run_id: id, prompt: id })";
    let end = "const end = (id) => other({ claude: 'finished', run_id: id, status: 'complete', text: id })";
    run(&page, &format!("{{ {begin}; {end}; for (let i = 0; i < 200; i++) begin(`old-${{i}}`), end(`old-${{i}}`); }}"))
        .await;
    has(&page, "#claude-list li", json!({"run": "old-199", "status": "complete"})).await;
    run(&page, &format!("{{ {begin}; for (let i = 0; i < 30; i++) begin(`new-${{i}}`); }}")).await;
    has(&page, "#claude-list li", json!({"run": "new-29", "status": "running"})).await;
    let named = |action: &str| {
        format!(
            "sent.filter(([action, {{ channel }}]) => action === '{action}' && channel.startsWith('claude:')).map(([, {{ channel }}]) => channel).join()"
        )
    };
    let shown = (10..30).map(|i| format!("claude:lobby/new-{i}")).collect::<Vec<_>>().join(",");
    shows(&page, &format!("{} === '{shown}'", named("subscribe"))).await;
    // One ends in a way that this page does not know; the next one pushes the oldest out.
    run(&page, "other({ claude: 'finished', run_id: 'new-29', status: 'novel', text: 'Done.' })").await;
    shows(&page, &format!("{} === 'claude:lobby/new-29'", named("unsubscribe"))).await;
    shows(&page, "document.querySelector('#claude-list li .run-state').textContent === 'novel'").await;
    run(&page, &format!("{{ {begin}; begin('last'); }}")).await;
    has(&page, "#claude-list li", json!({"run": "last", "status": "running"})).await;
    shows(&page, &format!("{} === 'claude:lobby/new-29,claude:lobby/new-10'", named("unsubscribe"))).await;

    page.click("#connect").await.expect("a button");
    has(&page, "#state", json!({"state": "disconnected"})).await;
    page.click("#claude-list li .stop").await.expect("a button");
    shows(&page, "document.querySelector('#claude-list li .run-state').textContent === 'running · Not connected.'")
        .await;
    page.click("#connect").await.expect("a button");
    shows(&page, "document.querySelector('#claude-list li .run-state').textContent === 'running'").await;
    quiet(&page);
}
