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
    PositionWhenFull,
    Remove,
    Generation,
    Expire,
    Lease,
    End,
    Forget,
    Nodes,
    Send,
    Enter,
    Leave,
    Members,
    Counts,
    Admit,
    Users,
    Held,
}

/// The hashes of the scripts, as Redis names them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hashes(pub(crate) Vec<Vec<u8>>);

impl Script {
    pub(crate) const ALL: [Script; 20] = [
        Script::Append,
        Script::Page,
        Script::Find,
        Script::Position,
        Script::PositionWhenFull,
        Script::Remove,
        Script::Generation,
        Script::Expire,
        Script::Lease,
        Script::End,
        Script::Forget,
        Script::Nodes,
        Script::Send,
        Script::Enter,
        Script::Leave,
        Script::Members,
        Script::Counts,
        Script::Admit,
        Script::Users,
        Script::Held,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Script::Append => "append",
            Script::Page => "page",
            Script::Find => "find",
            Script::Position => "position",
            Script::PositionWhenFull => "position-when-full",
            Script::Remove => "remove",
            Script::Generation => "generation",
            Script::Expire => "expire",
            Script::Lease => "lease",
            Script::End => "end",
            Script::Forget => "forget",
            Script::Nodes => "nodes",
            Script::Send => "send",
            Script::Enter => "enter",
            Script::Leave => "leave",
            Script::Members => "members",
            Script::Counts => "counts",
            Script::Admit => "admit",
            Script::Users => "users",
            Script::Held => "held",
        }
    }

    /// Its text. Without `allow-oom` Redis refuses it as a whole when it is out of memory.
    pub(crate) fn text(self) -> String {
        let (flags, body) = match self {
            Script::Append => ("", include_str!("append.lua")),
            Script::Page => (" flags=no-writes,allow-oom", include_str!("page.lua")),
            Script::Find => (" flags=no-writes,allow-oom", include_str!("find.lua")),
            Script::Position => ("", include_str!("position.lua")),
            Script::PositionWhenFull => (" flags=allow-oom", include_str!("position.lua")),
            Script::Remove => (" flags=allow-oom", include_str!("remove.lua")),
            Script::Generation => (" flags=allow-oom", include_str!("generation.lua")),
            Script::Expire => (" flags=allow-oom", include_str!("expire.lua")),
            Script::Lease => (" flags=allow-oom", include_str!("lease.lua")),
            Script::End => (" flags=allow-oom", include_str!("end.lua")),
            Script::Forget => (" flags=allow-oom", include_str!("forget.lua")),
            Script::Nodes => (" flags=no-writes,allow-oom", include_str!("nodes.lua")),
            Script::Send => (" flags=allow-oom", include_str!("send.lua")),
            Script::Enter => ("", include_str!("put.lua")),
            Script::Leave => (" flags=allow-oom", include_str!("put.lua")),
            Script::Members => (" flags=no-writes,allow-oom", include_str!("members.lua")),
            Script::Counts => (" flags=no-writes,allow-oom", include_str!("counts.lua")),
            Script::Admit => (" flags=allow-oom", include_str!("admit.lua")),
            Script::Users => (" flags=allow-oom", include_str!("users.lua")),
            Script::Held => (" flags=no-writes,allow-oom", include_str!("held.lua")),
        };
        let cluster = if self.is_about_nodes() { include_str!("cluster.lua") } else { "" };
        format!("#!lua{flags}\n{}{cluster}\n{body}", include_str!("common.lua"))
    }

    fn is_about_nodes(self) -> bool {
        self as usize >= Script::Lease as usize
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
