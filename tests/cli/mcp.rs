//! `loopsy mcp add|remove|status`, `init` and `doctor` against stand-ins of the coding agents, which write what the real
//! ones do.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use loopsy::platform::files::write_private;
use serde_json::{Value, json};

use super::doctor;
use crate::support::program::{Program, Ran, binary, path_without_agents};

/// A home, and a folder of stand-ins on the path.
struct Desk {
    program: Program,
}

/// What each stand-in begins with: it notes how it was called.
const NOTES: &str = r#"#!/bin/sh
{ echo "$(basename "$0")"; printf ' %s' "$@"; echo; env; cat; echo "in $PWD"; } >> "$HOME/calls"
list=""
quoted() { shift $(($1 + 1)); for word in "$@"; do list="$list${list:+,}\"$word\""; done; }
"#;

const CLAUDE: &str = r#"
file="${CLAUDE_CONFIG_DIR:-$HOME}/.claude.json"
case "$1 $2 $3 $4 $5" in
"mcp add loopsy --scope user")
    if grep -q loopsy "$file" 2>/dev/null; then echo "MCP server loopsy already exists in user config" >&2; exit 1; fi
    command="$7"; quoted 7 "$@"
    echo "{\"machineID\":\"m\",\"mcpServers\":{\"loopsy\":{\"type\":\"stdio\",\"command\":\"$command\",\"args\":[$list],\"env\":{}}}}" > "$file" ;;
"mcp remove loopsy --scope user") echo '{"machineID":"m","mcpServers":{}}' > "$file" ;;
*) echo "error: unknown command" >&2; exit 1 ;;
esac
"#;

const CODEX: &str = r#"
mkdir -p "$HOME/.codex"; file="$HOME/.codex/config.toml"
case "$1 $2 $3 $4" in
"mcp add loopsy --") command="$5"; quoted 5 "$@"
    printf 'model = "m"\n\n[mcp_servers.loopsy]\ncommand = "%s"\nargs = [%s]\n' "$command" "$list" > "$file" ;;
"mcp remove loopsy ") printf 'model = "m"\n' > "$file" ;;
*) exit 2 ;;
esac
"#;

const GEMINI: &str = r#"
mkdir -p "$HOME/.gemini"; file="$HOME/.gemini/settings.json"
case "$1 $2 $3 $4 $5" in
"mcp add -s user loopsy") command="$6"; quoted 6 "$@"
    echo "{ \"theme\": \"x\", \"mcpServers\": { \"loopsy\": { \"command\": \"$command\", \"args\": [$list] } } }" > "$file" ;;
"mcp remove -s user loopsy") echo '{ "theme": "x", "mcpServers": {} }' > "$file" ;;
*) exit 2 ;;
esac
"#;

const OPENCODE: &str = r#"
mkdir -p "$HOME/.config/opencode"; file="$HOME/.config/opencode/opencode.jsonc"
case "$1 $2 $3 $4" in
"mcp add loopsy --") quoted 4 "$@"
    printf '{\n  // mine\n  "theme": "x",\n  "mcp": {\n    "other": {"type": "local", "command": ["o"]}, // keep\n    "loopsy": {\n      "type": "local",\n      "command": [%s]\n    },\n  },\n}\n' "$list" > "$file" ;;
*) exit 2 ;;
esac
"#;

const ALL: [(&str, &str, &str); 4] = [
    ("claude", CLAUDE, ".claude.json"),
    ("codex", CODEX, ".codex/config.toml"),
    ("gemini", GEMINI, ".gemini/settings.json"),
    ("opencode", OPENCODE, ".config/opencode/opencode.jsonc"),
];

