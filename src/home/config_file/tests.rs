//! Nasty configurations: what is read, what is refused and where, what a patch leaves alone.

use super::*;
use crate::home::Home;
use crate::platform::files;

const FULL: &str = "\
# top comment
server:
  port: 19532      # the port
  hostname: leo

auth:
  apiKey: abc
  allowedKeys:
    kai: k1   # laptop
    leo.local: k2
# about execution
execution:
  denylist:
  - rm
  - dd
  maxConcurrent: 10
";

fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.code, Code::Config);
    assert!(error.hint.unwrap().contains("config check"));
    error.message
}
fn change(text: &str, change: impl FnOnce(&mut Document) -> Result<()>) -> (String, bool) {
    let mut document = Document::parse(text).unwrap();
    change(&mut document).unwrap();
    (document.text.clone(), document.rewritten)
}

#[test]
fn errors_have_line_and_column() {
    assert_eq!(refused("server:\n  port: abc\n"), "config.yaml line 2, column 9: server.port: invalid type: string \"abc\", expected u16");
    assert!(refused("server:\n  port: 70000\n").starts_with("config.yaml line 2, column 9: server.port: "));
    assert!(refused("execution:\n  maxConcurrent: -5\n").contains("execution.maxConcurrent"));
    assert!(refused("rateLimits:\n  execute: [1]\n").starts_with("config.yaml line 2, column"));
    assert!(
        refused("discovery:\n  manualPeers:\n    - address: a\n      port: x\n")
            .contains("line 4, column 13: discovery.manualPeers[0].port")
    );
    assert!(refused("auth:\n  permissions:\n    kai: [everything]\n").contains("line 3"));
}
/// known fault 31
#[test]
fn a_syntax_error_is_an_error_with_its_line() {
    for (text, line) in [
        ("server:\n\tport: 1\n", "line 2, column 1"),
        ("server: {port: 1\n", "line 2"),
        ("auth:\n  apiKey: \"abc\n", "line 3"),
        ("server:\n  port: 1\n  port: 2\n", "line 2"),
        ("a: 1\n---\nb: 2\n", ""),
        ("- a\n- b\n", "line 1"),
        ("just text", "line 1"),
        ("auth: *nowhere\n", "line 1"),
    ] {
        let message = refused(text);
        assert!(message.contains(line), "{text:?}: {message}");
        assert!(Document::parse(text).is_err() || text.contains("port: 2"), "{text:?}");
    }
}
#[test]
fn a_key_is_never_part_of_an_error() {
    assert!(!refused("auth:\n  apiKey: [s3cret]\n").contains("s3cret"));
    assert!(!refused("auth:\n  allowedKeys:\n    kai: {s3cret: 1}\n").contains("s3cret"));
    assert!(!refused("auth:\n  allowedKeys: s3cret\n").contains("s3cret"));
}
#[test]
fn an_empty_key_is_refused() {
    assert!(refused("auth:\n  apiKey: ''\n").starts_with("config.yaml line 2: auth.apiKey: "));
    assert!(refused("auth:\n  allowedKeys:\n    a: x\n    kai: ' '\n").starts_with("config.yaml line 4: auth.allowedKeys.kai: "));
}
/// known fault 18
#[test]
fn a_node_configuration_is_read_as_it_is() {
    let text = "server:\n  port: 19532\n  host: 0.0.0.0\n  dataDir: /home/ann/.loopsy\nauth:\n  apiKey: 0123\n  allowedKeys: null\n\
                execution: ~\ntransfer:\n  allowedPaths:\n    - /home/ann\n  deniedPaths: []\n  maxFileSize: 1073741824\n\
                rateLimits:\ndiscovery:\n  enabled: true\n  manualPeers:\n    - address: 192.168.1.75\nlogging:\n  level: info\n  file: null\n";
    let loaded = parse(text).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.config.auth.allowed_keys.is_empty());
    assert_eq!(loaded.config.auth.api_key.unwrap().expose(), "0123");
    assert_eq!(loaded.config.execution.max_concurrent, 10);
    assert_eq!(loaded.config.discovery.manual_peers[0].port, 19532);
    for empty in ["", "\n", "# nothing\n", "---\n", "{}"] {
        assert_eq!(parse(empty).unwrap().config.server.port, 19532, "{empty:?}");
    }
}
#[test]
fn unknown_keys_and_odd_names_are_warned_about() {
    let text = "exection: {}\nserver:\n  prot: 1\n  zebra: 1\ndiscovery:\n  manualPeers:\n    - address: a\n      adress: b\n\
                auth:\n  allowedKeys:\n    ../x: k1\n    owner: k2\n    kai: k3\n    leo: k3\ntls:\n  pinnedCerts:\n    kai: abc\n";
    let warnings = parse(text).unwrap().warnings.join("\n");
    for expected in [
        "unknown key exection; did you mean execution?",
        "unknown key server.prot; did you mean server.port?",
        "unknown key server.zebra\n",
        "unknown key discovery.manualPeers.0.adress; did you mean discovery.manualPeers.0.address?",
        "\"../x\" is not a name",
        "allowedKeys.owner",
        "kai and leo have the same key",
        "tls.pinnedCerts.kai",
    ] {
        assert!(warnings.contains(expected), "{expected} is not in:\n{warnings}");
    }
    assert!(!warnings.contains("k3"));
}
#[test]
fn a_missing_file_is_its_own_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = load(&Home::at(dir.path())).unwrap_err();
    assert!(error.message.starts_with("there is no configuration"));
    assert_eq!(error.hint.as_deref(), Some("Create it with: loopsy init"));
    files::write_private(&dir.path().join("config.yaml"), b"a: 1\nb: \xff\n").unwrap();
    assert!(load(&Home::at(dir.path())).unwrap_err().message.contains("line 2"));
}

