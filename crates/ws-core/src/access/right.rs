//! Who may do what: the one place where a right is decided (PROTOCOL section 7).
//!
//! The first rule that applies decides:
//!
//! 1. A channel with users after a `#` is for these users alone, whatever the mode or a token says.
//! 2. The mode: `anyone` and `nobody` speak for themselves; `authenticated` requires a user; `subscriber` requires a
//!    subscription to the channel; `granted` requires a token whose list covers the channel: the one that the
//!    connection logged in with, or the one that it subscribed with.
//!
//! If anonymous connections are not allowed, the session rejects unauthenticated requests before this.

use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::grants::{Grants, Patterns};
use super::identity::Identity;
use crate::options::Access;

/// Something that access rules apply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Subscribe,
    Publish,
    ReadHistory,
    ReadPresence,
    Broadcast,
    GetConnections,
}

/// One request to be checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessCheck<'a> {
    pub(crate) right: Right,
    /// `None`: the right does not belong to a channel.
    pub(crate) channel: Option<ChannelName<'a>>,
    /// The mode of the channel's namespace, or of the action.
    pub(crate) access: Access,
}

/// The rule that denied a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The channel is for other users.
    OtherUsers,
    /// The mode is `authenticated`, and there is no user.
    Authenticated,
    /// The mode is `granted`, and no token grants it.
    Granted,
    /// The mode is `subscriber`, and there is no subscription.
    Subscriber,
    /// The mode is `nobody`.
    Nobody,
}

impl Right {
    /// Completes the error "this connection may not …".
    fn what(self) -> &'static str {
        match self {
            Right::Subscribe => "subscribe to this channel",
            Right::Publish => "publish in this channel",
            Right::ReadHistory => "read the history of this channel",
            Right::ReadPresence => "see who is in this channel",
            Right::Broadcast => "broadcast",
            Right::GetConnections => "ask how many connections there are",
        }
    }

    /// The list of a token that grants it.
    fn list(self, grants: &Grants) -> &Patterns {
        match self {
            Right::Subscribe => &grants.subscribe,
            Right::Publish => &grants.publish,
            Right::ReadHistory => &grants.history,
            Right::ReadPresence => &grants.presence,
            Right::Broadcast | Right::GetConnections => &grants.actions,
        }
    }

    /// The name that the list has to cover.
    fn name(self, channel: Option<ChannelName<'_>>) -> &str {
        match self {
            Right::Broadcast => "broadcast",
            Right::GetConnections => "get_connections",
            Right::Subscribe | Right::Publish | Right::ReadHistory | Right::ReadPresence => {
                channel.map_or("", ChannelName::as_str)
            }
        }
    }
}

