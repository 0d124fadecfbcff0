//! `loopsy doctor` and what can be wrong on one machine: each fault is named in one line with its fix, `--fix` repairs what
//! is safe, and then the report is clean.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use loopsy::base::clock;
use loopsy::home::certificate;
use loopsy::home::instance::Instance;
use loopsy::platform::files::write_private;
use serde_json::Value;

use crate::support::netns;
use crate::support::process::{Process, skipped, until};
use crate::support::program::{Program, Ran};

/// A line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub check: String,
    pub status: String,
    pub message: String,
    pub fix: String,
    pub fixed: String,
}

/// What a report says, with the exit status that goes with it.
pub fn lines(ran: &Ran) -> Vec<Line> {
    assert!(!ran.err.contains("panicked") && !ran.out.contains("os error"), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let lines: Vec<Line> = report
        .as_array()
        .unwrap()
        .iter()
        .map(|line| Line {
            check: text(line, "check"),
            status: text(line, "status"),
            message: text(line, "message"),
            fix: text(line, "fix"),
            fixed: text(line, "fixed"),
        })
        .collect();
    for line in &lines {
        assert!(!line.message.contains('\n') && !line.fix.contains('\n'), "{line:?}");
        assert_eq!(line.status == "ok", line.fix.is_empty(), "what is not well has a fix: {line:?}");
    }
    assert_eq!(ran.code, i32::from(lines.iter().any(|line| line.status == "fail")), "{lines:?}");
    lines
}

/// A mistyped data directory is somebody's own folder: it is told, and nothing in it is touched.
#[test]
fn what_is_not_loopsys_is_not_repaired() {
    let program = Program::bare();
    let root = program.home().root().to_owned();
    std::fs::create_dir(&root).unwrap();
    write_private(&root.join("thesis.txt"), b"").unwrap();
    for path in [root.clone(), root.join("thesis.txt")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let lines = repaired(&program);
    assert!(lines.iter().any(|line| line.status == "fail" && line.message.contains("other things")), "{lines:?}");
    assert!(lines.iter().all(|line| line.fixed.is_empty()), "{lines:?}");
    program.fails(&["start"], 1);
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    for path in [root.clone(), root.join("thesis.txt")] {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755, "{path:?}");
    }
}

pub fn doctor(program: &Program) -> Vec<Line> {
    lines(&program.run(&["doctor", "--json"]))
}
pub fn repaired(program: &Program) -> Vec<Line> {
    lines(&program.run(&["doctor", "--fix", "--json"]))
}
/// The one line that is not well.
pub fn only(lines: &[Line]) -> &Line {
    let odd: Vec<&Line> = lines.iter().filter(|line| line.status != "ok").collect();
    assert_eq!(odd.len(), 1, "{odd:?}");
    odd[0]
}
/// The first line of a check that is not well.
pub fn odd<'a>(lines: &'a [Line], check: &str) -> &'a Line {
    lines.iter().find(|line| line.check == check && line.status != "ok").unwrap_or_else(|| panic!("{check} is well: {lines:?}"))
}
pub fn all_well(lines: &[Line]) {
    assert!(lines.iter().all(|line| line.status == "ok"), "{lines:?}");
}
/// A home with a daemon that runs.
pub fn well() -> Program {
    let program = Program::ready();
    program.ok(&["start"]);
    program
}
fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
/// Runs the doctor of a home where the file systems that `mount` mounts are there.
fn behind(program: &Program, mount: &str) -> Option<Vec<Line>> {
    let script = format!("{mount} && exec \"$0\" doctor --json");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]).arg(crate::support::program::binary());
    command.env("LOOPSY_DATA_DIR", program.home().root()).env("HOME", program.folder());
    let output = command.output().ok().filter(|output| output.stdout.starts_with(b"["));
    let Some(output) = output else {
        skipped("no mount namespace can be made here");
        return None;
    };
    Some(lines(&Ran::of(output)))
}

