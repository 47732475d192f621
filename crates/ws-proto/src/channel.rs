//! Names of channels (PROTOCOL section 5).
//!
//! Not here: which namespaces exist and what they allow. A valid name may still be refused for that.

use crate::error::{ErrorBody, ErrorCode};
use crate::limits::{CHANNEL_BYTES_MAX, QUOTE_BYTES_MAX};

/// A valid channel name, borrowed: `name` or `namespace:name`, optionally followed by `#user,user`.
///
/// ```
/// use ws_proto::ChannelName;
///
/// let channel = ChannelName::parse("chat:pair#ann,bob")?;
/// assert_eq!(channel.namespace(), Some("chat"));
/// assert!(channel.is_for(Some("bob")) && !channel.is_for(Some("eve")) && !channel.is_for(None));
/// # Ok::<(), ws_proto::ErrorBody>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName<'a> {
    name: &'a str,
    /// Bytes before the first `:`.
    namespace: Option<usize>,
    /// Bytes before the first `#`.
    users: Option<usize>,
}

impl<'a> ChannelName<'a> {
    /// Validates a name: 1 to 255 bytes without (Unicode) white space, control characters and `*`. The part before
    /// the first `:` is the namespace, the part after the first `#` is a list of users. Neither may be empty, nor
    /// any user, nor the rest of the name. `.` and `..` are no names either.
    ///
    /// # Errors
    /// `invalid_channel` that says what is wrong.
    pub fn parse(name: &'a str) -> Result<Self, ErrorBody> {
        let channel = ChannelName { name, namespace: name.find(':'), users: name.find('#') };
        match channel.mistake() {
            None => Ok(channel),
            Some(mistake) => Err(invalid(name, &mistake)),
        }
    }

    /// The whole name.
    pub fn as_str(self) -> &'a str {
        self.name
    }

    /// The namespace; `None` without a `:`.
    pub fn namespace(self) -> Option<&'a str> {
        self.namespace.map(|end| &self.name[..end])
    }

    /// The users the channel is for; `None` if it is for everybody.
    pub fn users(self) -> Option<impl Iterator<Item = &'a str>> {
        self.users.map(|end| self.name[end + 1..].split(','))
    }

    /// Whether the channel is for this user; `None` is an anonymous connection. A channel without a list of users is
    /// for everybody.
    pub fn is_for(self, user: Option<&str>) -> bool {
        match self.users() {
            None => true,
            Some(mut users) => user.is_some_and(|user| users.any(|listed| listed == user)),
        }
    }

    /// The name without namespace and users. Here a `:` after the first `#` belongs to the users, although it also
    /// ends the namespace.
    fn proper(self) -> &'a str {
        let end = self.users.unwrap_or(self.name.len());
        let start = self.namespace.filter(|colon| *colon < end).map_or(0, |colon| colon + 1);
        &self.name[start..end]
    }

    fn mistake(self) -> Option<String> {
        let bytes = self.name.len();
        if bytes > CHANNEL_BYTES_MAX {
            return Some(format!("is {bytes} bytes long, more than {CHANNEL_BYTES_MAX}"));
        }
        let forbidden = |c: &char| c.is_whitespace() || c.is_control() || *c == '*';
        if let Some(found) = self.name.chars().find(forbidden) {
            return Some(format!("contains {found:?}: white space, control characters and '*' are not allowed"));
        }
        let mistake = if bytes == 0 {
            "is empty"
        } else if matches!(self.name, "." | "..") {
            "cannot stand in a URL: clients fold `.` and `..` in paths"
        } else if self.namespace == Some(0) {
            "has an empty namespace before ':'"
        } else if self.proper().is_empty() {
            "is empty apart from its namespace and users"
        } else if self.users().is_some_and(|mut users| users.any(str::is_empty)) {
            "has an empty user after '#': write name#user1,user2"
        } else {
            return None;
        };
        Some(mistake.to_owned())
    }
}

