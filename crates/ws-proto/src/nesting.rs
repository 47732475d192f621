//! The bound on nesting, checked before anything is parsed.

/// Whether arrays and objects in `text` nest deeper than `max` levels.
///
/// A frame with few brackets, as nearly all have, costs one vectorised count.
pub(crate) fn exceeds(text: &str, max: usize) -> bool {
    opening(text) > max && deepest(text) > max
}

/// How many brackets open in `text`, those in strings too.
fn opening(text: &str) -> usize {
    // `[` and `{` differ in one bit. Sums of bytes, of as many as a byte can count, are what vectorises best.
    let is_opening = |byte: &u8| u8::from(byte | 0x20 == b'{');
    text.as_bytes().chunks(255).map(|chunk| usize::from(chunk.iter().map(is_opening).sum::<u8>())).sum()
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
    fn every_opening_bracket_counts() {
        let all: String = (0..128u8).map(char::from).collect();
        assert_eq!(opening(&all), 2);
        assert_eq!(opening("é[漢{"), 2);
        for length in [0, 1, 254, 255, 256, 510, 1_000] {
            assert_eq!(opening(&"[".repeat(length)), length);
        }
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
