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
    /// It has had a position here.
    is_known: bool,
}

impl Shared {
    /// The next position of a channel, which has just been [asked](State::ask) for.
    pub(crate) fn asked(&self, channel: &Arc<Channel>, state: &State, number: u64) -> Asked {
        Asked { channel: channel.clone(), number, begins: self.begins(state), is_known: state.known.is_some() }
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
        self.position_args_of(Script::Position, all, |asked| asked.begins.clone())
    }

    /// The same of a Redis that is full: where clients name channels, nothing begins.
    pub(crate) fn position_args_when_full(&self, all: &[Asked]) -> Vec<Vec<u8>> {
        let begins = |asked: &Asked| if asked.is_known { asked.begins.clone() } else { Vec::new() };
        self.position_args_of(Script::PositionWhenFull, all, begins)
    }

    fn position_args_of(&self, script: Script, all: &[Asked], begins: impl Fn(&Asked) -> Vec<u8>) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut rest = vec![self.options.position_ttl.as_millis().to_string().into_bytes()];
        for asked in all {
            let (channel, partition) = (&asked.channel, asked.channel.partition);
            if keys.is_empty() {
                keys.push(self.keys.generation(partition).into_bytes());
            }
            let retention = self.sink().retention(&channel.name);
            let (size, ttl) = retention.map_or((usize::MAX >> 12, 0), |kept| (kept.size, ttl_ms(kept)));
            keys.push(self.keys.meta(partition, &channel.name).into_bytes());
            keys.push(self.keys.stream(partition, &channel.name).into_bytes());
            rest.extend([begins(asked), size.to_string().into_bytes(), ttl.to_string().into_bytes()]);
        }
        let mut args = self.eval(script, keys);
        args.extend(rest);
        args
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::TryRecvError;
    use std::time::Duration;

    use tokio::time::sleep;

    use crate::fake::{G, connect, disconnect, server_with};
    use crate::options::RedisOptions;
    use crate::order::done;

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

    #[tokio::test(start_paused = true)]
    async fn where_there_is_no_memory_only_what_is_known_begins() {
        const FULL: &[u8] = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        let (shared, told) = server_with(RedisOptions { partitions: 1, ..RedisOptions::for_tests() });
        let (_writer, mut feed) = connect(&shared);
        shared.interest("known", true);
        feed.follow(7).await;
        shared.interest("new", true);
        let (done, calls) = done();
        shared.following("new", done);
        let topic = feed.expect("SSUBSCRIBE").await.remove(1);
        feed.expect("position").await;
        feed.confirm(&topic).await;
        feed.say(FULL).await;
        assert_eq!(feed.expect("position-when-full").await[7], b"");
        feed.say(b"*1\r\n$-1\r\n").await;
        feed.is_idle().await;
        shared.check_partition(0);
        let asked = feed.expect("position").await;
        feed.say(FULL).await;
        let again = feed.expect("position-when-full").await;
        let begins = |command: &[Vec<u8>]| {
            let first = command[3..].iter().position(|arg| arg == b"86400000").expect("a ttl") + 4;
            [first, first + 3].map(|at| command[at].len())
        };
        let mut lengths = [begins(&asked), begins(&again)];
        lengths.iter_mut().for_each(|lengths| lengths.sort_unstable());
        assert_eq!(lengths, [[8, 24], [0, 24]]);
        assert_eq!(calls.try_recv(), Err(TryRecvError::Empty));
        // There is room again.
        feed.positions(7, 0, 2).await;
        assert_eq!(calls.try_recv(), Ok(Ok(())));
        assert_eq!(*told.0.lock(), [""; 0]);
    }
}
