//! Which path of the API is what, and what it takes.

use std::borrow::Cow;

use hyper::Method;
use percent_encoding::percent_decode_str;
use ws_proto::{ErrorBody, ErrorCode};

use super::key::ApiRights;

/// A resource of the API, with the names in its path. They are decoded, but not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    /// `/channels/{channel}/publications`
    Publications(Cow<'a, str>),
    /// `/channels`
    Channels,
    /// `/channels/{channel}`
    Channel(Cow<'a, str>),
    /// `/channels/{channel}/presence`
    Presence(Cow<'a, str>),
    /// `/channels/{channel}/runs`
    Runs(Cow<'a, str>),
    /// `/connections`
    Connections,
    /// `/connections/{id}`
    Connection(Cow<'a, str>),
    /// `/connections/{id}/frames`
    ConnectionFrames(Cow<'a, str>),
    /// `/connections/{id}/subscriptions/{channel}`
    ConnectionSubscription(Cow<'a, str>, Cow<'a, str>),
    /// `/users/{user}/subscriptions/{channel}`
    UserSubscription(Cow<'a, str>, Cow<'a, str>),
    /// `/users/{user}/connections`
    UserConnections(Cow<'a, str>),
    /// `/broadcast`
    Broadcast,
    /// `/batch`
    Batch,
    /// `/node`
    Node,
    /// `/node/stats`
    NodeStats,
}

/// What a request does to a resource. HEAD is [`Get`](Verb::Get): the HTTP server leaves its body out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    pub(super) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Verb::Get),
            Method::POST => Some(Verb::Post),
            Method::PUT => Some(Verb::Put),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }
}

impl<'a> Resource<'a> {
    /// The resource at a path below `/api/v1`. The path is split before it is decoded. `None`: there is nothing.
    ///
    /// # Errors
    /// `invalid_channel`, `invalid_payload`: a name in the path is not UTF-8.
    pub(super) fn at(path: &'a str) -> Result<Option<Self>, ErrorBody> {
        let Some(path) = path.strip_prefix('/') else { return Ok(None) };
        let parts: Vec<&str> = path.split('/').collect();
        // With a slash at its end it is another path.
        if parts.last() == Some(&"") {
            return Ok(None);
        }
        Ok(Some(match parts[..] {
            ["channels"] => Resource::Channels,
            ["channels", channel] => Resource::Channel(channel_name(channel)?),
            ["channels", channel, "publications"] => Resource::Publications(channel_name(channel)?),
            ["channels", channel, "presence"] => Resource::Presence(channel_name(channel)?),
            ["channels", channel, "runs"] => Resource::Runs(channel_name(channel)?),
            ["connections"] => Resource::Connections,
            ["connections", id] => Resource::Connection(decoded(id).unwrap_or_default()),
            ["connections", id, "frames"] => Resource::ConnectionFrames(decoded(id).unwrap_or_default()),
            ["connections", id, "subscriptions", channel] => {
                Resource::ConnectionSubscription(decoded(id).unwrap_or_default(), channel_name(channel)?)
            }
            ["users", user, "subscriptions", channel] => {
                Resource::UserSubscription(user_name(user)?, channel_name(channel)?)
            }
            ["users", user, "connections"] => Resource::UserConnections(user_name(user)?),
            ["broadcast"] => Resource::Broadcast,
            ["batch"] => Resource::Batch,
            ["node"] => Resource::Node,
            ["node", "stats"] => Resource::NodeStats,
            _ => return Ok(None),
        }))
    }

    /// The channel it is about, if it is about one.
    pub(super) fn channel(&self) -> Option<&str> {
        use Resource::{Channel, ConnectionSubscription, Presence, Publications, Runs, UserSubscription};
        match self {
            Channel(channel) | Publications(channel) | Presence(channel) | Runs(channel) => Some(channel),
            ConnectionSubscription(_, channel) | UserSubscription(_, channel) => Some(channel),
            _ => None,
        }
    }

    /// The paths of all resources, with the names as in the documentation.
    pub(super) const ROUTES: [&'static str; 15] = [
        "/channels/{channel}/publications",
        "/channels",
        "/channels/{channel}",
        "/channels/{channel}/presence",
        "/connections",
        "/connections/{id}",
        "/connections/{id}/subscriptions/{channel}",
        "/users/{user}/subscriptions/{channel}",
        "/users/{user}/connections",
        "/broadcast",
        "/batch",
        "/node",
        "/connections/{id}/frames",
        "/node/stats",
        "/channels/{channel}/runs",
    ];

    /// Its path among [`ROUTES`](Self::ROUTES).
    pub(super) fn route(&self) -> &'static str {
        let number = match self {
            Resource::Publications(_) => 0,
            Resource::Channels => 1,
            Resource::Channel(_) => 2,
            Resource::Presence(_) => 3,
            Resource::Connections => 4,
            Resource::Connection(_) => 5,
            Resource::ConnectionSubscription(..) => 6,
            Resource::UserSubscription(..) => 7,
            Resource::UserConnections(_) => 8,
            Resource::Broadcast => 9,
            Resource::Batch => 10,
            Resource::Node => 11,
            Resource::ConnectionFrames(_) => 12,
            Resource::NodeStats => 13,
            Resource::Runs(_) => 14,
        };
        Self::ROUTES[number]
    }

    /// The methods that it takes, for `Allow`.
    pub(super) fn allowed(&self) -> &'static str {
        match self {
            Resource::Publications(_) => "GET, HEAD, POST, DELETE",
            Resource::Connection(_) => "GET, HEAD, DELETE",
            Resource::Channels
            | Resource::Channel(_)
            | Resource::Presence(_)
            | Resource::Runs(_)
            | Resource::Connections
            | Resource::ConnectionFrames(_)
            | Resource::Node
            | Resource::NodeStats => "GET, HEAD",
            Resource::ConnectionSubscription(..) | Resource::UserSubscription(..) => "PUT, DELETE",
            Resource::UserConnections(_) => "DELETE",
            Resource::Broadcast | Resource::Batch => "POST",
        }
    }

    pub(super) fn takes(&self, verb: Verb) -> bool {
        let name = match verb {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        };
        self.allowed().split(", ").any(|allowed| allowed == name)
    }

    /// The right that a request needs. A batch needs none of its own: each of its requests does.
    pub(super) fn right(&self, verb: Verb) -> ApiRights {
        match (self, verb) {
            // What others send is for operators alone.
            (Resource::ConnectionFrames(_), _) => ApiRights::Admin,
            (Resource::Batch, _) | (_, Verb::Get) => ApiRights::Read,
            (Resource::Publications(_) | Resource::Broadcast, Verb::Post) => ApiRights::Publish,
            _ => ApiRights::Admin,
        }
    }
}

/// `None`: it is not UTF-8, or a `%` is not followed by two digits.
pub(super) fn decoded(part: &str) -> Option<Cow<'_, str>> {
    let is_digit = |digit: Option<&u8>| digit.is_some_and(u8::is_ascii_hexdigit);
    let bytes = part.as_bytes();
    let mut percents = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let is_encoded = percents.all(|(at, _)| is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2)));
    percent_decode_str(part).decode_utf8().ok().filter(|_| is_encoded)
}

