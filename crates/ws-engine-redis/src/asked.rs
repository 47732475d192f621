//! Channels whose positions are asked for, and what the streams begin with that Redis does not have.

use std::sync::Arc;

use crate::channel::{Channel, State};
use crate::scripts::{Script, ttl_ms};
use crate::shared::{Shared, random};

/// A channel, and the number of its position.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) channel: Arc<Channel>,
    pub(crate) number: u64,
    begins: Vec<u8>,
}

impl Shared {
    /// The next position of a channel, which has just been [asked](State::ask) for.
    pub(crate) fn asked(&self, channel: &Arc<Channel>, state: &State, number: u64) -> Asked {
        Asked { channel: channel.clone(), number, begins: self.begins(state) }
    }

    /// What a channel begins with: a new epoch, and behind it the one that goes on, if its generation does and this server
    /// knows that nothing was ever published in it.
    pub(crate) fn begins(&self, state: &State) -> Vec<u8> {
        let mut begins = random().to_vec();
        // What was published while nothing was told here is remembered for longer than that, unless Redis forgets by itself.
        let is_sure = !self.options.allow_eviction && state.has_missed_for() < self.options.position_ttl / 2;
        let unused = state.known.filter(|_| is_sure).and_then(|known| known.unused());
        begins.extend(unused.into_iter().flatten());
        begins
    }

    /// Asks for the positions of channels of one partition, at least one.
    pub(crate) fn position_args(&self, all: &[Asked]) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut rest = vec![self.options.position_ttl.as_millis().to_string().into_bytes()];
        for Asked { channel, begins, .. } in all {
            let partition = channel.partition;
            if keys.is_empty() {
                keys.push(self.keys.generation(partition).into_bytes());
            }
            let retention = self.sink().retention(&channel.name);
            let (size, ttl) = retention.map_or((usize::MAX >> 12, 0), |kept| (kept.size, ttl_ms(kept)));
            keys.push(self.keys.meta(partition, &channel.name).into_bytes());
            keys.push(self.keys.stream(partition, &channel.name).into_bytes());
            rest.extend([begins.clone(), size.to_string().into_bytes(), ttl.to_string().into_bytes()]);
        }
        let mut args = self.eval(Script::Position, keys);
        args.extend(rest);
        args
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use crate::fake::{G, connect, disconnect, server_with};
    use crate::options::RedisOptions;

    const TTL: Duration = Duration::from_secs(3600);

    /// A channel is followed, and again after an outage of so long, in which it was almost followed.
    async fn check(top: u64, outage: Duration, allow_eviction: bool, goes_on: bool) {
        let (shared, _) = server_with(RedisOptions { position_ttl: TTL, allow_eviction, ..RedisOptions::for_tests() });
        let (_writer, mut feed) = connect(&shared);
        shared.interest("c", true);
        let topic = feed.expect("SSUBSCRIBE").await.remove(1);
        assert_eq!(feed.expect("position").await[7].len(), 8, "a new epoch");
        feed.confirm(&topic).await;
        feed.position(7, top).await;
        for _ in 0..2 {
            disconnect(&shared);
            sleep(outage / 2).await;
            let (_writer, again) = connect(&shared);
            feed = again;
            shared.follow_all();
            feed.expect("SSUBSCRIBE").await;
            feed.confirm(&topic).await;
        }
        let begins = feed.expect("position").await.remove(7);
        let known = [7, G].map(u64::to_be_bytes).concat();
        let expect: &[u8] = if goes_on { &known } else { &[] };
        assert_eq!(&begins[8..], expect, "{top} {outage:?} {allow_eviction}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_never_used_goes_on_where_nobody_can_have_used_it() {
        const SHORT: Duration = Duration::from_secs(660);
        check(0, SHORT, false, true).await;
        check(1, SHORT, false, false).await;
        check(0, SHORT, true, false).await;
        check(0, TTL / 2, false, false).await;
    }
}
