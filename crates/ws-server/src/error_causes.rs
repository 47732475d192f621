//! Errors with their causes: by itself, an error of reqwest says little.

use std::error::Error;

/// The error, then each cause after a colon.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut causes = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        next = cause.source();
    }
    causes
}
