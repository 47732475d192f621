//! Tokens of ws-server: from a JSON Web Token (RFC 7519) to [`ws_core::Claims`].
//!
//! * A [`Key`] has one [`Algorithm`], from the configuration or from a published key set ([`read_key_set`]), never from
//!   a token. So a public key cannot be mistaken for a secret, and there is no `none`.
//! * A [`Verifier`] verifies tokens for the hub. Its keys can change while it is in use.
//! * [`mint`] makes tokens for development.
//!
//! jsonwebtoken verifies signatures. This crate decides which keys to try, the order of the checks, and what claims
//! mean. The signature is checked first: the sender of a token without a valid one learns nothing about the claims.
//!
//! Deliberately absent: the network (ws-server fetches key sets and passes them in), files, and clocks (the time is
//! passed in).

mod algorithm;
mod claims;
mod header;
mod key;
mod key_set;
mod limits;
mod mint;
mod verifier;

pub use algorithm::Algorithm;
pub use key::{Key, KeyError};
pub use key_set::{KeySet, KeySetError, read_key_set};
pub use limits::{KEY_SET_BYTES_MAX, TOKEN_BYTES_MAX};
pub use mint::mint;
pub use verifier::{Verifier, VerifierOptions};
