//! Options in the query of a URL: `name=value`, separated by `&`.

/// The value of the first option with this name. Without `=` it is empty.
pub(super) fn option<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .map(|option| option.split_once('=').unwrap_or((option, "")))
        .find_map(|(known, value)| (known == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_its_name_counts() {
        let check = |query: &str, expect: Option<&str>| assert_eq!(option(query, "a"), expect, "{query}");
        check("a=1&a=2", Some("1"));
        check("b=1&a==&a=2", Some("="));
        check("b&a", Some(""));
        check("aa=1&ba=1&", None);
        check("", None);
    }
}
