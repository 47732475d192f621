//! Signature algorithms of tokens (RFC 7518, section 3.1; RFC 8037).

use jsonwebtoken::Algorithm as Jwa;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $jwa:ident;)*) => {
        /// A signature algorithm. `none` is deliberately missing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Algorithm {
            $($(#[$doc])* $variant,)*
        }

        impl Algorithm {
            /// Every algorithm.
            pub const ALL: &[Algorithm] = &[$(Algorithm::$variant),*];

            /// Its name in the header of a token.
            pub const fn as_str(self) -> &'static str {
                match self { $(Algorithm::$variant => $name,)* }
            }

            pub(crate) const fn jwa(self) -> Jwa {
                match self { $(Algorithm::$variant => Jwa::$jwa,)* }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256.
    Hs256 = "HS256", HS256;
    /// HMAC with SHA-384.
    Hs384 = "HS384", HS384;
    /// HMAC with SHA-512.
    Hs512 = "HS512", HS512;
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256 = "RS256", RS256;
    /// RSA (PKCS #1 v1.5) with SHA-384.
    Rs384 = "RS384", RS384;
    /// RSA (PKCS #1 v1.5) with SHA-512.
    Rs512 = "RS512", RS512;
    /// RSA (PSS) with SHA-256.
    Ps256 = "PS256", PS256;
    /// RSA (PSS) with SHA-384.
    Ps384 = "PS384", PS384;
    /// RSA (PSS) with SHA-512.
    Ps512 = "PS512", PS512;
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256", ES256;
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384", ES384;
    /// Ed25519.
    EdDsa = "EdDSA", EdDSA;
}

/// The type of key that an algorithm uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Secret,
    Rsa,
    EllipticCurve,
    Edwards,
}

impl Algorithm {
    /// The algorithm with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether the same secret signs and verifies. Otherwise a private key signs and a public key verifies.
    pub fn is_symmetric(self) -> bool {
        self.family() == Family::Secret
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => Family::Secret,
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Family::Rsa,
            Algorithm::Es256 | Algorithm::Es384 => Family::EllipticCurve,
            Algorithm::EdDsa => Family::Edwards,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.as_str()), Some(*algorithm));
        }
        for none in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "ES512", "EdDsa"] {
            assert_eq!(Algorithm::from_name(none), None, "{none}");
        }
        assert!(Algorithm::Hs384.is_symmetric() && !Algorithm::Ps256.is_symmetric());
    }
}
