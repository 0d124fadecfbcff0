//! Two machines at work: real processes, real sockets, real signals.

mod crashes;
mod discovery;
mod endings;
mod exec;
mod files;
mod hostile;
mod namespaces;
mod one_port;
mod trust;
mod volume;

use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use crate::support::program::Program;

/// Content with every byte value, and no pattern that a mistake could repeat.
fn content(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// Numbers that nobody foresees. The seed is printed; with it in `LOOPSY_SEED` they come again.
struct Dice(u64);

impl Dice {
    #[expect(clippy::print_stdout, reason = "what a test prints is kept in its record")]
    fn new() -> Self {
        let mut seed = [0; 8];
        SystemRandom::new().fill(&mut seed).unwrap();
        let given = std::env::var("LOOPSY_SEED").ok().map(|seed| seed.parse().expect("LOOPSY_SEED is a number"));
        let seed = given.unwrap_or(u64::from_le_bytes(seed));
        println!("seed {seed}");
        Self(seed | 1)
    }
    /// A number below `end` (xorshift64*).
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end
    }
}

/// Makes a file, and the folder that it is in.
#[expect(clippy::disallowed_methods, reason = "a test's own file is no file of the program")]
fn lay(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Runs what must fail with this status; everything that was said has to be there.
fn fails(program: &Program, args: &[&str], code: i32, said: &[&str]) {
    let all = program.fails(args, code);
    for part in said {
        assert!(all.contains(part), "{args:?}: no {part:?} in {all:?}");
    }
}
