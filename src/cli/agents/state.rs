//! What is registered with an agent, as its files tell it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{Agent, NAME, Server, jsonc, server, toml};
use crate::base::error::io_words;
use crate::home::Home;
use crate::platform::process::which;

/// Longest file that is read, bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// A registration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The data directory that its environment names.
    data_dir: Option<String>,
}

impl Entry {
    /// The registration in a file of JSON.
    pub(super) fn in_json(text: &str, section: &str) -> Result<Option<Self>, String> {
        Ok(Self::of_json(&jsonc::parse(text)?[section]))
    }
    /// The registration among these servers.
    fn of_json(servers: &Value) -> Option<Self> {
        let entry = servers.get(NAME)?;
        let texts = |value: &Value| match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let command = [texts(&entry["command"]), texts(&entry["args"])].concat();
        let variables = ["env", "environment"].iter().filter_map(|key| entry[*key]["LOOPSY_DATA_DIR"].as_str());
        Some(Self { command, data_dir: variables.map(str::to_owned).next() })
    }
    /// The registration in a file of TOML.
    pub(super) fn in_toml(text: &str, section: &str) -> Result<Option<Self>, String> {
        let Some(mut table) = toml::table(text, &[section, NAME]) else { return Ok(None) };
        let mut texts = |key: &str| table.remove(key).unwrap_or_default();
        let command = [texts("command"), texts("args")].concat();
        let variables = toml::table(text, &[section, NAME, "env"]);
        let data_dir = variables.and_then(|mut table| table.remove("LOOPSY_DATA_DIR")?.pop());
        Ok(Some(Self { command, data_dir }))
    }
    /// The command as it is typed.
    pub fn line(&self) -> String {
        server::line(&self.command)
    }
    /// The data directory of the server that it starts.
    fn home(&self) -> Option<Home> {
        let mut args = self.command.iter();
        let named = args.find_map(|arg| match arg.as_str() {
            "--data-dir" => Some(None),
            arg => arg.strip_prefix("--data-dir=").map(|dir| Some(dir.to_owned())),
        });
        let named = named.and_then(|dir| dir.or_else(|| args.next().cloned())).or_else(|| self.data_dir.clone());
        Home::locate(named.as_deref().map(Path::new)).ok()
    }
}

/// A registration in one project only, which is not Loopsy's to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// `local`: for this user in one folder; `project`: for everybody, by a file in the folder.
    pub scope: &'static str,
    /// The folder.
    pub folder: PathBuf,
}

/// How a registration fits the server that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// It starts that server.
    Right,
    /// There is none.
    Missing,
    /// Its program is not there any more, or never was.
    Gone,
    /// It starts another program.
    OtherProgram,
    /// It starts the server of another data directory.
    OtherHome,
    /// The agent's file can't be read, and why.
    Unreadable(String),
}

/// What there is of an agent on this machine.
#[derive(Debug, Clone)]
pub struct State {
    /// Which agent.
    pub agent: &'static Agent,
    /// Its program, if it is installed.
    pub program: Option<PathBuf>,
    /// The file that holds the registration, or would.
    pub file: PathBuf,
    /// The registration, for all folders.
    pub entry: Result<Option<Entry>, String>,
    /// Registrations besides it.
    pub elsewhere: Vec<Elsewhere>,
}

impl State {
    /// Looks at an agent's files. Nothing is started.
    pub fn look(agent: &'static Agent) -> Self {
        let files = agent.files();
        let mut state = Self {
            agent,
            program: agent.program(),
            file: files.first().cloned().unwrap_or_default(),
            entry: Ok(None),
            elsewhere: Vec::new(),
        };
        for file in &files {
            let entry = entry_in(agent, file);
            if entry != Ok(None) {
                (state.entry, state.file) = (entry, file.clone());
                break;
            }
        }
        state.elsewhere = elsewhere(agent, &files);
        state
    }
    /// How the registration fits.
    pub fn fit(&self, wanted: &Server) -> Fit {
        let entry = match &self.entry {
            Err(why) => return Fit::Unreadable(why.clone()),
            Ok(None) => return Fit::Missing,
            Ok(Some(entry)) => entry,
        };
        let Some(program) = entry.command.first().and_then(|program| found(program)) else { return Fit::Gone };
        let is_ours = wanted.program.canonicalize().is_ok_and(|own| own == program);
        match () {
            () if !is_ours || !entry.command.iter().any(|word| word == "mcp-serve") => Fit::OtherProgram,
            () if entry.home().as_ref() != Some(&wanted.home) => Fit::OtherHome,
            () => Fit::Right,
        }
    }
    /// What is wrong with the registration, in words; nothing where it fits.
    pub fn complaint(&self, wanted: &Server) -> Option<String> {
        let line = self.entry.iter().flatten().map(Entry::line).next().unwrap_or_default();
        Some(match self.fit(wanted) {
            Fit::Right => return None,
            Fit::Missing => "not registered".into(),
            Fit::Gone => format!("registered, but its program is gone: {line}"),
            Fit::OtherProgram => format!("registered with another program: {line}"),
            Fit::OtherHome => format!("registered for another data directory: {line}"),
            Fit::Unreadable(why) => format!("its configuration can't be read: {why}"),
        })
    }
}

