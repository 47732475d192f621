//! Who may do what: the one place where a right is decided (PROTOCOL section 7).
//!
//! The order of the decision, of which the first that applies counts:
//!
//! 1. A channel with users behind a `#` is for these users alone, whatever a mode or a token says.
//! 2. The mode: `anyone` and `nobody` need no further look; `authenticated` asks for a user; `subscriber` for a
//!    subscription to the channel; `granted` for a token whose list covers the channel, be it the one that logged in
//!    or the one that the connection subscribed with.
//!
//! Where anonymous connections are not allowed, the session lets nobody come so far who has not authenticated.

use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::Identity;
use super::{Grants, Patterns};
use crate::options::Access;

/// What somebody may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Subscribe,
    Publish,
    ReadHistory,
    ReadPresence,
    Broadcast,
    GetConnections,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessCheck<'a> {
    pub(crate) right: Right,
    /// Where; `None`: it is no channel's.
    pub(crate) channel: Option<ChannelName<'a>>,
    /// The mode of the channel's namespace, or of the action.
    pub(crate) access: Access,
}

/// The rule by which somebody is refused.
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
    /// For an error: "this connection may not …".
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

    /// What that list has to cover.
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
    /// Whether it is allowed to a connection with this identity. `pass` is what the subscription token says that the
    /// connection subscribed to the channel with.
    ///
    /// # Errors
    /// The rule by which it is refused.
    pub(crate) fn decide(
        self,
        identity: Option<&Identity>,
        pass: Option<&Grants>,
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
                let grants = [identity.map(Identity::grants), pass];
                let covers = |grants: &Grants| self.right.list(grants).cover(self.right.name(self.channel));
                (grants.into_iter().flatten().any(covers), Rule::Granted)
            }
        };
        if allowed { Ok(()) } else { Err(rule) }
    }

    /// What the client is told. It learns the rule only where it can do something about it.
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
    fn users_behind_the_hash_come_before_the_mode_and_the_token() {
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
                let decide = |name, identity: Option<&Identity>, pass| {
                    let channel = Some(ChannelName::parse(name).expect("a name"));
                    AccessCheck { right: *right, channel, access: Access::Granted }.decide(identity, pass, || true)
                };
                let expect = if right == listed { Ok(()) } else { Err(Rule::Granted) };
                let identity = ann(grants.clone());
                assert_eq!(decide("chat:a", Some(&identity), None), expect, "{right:?} of {listed:?}");
                assert_eq!(decide("chat:a", None, Some(grants)), expect, "{right:?} of a pass with {listed:?}");
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
    fn only_what_a_client_can_mend_is_told() {
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
