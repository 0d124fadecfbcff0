//! Services as far as nobody has to be there who manages them: plans, refusals, and taking everything back.

use std::fs;

use loopsy::platform::files::write_private;
use serde_json::Value;

use crate::support::program::Program;

/// The machine's own manager, if it has one, is not asked, and its user has no folder that could be written.
fn entries(program: &Program) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(program.folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_dry_run_prints_files_and_commands_and_changes_nothing() {
    let program = Program::ready();
    let before = entries(&program);
    let plan = program.ok(&["enable", "--dry-run"]);
    for part in ["write ", "    ExecStart=\"", " daemon --data-dir \"", "    Environment=\"PATH=", "run systemctl --user enable"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let json: Value = serde_json::from_str(&program.ok(&["enable", "--dry-run", "--json"])).unwrap();
    assert_eq!(json["system"], "systemd");
    let steps = json["steps"].as_array().unwrap();
    assert!(steps[0]["write"].as_str().unwrap().ends_with("/.config/systemd/user/loopsy.service"), "{json}");
    assert!(steps[0]["content"].as_str().unwrap().contains("Restart=on-failure"), "{json}");
    assert!(program.ok(&["disable", "--dry-run"]).contains("remove "));
    assert_eq!(entries(&program), before);
    assert!(program.running().is_none());
}

#[test]
fn two_data_directories_have_two_services() {
    let program = Program::ready();
    program.ok(&["session", "start", "w1"]);
    let name = |folder: &str| {
        let folder = program.folder().join(folder);
        let folder = folder.to_str().unwrap();
        if !folder.contains("sessions") {
            program.ok(&["--data-dir", folder, "init", "--no-mcp"]);
        }
        let json: Value = serde_json::from_str(&program.ok(&["--data-dir", folder, "enable", "--dry-run", "--json"])).unwrap();
        json["name"].as_str().unwrap().to_owned()
    };
    assert_eq!((name(".loopsy"), name(".loopsy/sessions/w1")), ("loopsy".into(), "loopsy-w1".into()));
    assert!(name("other").starts_with("loopsy-at-") && name("other") != name("another") && name("other") == name("./other"));
}

#[test]
fn without_a_configuration_or_a_place_for_it_there_is_no_service() {
    let bare = Program::bare();
    assert!(bare.fails(&["enable"], 1).starts_with("There is no configuration"));
    let program = Program::ready();
    write_private(&program.folder().join(".config"), b"a file").unwrap();
    let said = program.fails(&["enable"], 1);
    assert!(said.contains("loopsy.service can't be") && said.lines().count() == 2, "{said}");
    assert!(program.running().is_none());
}

#[test]
fn what_is_not_enabled_is_said_to_be_so() {
    let program = Program::ready();
    let shown = program.run(&["service-status"]);
    assert!(shown.code == 1 && shown.out.contains("not enabled") && shown.out.contains("loopsy enable"), "{shown:?}");
    assert!(program.run(&["disable"]).err.contains("nothing was changed"));
    program.ok(&["start"]);
    assert_eq!(program.run(&["stop"]).err, "Daemon stopped\n");
}

#[test]
fn uninstalling_keeps_the_data_unless_it_is_told_otherwise() {
    let program = Program::ready();
    program.ok(&["start"]);
    let said = program.run(&["uninstall"]);
    assert!(said.code == 0 && said.err.contains("with --data") && program.running().is_some(), "{said:?}");
    assert!(program.ok(&["uninstall", "--data", "--dry-run"]).contains("remove the data in "));
    assert!(program.running().is_some());
    program.ok(&["uninstall", "--data"]);
    assert!(program.running().is_none() && !program.home().root().exists());
    assert!(program.run(&["uninstall", "--data"]).code == 0, "twice is not wrong");
}

#[test]
fn a_folder_that_is_not_loopsys_is_never_removed() {
    let program = Program::bare();
    let root = program.home().root().to_owned();
    write_private(&root.join("thesis.txt"), b"x").unwrap();
    write_private(&root.join("logs/theirs"), b"x").unwrap();
    let said = program.fails(&["uninstall", "--data"], 1);
    assert!(said.contains("not a data directory of Loopsy's"), "{said}");
    assert!(root.join("thesis.txt").exists() && root.join("logs/theirs").exists());
}
