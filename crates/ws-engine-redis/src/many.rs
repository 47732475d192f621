//! Tests of what is asked for together, where there are many channels.

use crate::fake::{connect, disconnect, server_with};
use crate::limits::{FOLLOW_BATCH_MAX, MEMBERS_BATCH_MAX};
use crate::options::RedisOptions;

#[tokio::test(start_paused = true)]
async fn many_channels_take_few_commands() {
    const REST: usize = 88;
    let (shared, _) = server_with(RedisOptions { partitions: 1, ..RedisOptions::for_tests() });
    (0..FOLLOW_BATCH_MAX + REST).for_each(|n| shared.interest(&format!("c{n}"), true));
    for round in 0..2 {
        let (_writer, mut feed) = connect(&shared);
        shared.follow_all();
        shared.follow_queued();
        let first = feed.follow_batch(1).await.len();
        let second = feed.follow_batch(1).await.len();
        assert_eq!((first, second), (FOLLOW_BATCH_MAX, REST));
        assert_eq!(feed.counted, [0; 0], "first everything is followed");
        feed.is_idle().await;
        assert_eq!(
            feed.counted,
            vec![MEMBERS_BATCH_MAX; 3 * round],
            "who came and went meanwhile is asked for together"
        );
        shared.check_partition(0);
        for channels in [FOLLOW_BATCH_MAX, REST] {
            let keys = &feed.expect("position").await[2];
            assert_eq!(*keys, (1 + 2 * channels).to_string().into_bytes());
            feed.positions(1, 0, channels).await;
        }
        feed.is_idle().await;
        disconnect(&shared);
    }
}
