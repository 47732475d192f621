//! What is sent, as the API judges it.

use ws_tests::fake_claude::{Request, Script};

use super::*;

/// Asks, and returns what the fake got.
async fn sent(claude: &FakeClaude, settings: Settings, question: Question) -> Request {
    let upstream = Upstream::new(settings).expect("a client");
    let (_, _, answer) = finish(upstream.ask(question)).await;
    assert_eq!(answer.end, End::Complete);
    let request = claude.requests().pop().expect("a request");
    assert_eq!(request.refused, None);
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_is_accepted() {
    let claude = FakeClaude::start().await;
    let turn = |role, content: &str| Turn { role, content: content.to_owned() };
    for bits in 0..32_u32 {
        let is = |bit: u32| bits & (1 << bit) != 0;
        let mut asked = question("Where do the herring go?");
        asked.system = is(0).then(|| "Be brief.".to_owned());
        asked.effort = is(1).then(|| "low".to_owned());
        asked.thinking = if is(2) { Thinking::Summarized } else { Thinking::Omitted };
        asked.is_cut = is(3);
        if is(4) {
            asked.messages.extend([turn(Role::Assistant, "North."), turn(Role::User, "And then?")]);
        }
        for cache in [true, false] {
            let request = sent(&claude, Settings { cache, ..settings(&claude.url()) }, asked.clone()).await;
            assert_eq!(request.body["messages"], serde_json::to_value(&asked.messages).expect("JSON"));
            assert_eq!(request.body["stream"], true);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_in_the_header_that_is_set() {
    let claude = FakeClaude::start().await;
    let header = |request: &Request, name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let request = sent(&claude, settings(&claude.url()), question("Hi")).await;
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/messages"));
    assert_eq!(
        (header(&request, "x-api-key"), header(&request, "authorization")),
        (fake_claude::KEY.to_owned(), String::new())
    );
    assert_eq!(header(&request, "user-agent"), format!("ws-server/{}", env!("CARGO_PKG_VERSION")));
    let bearer = Settings { auth: Auth::Bearer, ..settings(&claude.url()) };
    let request = sent(&claude, bearer, question("Hi")).await;
    assert_eq!(header(&request, "authorization"), format!("Bearer {}", fake_claude::KEY));
    assert_eq!(header(&request, "x-api-key"), "");
    let with_password = claude.url().replace("http://", "http://ann:trout@");
    let request = sent(&claude, settings(&format!("{with_password}/gateway/v1/")), question("Hi")).await;
    assert_eq!(
        (request.path.as_str(), header(&request, "authorization").as_str()),
        ("/gateway/v1/messages", "Basic YW5uOnRyb3V0")
    );
    assert_eq!(header(&request, "host"), claude.addr().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_repeated_nowhere() {
    let claude = FakeClaude::start().await;
    let key = Key::new("sk-ant-api03-swordfish-0123456789").expect("a key");
    let upstream = Upstream::new(Settings { key, ..settings(&claude.url()) }).expect("a client");
    let (_, retries, answer) = finish(upstream.ask(question("Hi"))).await;
    let refused = claude.requests()[0].refused.clone().expect("a refusal");
    assert!(refused.message.contains("swordfish"), "the fake repeats keys: {refused}");
    assert_eq!((failure(&answer).status, retries), (Some(401), 0));
    let shown = format!("{upstream:?} {answer:?}");
    assert!(!shown.contains("swordfish"), "{shown}");
}

/// They would take the key elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_not_followed() {
    let (claude, elsewhere) = (FakeClaude::start().await, FakeClaude::start().await);
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/v1/messages", elsewhere.url());
        claude.answer(Script::body(status, "text/plain", b"").header("location", &to));
        let (_, _, answer) = finish(upstream(&claude).ask(question("Hi"))).await;
        assert_eq!(failure(&answer).status, Some(status));
    }
    assert_eq!((elsewhere.accepted(), claude.requests().len()), (0, 5));
}
