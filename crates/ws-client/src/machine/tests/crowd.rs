//! A crowd of clients after an outage: they come back evenly, however long it was.

use serde_json::json;

use super::script::Script;

const CLIENTS: u64 = 1_000;

/// How long after the end of an outage of so many milliseconds a client is back. Until then every attempt is refused.
fn back_after(seed: u64, outage: u64) -> u64 {
    let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut client = Script::new("crowd", "", json!({"provider": false, "store": false}), seed);
    client.put(json!({"wake": {}}));
    client.greet(1);
    let begun = client.at;
    client.put(json!({"ended": {"attempt": 1}}));
    loop {
        while client.all("dial").is_empty() {
            client.tick();
        }
        let passed = client.at - begun;
        if passed >= outage {
            return passed - outage;
        }
        let attempt = client.one("dial")["attempt"].clone();
        client.put(json!({"ended": {"attempt": attempt, "message": "refused"}}));
    }
}

#[test]
fn the_busiest_second_is_at_most_twice_the_mean() {
    for outage in
        [0, 200, 500, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 10_000, 13_500, 20_000, 28_000, 60_000, 300_000]
    {
        let back: Vec<u64> = (1..=CLIENTS).map(|seed| back_after(seed, outage)).collect();
        let last = back.iter().max().expect("clients") + 1;
        let mut seconds = vec![0_u64; usize::try_from(last / 1_000 + 1).expect("small")];
        back.iter().for_each(|after| seconds[usize::try_from(after / 1_000).expect("small")] += 1);
        let (peak, mean) = (seconds.iter().copied().max().expect("seconds"), CLIENTS * 1_000 / last.max(1_000));
        assert!(peak <= 2 * mean, "after {outage} ms: {peak} a second, {mean} on average, the last after {last} ms");
        assert!(
            last <= 20_001.min(outage.max(500) * 2 + 500),
            "after {outage} ms the last one is back after {last} ms"
        );
    }
}
