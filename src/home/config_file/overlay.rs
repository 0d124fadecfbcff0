//! The configuration of a session: the main daemon's, with what the session's own file says laid over it.

use serde_yaml::Value;

use super::super::Home;
use super::{Document, Loaded, parse, parse_value, read};
use crate::base::kin::SessionName;
use crate::base::{Code, Error, Result};
use crate::platform::host;

/// What all daemons of a machine have in common: the main one's file alone says it.
const SHARED: [&[&str]; 4] = [&["auth"], &["tls"], &["discovery"], &["server", "host"]];

/// Reads the configuration of a session.
///
/// Its name among peers is the machine's and its own, its port its own, whatever the main daemon's are. A copy of the main
/// daemon's configuration, as the Node version made them, with its keys, counts for its port and name alone.
pub(super) fn load(home: &Home, name: &SessionName) -> Result<Loaded> {
    let main = read(&home.main().config())?;
    let Loaded { config: shared, mut warnings } = parse(&main)?;
    if !home.config().exists() {
        return Err(
            Error::new(Code::Config, format!("there is no session {name}")).hint(format!("Start it with: loopsy session start {name}"))
        );
    }
    let of_session = |error: Error| Error { message: format!("session {name}: {}", error.message), ..error };
    let text = read(&home.config())?;
    let own = parse(&text).map_err(of_session)?;
    warnings.extend(own.warnings.iter().map(|warning| format!("session {name}: {warning}")));

    let document = Document::parse(&text).map_err(of_session)?;
    let is_copy = document.get(&["auth"]).is_some();
    let ignored: Vec<String> = SHARED.iter().filter(|path| document.get(path).is_some()).map(|path| path.join(".")).collect();
    if is_copy {
        warnings.push(format!("session {name}: its config.yaml has keys, so it is a copy; only its port and name are taken from it"));
    } else if !ignored.is_empty() {
        warnings.push(format!("session {name}: {} is ignored, since the main daemon's holds for all sessions", ignored.join(", ")));
    }
    let mut value = parse_value(&main)?;
    if !is_copy {
        let mut own = parse_value(&text)?;
        SHARED.iter().for_each(|path| remove(&mut own, path));
        lay(&mut value, own);
    }
    let mut config =
        serde_yaml::from_value::<Option<_>>(value).map_err(|error| Error::internal("the configuration can't be read", error))?;
    let server = &mut config.get_or_insert_with(super::Config::default).server;
    let machine = shared.server.hostname.unwrap_or_else(host::hostname);
    server.hostname = Some(own.config.server.hostname.unwrap_or_else(|| format!("{machine}-{name}")));
    server.port = if document.get(&["server", "port"]).is_some() { own.config.server.port } else { 0 };
    Ok(Loaded { config: config.unwrap_or_default(), warnings })
}

/// Refuses to say in a session's file what is said in the main daemon's alone.
pub(super) fn check(name: &SessionName, document: &Document) -> Result<()> {
    match SHARED.iter().find(|path| document.get(path).is_some()) {
        Some(path) => {
            let path = path.join(".");
            Err(Error::invalid(format!("{path} is the same for all daemons of this machine, {name} too: set it without --session")))
        }
        None => Ok(()),
    }
}

fn lay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Mapping(under), Value::Mapping(over)) => {
            for (key, value) in over {
                lay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (under, over) => *under = over,
    }
}

