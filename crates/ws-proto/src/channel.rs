//! Names of channels (PROTOCOL section 5), and those of Claude's streams among them (section 8).
//!
//! Not here: which namespaces exist and what they allow. A valid name may still be refused for that.

use std::fmt;

use crate::error::{ErrorBody, ErrorCode};
use crate::limits::{ASKING_CHANNEL_BYTES_MAX, CHANNEL_BYTES_MAX, QUOTE_BYTES_MAX};
use crate::stream::{CLAUDE_NAMESPACE, stream_parts};

/// A valid channel name, borrowed: `name` or `namespace:name`, optionally followed by `#user,user`; or the name of a
/// stream of Claude, `claude:channel/run_id`.
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
    /// Bytes before the first `#`; of a stream: `None`.
    users: Option<usize>,
    /// Bytes before the last `/` of a stream's name; `None`: it is no stream.
    stream: Option<usize>,
}

/// The stream of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamName<'a> {
    /// Where Claude was asked.
    pub channel: ChannelName<'a>,
    /// The run's id.
    pub run_id: &'a str,
}

impl fmt::Display for StreamName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CLAUDE_NAMESPACE}:{}/{}", self.channel.as_str(), self.run_id)
    }
}

impl<'a> ChannelName<'a> {
    /// Validates a name: 1 to 255 bytes without (Unicode) white space, control characters and `*`. The part before
    /// the first `:` is the namespace, the part after the first `#` is a list of users. Neither may be empty, nor
    /// any user, nor the rest of the name. `.` and `..` are no names either. What begins with `claude:` must be the
    /// name of a stream.
    ///
    /// # Errors
    /// `invalid_channel` that says what is wrong.
    pub fn parse(name: &'a str) -> Result<Self, ErrorBody> {
        let channel = ChannelName { name, namespace: name.find(':'), users: name.find('#'), stream: None };
        if let Some(mistake) = channel.mistake() {
            return Err(invalid(name, &mistake));
        }
        if channel.namespace() != Some(CLAUDE_NAMESPACE) {
            return Ok(channel);
        }
        let (of, _) = stream_parts(name).map_err(|mistake| invalid(name, &mistake))?;
        if ChannelName::parse(of).is_err() {
            return Err(invalid(name, "is no stream of Claude: it belongs to no valid channel"));
        }
        let stream = Some(CLAUDE_NAMESPACE.len() + 1 + of.len());
        Ok(ChannelName { users: None, stream, ..channel })
    }

    /// Validates the name of a channel in which Claude may be asked: at most 183 bytes, and not itself a stream, so that
    /// the name of its streams is a channel's name (PROTOCOL section 8).
    ///
    /// # Errors
    /// `invalid_channel` that says what is wrong.
    pub fn parse_asking(name: &'a str) -> Result<Self, ErrorBody> {
        let channel = ChannelName::parse(name)?;
        if channel.stream.is_some() {
            return Err(invalid(name, "is a stream of Claude: ask in the channel that it belongs to"));
        }
        if name.len() > ASKING_CHANNEL_BYTES_MAX {
            let mistake =
                format!("is {} bytes long, more than the {ASKING_CHANNEL_BYTES_MAX} for asking Claude", name.len());
            return Err(invalid(name, &mistake));
        }
        Ok(channel)
    }

    /// The stream that it is, if it is one.
    pub fn stream(self) -> Option<StreamName<'a>> {
        let end = self.stream?;
        let of = &self.name[CLAUDE_NAMESPACE.len() + 1..end];
        let channel = ChannelName { name: of, namespace: of.find(':'), users: of.find('#'), stream: None };
        Some(StreamName { channel, run_id: &self.name[end + 1..] })
    }

    /// The channel whose options and rights count: of a stream, the one in which Claude was asked; else itself.
    #[must_use]
    pub fn asking(self) -> Self {
        self.stream().map_or(self, |stream| stream.channel)
    }

    /// The whole name.
    pub fn as_str(self) -> &'a str {
        self.name
    }

    /// The namespace; `None` without a `:`.
    pub fn namespace(self) -> Option<&'a str> {
        self.namespace.map(|end| &self.name[..end])
    }

    /// The users the channel is for; `None` if it is for everybody, or a stream (see [`asking`](Self::asking)).
    pub fn users(self) -> Option<impl Iterator<Item = &'a str>> {
        self.users.map(|end| self.name[end + 1..].split(','))
    }

    /// Whether the channel is for this user; `None` is an anonymous connection. A channel without a list of users is
    /// for everybody; a stream is for whom the channel is for in which Claude was asked.
    pub fn is_for(self, user: Option<&str>) -> bool {
        match self.asking().users() {
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
    fn streams_are_for_whom_their_channel_is_for() {
        let check = |name: &str, of: &str, run_id: &str, user: Option<&str>, expect: bool| {
            let channel = ChannelName::parse(name).expect("in order");
            let stream = channel.stream().expect("a stream");
            assert_eq!((stream.channel.as_str(), stream.run_id), (of, run_id), "{name}");
            assert_eq!((channel.namespace(), channel.asking().as_str()), (Some("claude"), of));
            assert_eq!((channel.is_for(user), stream.to_string().as_str()), (expect, name));
            assert_eq!(stream.channel, ChannelName::parse(of).expect("in order"), "as if it had been parsed");
        };
        check("claude:a/1", "a", "1", None, true);
        check("claude:chat:a/b/Z-_9", "chat:a/b", "Z-_9", None, true);
        check("claude:pair#ann/1", "pair#ann", "1", Some("ann"), true);
        check("claude:pair#ann/1", "pair#ann", "1", Some("ann/1"), false);
        check("claude:pair#ann,a/b/1", "pair#ann,a/b", "1", Some("a/b"), true);
        check("claude:pair#ann/1", "pair#ann", "1", None, false);
        assert!(ChannelName::parse("claude#x:y").expect("in order").stream().is_none());
        assert!(ChannelName::parse("claude").expect("in order").stream().is_none());
    }

    #[test]
    fn names_in_claude_that_are_no_streams() {
        let longest = "x".repeat(183);
        assert!(ChannelName::parse(&format!("claude:{longest}/1")).is_ok());
        assert!(ChannelName::parse(&format!("claude:{longest}/{}", "r".repeat(64))).is_ok());
        let (too_long, long_run) = (format!("claude:{longest}x/1"), format!("claude:a/{}", "r".repeat(65)));
        let wrong = [
            "claude:a",
            "claude:a/",
            "claude:/1",
            "claude:a/b c",
            "claude:a/é",
            "claude:a/b.c",
            "claude:claude:a/1/2",
            "claude:./1",
            "claude:x#/1",
            "claude::a/1",
            "claude:#ann/1",
            &*too_long,
            &*long_run,
        ];
        for name in wrong {
            assert_eq!(ChannelName::parse(name).expect_err(name).code, ErrorCode::InvalidChannel, "{name}");
        }
    }

    #[test]
    fn where_claude_may_be_asked() {
        let longest = "x".repeat(183);
        assert!(ChannelName::parse_asking(&longest).is_ok() && ChannelName::parse_asking("claude").is_ok());
        for name in [&*format!("{longest}x"), "claude:a/1", "claude:a", "a b"] {
            let refused = ChannelName::parse_asking(name).expect_err(name);
            assert_eq!(refused.code, ErrorCode::InvalidChannel, "{name}");
        }
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
