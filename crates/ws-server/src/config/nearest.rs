//! "Did you mean …?": the known word that is nearest to an unknown one.

/// The nearest candidate, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().filter_map(|candidate| Some((distance(word, candidate)?, candidate)));
    scored.min_by_key(|(score, _)| *score).map(|(_, candidate)| candidate)
}

/// Edit distance: letters to insert, remove, change or swap, ignoring case. `None`: more than a third of the word.
pub(crate) fn distance(a: &str, b: &str) -> Option<usize> {
    let letters = |word: &str| word.to_lowercase().chars().collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let allowed = (b.len() / 3).max(1);
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    // rows[i][j]: from the first i letters of `a` to the first j letters of `b`.
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(row[j - 1] + 1).min(rows[i - 1][j] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    Some(rows[a.len()][b.len()]).filter(|distance| *distance <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expect: Option<&str>) {
        let known = ["addr", "log_format", "limits", "message_bytes_max"];
        assert_eq!(nearest(word, known), expect, "{word}");
    }

    #[test]
    fn near_and_far() {
        check("addr", Some("addr"));
        check("adr", Some("addr"));
        check("limts", Some("limits"));
        check("lmiits", Some("limits"));
        check("adrd", Some("addr"));
        check("logformat", Some("log_format"));
        check("messages_byte_max", Some("message_bytes_max"));
        check("port", None);
        check("bytes_max", None);
        check("", None);
    }
}
