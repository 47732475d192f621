//! Who may do what: the one place where a right is decided (PROTOCOL section 7).
//!
//! The first rule that denies decides:
//!
//! 1. A channel with users after a `#` is for these users alone, whatever the modes or a token say.
//! 2. One of the modes has to be met. `anyone` speaks for itself; `authenticated` requires a user; `granted` requires a
//!    token whose list covers the channel: the one that the connection logged in with, or the one that it subscribed
//!    with; `subscriber` requires a subscription to the channel. `nobody` is a set without modes.
//!
//! In a stream of Claude all this is asked about the channel that the stream belongs to, and publishing there is nobody's.
//!
//! An anonymous connection that a token could help is `unauthenticated`; everybody else is `permission_denied`. If
//! anonymous connections are not allowed, the session rejects unauthenticated requests before this.

use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use super::grants::{Grants, Patterns};
use super::identity::Identity;
use crate::modes::{Access, Mode};

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
    /// The modes of the channel's namespace, or of the action.
    pub(crate) access: Access,
}

/// The rule that denied a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The channel is for other users.
    OtherUsers,
    /// None of the modes is met.
    Modes,
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

    /// The key of the configuration that decides about it.
    fn key(self) -> &'static str {
        match self {
            Right::Subscribe => "subscribe",
            Right::Publish => "publish",
            Right::ReadHistory => "read_history",
            Right::ReadPresence => "read_presence",
            Right::Broadcast => "actions.broadcast",
            Right::GetConnections => "actions.get_connections",
        }
    }

    /// The claim that grants it.
    fn claim(self) -> &'static str {
        match self {
            Right::Subscribe => "subscribe",
            Right::Publish => "publish",
            Right::ReadHistory => "history",
            Right::ReadPresence => "presence",
            Right::Broadcast | Right::GetConnections => "actions",
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
                channel.map_or("", |channel| channel.asking().as_str())
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
        is_subscribed: impl Fn() -> bool,
    ) -> Result<(), Denial> {
        let user = identity.map(|identity| &**identity.user());
        if self.channel.is_some_and(|channel| !channel.is_for(user)) {
            return Err(Denial::OtherUsers);
        }
        let covers = |grants: &Grants| self.right.list(grants).cover(self.right.name(self.channel));
        let is_met = |mode| match mode {
            Mode::Anyone => true,
            Mode::Authenticated => user.is_some(),
            Mode::Granted => [identity.map(Identity::grants), channel_grants].into_iter().flatten().any(covers),
            Mode::Subscriber => is_subscribed(),
        };
        if self.access.modes().any(is_met) { Ok(()) } else { Err(Denial::Modes) }
    }

    /// The error for the client, which says what would help.
    pub(crate) fn denied(self, denial: Denial, is_anonymous: bool) -> ErrorBody {
        let (takes_token, why) = match denial {
            Denial::OtherUsers => (true, self.for_its_users(is_anonymous)),
            Denial::Modes => (self.access.takes_token(), self.unmet()),
        };
        let code = if takes_token && is_anonymous { ErrorCode::Unauthenticated } else { ErrorCode::PermissionDenied };
        ErrorBody::new(code, format!("this connection may not {}{why}", self.right.what()))
    }

    fn for_its_users(self, is_anonymous: bool) -> String {
        let advice = if is_anonymous { ": authenticate first" } else { "" };
        format!(", which is for the users after its `#`{advice}")
    }

    /// `: subscribe first (`publish = subscriber`)`
    fn unmet(self) -> String {
        let Self { right, access, .. } = self;
        let advice = access.modes().filter_map(|mode| match mode {
            Mode::Anyone => None,
            Mode::Authenticated => Some("authenticate first"),
            // A token for anybody is easier to come by.
            Mode::Granted if access.has(Mode::Authenticated) => None,
            Mode::Granted => Some("authenticate with a token that grants it"),
            Mode::Subscriber => Some("subscribe first"),
        });
        let advice: Vec<_> = advice.collect();
        let advice = if advice.is_empty() { "only the server may".to_owned() } else { advice.join(", or ") };
        let claim = if access.has(Mode::Granted) { format!("; claim `{}`", right.claim()) } else { String::new() };
        format!(": {advice} (`{} = {access}`{claim})", right.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Claims;

    fn ann(grants: Grants) -> Identity {
        Identity::new(Claims { user: "ann".to_owned(), grants, ..Claims::default() })
    }

    /// Who asks: the identity, and whether it is subscribed.
    type Who<'a> = (Option<&'a Identity>, bool);

    const NONE: &[Mode] = &[];
    const UNAUTHENTICATED: Option<ErrorCode> = Some(ErrorCode::Unauthenticated);
    const DENIED: Option<ErrorCode> = Some(ErrorCode::PermissionDenied);

    fn access(modes: &[Mode]) -> Access {
        modes.iter().fold(Access::NOBODY, |access, mode| access.or(*mode))
    }

    /// The error of a request, if it is denied.
    fn ask(channel: &str, access: Access, (identity, is_subscribed): Who<'_>) -> Option<ErrorCode> {
        let channel = Some(ChannelName::parse(channel).expect("a name"));
        let check = AccessCheck { right: Right::Publish, channel, access };
        let denial = check.decide(identity, None, || is_subscribed).err()?;
        Some(check.denied(denial, identity.is_none()).code)
    }

    #[test]
    fn modes_and_who_meets_them() {
        use Mode::{Anyone, Authenticated, Granted, Subscriber};
        let plain = ann(Grants::default());
        let all = ann(Grants { publish: ["*"].into_iter().collect(), ..Grants::default() });
        let who: [Who<'_>; 6] = [
            (None, false),
            (None, true),
            (Some(&plain), false),
            (Some(&plain), true),
            (Some(&all), false),
            (Some(&all), true),
        ];
        // Nobody known, ann, and ann with a grant; each outside the channel, and subscribed to it.
        let table: [(&[Mode], [Option<ErrorCode>; 6]); 10] = [
            (NONE, [DENIED; 6]),
            (&[Anyone], [None; 6]),
            (&[Authenticated], [UNAUTHENTICATED, UNAUTHENTICATED, None, None, None, None]),
            (&[Granted], [UNAUTHENTICATED, UNAUTHENTICATED, DENIED, DENIED, None, None]),
            (&[Subscriber], [DENIED, None, DENIED, None, DENIED, None]),
            (&[Authenticated, Granted], [UNAUTHENTICATED, UNAUTHENTICATED, None, None, None, None]),
            (&[Authenticated, Subscriber], [UNAUTHENTICATED, None, None, None, None, None]),
            (&[Subscriber, Granted], [UNAUTHENTICATED, None, DENIED, None, None, None]),
            (&[Authenticated, Granted, Subscriber], [UNAUTHENTICATED, None, None, None, None, None]),
            (&[Granted, Anyone], [None; 6]),
        ];
        for (modes, expect) in table {
            assert_eq!(who.map(|who| ask("a", access(modes), who)), expect, "{modes:?}");
        }
    }

    #[test]
    fn users_after_the_hash_come_before_the_modes_and_the_token() {
        let all = ann(Grants { publish: ["*"].into_iter().collect(), ..Grants::default() });
        let sets = (0..1 << Mode::ALL.len()).map(|bits: usize| {
            let of = |(n, mode): (usize, Mode)| (bits >> n & 1 == 1).then_some(mode);
            access(&Mode::ALL.into_iter().enumerate().filter_map(of).collect::<Vec<_>>())
        });
        for access in sets {
            assert_eq!(ask("a#bob", access, (Some(&all), true)), DENIED, "{access}");
            assert_eq!(ask("a#ann", access, (None, true)), UNAUTHENTICATED, "{access}");
            assert_eq!(ask("a#ann", access, (Some(&all), true)), ask("a", access, (Some(&all), true)), "{access}");
        }
        assert_eq!(ask("a#ann,bob", Access::ANYONE, (Some(&all), false)), None);
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
                    let check = AccessCheck { right: *right, channel, access: Access::GRANTED };
                    check.decide(identity, channel_grants, || true).is_ok()
                };
                let identity = ann(grants.clone());
                assert_eq!(decide("chat:a", Some(&identity), None), right == listed, "{right:?} of {listed:?}");
                let with_token = decide("chat:a", None, Some(grants));
                assert_eq!(with_token, right == listed, "{right:?} of a subscription token with {listed:?}");
                assert!(!decide("news:a", Some(&identity), Some(grants)));
            }
        }
    }

    #[test]
    fn actions_have_a_list_of_their_own() {
        let is_allowed = |right, actions: &[&str]| {
            let grants = Grants { actions: actions.iter().copied().collect(), ..Grants::default() };
            let check = AccessCheck { right, channel: None, access: Access::GRANTED };
            check.decide(Some(&ann(grants)), None, || false).is_ok()
        };
        assert!(is_allowed(Right::Broadcast, &["broadcast"]));
        assert!(!is_allowed(Right::GetConnections, &["broadcast"]));
        assert!(is_allowed(Right::GetConnections, &["*"]));
        assert!(!is_allowed(Right::Broadcast, &[]));
    }

    #[test]
    fn an_error_says_what_would_help() {
        let check = |right, access, denial, is_anonymous, expect: &str| {
            let check = AccessCheck { right, channel: None, access };
            assert_eq!(check.denied(denial, is_anonymous).message, format!("this connection may not {expect}"));
        };
        let modes = Denial::Modes;
        check(
            Right::ReadHistory,
            Access::SUBSCRIBER,
            modes,
            true,
            "read the history of this channel: subscribe first (`read_history = subscriber`)",
        );
        check(
            Right::Subscribe,
            Access::GRANTED,
            modes,
            false,
            "subscribe to this channel: authenticate with a token that grants it (`subscribe = granted`; claim \
             `subscribe`)",
        );
        check(
            Right::ReadPresence,
            Access::SUBSCRIBER.or(Mode::Granted),
            modes,
            true,
            "see who is in this channel: authenticate with a token that grants it, or subscribe first \
             (`read_presence = [granted, subscriber]`; claim `presence`)",
        );
        check(
            Right::Publish,
            Access::AUTHENTICATED.or(Mode::Subscriber),
            modes,
            true,
            "publish in this channel: authenticate first, or subscribe first (`publish = [authenticated, subscriber]`)",
        );
        check(
            Right::Broadcast,
            Access::NOBODY,
            modes,
            true,
            "broadcast: only the server may (`actions.broadcast = nobody`)",
        );
        let users = "publish in this channel, which is for the users after its `#`";
        check(Right::Publish, Access::ANYONE, Denial::OtherUsers, false, users);
        check(Right::Publish, Access::ANYONE, Denial::OtherUsers, true, &format!("{users}: authenticate first"));
    }
}
