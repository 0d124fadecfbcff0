//! What each manager is told, on whatever system the tests run.

use super::*;

fn subject(program: &str, data_dir: &str, path: &str) -> Subject {
    Subject::new("loopsy", Path::new(program), Path::new(data_dir), path.as_ref()).unwrap()
}
fn manager(system: System) -> Manager {
    Manager { system, folder: "/units".into(), user: "501".into() }
}
fn text_of(system: System, subject: &Subject) -> String {
    manager(system).describe(subject).unwrap().text
}
fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("no {start} in {text}"))
}

const ALL: [System; 3] = [System::Systemd, System::Launchd, System::TaskScheduler];

#[test]
fn a_unit_is_quoted_as_systemd_reads_it() {
    let text = text_of(System::Systemd, &subject("/opt/50% off/$x/loopsy", r#"/home/a "b" \c/$HOME ${x}/%h"#, "/usr/bin:/a b%:/$y"));
    assert_eq!(
        line(&text, "ExecStart="),
        r#""/opt/50%% off/$x/loopsy" daemon --data-dir "/home/a \"b\" \\c/$$HOME $${x}/%%h""#,
        "the program is no place for variables, so its dollar is plain"
    );
    assert_eq!(line(&text, "Environment="), r#""PATH=/usr/bin:/a b%%:/$y""#);
    for program in [r#"/a"b/loopsy"#, "/a'b/loopsy", r"/a\b/loopsy"] {
        let refused = manager(System::Systemd).describe(&subject(program, "/d", "/bin")).unwrap_err();
        assert!(refused.message.contains(program) && refused.hint.is_some());
    }
}
#[test]
fn arguments_are_quoted_as_windows_reads_them() {
    let text = text_of(System::TaskScheduler, &subject("/c/Program Files/loopsy.exe", r#"/c/a "b" & <c>\"#, ""));
    assert!(text.contains("<Command>/c/Program Files/loopsy.exe</Command>"), "{text}");
    let wanted = r#"--data-dir &quot;/c/a \&quot;b\&quot; &amp; &lt;c&gt;\\&quot;</Arguments>"#;
    assert!(text.contains(wanted), "{text}");
    for (program, data_dir) in [("/%TEMP%/x", "/d"), ("/x", "/%a%b")] {
        assert!(manager(System::TaskScheduler).describe(&subject(program, data_dir, "")).is_err());
    }
}
#[test]
fn what_no_file_can_hold_is_refused_and_odd_folders_of_the_search_path_are_left_out() {
    for odd in ["/a\nExecStart=/bin/evil", "/a\u{1}", "/a\u{85}b", "/a\u{ffff}"] {
        assert!(Subject::new("loopsy", Path::new(odd), Path::new("/d"), "/bin".as_ref()).is_err(), "{odd:?}");
        assert!(Subject::new("loopsy", Path::new("/p"), Path::new(odd), "/bin".as_ref()).is_err(), "{odd:?}");
        assert_eq!(subject("/p", "/d", &format!("{odd}:.:bin::/usr/bin")).search_path, "/usr/bin");
    }
}
#[test]
fn a_file_tells_what_it_starts_and_whether_it_was_edited() {
    for system in ALL {
        let wanted = subject("/opt/a--b & <c>/loopsy", "/home/ann/.loopsy--x-->", "/usr/bin:/opt/--/x");
        let file = manager(system).describe(&wanted).unwrap();
        let text = File::text_of(&file.bytes());
        assert_eq!(text, file.text);
        let found = Found::read(&text);
        let record = found.record.unwrap();
        assert_eq!((record.program, record.data_dir, found.is_edited), (wanted.program.clone(), wanted.data_dir.clone(), false));
        assert_eq!(record.search_path, (system != System::TaskScheduler).then_some(wanted.search_path.clone()));
        for edited in [text.replacen("daemon", "demon", 1), text.clone() + "x\n", text.replacen("/opt/a", "/opt/b", 1)] {
            assert!(Found::read(&edited).is_edited, "{system:?}: {edited}");
        }
        let comment: Vec<&str> = text.lines().filter(|line| line.contains("loopsy: {")).collect();
        assert!(comment.len() == 1 && (system == System::Systemd || comment[0].matches("--").count() == 2), "{comment:?}");
    }
    for foreign in ["", "[Service]\nExecStart=/bin/true\n", "# loopsy: {}\n", "# loopsy: }{\n", "\u{0}"] {
        assert_eq!(Found::read(foreign), Found { record: None, is_edited: true }, "{foreign:?}");
    }
}
#[test]
fn every_service_has_a_file_and_commands_of_its_own() {
    for system in ALL.into_iter().filter(|system| *system != System::TaskScheduler) {
        let manager = manager(system);
        assert_ne!(manager.file("loopsy"), manager.file("loopsy-w1"));
        for plan in [manager.start("loopsy-w1"), manager.unregister("loopsy-w1")] {
            assert!(plan.iter().any(|step| matches!(step, Step::Run(words) | Step::Try(words) if words.join(" ").contains("loopsy-w1"))));
        }
    }
    let tasks = Manager { system: System::TaskScheduler, folder: "/d".into(), user: r"KAI\ann".into() };
    assert_eq!(tasks.start("loopsy-w1"), [Step::Run(words(&["schtasks", "/Run", "/TN", "loopsy-w1 (ann)"]))]);
}
#[test]
fn what_managers_tell_is_understood() {
    let told = |is_enabled, pid, has_failed| Told { is_enabled, pid, has_failed };
    let systemd = manager(System::Systemd);
    for (printed, wanted) in [
        ("UnitFileState=enabled\nActiveState=active\nSubState=running\nMainPID=42\n", told(true, Some(42), false)),
        ("MainPID=0\nActiveState=activating\nSubState=auto-restart\nUnitFileState=enabled\n", told(true, None, true)),
        ("MainPID=0\nActiveState=failed\nSubState=failed\nUnitFileState=disabled\n", told(false, None, true)),
        ("UnitFileState=\nActiveState=inactive\nSubState=dead\nMainPID=0\n", told(false, None, false)),
        ("", Told::default()),
    ] {
        assert_eq!(systemd.heard(true, printed), wanted, "{printed}");
    }
    let launchd = manager(System::Launchd);
    let print = |lines: &str| format!("gui/501/dev.loopsy.loopsy = {{\n{lines}\n}}\n");
    for (success, printed, wanted) in [
        (true, print("\tstate = running\n\tpid = 7\n\tlast exit code = (never exited)"), told(true, Some(7), false)),
        (true, print("\tstate = spawn scheduled\n\tlast exit code = 1"), told(true, None, true)),
        (true, print("\tstate = not running\n\tlast exit code = 0"), told(true, None, false)),
        (false, "Could not find service\n".into(), told(true, None, false)),
    ] {
        assert_eq!(launchd.heard(success, &printed), wanted, "{printed}");
    }
    let tasks = manager(System::TaskScheduler);
    assert!(tasks.heard(true, "<Task><Enabled>true</Enabled></Task>").is_enabled);
    assert!(!tasks.heard(true, "<Task><Enabled>false</Enabled></Task>").is_enabled && !tasks.heard(false, "").is_enabled);
}