#[test]
fn a_machine_that_is_well_is_said_to_be_so() {
    let program = well();
    all_well(&doctor(&program));
    let said = program.run(&["doctor"]);
    assert!(said.code == 0 && said.err == "All is well.\n", "{said:?}");
    assert!(said.out.lines().all(|line| line.starts_with("ok ")), "{said:?}");
    assert_eq!(program.run(&["doctor", "-q"]).out, "");
}
#[test]
fn an_unknown_home_or_an_empty_one_is_told() {
    let program = Program::bare();
    for args in [&["doctor", "--json"][..], &["doctor", "--json", "--fix"]] {
        let output = program.command(args).env_remove("LOOPSY_DATA_DIR").env("HOME", "nowhere").output().unwrap();
        let told = lines(&Ran::of(output));
        let line = only(&told);
        assert!(line.message.contains("no home folder") && line.fix.contains("--data-dir"), "{line:?}");
    }
    let report = doctor(&program);
    let line = odd(&report, "data directory");
    assert!(line.message.ends_with("is missing") && line.fix == "loopsy init", "{line:?}");
    assert!(odd(&report, "config").fix.contains("loopsy init"));
    assert!(!program.home().root().exists(), "looking changes nothing");
    let report = repaired(&program);
    assert!(program.home().root().is_dir() && report[0].fixed.starts_with("made "), "{report:?}");
}
#[test]
fn a_folder_that_can_not_be_written_is_told() {
    let program = Program::ready();
    let home = program.home().root().display().to_string();
    if let Some(report) = behind(&program, &format!("mount --bind '{home}' '{home}' && mount -o remount,ro,bind '{home}'")) {
        let line = odd(&report, "data directory");
        assert!(line.message.contains("read-only"), "{line:?}");
    }
}
#[test]
fn a_dead_daemon_is_told_and_what_it_left_is_removed() {
    let program = well();
    let running = program.running().unwrap();
    assert!(Command::new("kill").args(["-9", &running.pid.to_string()]).status().unwrap().success());
    Instance::wait_until_gone(&program.home()).unwrap();
    let report = doctor(&program);
    assert!(report.iter().any(|line| line.check == "daemon" && line.status == "fail" && line.fix == "loopsy start"), "{report:?}");
    assert!(report.iter().any(|line| line.message.contains("left daemon.pid") && line.fix.contains("--fix")), "{report:?}");
    let report = repaired(&program);
    assert!(report.iter().any(|line| line.fixed == "removed daemon.pid"), "{report:?}");
    assert_eq!(only(&doctor(&program)).message, "it is not running");
    program.ok(&["start"]);
    all_well(&doctor(&program));
}
/// A pid file with a stranger's number: nobody is taken for the daemon, and nobody is ended.
#[test]
fn a_stale_pid_file_is_removed_and_no_stranger_ended() {
    let program = Program::ready();
    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    write_private(&program.home().pid_file(), stranger.id().to_string().as_bytes()).unwrap();
    assert!(odd(&repaired(&program), "daemon").message.contains("not running"));
    assert!(!program.home().pid_file().exists() && stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
#[tokio::test]
async fn a_daemon_that_hangs_is_told_within_its_limit() {
    let program = well();
    let daemon = Process::of(program.running().unwrap().pid).unwrap();
    daemon.signal("STOP");
    until("it hangs", Duration::from_secs(10), || daemon.is_stopped()).await;
    let report = doctor(&program);
    daemon.signal("CONT");
    let line = only(&report);
    assert!(line.message.contains("does not answer") && line.fix.starts_with("loopsy restart"), "{line:?}");
}
#[test]
fn a_port_that_is_taken_is_told_with_who_has_it() {
    let program = Program::ready();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    program.ok(&["config", "set", "server.port", &taken.local_addr().unwrap().port().to_string()]);
    let report = doctor(&program);
    let line = odd(&report, "port");
    assert!(line.message.contains(&format!("(process {})", std::process::id())) && line.fix.contains("server.port"), "{line:?}");

    let other = well();
    program.ok(&["config", "set", "server.port", &other.running().unwrap().address.port().to_string()]);
    assert!(odd(&doctor(&program), "port").message.contains("another Loopsy daemon (node "));
}
#[test]
fn what_others_could_read_is_told_and_made_private() {
    let program = well();
    let home = program.home();
    for (path, wide, status) in [(home.config(), 0o644, "fail"), (home.identity(), 0o640, "warn"), (home.logs(), 0o755, "warn")] {
        mode(&path, wide);
        let report = doctor(&program);
        let line = only(&report);
        assert!(line.status == status && line.message.contains(path.to_str().unwrap()) && line.fix.contains("chmod "), "{line:?}");
        let report = repaired(&program);
        all_well(&report);
        assert_eq!(report.iter().filter(|line| !line.fixed.is_empty()).count(), 1);
        all_well(&doctor(&program));
    }
}
#[test]
fn what_is_wrong_in_the_configuration_is_told_with_its_place() {
    let program = well();
    let good = program.config();
    for (text, status, message) in [
        (good.replace("rateLimits:", "rateLimit:"), "warn", "did you mean rateLimits?"),
        (good.clone() + "nonsense: [", "fail", "line "),
        (good.replace("port: 0", "port: abc"), "fail", "server.port"),
    ] {
        write_private(&program.home().config(), text.as_bytes()).unwrap();
        for report in [doctor(&program), repaired(&program)] {
            let line = odd(&report, "config");
            assert!(line.status == status && line.message.contains(message) && line.fix.contains("config.yaml"), "{line:?}");
        }
        assert_eq!(program.config(), text, "nobody repairs what a person wrote");
    }
    std::fs::remove_file(program.home().config()).unwrap();
    let report = doctor(&program);
    assert!(odd(&report, "config").fix.contains("loopsy init"));
    write_private(&program.home().config(), good.as_bytes()).unwrap();
}
#[test]
fn a_store_that_is_damaged_or_locked_is_told() {
    let program = well();
    program.ok(&["context", "set", "a", "b"]);
    program.ok(&["stop"]);
    let stranger = std::fs::File::options().read(true).write(true).open(program.home().context()).unwrap();
    stranger.lock().unwrap();
    let report = doctor(&program);
    let line = odd(&report, "context store");
    assert!(line.message.contains("in use by ") && line.message.contains(&std::process::id().to_string()), "{line:?}");
    drop(stranger);
    write_private(&program.home().context(), b"nonsense").unwrap();
    let report = repaired(&program);
    let line = odd(&report, "context store");
    assert!(line.message.contains("damaged") && line.fix.starts_with("loopsy start"), "{line:?}");
    program.ok(&["start"]);
    assert!(odd(&doctor(&program), "daemon").message.contains("was set aside"));
}
#[test]
fn a_log_folder_that_can_not_be_written_is_told_and_a_missing_one_made() {
    let program = Program::ready();
    let logs = program.home().logs();
    std::fs::remove_dir_all(&logs).unwrap();
    assert!(odd(&doctor(&program), "logs").message.contains("is missing"));
    assert!(repaired(&program).iter().any(|line| line.check == "logs" && line.fixed.starts_with("made ")));
    assert!(logs.is_dir());
    let shown = logs.display();
    if let Some(report) = behind(&program, &format!("mount --bind '{shown}' '{shown}' && mount -o remount,ro,bind '{shown}'")) {
        let line = odd(&report, "logs");
        assert!(line.message.contains("read-only") && line.fix.contains("writable"), "{line:?}");
    }
    std::fs::remove_dir(&logs).unwrap();
    write_private(&logs, b"a file in its place").unwrap();
    assert!(odd(&doctor(&program), "logs").message.contains("not a directory"));
}
#[test]
fn a_full_disk_is_told() {
    let program = Program::ready();
    let (home, kept) = (program.home().root().display().to_string(), program.folder().join("kept").display().to_string());
    let mount = format!("cp -rp '{home}' '{kept}' && mount -t tmpfs -o size=1m,mode=700 none '{home}' && cp -rp '{kept}/.' '{home}'");
    if let Some(report) = behind(&program, &mount) {
        let line = odd(&report, "disk space");
        assert!(line.status == "fail" && line.message.contains("free of 1.0 MiB") && line.fix.contains("Free some space"), "{line:?}");
    }
}
#[test]
fn a_certificate_that_expired_is_told_and_renewed() {
    let program = Program::ready();
    let home = program.home();
    let years = |count: u64| count * 365 * 24 * 60 * 60 * 1000;
    let old = certificate::load_or_create(&home, "kai", clock::now() - years(6)).unwrap().fingerprint();
    let report = doctor(&program);
    let line = odd(&report, "certificate");
    assert!(line.message.starts_with("the certificate expired ") && line.fix.contains("loopsy start"), "{line:?}");
    let report = repaired(&program);
    assert!(report.iter().any(|line| line.check == "certificate" && line.fixed.starts_with("renewed it")), "{report:?}");
    assert_ne!(certificate::load(&home).unwrap().unwrap().fingerprint(), old);
    assert_eq!(only(&doctor(&program)).check, "daemon");

    std::fs::remove_dir_all(home.tls()).unwrap();
    certificate::load_or_create(&home, "kai", clock::now() - years(5) + years(1) / 12).unwrap();
    let report = doctor(&program);
    let line = odd(&report, "certificate");
    assert!(line.status == "warn" && line.message.contains("ends in 30 d"), "{line:?}");
}
#[test]
fn a_certificate_without_its_key_is_told() {
    let program = Program::ready();
    let home = program.home();
    certificate::load_or_create(&home, "kai", clock::now()).unwrap();
    let key = std::fs::read(home.certificate_key()).unwrap();
    std::fs::remove_file(home.certificate_key()).unwrap();
    std::fs::create_dir(home.certificate_key()).unwrap();
    mode(&home.certificate_key(), 0o700);
    let told = |what: &str| {
        for report in [doctor(&program), repaired(&program)] {
            let line = odd(&report, "certificate");
            assert!(line.message.contains("key.pem: ") && line.message.contains(what) && line.fix.contains("paired again"), "{line:?}");
        }
    };
    told("it is a directory");
    std::fs::remove_dir(home.certificate_key()).unwrap();
    told("no such file");
    write_private(&home.certificate_key(), b"nonsense").unwrap();
    told("not a key");
    let other = Program::ready();
    certificate::load_or_create(&other.home(), "kai", clock::now()).unwrap();
    write_private(&home.certificate_key(), &std::fs::read(other.home().certificate_key()).unwrap()).unwrap();
    told("not the key of the certificate");
    write_private(&home.certificate_key(), &key).unwrap();
    mode(&home.certificate_key(), 0o644);
    let report = doctor(&program);
    let line = odd(&report, "permissions");
    assert!(line.status == "fail" && line.message.contains("key.pem"), "{line:?}");
    repaired(&program);
    assert_eq!(only(&doctor(&program)).check, "daemon");
}
#[test]
fn a_network_without_multicast_is_told() {
    if !netns::possible() {
        return;
    }
    let program = Program::ready();
    program.ok(&["config", "set", "server.host", "0.0.0.0"]);
    let space = netns::Space::new();
    let discovery = || {
        let mut command = space.command(crate::support::program::binary());
        command.args(["doctor", "--json"]).env("LOOPSY_DATA_DIR", program.home().root()).env("HOME", program.folder());
        let report = lines(&Ran::of(command.output().unwrap()));
        report.into_iter().find(|line| line.check == "discovery").unwrap()
    };
    let line = discovery();
    assert!(line.status == "warn" && line.message.contains("on no network") && !line.fix.is_empty(), "{line:?}");
    space.inside_network("eth0", "10.98.0.1/24");
    assert_eq!(discovery().message, "multicast works");
    space.down("eth0");
    let line = discovery();
    assert!(line.status == "warn" && line.message.contains("multicast") && line.fix.contains("5353"), "{line:?}");
    program.ok(&["config", "set", "discovery.enabled", "false"]);
    assert_eq!(discovery().message, "off");
}
