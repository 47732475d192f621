//! What a server asks of the others that use the same store, for the server API (PROTOCOL section 11).
//!
//! Who needs an answer from everywhere asks [`Asking`]: it sends the question to all other nodes and waits for every
//! one that lives. There are no partial answers: a node that does not answer in time, has too much to do, or is of
//! another version is an error of the whole. Without other servers nothing is asked, and nothing costs anything.
//!
//! Deliberately absent: carrying out questions, which the hub does; who lives, which the engine's
//! [`Cluster`](crate::engine::cluster::Cluster) knows.

mod asked;
mod asking;
mod message;
mod page;
mod question;
mod round;

pub(crate) use self::asked::Asked;
pub(crate) use self::asking::Asking;
pub(crate) use self::page::{Page, merged};
pub(crate) use self::question::Question;
