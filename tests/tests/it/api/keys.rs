//! Who may use the API, and what its paths are.

use ws_server::config::ApiRights;
use ws_tests::api;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_the_api_is_off_and_says_how_to_turn_it_on() {
    let server = Server::start().await;
    for path in ["/node", "/nothing"] {
        let refused = Api::connect(server.addr()).await.ask("GET", path, Value::Null).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (403, "not_available"));
        assert!(refused.text().contains("--api-key"), "{}", refused.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_asks_for_the_key() {
    let (server, mut api) = api_server().await;
    for path in ["/api/v1/node", "/api/v1/nothing", "/api/v1", "/api/v1/"] {
        let refused = http::get(server.addr(), path).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (401, "unauthenticated"), "{path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    let mut stranger = Api::with(server.addr(), "sesam").await;
    assert_eq!(stranger.refusal("GET", "/node", Value::Null).await, (401, "unauthenticated".to_owned()));
    let in_own_header = http::ask(server.addr(), "GET", "/api/v1/node", &[("x-api-key", api::KEY)]).await;
    assert_eq!(in_own_header.status, 200);
    assert_eq!(api.ok("GET", "/node", Value::Null).await["engine"], "memory");
    let count = server.metrics().await.get(r#"ws_api_requests_total{key="none",route="other",status="401"}"#);
    assert_eq!(count, 5.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_and_methods() {
    let (_server, mut api) = api_server().await;
    for path in ["", "/", "/nothing", "/node/", "/channels/a/", "/channels/a/b", "/Node"] {
        assert_eq!(api.refusal("GET", path, Value::Null).await, (404, "not_found".to_owned()), "{path}");
    }
    let refused = api.ask("PATCH", "/channels/a/publications", Value::Null).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (405, "method_not_allowed"));
    assert_eq!(refused.header("allow"), Some("GET, HEAD, POST, DELETE"));
    let head = api.ask("HEAD", "/node", Value::Null).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_ne!(head.header("content-length"), Some("0"));
    let apix = http::get(_server.addr(), "/api/v1x").await;
    assert_eq!(apix.status, 404, "not below the prefix");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_does_what_its_right_says() {
    let server = Server::with(|config| {
        config.api.keys = [("read", ApiRights::Read), ("publish", ApiRights::Publish), ("admin", ApiRights::Admin)]
            .map(|(name, rights)| api::key(name, rights))
            .to_vec();
    })
    .await;
    let requests: [(&str, &str, Value, u8); 5] = [
        ("GET", "/channels/a/publications", Value::Null, 1),
        ("HEAD", "/node", Value::Null, 1),
        ("POST", "/channels/a/publications", json!({"data": 1}), 2),
        ("POST", "/broadcast", json!({"message": 1}), 2),
        ("DELETE", "/users/ann/connections", Value::Null, 3),
    ];
    for (rank, name) in [(1, "read"), (2, "publish"), (3, "admin")] {
        let mut api = Api::with(server.addr(), name).await;
        for (method, path, body, needed) in &requests {
            let response = api.ask(method, path, body.clone()).await;
            assert_eq!(response.status == 403, rank < *needed, "{name}: {method} {path}: {}", response.status);
        }
        let batch = json!({"requests": [{"method": "GET", "path": "/node"},
            {"method": "POST", "path": "/broadcast", "body": {"message": 1}}]});
        let answered = api.ok("POST", "/batch", batch).await;
        let statuses = [&answered["responses"][0]["status"], &answered["responses"][1]["status"]];
        assert_eq!(statuses, [200, if rank < 2 { 403 } else { 200 }], "{name}");
    }
}
