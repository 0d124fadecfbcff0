//! The grammar: what is taken, what is refused, and with which exit status.

use clap::{CommandFactory, Parser};

use super::app::{App, Command};
use super::*;
use crate::api::tasks::PermissionMode;

fn parse(line: &str) -> Result<App, clap::Error> {
    App::try_parse_from(std::iter::once("loopsy").chain(line.split_whitespace()))
}
fn words(line: &str) -> Vec<String> {
    match parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).command {
        Command::Exec(exec) => exec.words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_grammar_is_sound() {
    App::command().debug_assert();
}
/// known fault 8
#[test]
fn everything_after_the_peer_belongs_to_the_command() {
    assert_eq!(words("exec kai ls -la --json -k x --help"), ["kai", "ls", "-la", "--json", "-k", "x", "--help"]);
    assert_eq!(words("exec --timeout 5s kai sh -c exit"), ["kai", "sh", "-c", "exit"]);
    assert_eq!(words("exec kai -- ls -la"), ["kai", "--", "ls", "-la"]);
    assert_eq!(words("exec -- kai ls -la"), ["kai", "ls", "-la"]);
    assert_eq!(words("exec --all uptime -p"), ["uptime", "-p"]);
    assert!(parse("exec --nosuch kai ls").is_err());
}
/// known fault 13
#[test]
fn what_is_not_a_command_is_wrong_usage() {
    for line in ["nosuch", "context bogus", "key bogus", "config bogus", "peers bogus", "", "context", "key", "exec", "start --nosuch"] {
        let args = std::iter::once("loopsy").chain(line.split_whitespace()).map(std::ffi::OsString::from);
        assert_eq!(run(args), ExitCode::from(2), "{line:?}");
    }
}
/// known fault 3
#[test]
fn nested_commands_are_commands() {
    for line in
        ["context set k v", "context get k", "context list", "context delete k", "peers add 10.0.0.1", "peers remove kai", "key show"]
    {
        assert!(parse(line).is_ok(), "{line}");
    }
    assert!(matches!(parse("peers").unwrap().command, Command::Peers(app::Peers { action: None })));
    assert!(parse("context set k -1").is_ok());
}
#[test]
fn a_task_is_for_this_machine_or_for_the_peer_that_is_named_first() {
    let run = |line: &str| match parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).command {
        Command::Task(app::Task::Run(run)) => run,
        other => panic!("{other:?}"),
    };
    assert_eq!(run("task run prompt").words, ["prompt"]);
    let given = run("task run --mode accept-edits --arg --verbose --arg -x --untrusted=false -t 5m -d kai -");
    assert_eq!((given.words, given.args), (vec!["kai".to_owned(), "-".into()], vec!["--verbose".to_owned(), "-x".into()]));
    assert_eq!((given.mode, given.untrusted, given.detach), (Some(PermissionMode::AcceptEdits), Some(false), true));
    assert_eq!(run("task run --untrusted prompt").untrusted, Some(true));
    for mode in PermissionMode::ALL {
        assert_eq!(run(&format!("task run --mode {} x", mode.name())).mode, Some(mode));
    }
    for wrong in ["task", "task run", "task run a b c", "task run --mode all x", "task approve", "task prompt 2f1c", "hook", "hook x"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
#[test]
fn global_flags_stand_anywhere() {
    let app = parse("context --json get k --data-dir /x -vv -q").unwrap();
    assert!(app.global.json && app.global.quiet);
    assert_eq!((app.global.verbose, app.global.data_dir.unwrap().to_str()), (2, Some("/x")));
}
