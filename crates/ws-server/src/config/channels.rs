//! `[channels]`: what channels offer, and to whom. Namespaces have the same keys.

use std::time::Duration;

pub use ws_core::{Access, Mode, OnLag};

use super::key::section;
use super::value::{Choice, DAY, MS, count, modes, time, words};

impl Choice for OnLag {
    const ALL: &'static [(&'static str, Self)] =
        &[("gap", Self::Gap), ("latest", Self::Latest), ("disconnect", Self::Disconnect)];
}

section! {
    /// What channels offer, and to whom.
    pub struct Channels {
        /// Publications kept per channel for recovery, rewind and `get_history`.
        history_size: usize = "100", count(1, 1_000_000).zero("no history");
        /// Age at which a publication is no longer kept.
        history_ttl: Duration = "5m", time(MS, 366 * DAY).zero("kept at any age");
        /// Whether clients can ask who is subscribed (`get_presence`).
        presence: bool = "true", ();
        /// Whether subscribers are told who joins and leaves. Needs `presence`.
        join_leave: bool = "false", ();
        /// Up to this many subscribers of a channel, each join and leave is announced; above it, they get counts, at
        /// most once per second.
        join_leave_max: usize = "100", count(1, 1_000_000).zero("always counts");
        /// What happens to a subscriber whose next publication is no longer kept. `gap`: it is told what it missed, and
        /// continues with the oldest one kept. `latest`: it continues with the newest, and is told nothing.
        /// `disconnect`: its connection is closed with 4001.
        on_lag: OnLag = "gap", words();
        /// Who may subscribe. `authenticated`: a connection with a user. `granted`: one whose token grants it.
        /// `nobody`: only the server. A list: whoever meets any of its modes.
        subscribe: Access = "anyone", modes().without_subscriber();
        /// Who may publish: as `subscribe`, or `subscriber`: a connection that is subscribed to the channel.
        publish: Access = "anyone", modes();
        /// Who may read the history: as `publish`.
        read_history: Access = "subscriber", modes();
        /// Who may ask who is subscribed: as `publish`.
        read_presence: Access = "subscriber", modes();
        /// Whether those who may publish may ask Claude (`ask_claude`), where there is a key for it.
        claude: bool = "true", ();
    }
}
