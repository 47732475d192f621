//! Every fixed limit of this crate.

/// Longest token, in bytes: half of the largest request head.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Longest published key set, in bytes of JSON.
pub const KEY_SET_BYTES_MAX: usize = 64 * 1024;

/// Most keys of a published set that are used.
pub(crate) const KEY_SET_KEYS_MAX: usize = 64;

/// Latest time in a claim, in seconds since 1970: the end of the year 9999.
pub(crate) const SECONDS_MAX: f64 = 253_402_300_799.0;

/// Longest name of a user, in bytes.
pub(crate) const USER_BYTES_MAX: usize = 255;

/// Shortest secret that is as hard to guess as its hash is to break (RFC 7518, section 3.2, for HS256), in bytes.
pub(crate) const SECRET_BYTES_MIN: usize = 32;

/// A public key of Ed25519 (RFC 8032, section 5.1.5), in bytes.
pub(crate) const ED25519_BYTES: usize = 32;

/// Shortest and longest modulus of an RSA key (RFC 7518, section 3.3: at least 2048 bits), in bytes.
pub(crate) const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
