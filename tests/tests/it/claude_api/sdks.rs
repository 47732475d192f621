//! The provider's own SDKs ask the fake, and read the same as we do: so the fake is like the API, and so is our reading.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use ws_tests::fake_claude::{Script, Split};

use super::*;

/// Answers of all kinds, with their names.
fn scripts() -> Vec<(&'static str, Script)> {
    let thinking = || Script::new().begin().thinking("Her").thinking("ring").text("North.");
    vec![
        ("whole", Script::answer(&["Nor", "th 👋"])),
        ("byte by byte", Script::answer(&["Grüße, ", "👩‍👩‍👧‍👦"]).split(Split::Bytes(1))),
        ("cut anywhere", Script::answer(&["Nor", "th 世界"]).split(Split::Random(5))),
        ("CR LF", Script::new().line_end("\r\n").begin().text("North.").ping().stop("end_turn")),
        ("thinking", thinking().stop("end_turn")),
        ("omitted thinking", Script::new().begin().think().ping().text("North.").stop("end_turn")),
        ("max_tokens", Script::new().begin().text("Nor").stop("max_tokens")),
        ("refusal", Script::new().begin().text("I can").stop("refusal")),
        ("nothing said", Script::new().begin().stop("end_turn")),
        ("error after text", Script::new().begin().text("Nor").fail("overloaded_error", "Overloaded")),
        ("overloaded", Script::error(529, "overloaded_error", "Overloaded")),
        ("rate limit", Script::error(429, "rate_limit_error", "Too many tokens")),
        ("not found", Script::error(404, "not_found_error", "model: claude-x")),
        ("spend cap", Script::spend_cap()),
    ]
}

/// What the SDKs are asked to send: what we send, with everything set.
fn parameters() -> Value {
    json!({
        "model": "claude-sonnet-5-5", "max_tokens": 1000, "system": "Be brief.",
        "messages": [{"role": "user", "content": "Where do the herring go?"}],
        "thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"},
        "cache_control": {"type": "ephemeral"},
    })
}

/// What we read of a script.
async fn ours(claude: &FakeClaude, script: Script) -> Value {
    claude.answer(script);
    let asked = Question {
        system: Some("Be brief.".to_owned()),
        effort: Some("low".to_owned()),
        thinking: Thinking::Summarized,
        ..question("Where do the herring go?")
    };
    let (text, _, answer) = finish(without_retries(claude).ask(asked)).await;
    match &answer.end {
        End::Failed(failure) => json!({"error": failure.kind}),
        End::Complete | End::Refused => json!({
            "text": text, "stop_reason": answer.stop_reason, "id": answer.message_id, "model": answer.model,
            "input_tokens": answer.usage.input_tokens, "output_tokens": answer.usage.output_tokens,
        }),
    }
}

/// What an SDK reads of each script, and that it is sent what we send.
async fn reads_the_same(program: PathBuf, script: &str) {
    let claude = FakeClaude::start().await;
    let scripts = scripts();
    for (_, script) in &scripts {
        claude.answer(script.clone());
    }
    let output = Command::new(program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .args([claude.url(), fake_claude::KEY.to_owned(), parameters().to_string(), scripts.len().to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the SDK", output).await.expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let read: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let requests = claude.requests();
    assert_eq!(requests.iter().find_map(|request| request.refused.clone()), None);
    assert_eq!(read.len(), scripts.len());
    for ((name, script), read) in scripts.into_iter().zip(read) {
        assert_eq!(ours(&claude, script).await, read, "{name}");
    }
    let (theirs, ours) = (&requests[0].body, claude.requests().pop().expect("ours").body);
    assert_eq!(*theirs, ours, "the same body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "anthropic_js"), ignore = "Node.js is missing, or npm ci in tests/js")]
async fn typescript() {
    reads_the_same(require::found("anthropic_js"), "js/claude.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(found = "anthropic_py"), ignore = "Python is missing, or the packages of tests/py/requirements.txt")]
async fn python() {
    reads_the_same(require::found("anthropic_py"), "py/claude.py").await;
}
