//! Every key that says who may do something, with its value.

use ws_core::{Access, Mode};

use super::channels::Channels;
use super::name::{KeyName, SectionPath};
use super::namespaces::Namespaces;
use super::sections::Config;

/// All of them, in the order of the sections.
pub(crate) fn access_keys(config: &Config) -> Vec<(KeyName, Access)> {
    let actions = &config.actions;
    let of_actions = [("broadcast", actions.broadcast), ("get_connections", actions.get_connections)];
    let of_actions = of_actions.map(|(key, access)| (KeyName::new("actions", key), access));
    let namespaces = config.namespaces.iter().map(|(name, channels)| (Namespaces::path(name), channels));
    let sections = std::iter::once((SectionPath::from("channels"), &config.channels)).chain(namespaces);
    let of_channels = sections.flat_map(|(section, channels)| {
        of_channels(channels).map(|(key, access)| (KeyName::new(section.clone(), key), access))
    });
    of_actions.into_iter().chain(of_channels).collect()
}

fn of_channels(channels: &Channels) -> [(&'static str, Access); 4] {
    [
        ("subscribe", channels.subscribe),
        ("publish", channels.publish),
        ("read_history", channels.read_history),
        ("read_presence", channels.read_presence),
    ]
}

/// Whether tokens are the only way to meet it.
pub(crate) fn needs_token(access: Access) -> bool {
    let by_token = |mode| matches!(mode, Mode::Authenticated | Mode::Granted);
    access != Access::NOBODY && access.modes().all(by_token)
}

/// A mode of a list that lets nobody else in, and why.
pub(crate) fn idle_mode(access: Access, has_keys: bool) -> Option<(Mode, &'static str)> {
    let first = |modes: &[Mode]| modes.iter().copied().find(|mode| access.has(*mode));
    let beside_anyone = first(&[Mode::Authenticated, Mode::Granted, Mode::Subscriber]);
    match first(&[Mode::Authenticated, Mode::Granted]) {
        _ if access.has(Mode::Anyone) => Some((beside_anyone?, "anyone may")),
        Some(mode) if !has_keys && !needs_token(access) => Some((mode, "there are no keys for tokens")),
        Some(Mode::Authenticated) if access.has(Mode::Granted) => {
            Some((Mode::Granted, "whoever has a token is authenticated"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_that_add_nothing() {
        use Mode::{Anyone, Authenticated, Granted, Subscriber};
        let check = |modes: &[Mode], has_keys, expect| {
            let access = modes.iter().fold(Access::NOBODY, |access, mode| access.or(*mode));
            assert_eq!(idle_mode(access, has_keys).map(|(mode, _)| mode), expect, "{access} {has_keys}");
        };
        for mode in Mode::ALL {
            check(&[mode], true, None);
            check(&[mode], false, None);
        }
        check(&[], true, None);
        check(&[Anyone, Subscriber], true, Some(Subscriber));
        check(&[Anyone, Granted], false, Some(Granted));
        check(&[Granted, Subscriber], true, None);
        check(&[Granted, Subscriber], false, Some(Granted));
        check(&[Authenticated, Granted], true, Some(Granted));
        check(&[Authenticated, Subscriber], true, None);
    }
}