impl Desk {
    fn empty() -> Self {
        Self { program: Program::bare() }
    }
    fn with_all() -> Self {
        let desk = Self::empty();
        ALL.iter().for_each(|(name, script, _)| desk.install(name, script));
        desk
    }
    fn install(&self, name: &str, script: &str) {
        let path = self.program.folder().join("bin").join(name);
        write_private(&path, (NOTES.to_owned() + script).as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    fn file(&self, name: &str) -> PathBuf {
        self.program.folder().join(name)
    }
    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }
    fn write(&self, name: &str, text: &str) {
        write_private(&self.file(name), text.as_bytes()).unwrap();
    }
    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }
    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        let mut path = OsString::from(self.program.folder().join("bin"));
        path.push(":");
        path.push(path_without_agents());
        let mut command = self.program.command(args);
        let ran = Ran::of(command.env("PATH", path).envs(env.iter().copied()).output().unwrap());
        assert!(!ran.err.contains("panicked") && !ran.err.contains("os error"), "{ran:?}");
        ran
    }
    fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran
    }
    fn status(&self, agent: &str) -> Value {
        let ran = self.ok(&["mcp", "status", "--json"]);
        let all: Value = serde_json::from_str(&ran.out).unwrap();
        all["agents"].as_array().unwrap().iter().find(|state| state["agent"] == agent).unwrap().clone()
    }
    fn doctor(&self, args: &[&str]) -> Vec<doctor::Line> {
        let lines = doctor::lines(&self.run(&[&["doctor", "--json"], args].concat()));
        lines.into_iter().filter(|line| line.check == "MCP").collect()
    }
}