/// The program that a command starts, its links followed.
fn found(program: &str) -> Option<PathBuf> {
    let path = if program.contains(std::path::is_separator) { PathBuf::from(program) } else { which(program)? };
    path.canonicalize().ok().filter(|path| path.is_file())
}

fn entry_in(agent: &Agent, file: &Path) -> Result<Option<Entry>, String> {
    match text_of(file).and_then(|text| text.map_or(Ok(None), |text| (agent.read)(&text, agent.section))) {
        Err(why) => Err(format!("{}: {why}", file.display())),
        entry => entry,
    }
}

/// A file's text; nothing where there is no file.
pub(super) fn text_of(file: &Path) -> Result<Option<String>, String> {
    let words = |error: &std::io::Error| io_words(error);
    let meta = match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        meta => meta.map_err(|error| words(&error))?,
    };
    // A pipe would keep whoever opens it waiting.
    if !meta.is_file() {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| words(&error))?;
    opened.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| words(&error))?;
    if bytes.len() as u64 > LIMIT {
        return Err("it is too large".into());
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "it is not UTF-8 text".into())
}

/// Registrations in single projects: those that the agent's own file knows, and those of this folder and the ones above.
fn elsewhere(agent: &Agent, files: &[PathBuf]) -> Vec<Elsewhere> {
    let mut found = Vec::new();
    for text in files.iter().filter_map(|file| text_of(file).ok()?) {
        let projects = jsonc::parse(&text).ok().and_then(|value| value.get("projects")?.as_object().cloned()).unwrap_or_default();
        let local = projects.iter().filter(|(_, project)| Entry::of_json(&project[agent.section]).is_some());
        found.extend(local.map(|(folder, _)| Elsewhere { scope: "local", folder: folder.into() }));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let files_above = agent.project_file.into_iter().flat_map(|name| here.ancestors().map(move |folder| (folder, folder.join(name))));
    let shared = files_above.filter(|(_, file)| !files.contains(file) && matches!(entry_in(agent, file), Ok(Some(_))));
    found.extend(shared.map(|(folder, _)| Elsewhere { scope: "project", folder: folder.to_owned() }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_are_read_as_each_agent_writes_them() {
        let wanted = Entry { command: vec!["/bin/loopsy".into(), "mcp-serve".into()], data_dir: Some("/d".into()) };
        for (section, text) in [
            ("mcpServers", r#"{"mcpServers":{"loopsy":{"command":"/bin/loopsy","args":["mcp-serve"],"env":{"LOOPSY_DATA_DIR":"/d"}}}}"#),
            (
                "mcp",
                r#"{"mcp":{"loopsy":{"type":"local","command":["/bin/loopsy","mcp-serve"],"environment":{"LOOPSY_DATA_DIR":"/d"},},}}"#,
            ),
        ] {
            assert_eq!(Entry::in_json(text, section), Ok(Some(wanted.clone())), "{text}");
        }
        let text = "[mcp_servers.loopsy]\ncommand = \"/bin/loopsy\"\nargs = [\"mcp-serve\"]\n\n[mcp_servers.loopsy.env]\nLOOPSY_DATA_DIR = \"/d\"\n";
        assert_eq!(Entry::in_toml(text, "mcp_servers"), Ok(Some(wanted)));
    }
    #[test]
    fn what_is_no_registration_is_none_and_what_is_odd_starts_nothing() {
        for text in ["", "[]", "7", "{}", r#"{"mcpServers":[]}"#, r#"{"mcpServers":{"loopsy2":{}}}"#, r#"{"mcpServers":"loopsy"}"#] {
            assert_eq!(Entry::in_json(text, "mcpServers"), Ok(None), "{text}");
        }
        for odd in ["null", "7", "[]", r#"{"command":7,"args":"x","env":[]}"#, r#"{"type":"http","url":"x"}"#] {
            let entry = Entry::in_json(&format!(r#"{{"mcpServers":{{"loopsy":{odd}}}}}"#), "mcpServers").unwrap().unwrap();
            assert!(entry.command.first().is_none_or(|word| word == "x") && found("x").is_none(), "{odd}");
        }
        assert!(Entry::in_json("{", "mcpServers").is_err());
    }
    #[test]
    fn the_data_directory_is_where_the_server_would_look() {
        let home = |words: &[&str], variable: Option<&str>| {
            let command = words.iter().map(|word| (*word).to_owned()).collect();
            Entry { command, data_dir: variable.map(str::to_owned) }.home().unwrap().root().to_owned()
        };
        assert_eq!(home(&["l", "mcp-serve", "--data-dir", "/a"], Some("/b")), Path::new("/a"));
        assert_eq!(home(&["l", "--data-dir=/a", "mcp-serve"], None), Path::new("/a"));
        assert_eq!(home(&["l", "mcp-serve"], Some("/b")), Path::new("/b"));
        assert_eq!(home(&["l", "mcp-serve", "--data-dir"], None), Home::locate(None).unwrap().root());
    }
    #[test]
    fn a_file_that_is_none_is_told_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(text_of(&dir.path().join("none")), Ok(None));
        assert!(text_of(dir.path()).unwrap_err().contains("not a file"));
        let latin = dir.path().join("latin");
        crate::platform::files::write_private(&latin, b"\xff").unwrap();
        assert!(text_of(&latin).unwrap_err().contains("UTF-8"));
    }
}
