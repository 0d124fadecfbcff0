//! The service of a user's systemd: a real instance where there can be one, and units as systemd reads them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use loopsy::home::instance::Instance as Daemon;
use loopsy::platform::autostart::{Manager, Subject, System};
use serde_json::Value;

use super::instance::Instance;
use crate::support::process::{Process, skipped, until};
use crate::support::program::{Program, Ran, binary};

const LIMIT: Duration = Duration::from_secs(30);

fn status(instance: &Instance, program: &Program, code: i32) -> Value {
    let ran = instance.loopsy(program, &["service-status", "--json"]);
    assert_eq!(ran.code, code, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}
fn pid(program: &Program) -> Option<u32> {
    program.running().map(|running| running.pid)
}
fn unit(program: &Program) -> std::path::PathBuf {
    program.folder().join(".config/systemd/user/loopsy.service")
}

/// Enabled, running, killed, restarted, disabled, gone: with a real instance of systemd.
#[tokio::test]
async fn a_service_is_enabled_runs_survives_its_death_and_is_gone_when_it_is_disabled() {
    let program = Program::ready();
    let Some(instance) = Instance::of(&program).await else { return };
    let not_yet = status(&instance, &program, 1);
    assert_eq!((&not_yet["enabled"], &not_yet["running"]), (&Value::Bool(false), &Value::Bool(false)));
    assert!(instance.ok(&program, &["disable"]).contains("nothing was changed"));

    let said = instance.ok(&program, &["enable"]);
    assert!(said.contains("at every login") && said.contains("is running"), "{said}");
    let first = pid(&program).unwrap();
    let shown = status(&instance, &program, 0);
    assert_eq!((&shown["managed"], &shown["pid"]), (&Value::Bool(true), &Value::from(first)), "{shown}");
    assert!(shown["since"].is_u64() && shown["file"] == unit(&program).to_str().unwrap(), "{shown}");

    let again = instance.ok(&program, &["enable"]);
    assert!(again.contains("nothing was changed") && pid(&program) == Some(first), "{again}");

    Process::of(first).unwrap().signal("KILL");
    until("the daemon is back", LIMIT, || pid(&program).is_some_and(|pid| pid != first)).await;
    status(&instance, &program, 0);

    let said = instance.ok(&program, &["disable"]);
    assert!(said.contains("no longer"), "{said}");
    assert!(program.running().is_none() && !unit(&program).exists());
    assert!(!program.folder().join(".config/systemd/user/default.target.wants/loopsy.service").is_symlink());
    assert_eq!(instance.systemctl(&program, &["is-active", "loopsy.service"]).out, "inactive\n");
    status(&instance, &program, 1);
}

/// `start`, `stop` and `restart` mean the service's daemon while there is one.
#[tokio::test]
async fn a_service_is_stopped_for_good_started_and_restarted_as_its_owner_says() {
    let program = Program::ready();
    let Some(instance) = Instance::of(&program).await else { return };
    instance.ok(&program, &["enable"]);
    let said = instance.ok(&program, &["stop"]);
    assert!(said.contains("back at the next login"), "{said}");
    assert_eq!(instance.systemctl(&program, &["show", "--property=ActiveState", "loopsy.service"]).out, "ActiveState=inactive\n");
    assert_eq!(status(&instance, &program, 3)["enabled"], true);
    for args in [&["start"][..], &["restart"], &["restart"]] {
        let before = pid(&program);
        instance.ok(&program, args);
        assert!(pid(&program).is_some() && pid(&program) != before, "{args:?}");
        assert_eq!(status(&instance, &program, 0)["managed"], true, "{args:?}");
    }
    assert!(instance.ok(&program, &["start"]).contains("running already"));
    instance.ok(&program, &["disable"]);
}

#[tokio::test]
async fn a_daemon_that_was_started_by_hand_is_taken_over_unless_it_is_at_work() {
    let program = Program::ready();
    let Some(instance) = Instance::of(&program).await else { return };
    instance.ok(&program, &["start"]);
    let by_hand = pid(&program).unwrap();
    let port = program.running().unwrap().address.port().to_string();
    let own = program.ok(&["key", "show"]);
    let mut at_work =
        program.command(&["exec", "-k", own.trim(), "--insecure", &format!("127.0.0.1:{port}"), "sleep", "60"]).spawn().unwrap();
    let active = || program.run(&["status", "--json"]).out.contains("\"active\": 1");
    until("a command runs", LIMIT, active).await;
    let said = instance.ok(&program, &["enable"]);
    assert!(said.contains("goes on, for 1 of its commands run") && said.contains("loopsy restart"), "{said}");
    assert_eq!(pid(&program), Some(by_hand));
    at_work.kill().unwrap();
    at_work.wait().unwrap();
    until("the command has ended", LIMIT, || !active()).await;
    let said = instance.ok(&program, &["enable"]);
    assert!(said.contains("nothing was changed") && said.contains("now as a service"), "{said}");
    assert_ne!(pid(&program), Some(by_hand));
    instance.ok(&program, &["uninstall", "--data"]);
    assert!(program.running().is_none() && !program.home().root().exists() && !unit(&program).exists());
}

/// What can't start is told with what to do, and leaves neither a unit nor a machine without the daemon that it had.
#[tokio::test]
async fn a_service_that_can_not_start_is_told_and_taken_back() {
    let program = Program::ready();
    let Some(instance) = Instance::of(&program).await else { return };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    program.ok(&["config", "set", "server.port", &taken.local_addr().unwrap().port().to_string()]);
    let ran = instance.loopsy(&program, &["enable"]);
    assert!(ran.code == 1 && ran.err.contains("does not come up") && ran.err.contains("removed again"), "{ran:?}");
    assert!(program.ok(&["logs", "--daemon"]).contains("can't be listened on"));
    assert!(!unit(&program).exists() && program.running().is_none());
    assert_eq!(instance.systemctl(&program, &["is-enabled", "loopsy.service"]).code, 1);
}

#[tokio::test]
async fn the_doctor_knows_an_old_unit_an_edited_one_and_one_that_does_not_run() {
    let program = Program::ready();
    let Some(instance) = Instance::of(&program).await else { return };
    let line = |args: &[&str], status: &str| {
        let ran = instance.loopsy(&program, args);
        let lines: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
        let mut found = lines.into_iter().filter(|line| line["check"] == "service" && line["status"] == status);
        let all: Vec<String> = found.by_ref().map(|line| format!("{} / {} / {}", line["message"], line["fix"], line["fixed"])).collect();
        all.join("\n")
    };
    assert!(line(&["doctor", "--json"], "ok").contains("not enabled"));
    instance.ok(&program, &["enable"]);
    assert!(line(&["doctor", "--json"], "ok").contains("enabled: "));
    let written = fs::read_to_string(unit(&program)).unwrap();

    // A unit of a program that was moved since, as Loopsy itself would have written it.
    let subject = |path: &str| Subject::new("loopsy", Path::new("/opt/gone/loopsy"), program.home().root(), path.as_ref()).unwrap();
    let manager = Manager { system: System::Systemd, folder: unit(&program).parent().unwrap().into(), user: String::new() };
    fs::remove_file(unit(&program)).unwrap();
    loopsy::platform::files::write_private(&unit(&program), &manager.describe(&subject("/no/bin")).unwrap().bytes()).unwrap();
    let found = line(&["doctor", "--json"], "fail");
    assert!(found.contains("its program is gone: /opt/gone/loopsy") && found.contains("loopsy enable"), "{found}");
    assert!(line(&["doctor", "--json"], "warn").contains("does not look for programs in"));
    let said = instance.ok(&program, &["enable"]);
    assert!(said.contains("brought up to date"), "{said}");
    assert_eq!(fs::read_to_string(unit(&program)).unwrap(), written);

    loopsy::platform::files::write_private(&unit(&program), (written.clone() + "# mine\n").as_bytes()).unwrap();
    assert!(line(&["doctor", "--fix", "--json"], "ok").contains("edited by hand"));
    assert!(instance.ok(&program, &["enable"]).contains("edited by hand, and is replaced"));
    assert_eq!(fs::read_to_string(unit(&program)).unwrap(), written);
    instance.ok(&program, &["stop"]);
    assert!(line(&["doctor", "--json"], "fail").contains("its daemon does not run"));
    instance.ok(&program, &["disable"]);
}

/// What systemd makes of a unit: the words of its command, and the search path.
#[tokio::test]
async fn systemd_reads_hostile_paths_as_they_are() {
    let program = Program::ready();
    let Some(instance) = Instance::of(&program).await else { return };
    let odd = program.folder().join("50% $HOME ${x} %h ü");
    fs::create_dir(&odd).unwrap();
    let shown = odd.join("loopsy");
    std::os::unix::fs::symlink("/bin/echo", &shown).unwrap();
    let data = format!("{}/a \"b\" 'c' \\n \\x41 $$HOME ;", odd.display());
    let subject = Subject::new("odd", &shown, Path::new(&data), format!("{}:/usr/bin", odd.display()).as_ref()).unwrap();
    let manager = Manager { system: System::Systemd, folder: unit(&program).parent().unwrap().into(), user: String::new() };
    let file = manager.describe(&subject).unwrap();
    let text = file.text.replace("Type=exec\n", &format!("Type=oneshot\nStandardOutput=file:{}/out\n", program.folder().display()));
    fs::create_dir_all(file.path.parent().unwrap()).unwrap();
    loopsy::platform::files::write_private(&file.path, text.replace("Restart=on-failure\n", "").as_bytes()).unwrap();
    assert_eq!(instance.systemctl(&program, &["daemon-reload"]).code, 0);
    let started = instance.systemctl(&program, &["start", "odd.service"]);
    assert_eq!(started.code, 0, "{started:?}");
    assert_eq!(fs::read_to_string(program.folder().join("out")).unwrap(), format!("daemon --data-dir {data}\n"));
    let path = instance.systemctl(&program, &["show", "--property=Environment", "--value", "odd.service"]).out;
    assert!(path.contains("PATH=") && path.contains("50% ") && path.contains(":/usr/bin"), "{path}");
}

#[test]
fn systemd_finds_nothing_wrong_with_a_unit() {
    let dir = tempfile::tempdir().unwrap();
    let subject = Subject::new("loopsy", &binary(), Path::new("/home/ann/it's \"50%\" \\ $HOME"), "/usr/bin:/bin".as_ref()).unwrap();
    let manager = Manager { system: System::Systemd, folder: dir.path().into(), user: String::new() };
    let file = manager.describe(&subject).unwrap();
    loopsy::platform::files::write_private(&file.path, &file.bytes()).unwrap();
    let mut verify = Command::new("systemd-analyze");
    let Ok(output) = verify.args(["verify", "--user", "--man=no"]).arg(&file.path).env("XDG_RUNTIME_DIR", dir.path()).output() else {
        skipped("systemd is not installed");
        return;
    };
    let ran = Ran::of(output);
    assert!(ran.code == 0 && !ran.err.contains("loopsy.service"), "{ran:?}");
}

/// Where nobody answers for services, that is told in one line with what to do, and nothing is left behind.
#[test]
fn without_a_manager_nothing_is_enabled_and_nothing_is_left() {
    let program = Program::ready();
    let run = |path: &Path| {
        let mut command = program.command(&["enable"]);
        Ran::of(command.env("PATH", path).env("XDG_RUNTIME_DIR", program.folder()).env_remove("DBUS_SESSION_BUS_ADDRESS").output().unwrap())
    };
    let bin = program.folder().join("own");
    fs::create_dir(&bin).unwrap();
    let none = run(&bin);
    assert!(none.code == 1 && none.err.starts_with("There is no systemctl on this machine's PATH\n"), "{none:?}");
    for (script, words) in [
        ("#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n", "does not answer"),
        ("#!/bin/sh\necho 'Access denied' >&2\nexit 4\n", "systemctl failed: Access denied"),
    ] {
        loopsy::platform::files::write_private(&bin.join("systemctl"), script.as_bytes()).unwrap();
        fs::set_permissions(bin.join("systemctl"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let ran = run(&bin);
        assert!(ran.code == 1 && ran.err.contains(words) && ran.err.lines().count() == 2, "{ran:?}");
        assert!(!unit(&program).exists() && program.running().is_none());
    }
    assert!(Daemon::running(&program.home()).is_none());
}
