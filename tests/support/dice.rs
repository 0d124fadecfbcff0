//! Chance, which can be had again.

use ring::rand::{SecureRandom, SystemRandom};

/// Numbers that nobody foresees. The seed is printed; with it in `LOOPSY_SEED` they come again.
pub struct Dice(u64);

impl Dice {
    #[expect(clippy::print_stdout, reason = "what a test prints is kept in its record")]
    pub fn new() -> Self {
        let mut seed = [0; 8];
        SystemRandom::new().fill(&mut seed).unwrap();
        let given = std::env::var("LOOPSY_SEED").ok().map(|seed| seed.parse().expect("LOOPSY_SEED is a number"));
        let seed = given.unwrap_or(u64::from_le_bytes(seed));
        println!("seed {seed}");
        Self(seed | 1)
    }
    /// A number below `end` (xorshift64*).
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }
    /// Others, which this one foresees.
    pub fn another(&mut self) -> Self {
        Self(self.below(u64::MAX) | 1)
    }
}
