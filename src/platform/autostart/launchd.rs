//! launchd: an agent of the user's graphical session on macOS.

use std::path::{Path, PathBuf};

use super::record::sealed;
use super::{Plan, Step, Subject, Told, words, xml};

/// The name by which launchd knows a service.
pub(super) fn label(name: &str) -> String {
    format!("dev.loopsy.{name}")
}

/// A property list's text.
///
/// The daemon writes its own log; what goes to standard error is why it could not start. It is no background process, which
/// the system would slow down with every command that it runs.
pub(super) fn text(subject: &Subject) -> String {
    let Subject { name, program, data_dir, search_path } = subject;
    let arguments = [program, "daemon", "--detached", "--data-dir", data_dir];
    let arguments: String = arguments.iter().map(|word| format!("\t\t<string>{}</string>\n", xml(word))).collect();
    let (label, search_path) = (label(name), xml(search_path));
    let errors = xml(&format!("{}/logs/service.log", data_dir.trim_end_matches('/')));
    let rest = format!(
        "\
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
	<key>Label</key>
	<string>{label}</string>
	<key>ProgramArguments</key>
	<array>
{arguments}	</array>
	<key>EnvironmentVariables</key>
	<dict>
		<key>PATH</key>
		<string>{search_path}</string>
	</dict>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ProcessType</key>
	<string>Interactive</string>
	<key>ExitTimeOut</key>
	<integer>10</integer>
	<key>StandardErrorPath</key>
	<string>{errors}</string>
</dict>
</plist>
"
    );
    sealed("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", ("<!-- ", " -->"), subject, true, &rest)
}

fn target(name: &str, user: &str) -> String {
    format!("gui/{user}/{}", label(name))
}

fn launchctl(rest: &[&str]) -> Vec<String> {
    words(&[&["launchctl"], rest].concat())
}

/// Agents are loaded from their folder at login; only a refusal of before has to be taken back.
pub(super) fn register(name: &str, user: &str) -> Plan {
    vec![Step::Run(launchctl(&["enable", &target(name, user)]))]
}

/// Loading it is what starts it. One that is loaded already is loaded anew, with what its file says now.
pub(super) fn start(name: &str, user: &str, file: &Path) -> Plan {
    vec![
        Step::Try(launchctl(&["bootout", &target(name, user)])),
        Step::Run(launchctl(&["bootstrap", &format!("gui/{user}"), &file.to_string_lossy()])),
    ]
}

pub(super) fn unregister(name: &str, user: &str, file: PathBuf) -> Plan {
    vec![Step::Try(launchctl(&["bootout", &target(name, user)])), Step::Remove(file)]
}

pub(super) fn query(name: &str, user: &str) -> Vec<String> {
    launchctl(&["print", &target(name, user)])
}

/// Whether it is enabled is told by its file alone: one that is not loaded now is loaded at login.
pub(super) fn heard(success: bool, printed: &str) -> Told {
    // Further values of the same names are those of parts, and indented more.
    let value = |key: &str| success.then(|| printed.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(" = "))).flatten();
    let pid = value("pid").and_then(|pid| pid.parse().ok());
    let has_failed = pid.is_none() && value("last exit code").is_some_and(|code| !code.starts_with(['0', '(']));
    Told { is_enabled: true, pid, has_failed }
}
