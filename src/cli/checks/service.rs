//! The service that starts the daemon at every login: is it there, and is it the right one.

use std::path::{Path, PathBuf};

use super::{Finding, Scene};
use crate::base::Result;
use crate::cli::autostart::{self, Service, State};
use crate::platform::autostart::{Record, System};

/// What enables it, or brings it up to date.
const ENABLE: &str = "loopsy enable";

/// It is not enabled, or it starts this program for this data directory, and did.
pub fn service(scene: &Scene) -> Vec<Finding> {
    if !scene.home.config().exists() {
        return Vec::new();
    }
    let (service, state) = match &scene.service {
        Ok(looked) => looked,
        Err(error) => return vec![Finding::ok(format!("can't be enabled here: {error}"))],
    };
    if state.found.is_none() {
        return vec![Finding::ok(format!("not enabled; {ENABLE} starts the daemon at every login"))];
    }
    let mut found = vec![registered(service, state)];
    found.extend(content(service, state));
    if let (true, true, None) = (state.is_enabled(), state.told.is_ok(), &scene.running) {
        found.push(Finding::fail("it is enabled, but its daemon does not run", "loopsy start; why: loopsy logs --daemon"));
    }
    found
}

fn registered(service: &Service, state: &State) -> Finding {
    let file = state.file.display();
    match &state.told {
        Err(error) => Finding::warn(error.message.clone(), error.hint.clone().unwrap_or_else(|| ENABLE.into())),
        Ok(told) if !told.is_enabled => {
            mend(service, Finding::warn(format!("{file} is there, but is not started at login"), ENABLE), state)
        }
        Ok(_) => Finding::ok(format!("enabled: {file}")),
    }
}

/// What is odd in its file.
fn content(service: &Service, state: &State) -> Vec<Finding> {
    let edited = state.found.as_ref().is_some_and(|found| found.is_edited);
    let mut found = Vec::new();
    if edited {
        found.push(Finding::ok(format!("{} was edited by hand; {ENABLE} would replace it", state.file.display())));
    }
    let Some(record) = state.record() else { return found };
    if let Some(odd) = program(service, record, edited) {
        found.push(mend(service, odd, state));
    }
    let missing = record.search_path.as_deref().map(|path| missing(path, &service.subject.search_path)).unwrap_or_default();
    if let Some(first) = missing.first() {
        let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
        let message = format!("it does not look for programs in {}{more}, as this shell does", first.display());
        found.push(mend(service, Finding::warn(message, format!("{ENABLE}, then: loopsy restart")), state));
    }
    if found.is_empty() && !state.is_current {
        let odd = Finding::warn("its file is not as this version writes it", ENABLE);
        found.push(mend(service, odd, state));
    }
    found
}

fn program(service: &Service, record: &Record, edited: bool) -> Option<Finding> {
    let shown = &record.program;
    let real = |program: &str| Path::new(program).canonicalize().ok().filter(|path| path.is_file());
    let told = match real(shown) {
        // The command of an edited file may start something else.
        _ if edited => return None,
        None => Finding::fail(format!("its program is gone: {shown}"), ENABLE),
        Some(theirs) if real(&service.subject.program).as_ref() != Some(&theirs) => {
            Finding::warn(format!("it starts another program: {shown}"), format!("{ENABLE}, then: loopsy restart"))
        }
        Some(_) => return None,
    };
    Some(told)
}

/// Folders of today's search path that are there, and that the service does not know.
fn missing(theirs: &str, ours: &str) -> Vec<PathBuf> {
    let known: Vec<PathBuf> = std::env::split_paths(theirs).collect();
    let mut missing: Vec<PathBuf> = std::env::split_paths(ours).filter(|folder| !known.contains(folder) && folder.is_dir()).collect();
    missing.dedup();
    missing
}

/// Writing the file anew and telling the manager ends nothing that runs. What was edited by hand is its owner's to replace,
/// and a program that lies where things do not stay is nobody's.
fn mend(service: &Service, finding: Finding, state: &State) -> Finding {
    let edited = state.found.as_ref().is_some_and(|found| found.is_edited);
    if edited || state.told.is_err() || autostart::is_passing(Path::new(&service.subject.program)) {
        return finding;
    }
    let service = service.clone();
    finding.repair(move || register(&service))
}

fn register(service: &Service) -> Result<String> {
    autostart::register(service)?;
    let holds = if service.manager.system == System::TaskScheduler { "logon" } else { "start" };
    Ok(format!("the service is as it should be from its next {holds} on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_are_there_are_missed() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().display();
        assert_eq!(missing("/usr/bin:/bin", &format!("/bin:{here}:/no/such/folder:/usr/bin")), [dir.path()]);
        assert!(missing(&format!("/x:{here}"), &format!("{here}")).is_empty());
    }
}