/// known fault 47
#[test]
fn a_patch_keeps_comments_and_order() {
    let (text, rewritten) = change(FULL, |document| {
        document.set(&["server", "port"], 8080)?;
        document.set(&["auth", "allowedKeys", "leo.local"], "a: #b")?;
        document.set(&["auth", "allowedKeys", "zoe"], "123")?;
        document.set(&["execution", "denylist"], ["a,b", "c"])?;
        document.set(&["rateLimits", "execute"], 5)?;
        document.remove(&["server", "hostname"])?;
        Ok(())
    });
    assert!(!rewritten);
    assert_eq!(
        text,
        "\
# top comment
server:
  port: 8080      # the port

auth:
  apiKey: abc
  allowedKeys:
    kai: k1   # laptop
    leo.local: 'a: #b'
    zoe: '123'
# about execution
execution:
  denylist: [\"a,b\", c]
  maxConcurrent: 10
rateLimits:
  execute: 5
"
    );
}
#[test]
fn every_style_is_patched_or_rewritten_to_what_is_meant() {
    let texts = [
        FULL,
        "",
        "# only a comment",
        "---\nserver:\n  port: 1\n",
        "auth: {apiKey: a, allowedKeys: {kai: k}} # flow\nserver:\n  port: 1\n",
        "{auth: {apiKey: a}}\n",
        "auth:\r\n  apiKey: a # x\r\n  allowedKeys:\r\n    kai: k\r\nserver:\r\n  port: 1\r\n",
        "auth:\n    allowedKeys:\n          kai: &k key\n          leo: *k\n    apiKey: a",
        "auth:\n  \"allowedKeys\":\n    'kai': |\n      two\n      # lines\n\n    x: y\n  apiKey: >-\n    folded\n    text\n",
        "auth:\n  allowedKeys: # none yet\n\n  # comment\n  apiKey: \"a\\\"# b\"   # c\n",
        "auth:\n  allowedKeys: {} # none\n  apiKey: 'it''s'\n",
        "auth:\n  apiKey: multi\n    line\n    text\nserver: &s\n  port: 1\ntls: {}\n",
        "? auth\n: apiKey: a\n",
        "auth: ~\n",
        "'auth':\n  apiKey: a\n  allowedKeys:\n    123: x\n    kai: y\n\n\n# the end\n",
        "discovery:\n  manualPeers:\n  - address: a\n    port: 1\n  - address: b\n  enabled: true\n",
        "auth: !our {apiKey: a}\nserver: !our\n  port: 1\n",
    ];
    for text in texts {
        let (patched, _) = change(text, |document| {
            document.set(&["auth", "allowedKeys", "kai"], "new: key")?;
            document.set(&["auth", "allowedKeys", "123"], "n")?;
            document.set(&["auth", "apiKey"], "two\nlines")?;
            document.set(&["server", "port"], 7)?;
            document.set(&["tls", "pinnedCerts", "a.b"], "cc")?;
            document.remove(&["tls", "pinnedCerts", "nobody"])?;
            Ok(())
        });
        let config = parse(&patched).unwrap_or_else(|error| panic!("{text}\n->\n{patched}\n{error}")).config;
        assert_eq!(config.auth.allowed_keys["kai"].expose(), "new: key", "{text}\n->\n{patched}");
        assert_eq!(config.auth.allowed_keys["123"].expose(), "n", "{text}\n->\n{patched}");
        assert_eq!(config.auth.api_key.unwrap().expose(), "two\nlines");
        assert_eq!((config.server.port, config.tls.pinned_certs["a.b"].as_str()), (7, "cc"));
        assert_eq!(patched.matches("kai").count(), 1, "{patched}");
        if text.contains('\r') {
            assert_eq!(patched.matches('\n').count(), patched.matches("\r\n").count(), "{patched:?}");
        }
        let (removed, _) = change(&patched, |document| {
            assert!(document.remove(&["auth", "allowedKeys", "kai"])?);
            assert!(document.remove(&["auth", "allowedKeys", "123"])?);
            assert!(document.remove(&["tls", "pinnedCerts", "a.b"])?);
            Ok(())
        });
        let config = parse(&removed).unwrap().config;
        assert!(!config.auth.allowed_keys.contains_key("kai") && config.tls.pinned_certs.is_empty(), "{removed}");
    }
}

fn home(text: &str) -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    files::write_private(&home.config(), text.as_bytes()).unwrap();
    (dir, home)
}
fn on_disk(home: &Home) -> String {
    std::fs::read_to_string(home.config()).unwrap()
}

