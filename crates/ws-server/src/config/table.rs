//! The table of all sections, for loading, `print-config` and the reference.

use super::api_key::ApiKey;
use super::auth_key::AuthKey;
use super::canary::Canary;
use super::channels::Channels;
use super::claude::Claude;
use super::list::List;
use super::namespaces::Namespaces;
use super::proxy::{Metrics, Proxy};
use super::redis::RedisEngine;
use super::section::{Fixed, Section};
use super::sections::{Actions, Api, Auth, Config, Drain, Engine, Heartbeat, Limits, MemoryEngine, SqliteEngine, Tls};

/// All sections, in the order in which they are shown and applied.
pub(crate) static SECTIONS: &[&dyn Section] = &[
    &Fixed { name: "", keys: Config::KEYS, part: |c| c, part_mut: |c| c },
    &Fixed { name: "limits", keys: Limits::KEYS, part: |c| &c.limits, part_mut: |c| &mut c.limits },
    &Fixed { name: "auth", keys: Auth::KEYS, part: |c| &c.auth, part_mut: |c| &mut c.auth },
    &List { name: "auth.keys.N", keys: AuthKey::KEYS, entries: |c| &c.auth.keys, entries_mut: |c| &mut c.auth.keys },
    &Fixed { name: "api", keys: Api::KEYS, part: |c| &c.api, part_mut: |c| &mut c.api },
    &List { name: "api.keys.N", keys: ApiKey::KEYS, entries: |c| &c.api.keys, entries_mut: |c| &mut c.api.keys },
    &Fixed { name: "actions", keys: Actions::KEYS, part: |c| &c.actions, part_mut: |c| &mut c.actions },
    &Fixed { name: "heartbeat", keys: Heartbeat::KEYS, part: |c| &c.heartbeat, part_mut: |c| &mut c.heartbeat },
    &Fixed { name: "drain", keys: Drain::KEYS, part: |c| &c.drain, part_mut: |c| &mut c.drain },
    &Fixed { name: "proxy", keys: Proxy::KEYS, part: |c| &c.proxy, part_mut: |c| &mut c.proxy },
    &Fixed { name: "metrics", keys: Metrics::KEYS, part: |c| &c.metrics, part_mut: |c| &mut c.metrics },
    &Fixed { name: "canary", keys: Canary::KEYS, part: |c| &c.canary, part_mut: |c| &mut c.canary },
    &Fixed { name: "channels", keys: Channels::KEYS, part: |c| &c.channels, part_mut: |c| &mut c.channels },
    &Namespaces,
    &Fixed { name: "engine", keys: Engine::KEYS, part: |c| &c.engine, part_mut: |c| &mut c.engine },
    &Fixed {
        name: "engine.memory",
        keys: MemoryEngine::KEYS,
        part: |c| &c.engine.memory,
        part_mut: |c| &mut c.engine.memory,
    },
    &Fixed {
        name: "engine.sqlite",
        keys: SqliteEngine::KEYS,
        part: |c| &c.engine.sqlite,
        part_mut: |c| &mut c.engine.sqlite,
    },
    &Fixed {
        name: "engine.redis",
        keys: RedisEngine::KEYS,
        part: |c| &c.engine.redis,
        part_mut: |c| &mut c.engine.redis,
    },
    &Fixed { name: "claude", keys: Claude::KEYS, part: |c| &c.claude, part_mut: |c| &mut c.claude },
    &Fixed { name: "tls", keys: Tls::KEYS, part: |c| &c.tls, part_mut: |c| &mut c.tls },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_means() {
        for facts in SECTIONS.iter().flat_map(|section| section.facts()) {
            assert!(facts.about.ends_with('.'), "{}: {}", facts.name, facts.about);
            assert!(!facts.about.contains(['\n', '|']), "{} fits in a table", facts.name);
            assert!(!(facts.allowed)().is_empty(), "{}", facts.name);
        }
    }
}
