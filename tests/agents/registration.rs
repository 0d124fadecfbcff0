//! Registering with the agents themselves, whose files hold what their people have written: it comes, it works, and it goes
//! without a trace.

use std::path::PathBuf;

use loopsy::platform::files;
use serde_json::Value;

use super::Fetched;
use crate::support::process::heavy;
use crate::support::program::{Program, Ran, binary};

/// An agent, and what its people had in its file before.
struct Agent {
    name: &'static str,
    file: &'static str,
    before: &'static str,
    /// How it lists its servers.
    list: &'static [&'static str],
    /// Whether one line of that list says that Loopsy is there, as far as this agent looks.
    says_so: fn(&str) -> bool,
}

const CLAUDE: Agent = Agent {
    name: "claude",
    file: ".claude.json",
    before: r#"{
  "projects": {
    "/srv/work": {
      "hasTrustDialogAccepted": true
    }
  },
  "mcpServers": {
    "other": {
      "type": "stdio",
      "command": "/bin/false",
      "args": [],
      "env": {}
    }
  }
}"#,
    list: &["mcp", "list"],
    says_so: |line| line.starts_with("loopsy: ") && line.ends_with("✔ Connected"),
};
const CODEX: Agent = Agent {
    name: "codex",
    file: ".codex/config.toml",
    before: r#"# What I like.
model = "gpt-5" # the usual

[mcp_servers.other]
command = "/bin/false"
args = ["-x"]

# Where I work.
[projects."/srv/work"]
trust_level = "trusted"
"#,
    list: &["mcp", "list"],
    says_so: |line| line.starts_with("loopsy ") && line.contains("mcp-serve") && line.contains("enabled"),
};
const GEMINI: Agent = Agent {
    name: "gemini",
    file: ".gemini/settings.json",
    before: r#"{
  // What I like.
  "theme": "Dark",
  "mcpServers": {
    "other": {
      "command": "/bin/false",
      "args": [
        "-x"
      ]
    }
  }
}"#,
    list: &["mcp", "list"],
    says_so: |line| line.contains("loopsy: ") && line.contains("mcp-serve") && line.contains("Connected"),
};
const OPENCODE: Agent = Agent {
    name: "opencode",
    file: ".config/opencode/opencode.jsonc",
    before: r#"{
  "$schema": "https://opencode.ai/config.json",
  // What I like.
  "theme": "dark",
  "mcp": {
    "other": {
      "type": "local",
      "command": [
        "/bin/false"
      ]
    }
  }
}"#,
    list: &["mcp", "list"],
    says_so: |line| line.contains("loopsy") && line.contains("connected"),
};

impl Agent {
    fn file(&self, at: &Program) -> PathBuf {
        at.folder().join(self.file)
    }
    fn text(&self, at: &Program) -> String {
        std::fs::read_to_string(self.file(at)).unwrap().trim_end().to_owned()
    }
    /// What Loopsy says of it.
    fn status(&self, fetched: &Fetched, at: &Program) -> Value {
        let ran = Ran::of(fetched.loopsy(at, &["mcp", "status", "--agent", self.name, "--json"]).output().unwrap());
        let status: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        status["agents"][0].clone()
    }
    fn told(&self, fetched: &Fetched, at: &Program, action: &str) {
        let ran = Ran::of(fetched.loopsy(at, &["mcp", action, "--agent", self.name]).output().unwrap());
        assert_eq!(ran.code, 0, "{}: {ran:?}", self.name);
    }
    fn there_and_back(&self) {
        let (true, Some(fetched)) = (heavy(), Fetched::found()) else { return };
        let home = Program::bare();
        files::create_private_dir(self.file(&home).parent().unwrap()).unwrap();
        files::write_private(&self.file(&home), self.before.as_bytes()).unwrap();
        let status = self.status(&fetched, &home);
        assert_eq!((&status["installed"], &status["registered"]), (&true.into(), &false.into()), "{status}");

        // Twice comes to the same.
        self.told(&fetched, &home, "add");
        let added = self.text(&home);
        self.told(&fetched, &home, "add");
        assert_eq!(self.text(&home), added);
        self.keeps_what_was_there(&added);
        assert!(added.contains(binary().to_str().unwrap()), "{added}");
        let status = self.status(&fetched, &home);
        assert_eq!((&status["registered"], &status["current"]), (&true.into(), &true.into()), "{status}");
        let mut list = fetched.command(self.name, &home);
        // Gemini starts no server where it is not told to trust the folder.
        let listed = Ran::of(list.args(self.list).env("GEMINI_CLI_TRUST_WORKSPACE", "true").output().unwrap());
        assert!((listed.out.clone() + &listed.err).lines().any(self.says_so), "{listed:?}");

        self.told(&fetched, &home, "remove");
        self.told(&fetched, &home, "remove");
        assert_eq!(self.status(&fetched, &home)["registered"], false);
        self.keeps_what_was_there(&self.text(&home));
        assert!(!self.text(&home).contains("loopsy"), "{}", self.text(&home));
    }
    /// Every line is where it was, but for a comma behind it.
    fn keeps_what_was_there(&self, text: &str) {
        let mut lines = text.lines().map(|line| line.trim_end_matches(','));
        for line in self.before.lines().map(|line| line.trim_end_matches(',')) {
            assert!(lines.any(|kept| kept == line), "{}: {line:?} is gone from {text}", self.name);
        }
    }
}

#[test]
fn heavy_claude_is_registered_with_and_forgets() {
    CLAUDE.there_and_back();
}

#[test]
fn heavy_codex_is_registered_with_and_forgets() {
    CODEX.there_and_back();
}

#[test]
fn heavy_gemini_is_registered_with_and_forgets() {
    GEMINI.there_and_back();
}

#[test]
fn heavy_opencode_is_registered_with_and_forgets() {
    OPENCODE.there_and_back();
}
