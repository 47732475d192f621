//! Runs over a hub with a scripted provider and an engine that may be away, in paused time.

mod away;
mod cluster;
mod disk;
mod restarts;
mod stage;
