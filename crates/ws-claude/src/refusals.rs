//! Why a request is not answered with a run.

use ws_proto::{ErrorBody, ErrorCode};

/// There are as many runs as there may be.
pub(crate) fn full(what: &str, max: usize, key: &str) -> String {
    format!("{what} {max} open runs of Claude already (claude.{key}); try again when one has ended")
}

/// The id has another request.
pub(crate) fn conflict() -> ErrorBody {
    let message = "`payload.run_id` was used for another request in this channel; choose another one";
    ErrorBody::new(ErrorCode::Conflict, message)
}

/// Whether a run has begun is not known.
pub(crate) fn in_doubt() -> ErrorBody {
    let message = "whether this run has begun is not known yet; try again";
    ErrorBody::new(ErrorCode::EngineUnavailable, message)
}

/// The id was free when it was asked for, and is not any more.
pub(crate) fn passed_by() -> ErrorBody {
    let message = "a run of this id has come and gone meanwhile; ask again to be told of it";
    ErrorBody::new(ErrorCode::Overloaded, message)
}
