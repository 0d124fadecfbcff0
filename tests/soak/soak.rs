//! Three daemons at work for many clients, while one thing after the other goes wrong. `tests/soak/run` starts it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "it tells what it does, and ends where it can't go on"
)]
#![allow(clippy::disallowed_methods, reason = "a program of its own, which is not Loopsy")]

#[cfg(target_os = "linux")]
mod caller;
#[cfg(target_os = "linux")]
mod course;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod tally;
#[cfg(target_os = "linux")]
mod truth;

#[cfg(target_os = "linux")]
#[path = "../support"]
#[allow(dead_code, reason = "the tests use the rest")]
mod support {
    pub mod dice;
    pub mod disk;
    pub mod netns;
    pub mod process;
    pub mod raw;
    pub mod sim;
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    course::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: it needs Linux");
}