/// known fault 47
#[test]
fn edits_at_the_same_time_are_all_kept() {
    let (_dir, home) = home(FULL);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let home = home.clone();
            scope.spawn(move || edit(&home, |document| document.set(&["auth", "allowedKeys", &format!("peer{number}")], "k")).unwrap());
        }
    });
    let config = load(&home).unwrap().config;
    assert_eq!(config.auth.allowed_keys.len(), 10);
    assert!(on_disk(&home).contains("# about execution"));
}
#[test]
fn a_first_configuration_never_replaces_one_that_is_there() {
    let (_dir, home) = home("server: {port: \n");
    assert!(!create(&home, FULL).unwrap());
    assert_eq!(on_disk(&home), "server: {port: \n");
    std::fs::remove_file(home.config()).unwrap();
    assert!(create(&home, FULL).unwrap() && !create(&home, "").unwrap());
    assert_eq!(on_disk(&home), FULL);
}
#[test]
fn a_file_that_does_not_parse_is_never_rewritten() {
    let (_dir, home) = home("server: {port: \n");
    assert!(edit(&home, |document| document.set(&["server", "port"], 1)).is_err());
    assert_eq!(on_disk(&home), "server: {port: \n");
}
#[test]
fn a_change_that_would_make_a_wrong_file_is_refused() {
    let (_dir, home) = home(FULL);
    assert!(edit(&home, |document| document.set(&["server", "port"], "abc")).unwrap_err().message.contains("server.port"));
    assert!(edit(&home, |document| document.set(&["auth", "apiKey"], "")).is_err());
    assert_eq!(on_disk(&home), FULL);
}
#[test]
fn a_text_that_cannot_be_patched_is_rewritten_and_the_old_one_kept() {
    let old = "{server: {port: 1}} # mine\n";
    let (_dir, home) = home(old);
    edit(&home, |document| document.set(&["server", "port"], 2)).unwrap();
    assert_eq!(load(&home).unwrap().config.server.port, 2);
    assert_eq!(std::fs::read_to_string(home.config().with_extension("yaml.bak")).unwrap(), old);
}

#[test]
fn settings_are_found_by_their_dotted_names() {
    let value = parse_value(FULL).unwrap();
    assert_eq!(get(&value, "auth.allowedKeys.leo.local").unwrap(), "k2");
    assert_eq!(get(&value, "execution.denylist.1").unwrap(), "dd");
    assert!(get(&value, "auth.nothing").is_none() && get(&value, "server.port.x").is_none());
    assert_eq!(resolve("auth.allowedKeys.leo.local").unwrap(), ["auth", "allowedKeys", "leo.local"]);
    assert!(resolve("server.prot").unwrap_err().message.contains("did you mean server.port?"));
    for bad in ["", "server.port.x", "nonsense", ".", "server."] {
        assert!(resolve(bad).is_err() || bad == "server.", "{bad}");
    }
}
#[test]
fn what_a_person_types_gets_the_settings_type() {
    let typed = |name: &str, text: &str| typed(&resolve(name).unwrap(), text);
    assert_eq!(typed("server.port", "8080"), 8080);
    assert_eq!(typed("tls.enabled", "true"), true);
    assert_eq!(typed("auth.apiKey", "12e5"), "12e5");
    assert_eq!(typed("auth.allowedKeys.kai", "0123"), "0123");
    assert_eq!(typed("server.hostname", "null"), Value::Null);
    assert_eq!(typed("execution.denylist", "[rm, dd]").as_sequence().unwrap().len(), 2);
    assert_eq!(typed("auth.permissions.kai", "[context]").as_sequence().unwrap().len(), 1);
}
#[test]
fn what_init_writes_is_the_defaults_without_a_warning() {
    let key = crate::base::secret::Secret::generate().unwrap();
    let text = init_text(&key, "it's: a #host", Path::new("/home/ann \"x\""));
    let loaded = parse(&text).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let (config, defaults) = (loaded.config, Config::default());
    assert_eq!(config.auth.api_key.unwrap().expose(), key.expose());
    assert_eq!(config.server.hostname.as_deref(), Some("it's: a #host"));
    assert_eq!(config.transfer.allowed_paths.unwrap(), ["/home/ann \"x\""]);
    assert!(config.tls.enabled);
    assert_eq!(serde_yaml::to_value(config.execution).unwrap(), serde_yaml::to_value(defaults.execution).unwrap());
    assert_eq!(serde_yaml::to_value(config.rate_limits).unwrap(), serde_yaml::to_value(defaults.rate_limits).unwrap());
}
