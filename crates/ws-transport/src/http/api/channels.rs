//! `/channels`, `/channels/{channel}`.

use ws_core::{ChannelOptions, Hub, OnLag};
use ws_proto::api::{self, ChannelDetails};
use ws_proto::{ChannelName, ErrorBody};

use super::call::{Outcome, answer};
use super::query::Query;

/// GET: a page of the channels that have subscribers.
pub(super) async fn page(hub: &Hub, query: Query<'_>) -> Outcome {
    let (prefix, after) = (query.text("prefix")?.unwrap_or_default(), query.text("after")?);
    answer(&hub.list_channels(&prefix, query.number("limit")?, after.as_deref()).await?)
}

/// GET: one channel, with its options.
pub(super) async fn details(hub: &Hub, name: &str) -> Outcome {
    let namespace = namespace(name)?;
    let options = options(&*hub.channel_options(name)?);
    answer(&ChannelDetails { channel: hub.channel(name).await?, namespace, options })
}

fn namespace(name: &str) -> Result<Option<String>, ErrorBody> {
    Ok(ChannelName::parse(name)?.namespace().map(str::to_owned))
}

fn options(options: &ChannelOptions) -> api::ChannelOptions {
    api::ChannelOptions {
        history_size: options.history_size as u64,
        history_ttl_ms: u64::try_from(options.history_ttl.as_millis()).unwrap_or(u64::MAX),
        presence: options.presence,
        join_leave: options.join_leave,
        on_lag: match options.on_lag {
            OnLag::Gap => api::OnLag::Gap,
            OnLag::Latest => api::OnLag::Latest,
            OnLag::Disconnect => api::OnLag::Disconnect,
        },
    }
}
