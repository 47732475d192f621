//! Frames that are answered with an error, and how many of them a connection may send (PROTOCOL section 3).

use ws_proto::{CloseCode, ErrorBody, ErrorCode};

use super::login::millis;
use crate::budget::Budget;
use crate::limits::Limits;

/// The answer to a refused frame.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: ErrorBody,
    /// It counts against the error budget.
    is_mistake: bool,
}

impl Refused {
    /// The check of a token is refused by rate, and the one before found a bad token: that is how tokens are guessed.
    pub(super) fn guess(error: ErrorBody) -> Self {
        Refused { error, is_mistake: true }
    }
}

impl From<ErrorBody> for Refused {
    fn from(error: ErrorBody) -> Self {
        Refused { is_mistake: error.code.counts_against_budget(), error }
    }
}

/// What a connection may still do wrong, and how often it may still be too fast: two budgets of the same size. An honest
/// client that is too fast uses up the second, whose end invites it to come back.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    mistakes: Budget,
    refused_by_rate: Budget,
}

impl Budgets {
    /// Counts a refused frame that has been answered. The code to close the connection with, if it was one too many.
    pub(super) fn spend(&mut self, refused: &Refused, now_ms: u64, limits: &Limits) -> Option<CloseCode> {
        let spend = |budget: &mut Budget| budget.spend(now_ms, limits.errors_max, millis(limits.errors_window));
        let is_by_rate = refused.error.code == ErrorCode::RateLimited;
        let too_many_mistakes = refused.is_mistake && !spend(&mut self.mistakes);
        let too_fast = is_by_rate && !spend(&mut self.refused_by_rate);
        match (too_many_mistakes, too_fast) {
            (true, _) => Some(CloseCode::TooManyErrors),
            (false, true) => Some(CloseCode::TooManyRequests),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { errors_max: 3, ..Limits::TEST };

    fn error(code: ErrorCode) -> Refused {
        Refused::from(ErrorBody::new(code, "m"))
    }

    fn too_fast() -> Refused {
        ErrorBody::rate_limited("m", 1).into()
    }

    /// How many of these are one answer too many, and with which code.
    #[track_caller]
    fn check(refused: impl IntoIterator<Item = Refused>, expect: Option<(usize, CloseCode)>) {
        let mut budgets = Budgets::default();
        let mut spend = refused.into_iter().map(|refused| budgets.spend(&refused, 0, &LIMITS)).enumerate();
        assert_eq!(spend.find_map(|(n, code)| Some((n + 1, code?))), expect);
    }

    #[test]
    fn mistakes_and_haste_end_apart() {
        let mistake = || error(ErrorCode::Malformed);
        check((0..9).map(|_| mistake()), Some((4, CloseCode::TooManyErrors)));
        check((0..9).map(|_| too_fast()), Some((4, CloseCode::TooManyRequests)));
        check((0..6).map(|n| if n % 2 == 0 { mistake() } else { too_fast() }), None);
        check((0..9).map(|_| error(ErrorCode::NotSubscribed)), None);
    }

    #[test]
    fn guessing_ends_for_good() {
        let guess = || Refused::guess(ErrorBody::rate_limited("m", 1));
        check((0..9).map(|_| guess()), Some((4, CloseCode::TooManyErrors)));
        let bad = || error(ErrorCode::InvalidToken);
        check((0..9).map(|n| if n == 0 { bad() } else { guess() }), Some((4, CloseCode::TooManyErrors)));
    }
}
