//! The scripts that run in Redis. Each stays within one partition, and is the only thing that reads or writes its keys.
//!
//! Redis names a script by its hash; a server loads them after each dial, so that servers of different versions get along
//! during an upgrade.

use ws_core::engine::{Expiry, Retention};

use crate::limits::NUMBER_MAX;

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Append,
    Page,
    Find,
    Position,
    Remove,
    Generation,
    Expire,
}

/// The hashes of the scripts, as Redis names them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hashes(pub(crate) Vec<Vec<u8>>);

impl Script {
    pub(crate) const ALL: [Script; 7] = [
        Script::Append,
        Script::Page,
        Script::Find,
        Script::Position,
        Script::Remove,
        Script::Generation,
        Script::Expire,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Script::Append => "append",
            Script::Page => "page",
            Script::Find => "find",
            Script::Position => "position",
            Script::Remove => "remove",
            Script::Generation => "generation",
            Script::Expire => "expire",
        }
    }

    /// Its text. Without `allow-oom` Redis refuses it as a whole when it is out of memory.
    pub(crate) fn text(self) -> String {
        let (flags, body) = match self {
            Script::Append => ("", include_str!("append.lua")),
            Script::Page => (" flags=no-writes,allow-oom", include_str!("page.lua")),
            Script::Find => (" flags=no-writes,allow-oom", include_str!("find.lua")),
            Script::Position => (" flags=allow-oom", include_str!("position.lua")),
            Script::Remove => (" flags=allow-oom", include_str!("remove.lua")),
            Script::Generation => (" flags=allow-oom", include_str!("generation.lua")),
            Script::Expire => (" flags=allow-oom", include_str!("expire.lua")),
        };
        format!("#!lua{flags}\n{}\n{body}", include_str!("common.lua"))
    }
}

/// The ttl of a retention as scripts take it, in milliseconds: negative where all expire together.
pub(crate) fn ttl_ms(retention: Retention) -> i64 {
    let ttl_ms = i64::try_from(retention.ttl.as_millis()).unwrap_or(NUMBER_MAX as i64).min(NUMBER_MAX as i64);
    match retention.expiry {
        Expiry::Each => ttl_ms,
        Expiry::Together => -ttl_ms,
    }
}

impl Hashes {
    pub(crate) fn of(&self, script: Script) -> &[u8] {
        self.0.get(script as usize).map_or(&[], Vec::as_slice)
    }
}