/// The name is untrusted input: the error stays small however long the name is.
fn invalid(name: &str, mistake: &str) -> ErrorBody {
    let quoted = &name[..name.floor_char_boundary(QUOTE_BYTES_MAX)];
    let cut = if quoted.len() < name.len() { "…" } else { "" };
    ErrorBody::new(ErrorCode::InvalidChannel, format!("channel name {quoted:?}{cut} {mistake}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_in_order() {
        let check = |name: &str, namespace: Option<&str>, proper: &str, users: Option<&[&str]>| {
            let channel = ChannelName::parse(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let listed: Option<Vec<_>> = channel.users().map(Iterator::collect);
            assert_eq!(
                (channel.as_str(), channel.namespace(), channel.proper(), listed.as_deref()),
                (name, namespace, proper, users)
            );
        };
        check("a", None, "a", None);
        check("chat:room", Some("chat"), "room", None);
        check("chat:room:7", Some("chat"), "room:7", None);
        check("chat::", Some("chat"), ":", None);
        check("pair#ann,bob", None, "pair", Some(&["ann", "bob"]));
        check("chat:pair#ann", Some("chat"), "pair", Some(&["ann"]));
        check("chat:a#b#c,d", Some("chat"), "a", Some(&["b#c", "d"]));
        check("chat:a#b:c", Some("chat"), "a", Some(&["b:c"]));
        check("x#a:b", Some("x#a"), "x", Some(&["a:b"]));
        check("a,b", None, "a,b", None);
        check("新闻:天气😀", Some("新闻"), "天气😀", None);
        check("...", None, "...", None);
        check("a:..", Some("a"), "..", None);
        check(".#ann", None, ".", Some(&["ann"]));
        check("a/b.c-d_e$f?g\"h\\i", None, "a/b.c-d_e$f?g\"h\\i", None);
        let longest = "é".repeat(127) + "x";
        check(&longest, None, &longest, None);
    }

    #[test]
    fn names_with_a_mistake() {
        let check = |name: &str, expect: &str| {
            let error = ChannelName::parse(name).expect_err(name);
            assert_eq!((error.code, &*error.message), (ErrorCode::InvalidChannel, expect));
        };
        let forbidden = |name: &str, found: &str| {
            let no = "white space, control characters and '*' are not allowed";
            check(name, &format!("channel name {name:?} contains {found}: {no}"));
        };
        forbidden("a b", "' '");
        forbidden(" ", "' '");
        forbidden("a\tb", r"'\t'");
        forbidden("a\u{a0}", r"'\u{a0}'");
        forbidden("a\u{3000}b", r"'\u{3000}'");
        forbidden("a\u{2028}", r"'\u{2028}'");
        forbidden("a\0", r"'\0'");
        forbidden("a\u{7f}", r"'\u{7f}'");
        forbidden("a\u{85}", r"'\u{85}'");
        forbidden("chat:*", "'*'");
        forbidden("pair#ann bob", "' '");
        check("", "channel name \"\" is empty");
        let folded = "cannot stand in a URL: clients fold `.` and `..` in paths";
        check(".", &format!("channel name \".\" {folded}"));
        check("..", &format!("channel name \"..\" {folded}"));
        check(":", "channel name \":\" has an empty namespace before ':'");
        check(":x", "channel name \":x\" has an empty namespace before ':'");
        let proper = "is empty apart from its namespace and users";
        check("chat:", &format!("channel name \"chat:\" {proper}"));
        check("#ann", &format!("channel name \"#ann\" {proper}"));
        check("#:x", &format!("channel name \"#:x\" {proper}"));
        check("chat:#ann", &format!("channel name \"chat:#ann\" {proper}"));
        let user = "has an empty user after '#': write name#user1,user2";
        check("x#", &format!("channel name \"x#\" {user}"));
        check("x#,", &format!("channel name \"x#,\" {user}"));
        check("x#a,,b", &format!("channel name \"x#a,,b\" {user}"));
        check("x#a,", &format!("channel name \"x#a,\" {user}"));
        let quoted = "é".repeat(32);
        let long = "é".repeat(128);
        check(&long, &format!("channel name \"{quoted}\"… is 256 bytes long, more than 255"));
    }

    #[test]
    fn whom_a_channel_is_for() {
        let check = |name: &str, user: Option<&str>, expect: bool| {
            let channel = ChannelName::parse(name).expect("in order");
            assert_eq!(channel.is_for(user), expect, "{name} for {user:?}");
        };
        check("news", None, true);
        check("news", Some("ann"), true);
        check("pair#ann,bob", Some("ann"), true);
        check("pair#ann,bob", Some("bob"), true);
        check("pair#ann,bob", Some("an"), false);
        check("pair#ann,bob", Some("ann,bob"), false);
        check("pair#ann,bob", Some("Ann"), false);
        check("pair#ann,bob", Some(""), false);
        check("pair#ann,bob", None, false);
        check("x#a:b", Some("b"), false);
        check("x#a:b", Some("a:b"), true);
    }
}
