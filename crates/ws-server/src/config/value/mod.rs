//! Typed values, and the kinds of values that they can be parsed to.
//!
//! A kind of value implements [`Setting`]: read, show and describe it. Each has a file.

mod address;
mod base_url;
mod choice;
mod modes;
mod network;
mod number;
mod optional;
mod origin;
mod path;
mod redis_urls;
mod setting;
mod switch;
mod text;
mod texts;
mod time;
mod url;

pub(crate) use address::{Address, Addresses};
pub(crate) use base_url::BaseUrls;
pub(crate) use choice::{Choice, words};
pub(crate) use modes::modes;
pub(crate) use network::Networks;
pub(crate) use number::{GIB, KIB, MIB, bytes, count};
pub(crate) use origin::Origins;
pub use redis_urls::RedisUrls;
pub(crate) use setting::{InvalidValue, Setting, Typed};
pub use text::Secret;
pub(crate) use text::{lines, text};
pub(crate) use texts::{Options, Texts};
pub(crate) use time::{DAY, MINUTE, MS, time};
pub use time::{duration, duration_meant};
pub use url::SecureUrl;

/// The default of a key, from the text in the table.
///
/// # Panics
///
/// If the table contradicts itself; `every_default_is_allowed` tests that it does not.
pub(crate) fn default<T: Setting>(rule: &T::Rule, text: &str) -> T {
    match T::read(rule, &Typed::Bare(text.to_owned())) {
        Ok(value) => value,
        Err(wrong) => panic!("the default {} is not {}", wrong.found, T::allowed(rule)),
    }
}