fn own() -> String {
    binary().canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_agent_is_registered_shown_and_forgotten() {
    let desk = Desk::with_all();
    for (name, _, file) in ALL {
        assert_eq!(desk.status(name)["registered"], false);
        // Twice: an earlier registration is replaced.
        for _ in 0..2 {
            let ran = desk.ok(&["mcp", "add", "--agent", name, "--json"]);
            let outcome: Value = serde_json::from_str(&ran.out).unwrap();
            assert_eq!(outcome["agents"], json!([{"agent": name, "registered": true, "command": [own(), "mcp-serve"]}]));
        }
        let state = desk.status(name);
        assert_eq!((&state["installed"], &state["registered"], &state["current"]), (&json!(true), &json!(true), &json!(true)));
        assert_eq!((&state["command"], state["file"].as_str()), (&json!([own(), "mcp-serve"]), desk.file(file).to_str()));
        let before = desk.text(file);
        assert!(before.contains("loopsy"));
        desk.ok(&["mcp", "remove", "--agent", name]);
        let after = desk.text(file);
        assert!(!after.contains("loopsy") && !after.is_empty(), "{after}");
        assert_eq!(desk.status(name)["registered"], false);
        assert!(desk.ok(&["mcp", "remove", "--agent", name]).err.contains("was not registered"));
    }
    assert!(desk.ok(&["mcp", "status"]).out.lines().count() == 4);
}
/// known fault 34: the agent's program is told a command and nothing of the key; neither is its session's own environment
/// handed on.
#[test]
fn no_key_and_no_session_is_handed_to_an_agent() {
    let desk = Desk::with_all();
    desk.ok(&["init"]);
    let key = desk.ok(&["key", "show"]).out;
    let env = [("LOOPSY_API_KEY", key.trim()), ("CLAUDECODE", "1"), ("CLAUDE_CODE_SESSION_ID", "s"), ("AI_AGENT", "x"), ("OTEL_X", "y")];
    assert_eq!(desk.run_with(&["mcp", "add", "--agent", "all"], &env).code, 0);
    let calls = desk.text("calls");
    for secret in [key.trim(), "CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "AI_AGENT", "OTEL_X", "LOOPSY_DATA_DIR"] {
        assert!(!calls.contains(secret), "{secret}: {calls}");
    }
    for (_, _, file) in ALL {
        assert!(!desk.text(file).contains(key.trim()));
    }
    let claude: Vec<_> = calls.lines().filter(|line| line.starts_with(" mcp") && line.contains("--scope")).collect();
    let added = format!(" mcp add loopsy --scope user -- {} mcp-serve", own());
    assert_eq!(claude, [&added[..], " mcp remove loopsy --scope user", &added[..]]);
}
#[test]
fn an_agent_that_is_not_there_is_named_with_the_command_to_run_by_hand() {
    let desk = Desk::empty();
    let ran = desk.run(&["mcp", "add"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.starts_with("Claude Code is not installed"), "{ran:?}");
    assert!(ran.err.contains(&format!("claude mcp add loopsy --scope user -- {} mcp-serve", own())), "{ran:?}");
    assert_eq!(desk.run(&["mcp", "add", "--agent", "all"]).code, 1);
    desk.install("gemini", GEMINI);
    let ran = desk.run(&["mcp", "add", "--agent", "all", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err.matches("is not installed").count(), 3, "{ran:?}");
    let outcome: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(outcome["agents"].as_array().unwrap().iter().filter(|agent| agent["registered"] == true).count(), 1);
    assert_eq!(outcome["agents"][0]["problem"]["code"], 6006);
    assert_eq!(desk.run(&["mcp", "add", "--agent", "cursor"]).code, 2);
}
#[test]
fn an_agent_that_fails_is_told_in_its_own_last_words() {
    let desk = Desk::empty();
    desk.install("claude", "echo noise; echo first >&2; echo 'Error: the disk is on fire' >&2; exit 7");
    let ran = desk.run(&["mcp", "add"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("failed: Error: the disk is on fire\n") && ran.err.contains("by hand: claude mcp add"), "{ran:?}");
    let ran = desk.ok(&["init"]);
    assert!(ran.err.contains("warning: claude failed: Error: the disk is on fire. To do it by hand"), "{ran:?}");
    assert!(desk.program.home().config().exists());
}
#[test]
fn another_data_directory_is_part_of_the_registration() {
    let desk = Desk::with_all();
    let other = desk.file("an other");
    let other = other.to_str().unwrap();
    for (name, _, _) in ALL {
        desk.ok(&["mcp", "add", "--agent", name, "--data-dir", other]);
        let state = desk.status(name);
        assert_eq!(state["command"], json!([own(), "mcp-serve", "--data-dir", other]));
        assert!(state["current"] == false && state["problem"].as_str().unwrap().contains("another data directory"), "{state}");
    }
    let there: Value = serde_json::from_str(&desk.ok(&["mcp", "status", "--json", "--data-dir", other]).out).unwrap();
    assert!(there["agents"].as_array().unwrap().iter().all(|state| state["current"] == true), "{there}");
    desk.ok(&["init"]);
    assert_eq!(desk.status("claude")["command"][3], other, "init takes nothing from another data directory");
    assert!(desk.doctor(&["--fix"]).iter().all(|line| line.status == "ok" && line.fixed.is_empty()));
}
#[test]
fn what_else_is_in_an_edited_file_stays_to_the_byte() {
    let desk = Desk::with_all();
    let file = ".config/opencode/opencode.jsonc";
    let (head, entry, tail) =
        ("{ // é\n  \"mcp\": {\n    \"a\": {},\n", "    \"loopsy\": { \"command\": [\"x\"] }, // ours\n", "  },\n}\n");
    desk.write(file, &[head, entry, tail].concat());
    std::fs::set_permissions(desk.file(file), std::fs::Permissions::from_mode(0o640)).unwrap();
    desk.ok(&["mcp", "remove", "--agent", "opencode"]);
    assert_eq!(desk.text(file), [head, "     // ours\n", tail].concat());
    assert_eq!(std::fs::metadata(desk.file(file)).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(!desk.file("calls").exists());
}
#[test]
fn a_file_that_cannot_be_read_is_left_as_it_is() {
    let desk = Desk::with_all();
    desk.ok(&["init", "--no-mcp"]);
    let hostile = ["{", "{\"mcp\":", "\u{0}", "{} trailing", &format!("{{\"mcp\":{}", "[".repeat(200_000))];
    for (name, _, file) in ALL.iter().filter(|(name, ..)| *name != "codex") {
        for text in hostile {
            desk.write(file, text);
            for action in ["add", "remove"] {
                let ran = desk.run(&["mcp", action, "--agent", name]);
                assert_eq!(ran.code, 1, "{ran:?}");
                assert!(ran.err.contains("can't be read") && ran.err.len() < 1000, "{ran:?}");
            }
            assert_eq!(&desk.text(file), text);
            let state = desk.status(name);
            assert!(state["registered"] == false && state["problem"].as_str().unwrap().contains("can't be read"), "{state}");
        }
        let warned = desk.doctor(&["--fix"]).into_iter().find(|line| line.message.contains("can't be read")).unwrap();
        assert!(warned.status == "warn" && warned.fixed.is_empty(), "{warned:?}");
        std::fs::remove_file(desk.file(file)).unwrap();
        std::fs::create_dir(desk.file(file)).unwrap();
        assert!(desk.status(name)["problem"].as_str().unwrap().contains("not a file"));
        std::fs::remove_dir(desk.file(file)).unwrap();
    }
}
#[test]
fn registrations_of_single_projects_are_told_and_left() {
    let desk = Desk::with_all();
    let local = r#"{"projects":{"/work/x":{"mcpServers":{"loopsy":{"command":"loopsy","args":["mcp-serve"]}}},"/y":{}}}"#;
    desk.write(".claude.json", local);
    let state = desk.status("claude");
    assert_eq!(state["registered"], false);
    assert_eq!(state["elsewhere"], json!([{"scope": "local", "folder": "/work/x"}]));
    assert!(desk.ok(&["mcp", "status"]).err.contains("scope local in /work/x"));
    desk.ok(&["mcp", "remove"]);
    assert_eq!(desk.text(".claude.json"), local);
}
#[test]
fn init_registers_what_it_finds_and_doctor_sees_to_it() {
    let desk = Desk::with_all();
    assert!(desk.ok(&["init", "--no-mcp"]).err.contains("created"));
    assert!(!desk.file("calls").exists());
    let warned = desk.doctor(&[]);
    assert_eq!(warned.len(), 4);
    assert!(warned.iter().all(|line| line.status == "warn" && line.fix.starts_with("loopsy mcp add --agent ")), "{warned:?}");
    assert!(!desk.file("calls").exists(), "looking starts no program");
    let fixed = desk.doctor(&["--fix"]);
    assert!(fixed.iter().all(|line| line.status == "ok" && line.fixed.starts_with("registered with")), "{fixed:?}");
    assert!(desk.doctor(&[]).iter().all(|line| line.status == "ok" && line.fixed.is_empty()));

    let entry = |command: &str| json!({"mcpServers": {"loopsy": {"command": command, "args": ["mcp-serve"]}}}).to_string();
    for (command, complaint) in [("/nowhere/loopsy", "is gone"), ("loopsy", "is gone"), ("/bin/sh", "another program")] {
        desk.write(".claude.json", &entry(command));
        let lines = desk.doctor(&[]);
        assert!(lines[0].status == "warn" && lines[0].message.contains(complaint), "{lines:?}");
        assert!(desk.doctor(&["--fix"])[0].fixed.contains("Claude Code"));
    }
    // The name alone is enough where the path leads here.
    std::os::unix::fs::symlink(own(), desk.file("bin/loopsy")).unwrap();
    desk.write(".claude.json", &entry("loopsy"));
    assert_eq!(desk.doctor(&[])[0].status, "ok");

    let fresh = Desk::with_all();
    let ran = fresh.ok(&["init", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["registered"], json!(["claude", "codex", "gemini", "opencode"]));
    assert_eq!(fresh.status("codex")["current"], true);
    fresh.ok(&["init"]);
    assert_eq!(fresh.text("calls").lines().filter(|line| line.starts_with(" mcp")).count(), 4, "what is right is left alone");
}
