//! What a token grants, for access modes that are `granted` (PROTOCOL section 7).

/// The lists of a token. They only ever add rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Channels to subscribe to.
    pub subscribe: Patterns,
    /// Channels to publish in.
    pub publish: Patterns,
    /// Channels whose presence to read.
    pub presence: Patterns,
    /// Channels whose history to read.
    pub history: Patterns,
    /// Actions that do not belong to a channel: `broadcast`, `get_connections`.
    pub actions: Patterns,
}

/// Names; one that ends with `*` matches every name with that prefix. A `*` anywhere else is an ordinary character.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(Box<[Box<str>]>);

impl Patterns {
    /// Whether one of them matches this name.
    pub fn cover(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => **pattern == *name,
        })
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for Patterns {
    fn from_iter<I: IntoIterator<Item = S>>(patterns: I) -> Self {
        Patterns(patterns.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |patterns: &[&str], name: &str, expect: bool| {
            let list: Patterns = patterns.iter().copied().collect();
            assert_eq!(list.cover(name), expect, "{name} in {patterns:?}");
        };
        check(&[], "a", false);
        check(&["a", "b"], "b", true);
        check(&["a"], "ab", false);
        check(&["chat:*"], "chat:", true);
        check(&["chat:*"], "chat:a:b", true);
        check(&["chat:*"], "chat", false);
        check(&["*"], "anything", true);
        check(&["chat:*:a"], "chat:b:a", false);
        check(&["**"], "a", false);
        check(&["新闻*"], "新闻:天气", true);
        check(&[""], "a", false);
    }
}
