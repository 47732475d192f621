//! Several requests in one.

use super::*;

fn statuses(answered: &Value) -> Vec<u64> {
    let responses = answered["responses"].as_array().expect("a list");
    responses.iter().map(|response| response["status"].as_u64().expect("a status")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_has_an_answer_of_its_own() {
    let (_server, mut api) = api_server().await;
    let publish = |data: u64| json!({"method": "POST", "path": "/channels/a/publications", "body": {"data": data}});
    let requests = json!([
        publish(1),
        publish(2),
        {"method": "GET", "path": "/channels/a/publications?limit=1&reverse=true"},
        {"method": "POST", "path": "/channels/a/publications"},
        {"method": "GET", "path": "/nothing"},
        {"method": "PUT", "path": "/node"},
        {"method": "brew", "path": "/node"},
        {"method": "POST", "path": "/batch", "body": {"requests": []}},
        {"method": "GET", "path": "channels"},
    ]);
    let answered = api.ok("POST", "/batch", json!({ "requests": requests })).await;
    assert_eq!(statuses(&answered), [200, 200, 200, 400, 404, 405, 405, 403, 404]);
    assert_eq!(answered["responses"][1]["body"]["offset"], 2, "one after the other");
    assert_eq!(answered["responses"][2]["body"]["publications"][0]["data"], 2);
    assert_eq!(answered["responses"][5]["body"]["error"]["code"], "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_has_a_size() {
    let (_server, mut api) = api_server().await;
    let node = json!({"method": "GET", "path": "/node"});
    let batch = |count: usize| json!({"requests": vec![node.clone(); count], "parallel": true});
    let answered = api.ok("POST", "/batch", batch(1000)).await;
    assert_eq!(statuses(&answered), vec![200; 1000]);
    assert_eq!(api.refusal("POST", "/batch", batch(1001)).await, (400, "invalid_payload".to_owned()));
    assert_eq!(api.ok("POST", "/batch", json!({"requests": []})).await, json!({"responses": []}));
    assert_eq!(api.refusal("POST", "/batch", json!({})).await, (400, "invalid_payload".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_over_the_limit_is_refused_and_a_write_is_not_begun() {
    let (_server, mut api) = api_server().await;
    let large = json!({"data": "x".repeat(60_000)});
    for _ in 0..10 {
        api.ok("POST", "/channels/a/publications", large.clone()).await;
    }
    // 240 KB or more each: at most 70 of them fit into 16 MiB.
    let page = json!({"method": "GET", "path": "/channels/a/publications"});
    let mut requests = vec![page; 100];
    requests.push(json!({"method": "GET", "path": "/node"}));
    let response = api.ask("POST", "/batch", json!({ "requests": requests })).await;
    assert!(response.body.len() <= 16 << 20, "{}", response.body.len());
    let statuses = statuses(&response.json());
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!((1..100).contains(&refused) && statuses[0] == 200, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&200), "a small one still fits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_of_a_batch_may_be_larger_than_it_could_be_alone() {
    let (_server, mut api) = api_server().await;
    let path = "/channels/a/publications";
    let large = json!({"method": "POST", "path": path, "body": {"data": "x".repeat(65_536)}});
    let small = json!({"method": "POST", "path": path, "body": {"data": 1}});
    let answered = api.ok("POST", "/batch", json!({"requests": [large, small]})).await;
    assert_eq!(statuses(&answered), [413, 200]);
    assert_eq!(answered["responses"][0]["body"]["error"]["code"], "too_large");
    assert_eq!(answered["responses"][1]["body"]["offset"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_what_is_being_answered() {
    let (mut server, mut api) = api_server().await;
    let publish = json!({"method": "POST", "path": "/channels/a/publications", "body": {"data": "x".repeat(30_000)}});
    let body = json!({ "requests": vec![publish; 30] }).to_string();
    let head = [("Content-Length", &*body.len().to_string()), ("X-API-Key", ws_tests::api::KEY)];
    let mut raw = Raw::connect(server.addr()).await;
    raw.write((raw::request("POST", "/api/v1/batch", &head) + &body).as_bytes()).await;
    // It has begun once something of it is there.
    until("the batch to begin", async || {
        let page = api.ok("GET", "/channels/a/publications?limit=1", Value::Null).await;
        (page["offset"] != 0).then_some(())
    })
    .await;
    server.begin_drain();
    let answered = raw.response(true).await;
    assert_eq!(statuses(&answered.json()), vec![200; 30]);
    server.ended().await;
}
