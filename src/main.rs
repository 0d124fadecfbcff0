//! The program: hands its arguments to the command line, and that one's exit status to the system.

fn main() -> std::process::ExitCode {
    loopsy::cli::run(std::env::args_os())
}
