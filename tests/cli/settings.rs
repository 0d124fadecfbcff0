//! `init`, `config`, `key`, and what is made from the grammar.

use std::io::Read;
use std::process::Stdio;

use loopsy::api::node::StatusGet;
use loopsy::base::Code;
use loopsy::base::secret::Secret;
use loopsy::client::Link;
use loopsy::net::{Address, Network};
use loopsy::platform::files::write_private;

use crate::support::program::Program;

#[test]
fn init_makes_a_home_once_and_never_overwrites_a_configuration() {
    let program = Program::bare();
    assert!(program.run(&["init"]).err.contains("Next: loopsy start"));
    let (config, identity) = (program.config(), std::fs::read(program.home().identity()).unwrap());
    assert_eq!(config.matches("apiKey: \"").count(), 1);
    assert!(program.run(&["init"]).err.contains("nothing was changed"));
    assert_eq!((program.config(), std::fs::read(program.home().identity()).unwrap()), (config, identity));
    write_private(&program.home().config(), b"server: {port: ").unwrap();
    program.fails(&["init"], 1);
    assert_eq!(program.config(), "server: {port: ");
}
#[test]
fn settings_are_read_changed_and_checked() {
    let program = Program::ready();
    assert_eq!(program.ok(&["config", "path"]).trim(), program.home().config().to_str().unwrap());
    assert_eq!(program.ok(&["config", "get", "rateLimits.execute"]), "30\n");
    program.ok(&["config", "set", "rateLimits.execute", "5"]);
    program.ok(&["config", "set", "auth.allowedKeys.kai.local", "0123"]);
    assert_eq!(program.ok(&["config", "get", "rateLimits.execute", "--json"]), "5\n");
    assert_eq!(program.ok(&["config", "get", "auth.allowedKeys.kai.local"]), "0123\n");
    assert!(program.config().contains("# requests a minute, of each peer"));
    assert!(!program.ok(&["config", "get"]).contains("0123"), "keys are shown only when they are asked for");
    assert!(program.fails(&["config", "set", "server.prot", "1"], 2).contains("did you mean server.port?"));
    assert!(program.fails(&["config", "set", "server.port", "many"], 1).contains("server.port"));
    assert!(program.ok(&["config", "check"]).contains("ok"));
    let failed = program.run(&["config", "get", "nonsense", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&failed.err).unwrap()["error"]["code"], 9003);
}
/// known faults 3 and 62
#[tokio::test]
async fn a_new_key_holds_at_once_and_the_old_one_stops() {
    let program = Program::ready();
    let old = program.ok(&["key", "show"]);
    program.ok(&["start"]);
    let new = program.ok(&["key", "generate"]);
    assert!(old != new && new == program.ok(&["key", "show"]));
    program.ok(&["status"]);

    let address = Address::new("127.0.0.1", program.running().unwrap().address.port()).unwrap();
    let status = |key: &str| {
        let link = Link::new(&Network::Sockets, address.clone()).key(Secret::new(key.trim()));
        async move { link.call(&StatusGet {}).await }
    };
    assert_eq!(status(&old).await.unwrap_err().code, Code::AuthInvalidKey);
    assert!(status(&new).await.is_ok());
    program.ok(&["config", "set", "rateLimits.execute", "7"]);
    let said = program.run(&["config", "set", "logging.level", "debug"]).err;
    assert!(said.contains("loopsy restart"), "{said}");
    assert!(program.ok(&["status"]).contains("logging.level"));
}
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let program = Program::bare();
    let mut child = program.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    assert!(child.wait().unwrap().success());
}
#[test]
fn completions_and_man_pages_come_with_the_program() {
    let program = Program::bare();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(program.ok(&["completions", shell]).contains("loopsy"));
    }
    let folder = program.folder().join("man");
    program.ok(&["man", folder.to_str().unwrap()]);
    assert!(folder.join("loopsy.1").exists() && folder.join("loopsy-key-generate.1").exists());
    assert!(!folder.join("loopsy-man.1").exists());
}
