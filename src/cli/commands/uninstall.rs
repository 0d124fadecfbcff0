//! `loopsy uninstall`: takes back what Loopsy has put on this machine, and with `--data` what it keeps.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::service;
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::cli::Session;
use crate::cli::agents::{self, AGENTS, Fit, Server, State};
use crate::cli::app::Uninstall;
use crate::cli::autostart::Service;
use crate::cli::console::Console;
use crate::fleet::stop;
use crate::home::Home;
use crate::home::instance::Instance;
use crate::platform::{files, host};

/// Removes the services of a data directory and of its sessions and the registrations with coding agents; where that is
/// wanted, the data. Everything is checked before anything is removed.
pub fn run(session: &Session, args: Uninstall) -> Result<ExitCode> {
    let console = &session.console;
    let home = &session.home;
    let homes = [vec![home.clone()], sessions(home)].concat();
    if args.data {
        check(home)?;
    }
    if args.dry_run {
        return foretell(session, &homes, args.data);
    }
    let mut removed = Vec::new();
    for each in &homes {
        let of_home = Session { home: each.clone(), console: Console::new(console.wants_json(), console.is_quiet()), is_verbose: false };
        removed.extend(end_service(&of_home)?);
        if args.data
            && let Some(running) = Instance::running(each)
        {
            stop::end(&of_home.home, &running)?;
        }
    }
    removed.extend(forget(session, home));
    let left = if args.data { remove_data(home)? } else { Vec::new() };
    if args.data {
        removed.push(format!("the data in {}", home.root().display()));
    }
    report(session, &removed, &left)
}

fn report(session: &Session, removed: &[String], left: &[PathBuf]) -> Result<ExitCode> {
    let console = &session.console;
    let program = host::own_program().unwrap_or_default();
    if console.wants_json() {
        console.json(&json!({ "removed": removed, "left": left, "program": program }))?;
        return Ok(ExitCode::SUCCESS);
    }
    match removed {
        [] => console.note("There was nothing to remove"),
        removed => removed.iter().for_each(|what| console.note(format!("Removed {what}"))),
    }
    left.iter().for_each(|path| console.warn(format!("{} is not Loopsy's, and was left", path.display())));
    if session.home.root().exists() && left.is_empty() {
        console.note(format!("Configuration, keys and logs are still in {}; with --data they go too", session.home.root().display()));
    }
    console.note(format!("The program itself is {}", program.display()));
    Ok(ExitCode::SUCCESS)
}

