//! A rate limit with bursts: a token bucket, kept as one number.

/// A rate. The bucket is a `u64` that the caller keeps, initially 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Time in which one token is refilled, in microseconds; 0: no limit.
    cost_us: u64,
    /// Time in which an empty bucket is refilled, in microseconds.
    depth_us: u64,
}

impl Rate {
    /// `per_second` on average (0: no limit), `burst` at once (0: as many as `per_second`).
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let Some(cost_us) = 1_000_000_u64.checked_div(per_second.into()) else {
            return Rate { cost_us: 0, depth_us: 0 };
        };
        let burst = if burst == 0 { per_second } else { burst };
        Rate { cost_us: cost_us.max(1), depth_us: cost_us.max(1) * u64::from(burst) }
    }

    /// Takes one token now, and returns the new value of the bucket.
    ///
    /// # Errors
    /// The bucket is empty: the milliseconds until it has a token.
    pub(crate) fn take(self, bucket: u64, now_ms: u64) -> Result<u64, u64> {
        if self.cost_us == 0 {
            return Ok(bucket);
        }
        let now_us = now_ms.saturating_mul(1000);
        // When the bucket is full again.
        let full_us = bucket.max(now_us) + self.cost_us;
        match (full_us - now_us).checked_sub(self.depth_us) {
            None | Some(0) => Ok(full_us),
            Some(wait_us) => Err(wait_us.div_ceil(1000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `n` are taken at this moment.
    fn taken(rate: Rate, bucket: &mut u64, now_ms: u64, n: usize) -> usize {
        let mut take = || rate.take(*bucket, now_ms).map(|after| *bucket = after).is_ok();
        (0..n).filter(|_| take()).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (rate, mut bucket) = (Rate::new(10, 5), 0);
        assert_eq!(taken(rate, &mut bucket, 1000, 20), 5);
        assert_eq!(rate.take(bucket, 1000), Err(100));
        assert_eq!(taken(rate, &mut bucket, 1099, 20), 0);
        assert_eq!(taken(rate, &mut bucket, 1100, 20), 1);
        assert_eq!(taken(rate, &mut bucket, 1400, 20), 3);
        assert_eq!(taken(rate, &mut bucket, 60_000, 20), 5, "it is never more than full");
    }

    #[test]
    fn without_a_burst_a_second_of_it() {
        let (rate, mut bucket) = (Rate::new(7, 0), 0);
        assert_eq!(taken(rate, &mut bucket, 0, 100), 7);
    }

    #[test]
    fn zero_is_no_limit() {
        let (rate, mut bucket) = (Rate::new(0, 3), 0);
        assert_eq!(taken(rate, &mut bucket, 5, 1000), 1000);
        assert_eq!(rate.take(9_000, 5), Ok(9_000), "though another thread has seen a later moment");
    }
}
