//! Steps drawn from a seed.

use std::time::{Duration, SystemTime};

use super::fault::{Fault, Way};
use super::rng::Rng;
use super::script::{Step, after, after_bytes, at_once};

/// A network that breaks every connection, sooner or later. What it does to the n-th depends on the seed alone.
#[derive(Debug, Clone, Copy)]
pub struct Chaos {
    /// Repeats everything that is drawn.
    pub seed: u64,
    /// The longest that a connection works, where it ends by time.
    pub life_max: Duration,
    /// The most bytes that go one way, where it ends by bytes.
    pub bytes_max: u64,
    /// The longest that a connection stays half-open, muted or in a black hole before it is reset.
    pub silence_max: Duration,
    /// The longest that the port refuses connections.
    pub refuse_max: Duration,
}

/// The seed in `WS_TEST_SEED`, or another one each time.
///
/// # Panics
/// If the variable is no number.
pub fn seed() -> u64 {
    match std::env::var("WS_TEST_SEED") {
        Ok(seed) => seed.parse().expect("WS_TEST_SEED is a number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
            Rng::new(now.as_nanos() as u64, u64::from(std::process::id())).bits() >> 32
        }
    }
}

impl Chaos {
    /// Short lives: for tests that want many reconnects soon.
    pub fn new(seed: u64) -> Self {
        Chaos {
            seed,
            life_max: Duration::from_millis(300),
            bytes_max: 16 * 1024,
            silence_max: Duration::from_millis(300),
            refuse_max: Duration::from_millis(100),
        }
    }

    pub(super) fn steps(&self, nth: u64) -> Vec<Step> {
        let mut rng = Rng::new(self.seed, nth);
        if rng.chance(4) {
            return vec![at_once(Fault::Mute), after(rng.time(self.silence_max), Fault::Reset)];
        }
        let mut steps = Vec::new();
        if rng.chance(50) {
            steps.push(at_once(lasting(&mut rng)));
        }
        // A step at a byte comes in the middle of a frame; time alone would mostly find a quiet moment.
        let way = if rng.chance(50) { Way::ToServer } else { Way::ToClient };
        let by_bytes = rng.chance(60).then(|| rng.range(0..=self.bytes_max));
        let by_time = rng.time(self.life_max);
        // Bytes may never come: idle connections end as well.
        let then = |fault| match by_bytes {
            Some(bytes) => after_bytes(way, bytes, fault).at_the_latest(self.life_max),
            None => after(by_time, fault),
        };
        match rng.range(0..=99) {
            0..=24 => steps.push(then(Fault::Cut)),
            25..=54 => steps.push(then(Fault::Reset)),
            55..=69 => steps.push(then(Fault::Forget)),
            70..=79 => steps.extend([then(Fault::Blackhole), after(rng.time(self.silence_max), Fault::Reset)]),
            80..=89 => steps.extend([then(Fault::HalfOpen(way)), after(rng.time(self.silence_max), Fault::Reset)]),
            _ => steps.extend([then(Fault::Refuse(rng.time(self.refuse_max))), at_once(Fault::Reset)]),
        }
        steps
    }
}

/// Something that makes a connection worse without ending it.
fn lasting(rng: &mut Rng) -> Fault {
    let ms = |rng: &mut Rng, most| Duration::from_millis(rng.range(0..=most));
    match rng.range(0..=3) {
        0 => Fault::Delay { least: ms(rng, 10), jitter: ms(rng, 20) },
        1 => Fault::Slow { bytes_per_s: rng.range(20_000..=200_000) as u32 },
        2 => Fault::Split { bytes_max: rng.range(1..=200) as usize },
        _ => Fault::Join { wait: ms(rng, 30) },
    }
}
