//! Tokens of ws-server: from a JSON Web Token (RFC 7519) to [`ws_core::Claims`].
//!
//! * A [`Key`] has one [`Algorithm`], from the configuration or from a published key set ([`read_key_set`]), and never
//!   from a token: so a public key cannot be taken for a secret, and `none` does not exist.
//! * A [`Verifier`] has keys, and checks tokens for the hub. Keys can change while it is in use.
//! * [`mint`] makes tokens, for development.
//!
//! Signatures are jsonwebtoken's business; which key, in what order things are judged, and what claims mean is decided
//! here. The signature comes first: what has none that is valid learns nothing about its claims.
//!
//! Deliberately absent: the network (key sets are fetched by the wiring and handed in), files, clocks: the time comes in
//! as a value.

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
