//! The body of a request.

use serde::Serialize;

use super::question::{Question, Thinking, Turn};

/// What is sent. What nobody set is absent.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System<'a>>,
    messages: &'a [Turn],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum System<'a> {
    Text(&'a str),
    Blocks([SystemBlock<'a>; 1]),
}

#[derive(Serialize)]
struct SystemBlock<'a> {
    r#type: &'static str,
    text: &'a str,
    cache_control: CacheControl,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    effort: &'a str,
}

#[derive(Serialize)]
struct ThinkingConfig {
    r#type: &'static str,
    display: &'static str,
}

#[derive(Serialize)]
struct CacheControl {
    r#type: &'static str,
}

const EPHEMERAL: CacheControl = CacheControl { r#type: "ephemeral" };

/// The body for a question, as JSON.
///
/// With `cache`, the provider keeps the conversation up to its last turn, so that the next question of it reads what this
/// one wrote. Where turns are cut off at its beginning, that prefix would never come again: then the system prompt alone
/// is kept, if there is one.
pub(super) fn body(question: &Question, cache: bool) -> serde_json::Result<Vec<u8>> {
    let system = question.system.as_deref().filter(|system| !system.is_empty());
    let system = system.map(|text| match cache && question.is_cut {
        true => System::Blocks([SystemBlock { r#type: "text", text, cache_control: EPHEMERAL }]),
        false => System::Text(text),
    });
    let effort = question.effort.as_deref().filter(|effort| !effort.is_empty());
    serde_json::to_vec(&Body {
        model: &question.model,
        max_tokens: question.max_tokens,
        system,
        messages: &question.messages,
        stream: true,
        output_config: effort.map(|effort| OutputConfig { effort }),
        thinking: match question.thinking {
            Thinking::Omitted => None,
            Thinking::Summarized => Some(ThinkingConfig { r#type: "adaptive", display: "summarized" }),
        },
        cache_control: (cache && !question.is_cut).then_some(EPHEMERAL),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::question::Role;
    use super::*;

    fn question() -> Question {
        let turn = |role, content: &str| Turn { role, content: content.to_owned() };
        Question {
            model: "claude-sonnet-5-5".to_owned(),
            max_tokens: 16_000,
            system: None,
            messages: vec![turn(Role::User, "a"), turn(Role::Assistant, "b"), turn(Role::User, "c \"d\"\n")],
            effort: None,
            thinking: Thinking::Omitted,
            is_cut: false,
        }
    }

    #[track_caller]
    fn check(question: &Question, cache: bool, expect: Value) {
        let body = body(question, cache).expect("encodes");
        let mut all = json!({"model": "claude-sonnet-5-5", "max_tokens": 16_000, "stream": true, "messages": [
            {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c \"d\"\n"},
        ]});
        all.as_object_mut().expect("an object").extend(expect.as_object().cloned().expect("an object"));
        assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), all);
    }

    #[test]
    fn what_nobody_set_is_not_sent() {
        check(&question(), false, json!({}));
        let empty = Question { system: Some(String::new()), effort: Some(String::new()), ..question() };
        check(&empty, false, json!({}));
    }

    #[test]
    fn what_is_set_is_sent() {
        let set = Question {
            system: Some("Be brief.".to_owned()),
            effort: Some("low".to_owned()),
            thinking: Thinking::Summarized,
            ..question()
        };
        check(
            &set,
            false,
            json!({
                "system": "Be brief.",
                "output_config": {"effort": "low"},
                "thinking": {"type": "adaptive", "display": "summarized"},
            }),
        );
    }

    #[test]
    fn a_prefix_that_comes_again_is_cached() {
        let ephemeral = json!({"type": "ephemeral"});
        let system = || Some("Be brief.".to_owned());
        check(&question(), true, json!({"cache_control": ephemeral}));
        let with_system = Question { system: system(), ..question() };
        check(&with_system, true, json!({"cache_control": ephemeral, "system": "Be brief."}));
        let cut = Question { is_cut: true, ..question() };
        check(&cut, true, json!({}));
        let cut_with_system = Question { system: system(), is_cut: true, ..question() };
        let block = json!([{"type": "text", "text": "Be brief.", "cache_control": ephemeral}]);
        check(&cut_with_system, true, json!({ "system": block }));
        check(&cut_with_system, false, json!({"system": "Be brief."}));
    }
}
