//! The engine over real files: the suite that every engine runs, restarts, maintenance, damage, and what happens around it.

mod clock;
mod conformance;
mod damage;
mod directory;
mod files;
mod fixture;
mod maintenance;
mod offline;
mod restart;
mod retention;
mod telling;
