//! Chance that can be played again.

use std::time::{SystemTime, UNIX_EPOCH};

/// A sequence of numbers (xorshift64*, Vigna 2016).
pub struct Chance(u64);

impl Chance {
    /// From `LAMOS_SEED`, or from the clock; the seed is printed, so that what failed can be played again.
    pub fn new() -> Chance {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        let seed = std::env::var("LAMOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock) | 1;
        println!("LAMOS_SEED={seed} plays this again");
        Chance(seed)
    }

    /// Another sequence, of its own.
    pub fn branch(&mut self) -> Chance {
        Chance(self.below(u64::MAX) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }
}

impl Default for Chance {
    fn default() -> Chance {
        Chance::new()
    }
}
