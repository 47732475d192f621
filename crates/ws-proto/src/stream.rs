//! Names of the streams of Claude's runs (PROTOCOL section 8): `claude:` + channel + `/` + run id.

use crate::limits::{ASKING_CHANNEL_BYTES_MAX, RUN_ID_BYTES_MAX};

/// The namespace of all streams. It is built in.
pub const CLAUDE_NAMESPACE: &str = "claude";

/// What the name of a stream consists of: the channel, whose name may still be none, and the run id.
///
/// # Errors
/// Why it is no stream's name.
pub(crate) fn stream_parts(name: &str) -> Result<(&str, &str), String> {
    let rest = name.strip_prefix(CLAUDE_NAMESPACE).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
    let Some((of, run_id)) = rest.rsplit_once('/') else {
        return Err("is no stream of Claude: `claude:` is followed by a channel, `/` and a run id".to_owned());
    };
    if let Some(mistake) = run_id_mistake(run_id) {
        return Err(format!("is no stream of Claude: the run id after its last `/` {mistake}"));
    }
    if of.len() > ASKING_CHANNEL_BYTES_MAX {
        let bytes = of.len();
        return Err(format!(
            "is no stream of Claude: its channel is {bytes} bytes long, more than {ASKING_CHANNEL_BYTES_MAX}"
        ));
    }
    if of.split_once(':').is_some_and(|(namespace, _)| namespace == CLAUDE_NAMESPACE) {
        return Err("is no stream of Claude: nobody can ask in a stream".to_owned());
    }
    Ok((of, run_id))
}

/// What is wrong with a run id, if anything is: it has 1 to 64 bytes of `A–Z a–z 0–9 - _`.
pub fn run_id_mistake(run_id: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match run_id.len() {
        0 => Some("is empty".to_owned()),
        bytes if bytes > RUN_ID_BYTES_MAX => Some(format!("has {bytes} bytes, more than {RUN_ID_BYTES_MAX}")),
        _ if !run_id.bytes().all(is_plain) => Some("has other characters than A–Z, a–z, 0–9, `-` and `_`".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids() {
        let longest = "x".repeat(64);
        for id in ["1", "a-b_C", "-", &longest] {
            assert_eq!(run_id_mistake(id), None, "{id}");
        }
        for id in ["", "a b", "a/b", "é", "a.b", &format!("{longest}x")] {
            assert!(run_id_mistake(id).is_some(), "{id}");
        }
    }
}
