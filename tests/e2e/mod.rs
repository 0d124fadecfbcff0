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

use crate::support::program::Program;

/// Content with every byte value, and no pattern that a mistake could repeat.
fn content(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
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
