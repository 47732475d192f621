//! ws-claude's half towards the provider, over real sockets to a fake of the Messages API. What it makes of each answer is
//! tested beside its code, without sockets.

mod bytes;
mod connections;
mod environment;
mod real;
mod requests;
mod sdks;

use ws_claude::upstream::{
    Answer, Auth, BaseUrl, Call, End, Failure, Key, Progress, Question, Role, Settings, Thinking, Turn, Upstream,
};
use ws_tests::fake_claude::{self, FakeClaude};
use ws_tests::prelude::*;

/// Settings for a provider at this URL. Its timeouts are longer than any test waits.
fn settings(url: &str) -> Settings {
    Settings {
        base_url: BaseUrl::parse(url).expect("a URL"),
        auth: Auth::XApiKey,
        key: Key::new(fake_claude::KEY).expect("a key"),
        first_token_timeout: Duration::from_secs(300),
        idle_timeout: Duration::from_secs(90),
        retries_max: 2,
        cache: true,
    }
}

fn upstream(claude: &FakeClaude) -> Upstream {
    Upstream::new(settings(&claude.url())).expect("a client")
}

/// The same, which sends nothing again.
fn without_retries(claude: &FakeClaude) -> Upstream {
    Upstream::new(Settings { retries_max: 0, ..settings(&claude.url()) }).expect("a client")
}

fn question(content: &str) -> Question {
    Question {
        model: "claude-sonnet-5-5".to_owned(),
        max_tokens: 1000,
        system: None,
        messages: vec![Turn { role: Role::User, content: content.to_owned() }],
        effort: None,
        thinking: Thinking::Omitted,
        is_cut: false,
    }
}

/// What comes of a call: the text, how often it was sent again, and the answer.
async fn finish(mut call: Call) -> (String, usize, Answer) {
    let (mut text, mut retries) = (String::new(), 0);
    loop {
        match within("the next step", call.next()).await {
            Progress::Text(piece) => text.push_str(&piece),
            Progress::Thinking(_) => {}
            Progress::Retrying { .. } => retries += 1,
            Progress::End(answer) => return (text, retries, answer),
        }
    }
}

/// Waits for the first text.
async fn first_text(call: &mut Call) -> String {
    match within("the first text", call.next()).await {
        Progress::Text(text) => text,
        step => panic!("{step:?}"),
    }
}

#[track_caller]
fn failure(answer: &Answer) -> &Failure {
    match &answer.end {
        End::Failed(failure) => failure,
        end => panic!("{end:?}"),
    }
}
