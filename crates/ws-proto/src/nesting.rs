//! The bound on nesting, checked before anything is parsed.

/// Whether arrays and objects in `text` nest deeper than `max` levels.
///
/// A frame with few brackets, as nearly all have, costs one vectorised count.
pub(crate) fn exceeds(text: &str, max: usize) -> bool {
    let opening = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    opening > max && deepest(text) > max
}

/// Deepest level that `text` reaches outside of strings. Only brackets count, their kinds need not match.
fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_only_outside_of_strings() {
        let check = |text: &str, expect: usize| assert_eq!(deepest(text), expect, "{text}");
        check("1", 0);
        check("[]", 1);
        check(r#"{"a":[{}]}"#, 3);
        check(r#"["[[[","\"[["]"#, 1);
        check(r#"["\\",[]]"#, 2);
        check("][", 1);
    }

    #[test]
    fn wide_is_not_deep() {
        let wide = format!("[{}[]]", "[],".repeat(10_000));
        assert!(!exceeds(&wide, 2));
        assert!(exceeds(&wide, 1));
        assert!(exceeds(&"[".repeat(100_000), 128));
        assert!(!exceeds(&"[".repeat(128), 128));
    }
}
