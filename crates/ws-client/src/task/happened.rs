//! What other tasks of a client send to its owner.

use crate::dial::{DialError, Socket};
use crate::machine::Input;

pub(crate) enum Happened {
    Input(Input),
    Dialed { attempt: u64, result: Result<Socket, DialError> },
}
