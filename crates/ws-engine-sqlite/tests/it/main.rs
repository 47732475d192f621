//! The engine over real files: the suite that every engine runs, restarts, upkeep, damage.

mod conformance;
mod damage;
mod directory;
mod fixture;
mod offline;
mod restart;
mod upkeep;
