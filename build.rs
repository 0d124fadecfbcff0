//! What the program is told while it is built: which commit it is of, and the dashboard's files.

#[path = "build/commit.rs"]
mod commit;
#[path = "build/dashboard.rs"]
mod dashboard;

fn main() -> std::io::Result<()> {
    // A debug build reads the dashboard's files when they are asked for.
    let is_debug = std::env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_some();
    commit::tell(is_debug.then_some(dashboard::FOLDER));
    dashboard::pack(!is_debug)
}