/// Tells what would be done.
fn foretell(session: &Session, homes: &[Home], data: bool) -> Result<ExitCode> {
    let mut what = Vec::new();
    for home in homes {
        let service = Service::of(home)?;
        let state = service.look()?;
        if state.found.is_some() && !state.is_foreign() {
            what.push(format!("the service {}", service.subject.name));
        }
    }
    if let Ok(server) = Server::of(&session.home) {
        what.extend(registered(&server).map(|state| registration(&state)));
    }
    if data {
        what.push(format!("the data in {}", session.home.root().display()));
    }
    if session.console.wants_json() {
        session.console.json(&json!({ "remove": what }))?;
    } else {
        what.iter().try_for_each(|what| session.console.line(format!("remove {what}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data directories of a main one's sessions; a session has none.
fn sessions(home: &Home) -> Vec<Home> {
    if home.session().is_some() {
        return Vec::new();
    }
    let entries = std::fs::read_dir(home.sessions()).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| Home::at(entry.path())).collect()
}

fn end_service(session: &Session) -> Result<Option<String>> {
    let service = Service::of(&session.home)?;
    let state = service.look()?;
    if state.is_foreign() {
        return Ok(None);
    }
    Ok(service::remove(session, &service, &state)?.then(|| format!("the service {}", service.subject.name)))
}

/// The agents that are told to start this program's server for this data directory, or one that is gone.
fn registered(server: &Server) -> impl Iterator<Item = State> + '_ {
    AGENTS.iter().map(State::look).filter(|state| matches!(state.fit(server), Fit::Right | Fit::Gone | Fit::OtherProgram))
}

fn registration(state: &State) -> String {
    format!("the registration with {}", state.agent.known.title)
}

/// Takes the registrations away. One that can't be is told, and hinders nothing else.
fn forget(session: &Session, home: &Home) -> Vec<String> {
    let Ok(server) = Server::of(home) else { return Vec::new() };
    let removed = registered(&server).filter_map(|state| match agents::remove(state.agent) {
        Ok(_) => Some(registration(&state)),
        Err(error) => {
            session.console.warn(error.in_one_line());
            None
        }
    });
    removed.collect()
}

/// A data directory may be removed only where it certainly is one: a mistyped folder is somebody's own.
fn check(home: &Home) -> Result<()> {
    let root = home.root();
    let has_sign = home.session().is_some() || std::fs::read_to_string(home.config()).is_ok_and(|text| text.contains("apiKey"));
    let is_above = host::home_dir().starts_with(root.canonicalize().unwrap_or_else(|_| root.to_owned()));
    if !root.exists() || (home.is_ours() && has_sign && !is_above) {
        return Ok(());
    }
    Err(Error::new(Code::Config, format!("{} is not a data directory of Loopsy's", root.display()))
        .hint("Nothing was removed. Name the right one with --data-dir."))
}

/// Removes what Loopsy keeps in its data directory, and the directory itself once it is empty; answers what else is in it.
fn remove_data(home: &Home) -> Result<Vec<PathBuf>> {
    if !home.root().exists() {
        return Ok(Vec::new());
    }
    // No daemon may start meanwhile.
    let held = Instance::acquire(home)?;
    let failed = |path: &Path, error: &std::io::Error| {
        Error::new(Code::Internal, format!("{} can't be removed: {}", path.display(), io_words(error)))
    };
    let entries: Vec<PathBuf> =
        std::fs::read_dir(home.root()).map_err(|error| failed(home.root(), &error))?.flatten().map(|entry| entry.path()).collect();
    let (own, left): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| is_own(home, path));
    for path in own {
        let is_folder = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let removed = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
            _ => {}
        }
    }
    drop(held);
    if left.is_empty() {
        std::fs::remove_dir(home.root()).map_err(|error| failed(home.root(), &error))?;
    }
    Ok(left)
}

/// Whether a path is one of those that Loopsy makes, or what it set aside or kept of one.
fn is_own(home: &Home, path: &Path) -> bool {
    let known = [
        home.config(),
        home.config_lock(),
        home.context(),
        home.context_log(),
        home.node_context(),
        home.peers(),
        home.identity(),
        home.tls(),
        home.logs(),
        home.pid_file(),
        home.daemon_lock(),
        home.tasks(),
        home.sessions(),
    ];
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let names = known.iter().filter_map(|known| known.file_name()?.to_str());
    let is_known =
        |known: &str| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest == ".bak" || rest.starts_with(".broken-"));
    names.into_iter().any(is_known) || files::is_part_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path) {
        files::write_private(path, b"x").unwrap();
    }

    #[test]
    fn only_what_is_loopsys_is_removed_and_only_from_a_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        write(&outside.join("kept"));
        let foreign = Home::at(dir.path().join("foreign"));
        write(&foreign.logs().join("theirs.log"));
        assert!(check(&foreign).unwrap_err().message.contains("not a data directory"));
        files::write_private(&foreign.config(), b"database: prod\n").unwrap();
        assert!(check(&foreign).unwrap_err().message.contains("not a data directory"));
        assert!(check(&Home::at(host::home_dir())).is_err() && check(&Home::at("/")).is_err());

        let home = Home::at(dir.path().join("own"));
        home.create().unwrap();
        files::write_private(&home.config(), b"auth: {apiKey: k}\n").unwrap();
        for path in [home.identity(), home.root().join("config.yaml.bak"), home.root().join("peers.json.broken-1")] {
            write(&path);
        }
        std::fs::create_dir_all(home.sessions().join("w1/logs")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&outside, home.tasks()).unwrap();
        write(&home.root().join("thesis.txt"));
        check(&home).unwrap();
        assert_eq!(remove_data(&home).unwrap(), [home.root().join("thesis.txt")]);
        assert!(outside.join("kept").exists(), "a link is removed, and not what it leads to");
        assert_eq!(std::fs::read_dir(home.root()).unwrap().count(), 1);

        std::fs::remove_file(home.root().join("thesis.txt")).unwrap();
        assert!(remove_data(&home).unwrap().is_empty() && !home.root().exists());
        assert!(remove_data(&home).unwrap().is_empty());
    }
    #[test]
    fn what_somebody_works_with_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        write(&home.config());
        let _daemon = Instance::acquire(&home).unwrap();
        assert!(remove_data(&home).is_err() && home.config().exists());
    }
}
