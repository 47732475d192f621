//! Who may do what: the one place where a right is decided (PROTOCOL section 7).

use ws_proto::{ChannelName, ErrorBody, ErrorCode};

use crate::identity::Identity;
use crate::options::Access;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// For the error: "subscribe to this channel", "broadcast".
    pub(crate) what: &'static str,
    /// Where; `None`: it is no channel's.
    pub(crate) channel: Option<ChannelName<'a>>,
    /// The mode of the channel's namespace, or of the action.
    pub(crate) access: Access,
}

impl Wish<'_> {
    /// Whether it is allowed to a connection with this identity.
    ///
    /// # Errors
    /// `unauthenticated` where any user would do, `permission_denied` otherwise.
    pub(crate) fn check(
        self,
        identity: Option<&Identity>,
        is_subscribed: impl FnOnce() -> bool,
    ) -> Result<(), ErrorBody> {
        let user = identity.map(|identity| &**identity.user());
        if self.channel.is_some_and(|channel| !channel.is_for(user)) {
            return Err(self.denied("it is for the users alone that stand behind the # in its name"));
        }
        match self.access {
            Access::Anyone => Ok(()),
            Access::Authenticated if user.is_some() => Ok(()),
            Access::Authenticated => {
                let message = format!("only connections with a user may {}: authenticate first", self.what);
                Err(ErrorBody::new(ErrorCode::Unauthenticated, message))
            }
            Access::Subscriber if is_subscribed() => Ok(()),
            Access::Subscriber => Err(self.denied("only its subscribers may: subscribe first")),
            Access::Granted => Err(self.denied("a token has to grant it")),
            Access::Nobody => Err(self.denied("only the server may")),
        }
    }

    fn denied(self, why: &str) -> ErrorBody {
        ErrorBody::new(ErrorCode::PermissionDenied, format!("this connection may not {}: {why}", self.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let ann = Identity::new("ann", None);
        let check = |channel, access, identity: Option<&Identity>, subscribed, expect: Option<ErrorCode>| {
            let channel = Some(ChannelName::parse(channel).expect("a name"));
            let result = Wish { what: "use this channel", channel, access }.check(identity, || subscribed);
            assert_eq!(result.err().map(|error| error.code), expect, "{channel:?} {access:?}");
        };
        let (denied, unauthenticated) = (Some(ErrorCode::PermissionDenied), Some(ErrorCode::Unauthenticated));
        check("a", Access::Anyone, None, false, None);
        check("a", Access::Authenticated, None, true, unauthenticated);
        check("a", Access::Authenticated, Some(&ann), false, None);
        check("a", Access::Granted, None, true, denied);
        check("a", Access::Granted, Some(&ann), true, denied);
        check("a", Access::Subscriber, Some(&ann), false, denied);
        check("a", Access::Subscriber, None, true, None);
        check("a", Access::Nobody, Some(&ann), true, denied);
        check("a#ann,bob", Access::Anyone, Some(&ann), false, None);
        check("a#ann,bob", Access::Anyone, None, false, denied);
        check("a#bob", Access::Subscriber, Some(&ann), true, denied);
        check("a#ann", Access::Nobody, Some(&ann), true, denied);
    }
}
