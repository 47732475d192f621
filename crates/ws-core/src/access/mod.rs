//! Who may do what, and how much: rights, identities, the grants of tokens, and quotas. It works on values only and
//! knows neither connections nor channels.

mod address_rate;
mod addresses;
mod auth;
mod authentication;
mod grants;
mod identity;
mod quota;
mod refusal;
mod right;
mod share;

pub(crate) use self::address_rate::AddressRate;
pub(crate) use self::addresses::network;
pub use self::auth::Auth;
pub(crate) use self::auth::TokenRejection;
pub use self::authentication::Authentication;
pub use self::grants::{Grants, Patterns};
pub use self::identity::{Authenticator, Claims, Identity, TokenError};
pub(crate) use self::quota::{Exhausted, Quota};
pub use self::refusal::Refusal;
pub(crate) use self::refusal::too_many_of_user;
pub(crate) use self::right::{AccessCheck, Right};
pub use self::share::{AddressShares, Share};