fn channel_name(part: &str) -> Result<Cow<'_, str>, ErrorBody> {
    decoded(part)
        .ok_or_else(|| ErrorBody::new(ErrorCode::InvalidChannel, "the channel's name is not UTF-8, percent-encoded"))
}

/// `.` and `..` are no users, as URL libraries fold them.
fn user_name(part: &str) -> Result<Cow<'_, str>, ErrorBody> {
    let user = decoded(part).filter(|user| !matches!(&**user, "" | "." | ".."));
    user.ok_or_else(|| {
        ErrorBody::new(ErrorCode::InvalidPayload, "`user`: must be UTF-8, percent-encoded, and not empty, `.` or `..`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expect: &str) {
        let found = match Resource::at(path) {
            Ok(Some(resource)) => format!("{resource:?}"),
            Ok(None) => "nothing".to_owned(),
            Err(error) => error.code.to_string(),
        };
        assert_eq!(found, expect, "{path}");
    }

    #[test]
    fn paths() {
        check("/channels", "Channels");
        check("/channels/a", "Channel(\"a\")");
        check("/channels/a%2Fb:%E8%81%8A/publications", "Publications(\"a/b:聊\")");
        check("/channels/publications/publications", "Publications(\"publications\")");
        check("/channels/a/runs", "Runs(\"a\")");
        check("/channels//presence", "Presence(\"\")");
        check("/channels/a+b", "Channel(\"a+b\")");
        for broken in ["%ff", "50%", "%z1", "%1"] {
            check(&format!("/channels/{broken}"), "invalid_channel");
        }
        check("/connections/x/subscriptions/y", "ConnectionSubscription(\"x\", \"y\")");
        check("/users/a%20b/subscriptions/c", "UserSubscription(\"a b\", \"c\")");
        for user in [".", "%2e", "..", "%2E.", "", "%ff"] {
            check(&format!("/users/{user}/connections"), "invalid_payload");
        }
        for nothing in ["", "/", "/channels/", "/channels/a/", "/channels/a/b", "/Node", "channels", "/users/a"] {
            check(nothing, "nothing");
        }
    }

    #[test]
    fn every_route_is_a_path() {
        for route in Resource::ROUTES {
            let path = route.replace(['{', '}'], "");
            let found = Resource::at(&path).ok().flatten().map(|resource| resource.route());
            assert_eq!(found, Some(route));
        }
    }

    #[test]
    fn methods_and_rights() {
        let publications = Resource::Publications("a".into());
        let rights = [Verb::Get, Verb::Post, Verb::Delete].map(|verb| publications.right(verb));
        assert_eq!(rights, [ApiRights::Read, ApiRights::Publish, ApiRights::Admin]);
        assert!(publications.takes(Verb::Delete) && !publications.takes(Verb::Put));
        assert_eq!(Resource::ConnectionFrames("a".into()).right(Verb::Get), ApiRights::Admin);
        assert_eq!(Resource::Batch.right(Verb::Post), ApiRights::Read);
        assert_eq!(Resource::Broadcast.right(Verb::Post), ApiRights::Publish);
        assert_eq!(Resource::UserConnections("a".into()).right(Verb::Delete), ApiRights::Admin);
    }
}
