//! Where a subscription starts.

use std::borrow::Cow;

use ws_proto::action::{Gap, SubscribeData};

use crate::engine::{Epoch, History};

/// Where a client wants to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartAt<'a> {
    Now,
    Since { epoch: Cow<'a, str>, offset: u64 },
    Last(u64),
}

impl StartAt<'_> {
    /// The same without borrowing from the frame that it came in.
    pub(crate) fn into_owned(self) -> StartAt<'static> {
        match self {
            StartAt::Now => StartAt::Now,
            StartAt::Since { epoch, offset } => StartAt::Since { epoch: epoch.into_owned().into(), offset },
            StartAt::Last(n) => StartAt::Last(n),
        }
    }

    /// The offset after which the subscription starts (PROTOCOL section 5).
    pub(super) fn resolve<'a>(&self, history: &History, top: u64, data: &mut SubscribeData<'a>) -> u64
    where
        Self: 'a,
    {
        let oldest = history.oldest.saturating_sub(1);
        match self {
            StartAt::Now => top,
            StartAt::Last(n) => top.saturating_sub(*n).max(oldest.min(top)),
            StartAt::Since { epoch, offset } => {
                let is_known = Epoch::parse(epoch) == Some(history.epoch) && *offset <= top;
                let (after, gap) = match () {
                    () if !is_known => (oldest, Some(Gap::Epoch { epoch: epoch.to_string().into() })),
                    () if *offset < oldest => (oldest, Some(Gap::Offsets { from: offset + 1, to: oldest })),
                    () => (*offset, None),
                };
                data.recovered = Some(gap.is_none());
                data.gap = gap;
                after
            }
        }
    }
}
