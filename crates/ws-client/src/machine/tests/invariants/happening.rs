//! What can happen to a client, of its own doing and of others', as often as it is of use.

use proptest::prelude::*;

pub(super) const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// What happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Pass(u64),
    WallJump(i64),
    Tick,
    Subscribe {
        channel: usize,
        start: u8,
        offset: u64,
    },
    Unsubscribe(usize),
    Taken(usize),
    Publish {
        channel: usize,
        max_age: Option<u64>,
    },
    Abort(usize),
    Request,
    Forget(usize),
    Wake,
    Probe,
    Hide,
    Show,
    Login,
    Token {
        stale: bool,
        user: u8,
    },
    TokenFailed {
        stale: bool,
        denied: bool,
    },
    Opened,
    Connected,
    Ended {
        stale: bool,
        code: Option<u16>,
    },
    /// An answer to one of the requests without one.
    Respond {
        nth: usize,
        kind: u8,
        offset: u64,
    },
    Publication {
        channel: usize,
        offset: Option<u64>,
        own: usize,
    },
    Gap {
        channel: usize,
        from: u64,
        len: u64,
    },
    Epoch {
        channel: usize,
        epoch: u8,
        after: u64,
    },
    Subscribed {
        channel: usize,
        offset: u64,
    },
    Unsubscribed {
        channel: usize,
        retryable: bool,
    },
    Draining(u64),
    TokenExpiring,
    Junk(String),
    /// Answers of the store.
    Loaded {
        with: usize,
    },
    Stored,
    StoreFailed,
    Position {
        channel: usize,
        offset: Option<u64>,
    },
    PositionFailed(usize),
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let channel = || 0..CHANNELS.len();
    let offset = || 0..12_u64;
    let often = prop_oneof![
        (0..3_000_u64).prop_map(Pass),
        Just(Tick),
        (channel(), 0..4_u8, offset()).prop_map(|(channel, start, offset)| Subscribe { channel, start, offset }),
        (channel(), prop::option::weighted(0.2, 0..2_000_u64))
            .prop_map(|(channel, max_age)| Publish { channel, max_age }),
        any::<usize>().prop_map(Taken),
        Just(Opened),
        Just(Connected),
        (any::<usize>(), 0..10_u8, offset()).prop_map(|(nth, kind, offset)| Respond { nth, kind, offset }),
        (channel(), prop::option::weighted(0.9, offset()), any::<usize>())
            .prop_map(|(channel, offset, own)| Publication { channel, offset, own }),
        Just(Stored),
        (any::<bool>(), 0..3_u8).prop_map(|(stale, user)| Token { stale, user }),
    ];
    let seldom = prop_oneof![
        (-20_000..20_000_i64).prop_map(WallJump),
        any::<usize>().prop_map(Unsubscribe),
        any::<usize>().prop_map(Abort),
        Just(Request),
        any::<usize>().prop_map(Forget),
        Just(Wake),
        Just(Probe),
        Just(Hide),
        Just(Show),
        Just(Login),
        (any::<bool>(), prop::bool::weighted(0.02)).prop_map(|(stale, denied)| TokenFailed { stale, denied }),
        (
            any::<bool>(),
            prop::option::of(prop_oneof![Just(1001_u16), Just(1009), Just(4002), Just(4006), 1000..5000_u16])
        )
            .prop_map(|(stale, code)| Ended { stale, code }),
        (channel(), offset(), 0..5_u64).prop_map(|(channel, from, len)| Gap { channel, from, len }),
        (channel(), 0..3_u8, offset()).prop_map(|(channel, epoch, after)| Epoch { channel, epoch, after }),
        (channel(), offset()).prop_map(|(channel, offset)| Subscribed { channel, offset }),
        (channel(), any::<bool>()).prop_map(|(channel, retryable)| Unsubscribed { channel, retryable }),
        (0..5_000_u64).prop_map(Draining),
        Just(TokenExpiring),
        prop_oneof![Just("{}"), Just("x"), Just(r#"{"type":"pong"}"#), Just(r#"{"type":"ping"}"#)]
            .prop_map(|text| Junk(text.to_owned())),
        (0..3_usize).prop_map(|with| Loaded { with }),
        Just(StoreFailed),
        (channel(), prop::option::of(offset())).prop_map(|(channel, offset)| Position { channel, offset }),
        channel().prop_map(PositionFailed),
    ];
    prop_oneof![3 => often, 1 => seldom]
}