fn remove(value: &mut Value, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(map) = value.as_mapping_mut() else { return };
    match (rest, map.get_mut(*first)) {
        ([], _) => drop(map.shift_remove(*first)),
        (rest, Some(below)) => remove(below, rest),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{edit, edit_shared};
    use super::*;
    use crate::platform::files;

    struct Machine {
        _dir: tempfile::TempDir,
        main: Home,
        session: Home,
    }

    fn machine(main_text: &str, session_text: &str) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let main = Home::at(dir.path());
        files::write_private(&main.config(), main_text.as_bytes()).unwrap();
        let session = main.of_session(&"worker-1".parse().unwrap());
        session.create().unwrap();
        files::write_private(&session.config(), session_text.as_bytes()).unwrap();
        Machine { _dir: dir, main, session }
    }
    impl Machine {
        fn load(&self) -> Loaded {
            super::super::load(&self.session).unwrap()
        }
    }

    /// known fault 32: a session listens where the main daemon does.
    #[test]
    fn a_session_shares_all_but_what_it_says_itself() {
        let machine = machine(
            "server: {port: 19532, host: 127.0.0.1, hostname: kai}\nauth: {apiKey: k, allowedKeys: {leo: l}}\nexecution: {maxConcurrent: 3, denylist: [dd]}\n",
            "server: {port: 19533, host: 0.0.0.0}\nexecution: {maxConcurrent: 1}\n",
        );
        let Loaded { config, warnings } = machine.load();
        assert_eq!((config.server.port, config.server.host.as_str()), (19533, "127.0.0.1"));
        assert_eq!(config.server.hostname.as_deref(), Some("kai-worker-1"));
        assert_eq!((config.execution.max_concurrent, config.execution.denylist), (1, vec!["dd".to_owned()]));
        assert_eq!(config.auth.api_key.unwrap().expose(), "k");
        assert!(config.auth.allowed_keys.contains_key("leo"));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    /// known fault 62: a copy of the keys in a session opens nothing any more.
    #[test]
    fn a_copy_of_the_node_version_counts_for_its_port_and_name_alone() {
        let machine = machine(
            "auth: {apiKey: new}\nexecution: {denylist: [rm, dd]}\n",
            "server: {port: 19540, host: 0.0.0.0, hostname: kai-w}\nauth: {apiKey: old, allowedKeys: {eve: e}}\ntls: {enabled: false}\nexecution: {denylist: []}\n",
        );
        let Loaded { config, warnings } = machine.load();
        assert_eq!((config.server.port, config.server.hostname.as_deref()), (19540, Some("kai-w")));
        assert_eq!(config.auth.api_key.unwrap().expose(), "new");
        assert!(config.auth.allowed_keys.is_empty() && config.execution.denylist == ["rm", "dd"]);
        assert!(warnings.iter().any(|warning| warning.contains("copy")), "{warnings:?}");
    }

    #[test]
    fn each_file_is_checked_and_named_when_it_is_wrong() {
        let machine = machine("auth: {apiKey: k}\n", "server: {port: many}\n");
        let error = super::super::load(&machine.session).unwrap_err();
        assert!(error.message.contains("session worker-1") && error.message.contains("line 1"), "{error}");
        std::fs::remove_file(machine.session.config()).unwrap();
        let error = super::super::load(&machine.session).unwrap_err();
        assert!(error.message.contains("there is no session worker-1") && error.hint.unwrap().contains("session start"));
    }

    #[test]
    fn what_is_shared_is_changed_in_the_main_file_alone() {
        let machine = machine("auth: {apiKey: k}\n", "server: {port: 1}\n");
        for (path, value) in [(&["auth", "apiKey"][..], "x"), (&["server", "host"], "::"), (&["tls", "pinnedCerts", "kai"], "x")] {
            assert!(edit(&machine.session, |document| document.set(path, value)).unwrap_err().message.contains("without --session"));
        }
        let loaded = edit(&machine.session, |document| document.set(&["execution", "maxConcurrent"], 2)).unwrap();
        assert_eq!((loaded.config.execution.max_concurrent, loaded.config.auth.api_key.unwrap().expose()), (2, "k"));
        let loaded = edit_shared(&machine.session, |document| document.set(&["auth", "apiKey"], "x")).unwrap();
        assert_eq!((loaded.config.server.port, loaded.config.auth.api_key.unwrap().expose()), (1, "x"));
        assert_eq!(super::super::load(&machine.main).unwrap().config.auth.api_key.unwrap().expose(), "x");
    }
}
