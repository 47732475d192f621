//! One key that tokens are checked with.

use std::path::PathBuf;

use ws_auth::Algorithm;

use super::key::section;
use super::value::{Choice, Secret, text, words};

impl Choice for Algorithm {
    const ALL: &'static [(&'static str, Self)] = &[
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];
}

section! {
    /// A key that tokens are checked with.
    pub struct AuthKey {
        /// The algorithm of the key. HS algorithms take a secret, the others a public key.
        algorithm: Algorithm = "HS256", words();
        /// The secret itself: at least 32 bytes from a random source. Better set by its variable, or in a file of its
        /// own.
        secret: Option<Secret> = "", text(4096), secret: true;
        /// A file with the secret; a line break at its end is ignored.
        secret_file: Option<PathBuf> = "", ();
        /// A file with the public key, in PEM.
        public_key_file: Option<PathBuf> = "", ();
        /// The id of the key. Tokens that name another one are not checked with it. None: it is tried for all tokens.
        kid: Option<String> = "", text(256);
    }
}
