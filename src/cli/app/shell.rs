//! The grammar of terminals.

use clap::Args;

use super::straight::Straight;

#[derive(Debug, Args)]
#[command(
    override_usage = "loopsy shell [OPTIONS] <PEER> [COMMAND]…\n       loopsy shell [PEER] --attach <TERMINAL>\n       loopsy shell [PEER] --list\n       loopsy shell [PEER] --end <TERMINAL>"
)]
pub struct Shell {
    /// The machine; `.` for this one.
    #[arg(required_unless_present_any = ["attach", "list", "end"])]
    pub peer: Option<String>,
    /// Go back to a terminal: its id, as much of it as is needed, or its name.
    #[arg(long, value_name = "TERMINAL", conflicts_with_all = ["list", "end", "cwd", "env", "name", "command"])]
    pub attach: Option<String>,
    /// List the terminals there are.
    #[arg(long, conflicts_with_all = ["end", "cwd", "env", "name", "command"])]
    pub list: bool,
    /// End a terminal, with everything that runs in it.
    #[arg(long, value_name = "TERMINAL", conflicts_with_all = ["cwd", "env", "name", "command"])]
    pub end: Option<String>,
    /// Folder to begin in.
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// A variable for its environment; may be given several times.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// What the terminal is called.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How a machine that is not in the configuration is called.
    #[command(flatten)]
    pub straight: Straight,
    /// What to run instead of the login shell; everything after it is the command's, options too.
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}
