//! The program in the hands of somebody who has never seen it: whatever is typed, one line says what is wrong and one
//! what to do, the exit status tells the kind, and nothing secret is shown.

use std::io::Read;
use std::process::Stdio;

use loopsy::platform::files::write_private;
use serde_json::Value;

use crate::support::program::Program;

/// What it says when it fails with this status: what is wrong, and what to do about it.
fn told(program: &Program, args: &[&str], code: i32) -> (String, String) {
    let said = program.fails(args, code);
    assert!(!said.contains("error:") && !said.contains("Error"), "{args:?}: {said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{args:?}: {said}");
    (lines[0].to_owned(), lines[1].to_owned())
}

/// known fault 1: the one file is all there is to install.
#[test]
fn the_program_alone_in_an_empty_folder_runs() {
    let program = Program::bare();
    let alone = program.folder().join("loopsy");
    std::fs::copy(env!("CARGO_BIN_EXE_loopsy"), &alone).unwrap();
    for args in [&["--version"][..], &["--help"], &["init"], &["config", "check"]] {
        let output = std::process::Command::new(&alone).args(args).env_clear().env("HOME", program.folder()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    assert!(program.home().config().exists());
}

/// known fault 13: what is typed wrong is wrong usage.
#[test]
fn wrong_usage_is_told_in_two_lines() {
    let program = Program::bare();
    for (args, what, hint) in [
        (&["statsu"][..], "'statsu'", "'status'"),
        (&["nosuch"], "'nosuch'", "Usage: loopsy"),
        (&["peers", "bogus"], "'bogus'", "Usage: loopsy peers"),
        (&["status", "--jsn"], "'--jsn'", "'--json'"),
        (&["context", "set", "a"], "<VALUE>", "Usage: loopsy context set"),
        (&["exec"], "<PEER COMMAND>", "Usage: loopsy exec [OPTIONS] <PEER>"),
        (&["send", "kai", "x"], "<DEST>", "Usage: loopsy send [OPTIONS] <PEER> <SRC>… <DEST>"),
        (&["peers", "add", "x", "99999"], "'99999'", "--help"),
        (&["logs", "--since", "x"], "\"x\" is not a duration", "30s"),
        (&["logs", "--status", "9xx"], "\"9xx\"", "4xx"),
    ] {
        let (first, second) = told(&program, args, 2);
        assert!(first.contains(what) && second.contains(hint), "{args:?}: {first} / {second}");
    }
    let failed = program.run(&["statsu", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&failed.err).unwrap()["error"]["code"], 9003);
}

#[test]
fn without_a_daemon_every_command_says_how_to_start_it() {
    let program = Program::ready();
    let commands: [&[&str]; 13] = [
        &["status"],
        &["peers"],
        &["peers", "add", "10.0.0.1"],
        &["peers", "remove", "kai"],
        &["peers", "ping", "kai"],
        &["exec", "kai", "ls"],
        &["exec", "--all", "ls"],
        &["send", "kai", "/etc/hostname", "x"],
        &["pull", "kai", "x", "y"],
        &["context", "list"],
        &["context", "watch"],
        &["context", "set", "k", "v"],
        &["api", "node.status"],
    ];
    for args in commands {
        let told = told(&program, args, 3);
        assert_eq!(told, ("Daemon is not running".into(), "Start it with: loopsy start".into()), "{args:?}");
    }
}

#[test]
fn what_can_not_be_done_is_told_in_two_lines() {
    let program = Program::ready();
    program.ok(&["start"]);
    let folder = program.folder();
    let missing = folder.join("missing").display().to_string();
    let broken = folder.join("broken.json").display().to_string();
    write_private(broken.as_ref(), b"nonsense").unwrap();
    for (args, code, what, hint) in [
        (&["context", "get", "nope"][..], 1, "no entry \"nope\"", "context list"),
        (&["context", "delete", "nope"], 1, "no entry \"nope\"", "context list"),
        (&["context", "import", &missing], 2, "no such file", "export"),
        (&["context", "import", &broken], 2, "not an export", "context export"),
        (&["config", "get", "nope"], 2, "nope", "config get"),
        (&["config", "set", "server.port", "many"], 1, "server.port", "Nothing was changed"),
        (&["api", "nope"], 2, "nope", "loopsy api"),
        (&["api", "context.get", "{"], 2, "not a JSON object", "Write it like"),
        (&["peers", "ping", "nope"], 4, "no peer \"nope\"", "loopsy pair"),
        (&["peers", "remove", "nope"], 4, "no peer \"nope\"", "loopsy pair"),
        (&["peers", "add", "a b"], 2, "not an address", "192.168.1.50"),
        (&["exec", "nope", "ls"], 4, "no peer \"nope\"", "loopsy pair"),
        (&["exec", "-k", "0123456789abcdef", "127.0.0.1:1", "ls"], 4, "127.0.0.1:1", "firewall"),
    ] {
        let (first, second) = told(&program, args, code);
        assert!(first.contains(what) && second.contains(hint), "{args:?}: {first} / {second}");
    }
    let empty = program.fails(&["context", "set", "", "v"], 2);
    assert!(empty.starts_with("key is empty"), "{empty}");
}

/// known fault 68: a peer is shown by its whole id, and one that was not asked yet is not called offline.
#[test]
fn peers_are_listed_with_their_whole_ids() {
    let program = Program::ready();
    program.ok(&["start"]);
    program.ok(&["peers", "add", "127.0.0.1", "1"]);
    program.ok(&["peers", "add", "[::1]:2"]);
    let list = program.ok(&["peers"]);
    assert!(list.contains("\tunknown\t127.0.0.1:1\t") && list.contains("manual-127.0.0.1:1\n"), "{list}");
    assert!(list.contains("\t[::1]:2\t") && !list.contains("offline"), "{list}");
    let status: Value = serde_json::from_str(&program.ok(&["peers", "--json"])).unwrap();
    assert_eq!(status["peers"].as_array().unwrap().len(), 2);
}

#[test]
fn no_output_holds_a_key_that_was_not_asked_for() {
    let program = Program::ready();
    program.ok(&["start"]);
    let own = program.ok(&["key", "show"]).trim().to_owned();
    let pair = program.ok(&["key", "generate", "--print"]).trim().to_owned();
    assert!(own.len() >= 32 && pair.len() >= 32 && own != pair);
    assert_eq!(program.ok(&["key", "show"]).trim(), own, "--print changes nothing");
    program.ok(&["peers", "add", "127.0.0.1", "1", "--name", "kai", "--key", &pair]);
    let commands: [&[&str]; 9] = [
        &["-vv", "status", "--json"],
        &["-vv", "peers", "--json"],
        &["config", "get"],
        &["config", "get", "--json"],
        &["config", "check"],
        &["logs", "-n", "0"],
        &["logs", "--daemon", "-n", "0"],
        &["-vv", "exec", "kai", "ls"],
        &["-vv", "exec", "-k", &pair, "127.0.0.1:1", "ls"],
    ];
    for args in commands {
        let ran = program.run(args);
        for key in [&own, &pair] {
            assert!(!ran.out.contains(key.as_str()) && !ran.err.contains(key.as_str()), "{args:?}: {ran:?}");
        }
    }
}

/// A full disk behind standard output is a failure, a reader that had enough is none.
#[test]
fn odd_ends_of_the_output_are_borne() {
    let program = Program::ready();
    program.ok(&["start"]);
    if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
        let output = program.command(&["api"]).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(1), "Standard output can't be written: the disk is full\n"));
    }
    let mut child = program.command(&["context", "watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // The watch ends at the first change that it can't tell.
    while child.try_wait().unwrap().is_none() {
        program.ok(&["context", "set", "k", "v"]);
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().success(), said.as_str()), (true, ""));
    let plain = program.command(&["status"]).env("NO_COLOR", "1").env("TERM", "xterm-256color").output().unwrap();
    assert!(!plain.stdout.contains(&0x1b));
}