impl AccessCheck<'_> {
    /// Decides for a connection with this identity. `channel_grants` are those of the subscription token that the
    /// connection subscribed to the channel with, if it used one.
    ///
    /// # Errors
    /// The rule that denies it.
    pub(crate) fn decide(
        self,
        identity: Option<&Identity>,
        channel_grants: Option<&Grants>,
        is_subscribed: impl FnOnce() -> bool,
    ) -> Result<(), Rule> {
        let user = identity.map(|identity| &**identity.user());
        if self.channel.is_some_and(|channel| !channel.is_for(user)) {
            return Err(Rule::OtherUsers);
        }
        let (allowed, rule) = match self.access {
            Access::Anyone => return Ok(()),
            Access::Nobody => (false, Rule::Nobody),
            Access::Authenticated => (user.is_some(), Rule::Authenticated),
            Access::Subscriber => (is_subscribed(), Rule::Subscriber),
            Access::Granted => {
                let grants = [identity.map(Identity::grants), channel_grants];
                let covers = |grants: &Grants| self.right.list(grants).cover(self.right.name(self.channel));
                (grants.into_iter().flatten().any(covers), Rule::Granted)
            }
        };
        if allowed { Ok(()) } else { Err(rule) }
    }

    /// The error for the client. It names the rule only if the client can do something about it.
    pub(crate) fn denied(self, rule: Rule) -> ErrorBody {
        let what = self.right.what();
        match rule {
            Rule::Authenticated => {
                let message = format!("only connections with a user may {what}: authenticate first");
                ErrorBody::new(ErrorCode::Unauthenticated, message)
            }
            Rule::OtherUsers | Rule::Granted | Rule::Subscriber | Rule::Nobody => {
                ErrorBody::new(ErrorCode::PermissionDenied, format!("this connection may not {what}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Claims;

    fn ann(grants: Grants) -> Identity {
        Identity::new(Claims { user: "ann".to_owned(), grants, ..Claims::default() })
    }

    /// One row of the table of decisions.
    #[track_caller]
    fn check(channel: &str, access: Access, who: Option<&Identity>, subscribed: bool, expect: Result<(), Rule>) {
        let channel = Some(ChannelName::parse(channel).expect("a name"));
        let check = AccessCheck { right: Right::Publish, channel, access };
        assert_eq!(check.decide(who, None, || subscribed), expect, "{channel:?} {access:?}");
    }

    #[test]
    fn modes() {
        let plain = ann(Grants::default());
        let all = ann(Grants { publish: ["*"].into_iter().collect(), ..Grants::default() });
        for who in [None, Some(&plain), Some(&all)] {
            for subscribed in [false, true] {
                check("a", Access::Anyone, who, subscribed, Ok(()));
                check("a", Access::Nobody, who, subscribed, Err(Rule::Nobody));
                let is_user = if who.is_some() { Ok(()) } else { Err(Rule::Authenticated) };
                check("a", Access::Authenticated, who, subscribed, is_user);
                let is_subscriber = if subscribed { Ok(()) } else { Err(Rule::Subscriber) };
                check("a", Access::Subscriber, who, subscribed, is_subscriber);
            }
        }
        check("a", Access::Granted, None, true, Err(Rule::Granted));
        check("a", Access::Granted, Some(&plain), true, Err(Rule::Granted));
        check("a", Access::Granted, Some(&all), false, Ok(()));
    }

    #[test]
    fn users_after_the_hash_come_before_the_mode_and_the_token() {
        let all = ann(Grants { publish: ["*"].into_iter().collect(), ..Grants::default() });
        for access in [Access::Anyone, Access::Authenticated, Access::Granted, Access::Subscriber, Access::Nobody] {
            check("a#bob", access, Some(&all), true, Err(Rule::OtherUsers));
            check("a#ann", access, None, true, Err(Rule::OtherUsers));
        }
        check("a#ann,bob", Access::Anyone, Some(&all), false, Ok(()));
        check("a#ann", Access::Granted, Some(&all), false, Ok(()));
        check("a#ann", Access::Nobody, Some(&all), true, Err(Rule::Nobody));
    }

    #[test]
    fn each_right_has_its_list() {
        let list = || ["chat:*"].into_iter().collect();
        let lists = [
            (Right::Subscribe, Grants { subscribe: list(), ..Grants::default() }),
            (Right::Publish, Grants { publish: list(), ..Grants::default() }),
            (Right::ReadHistory, Grants { history: list(), ..Grants::default() }),
            (Right::ReadPresence, Grants { presence: list(), ..Grants::default() }),
        ];
        for (right, _) in &lists {
            for (listed, grants) in &lists {
                let decide = |name, identity: Option<&Identity>, channel_grants| {
                    let channel = Some(ChannelName::parse(name).expect("a name"));
                    AccessCheck { right: *right, channel, access: Access::Granted }.decide(
                        identity,
                        channel_grants,
                        || true,
                    )
                };
                let expect = if right == listed { Ok(()) } else { Err(Rule::Granted) };
                let identity = ann(grants.clone());
                assert_eq!(decide("chat:a", Some(&identity), None), expect, "{right:?} of {listed:?}");
                assert_eq!(
                    decide("chat:a", None, Some(grants)),
                    expect,
                    "{right:?} of a subscription token with {listed:?}"
                );
                assert_eq!(decide("news:a", Some(&identity), Some(grants)), Err(Rule::Granted));
            }
        }
    }

    #[test]
    fn actions_have_a_list_of_their_own() {
        let decide = |right, actions: &[&str]| {
            let grants = Grants { actions: actions.iter().copied().collect(), ..Grants::default() };
            AccessCheck { right, channel: None, access: Access::Granted }.decide(Some(&ann(grants)), None, || false)
        };
        assert_eq!(decide(Right::Broadcast, &["broadcast"]), Ok(()));
        assert_eq!(decide(Right::GetConnections, &["broadcast"]), Err(Rule::Granted));
        assert_eq!(decide(Right::GetConnections, &["*"]), Ok(()));
        assert_eq!(decide(Right::Broadcast, &[]), Err(Rule::Granted));
    }

    #[test]
    fn an_error_names_only_what_a_client_can_change() {
        let check = AccessCheck { right: Right::Broadcast, channel: None, access: Access::Nobody };
        let told = |rule| {
            let error = check.denied(rule);
            (error.code, error.message.into_owned())
        };
        let first = told(Rule::OtherUsers);
        assert_eq!(first.0, ErrorCode::PermissionDenied);
        for rule in [Rule::Granted, Rule::Subscriber, Rule::Nobody] {
            assert_eq!(told(rule), first, "{rule:?}");
        }
        assert_eq!(told(Rule::Authenticated).0, ErrorCode::Unauthenticated);
    }
}
