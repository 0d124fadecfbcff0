//! The real program with a throw-away home.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use loopsy::home::Home;
use loopsy::home::instance::{Instance, Running};

use super::netns::Space;

/// The program that is tried: `LOOPSY_BIN`, or the one that was built with the tests.
pub fn binary() -> PathBuf {
    std::env::var_os("LOOPSY_BIN").map_or_else(|| env!("CARGO_BIN_EXE_loopsy").into(), PathBuf::from)
}

/// The agent that plays scripts (tests/fake_agent), which is built with the tests.
pub fn fake_agent() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_loopsy")).with_file_name("examples").join("fake-agent")
}

/// The variables that say where a coding agent keeps its files.
pub const AGENT_FOLDERS: [&str; 4] = ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_CONFIG_HOME"];

/// The folders of programs in which there is no coding agent: those of this machine are no part of a test.
pub fn path_without_agents() -> OsString {
    let has_agent = |folder: &PathBuf| ["claude", "codex", "gemini", "opencode"].iter().any(|agent| folder.join(agent).exists());
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    std::env::join_paths(folders.into_iter().filter(|folder| !has_agent(folder) || folder.join("sh").exists())).unwrap()
}

/// A home, and the program that uses it. Its daemon is ended at the latest when this is dropped.
pub struct Program {
    folder: tempfile::TempDir,
    /// The command that has another run on the machine on which this program runs; empty for the machine of the test.
    way_in: Vec<OsString>,
}

/// What came of one run.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Program {
    /// An empty home, before `init`.
    pub fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), way_in: Vec::new() }
    }
    /// A home whose daemon will listen on loopback and any free port.
    pub fn ready() -> Self {
        let program = Self::bare();
        program.ok(&["init"]);
        program.ok(&["config", "set", "server.host", "127.0.0.1"]);
        program.ok(&["config", "set", "server.port", "0"]);
        program
    }
    /// As [`Program::ready`], where this many descriptors are all that a process has that does not ask for more.
    pub fn with_descriptors(count: usize) -> Self {
        let way_in = ["sh", "-c", &format!("ulimit -S -n {count}; exec \"$@\""), "sh"].map(OsString::from).to_vec();
        let mut program = Self::ready();
        program.way_in = way_in;
        program
    }
    /// A home on a machine of its own, whose daemon will listen on all of that machine's addresses.
    pub fn on(machine: &Space, name: &str) -> Self {
        let way = machine.command("env");
        let way_in = std::iter::once(way.get_program()).chain(way.get_args()).map(OsString::from).collect();
        let program = Self { folder: tempfile::tempdir().unwrap(), way_in };
        program.ok(&["init"]);
        program.ok(&["config", "set", "server.hostname", name]);
        program
    }
    pub fn home(&self) -> Home {
        Home::at(self.folder.path().join(".loopsy"))
    }
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
    /// The program with these arguments, to be started.
    pub fn command(&self, args: &[&str]) -> Command {
        let words: Vec<OsString> = self.way_in.iter().cloned().chain([binary().into()]).collect();
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(args)
            .env("LOOPSY_DATA_DIR", self.home().root())
            .env("HOME", self.folder.path())
            .env("PATH", self.search_path())
            .stdin(Stdio::null());
        AGENT_FOLDERS.iter().for_each(|variable| {
            command.env_remove(variable);
        });
        command
    }
    /// Where programs are looked for: first in a folder of this home's own, then where there is no coding agent.
    fn search_path(&self) -> OsString {
        let folders: Vec<PathBuf> = std::env::split_paths(&path_without_agents()).collect();
        std::env::join_paths(std::iter::once(self.folder.path().join("bin")).chain(folders)).unwrap()
    }
    /// Installs a program under a name: the agent that plays scripts unless another is given.
    pub fn install(&self, name: &str, program: Option<&Path>) {
        let bin = self.folder.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(program.map_or_else(fake_agent, Path::to_owned), bin.join(name)).unwrap();
    }
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }
    /// Runs with this input, in its own time; answers what came out, byte for byte.
    pub fn piped(&self, args: &[&str], input: &[u8]) -> Output {
        let piped = || Stdio::piped();
        let mut child = self.command(args).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // A program that does not want all of it has closed its end.
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().unwrap()
        })
    }
    /// Runs what must succeed; answers what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.out
    }
    /// Runs what must fail with this status; answers what it said.
    pub fn fails(&self, args: &[&str], code: i32) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(!ran.err.contains("os error") && !ran.err.contains("panicked"), "{ran:?}");
        ran.err
    }
    pub fn running(&self) -> Option<Running> {
        Instance::running(&self.home())
    }
    pub fn config(&self) -> String {
        std::fs::read_to_string(self.home().config()).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.home().sessions().exists() {
            self.run(&["session", "stop-all"]);
        }
        if self.running().is_some() {
            self.run(&["stop"]);
        }
    }
}
