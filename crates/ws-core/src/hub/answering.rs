//! What other servers ask: carried out here, and answered.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, timeout_at};
use ws_proto::limits::HISTORY_LIMIT_MAX;
use ws_proto::{ErrorBody, ErrorCode};

use crate::cluster::{Asked, Page, Question};
use crate::limits::{CLUSTER_PAGE_BYTES_MAX, CLUSTER_SUBSCRIPTIONS_MAX};
use crate::state::{Shared, fitting};

/// Carries out what other servers ask. How many at a time, and for how long, has a bound.
pub(super) async fn answer_all(shared: Arc<Shared>) {
    while let Some(asked) = shared.asking.questions.next().await {
        tokio::spawn(answer(shared.clone(), asked));
    }
}

async fn answer(shared: Arc<Shared>, asked: Asked) {
    let result = timeout_at(asked.by, perform(&shared, &asked.question, asked.by)).await;
    let late =
        || Err(ErrorBody::new(ErrorCode::EngineUnavailable, "another server could not do it in time; try again"));
    shared.asking.questions.answer(asked, result.unwrap_or_else(|_| late()));
}

async fn perform(shared: &Shared, question: &Question<'_>, by: Instant) -> Result<Box<RawValue>, ErrorBody> {
    match question {
        Question::Connections { user, after, max } => {
            json(&fitted(shared.own_connections(user.as_deref(), *after, bounded(*max))))
        }
        Question::Connection { id, after } => {
            let mut details = shared.own_connection(*id, after.as_deref(), CLUSTER_SUBSCRIPTIONS_MAX).await?;
            details.subscriptions = fitted(details.subscriptions);
            json(&details)
        }
        Question::Close { id, code, reason } => json(&shared.close_own(*id, *code, reason)?),
        Question::CloseUser { user, code, reason } => json(&shared.close_own_user(user, *code, reason)?),
        Question::Subscribe { id, channel } => json(&shared.subscribe_own(*id, channel, by).await?),
        Question::Unsubscribe { id, channel } => json(&shared.unsubscribe_own(*id, channel, by).await?),
        Question::SubscribeUser { user, channel } => json(&shared.subscribe_own_user(user, channel, by).await?),
        Question::UnsubscribeUser { user, channel } => json(&shared.unsubscribe_own_user(user, channel, by).await?),
        Question::Channels { prefix, after, max } => {
            json(&fitted(shared.own_channels(prefix, after.as_deref(), bounded(*max))))
        }
        Question::Subscribers { channel } => json(&shared.own_subscribers(channel)),
        Question::Runs { channel } => json(&shared.open_runs(channel)),
        Question::CancelRun { channel, run_id } => json(&shared.cancel_own(channel, run_id).await?),
        Question::Run { channel, run_id, digest } => json(&shared.find_own_run(channel, run_id, digest).await?),
    }
}

fn json<T: Serialize>(answer: &T) -> Result<Box<RawValue>, ErrorBody> {
    to_raw_value(answer).map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))
}

/// No page has more entries, whatever is asked for.
fn bounded(max: usize) -> usize {
    max.clamp(1, HISTORY_LIMIT_MAX as usize)
}

/// As much of a page as an answer may carry.
fn fitted<E: Serialize>(page: Page<E>) -> Page<E> {
    // What cannot be encoded here is found when the answer is.
    let lengths = page.entries.iter().map(|entry| serde_json::to_vec(entry).map_or(0, |json| json.len()));
    let max = fitting(lengths, CLUSTER_PAGE_BYTES_MAX);
    page.cut(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fits_into_its_message_and_goes_on_where_it_was_cut() {
        // Encoded, each takes six bytes for one.
        let entries: Vec<String> = (0..1000).map(|n| format!("{n:04}{}", "\u{1}".repeat(1000))).collect();
        let page = fitted(Page { entries: entries.clone(), more: false });
        let bytes = serde_json::to_vec(&page.entries).expect("it encodes").len();
        assert!((CLUSTER_PAGE_BYTES_MAX - 7000..=CLUSTER_PAGE_BYTES_MAX + 1).contains(&bytes), "{bytes}");
        assert!(page.more && entries.starts_with(&page.entries));
        let whole = fitted(Page { entries: entries[..9].to_vec(), more: false });
        assert_eq!((whole.entries.len(), whole.more), (9, false));
    }
}
