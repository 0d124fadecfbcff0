//! `loopsy enable`, `disable` and `service-status`: the daemon at every login.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::node::StatusGet;
use crate::base::text::shell_word;
use crate::base::{Exit, Result, clock, units};
use crate::cli::Session;
use crate::cli::app::Planned;
use crate::cli::autostart::{self, Handed, Service, State};
use crate::cli::console::Colour;
use crate::fleet::{launch, stop};
use crate::home::config_file;
use crate::home::instance::Instance;
use crate::platform::autostart::{Plan, Step, System, lingers};

/// Has the daemon started at every login, and now.
pub fn enable(session: &Session, args: Planned) -> Result<ExitCode> {
    config_file::load(&session.home)?;
    let service = Service::of(&session.home)?;
    let name = &service.subject.name;
    if args.dry_run {
        let plan = [service.manager.register(&service.subject)?, service.manager.start(name)].concat();
        return print(session, &service, &plan);
    }
    session.home.create()?.iter().for_each(|warning| session.console.warn(warning));
    let state = service.look()?;
    state.check_ours()?;
    let is_changed = !state.is_current || !state.is_enabled();
    if is_changed {
        autostart::register(&service)?;
    }
    let was_running = Instance::running(&session.home).is_some();
    let handed = autostart::hand_over(session, &service, is_changed && state.found.is_some());
    let handed = handed.inspect_err(|_| undo(session, &service, &state, was_running))?;
    told(session, &service, &state, is_changed, &handed)
}

/// Takes back a service that was new and whose daemon does not come up, and has a daemon run again where one did.
fn undo(session: &Session, service: &Service, before: &State, was_running: bool) {
    if before.found.is_some() {
        return;
    }
    let mut undone = autostart::carry_out(service.manager.unregister(&service.subject.name));
    if was_running && Instance::running(&session.home).is_none() {
        undone = undone.and(launch::daemon(&session.home, launch::Ties::Cut).map(|_| ()));
    }
    match undone {
        Ok(()) => session.console.warn("the service could not be started, and was removed again"),
        Err(error) => session.console.warn(format!("the service could not be started, nor wholly removed: {}", error.in_one_line())),
    }
}

fn told(session: &Session, service: &Service, before: &State, is_changed: bool, handed: &Handed) -> Result<ExitCode> {
    let console = &session.console;
    let program = &service.subject.program;
    if console.wants_json() {
        console.json(&json!({
            "name": service.subject.name,
            "file": before.file,
            "changed": is_changed,
            "running": matches!(handed, Handed::Started | Handed::TakenOver | Handed::Kept),
            "problem": match handed { Handed::Busy(why) => Some(why), _ => None },
        }))?;
    } else {
        console.note(first_words(before, is_changed));
        console.note(match handed {
            Handed::Started => "The daemon is running".to_owned(),
            Handed::TakenOver => "The daemon was stopped and is running again, now as a service".to_owned(),
            Handed::Kept => "The daemon is running already".to_owned(),
            Handed::Busy(why) => {
                format!("The daemon that runs goes on, for {why}; the service takes its place at the next login, or with: loopsy restart")
            }
        });
        if lingers() == Some(false) {
            console.note("It ends when you log out; to have it run from boot on, whether or not you are there: loginctl enable-linger");
        }
    }
    if autostart::is_passing(Path::new(program)) {
        console
            .warn(format!("{program} lies in a folder for temporary files; install the program where it stays, and enable it from there"));
    }
    Ok(ExitCode::SUCCESS)
}

fn first_words(before: &State, is_changed: bool) -> String {
    let file = before.file.display();
    match &before.found {
        _ if !is_changed => format!("The service is enabled already, nothing was changed: {file}"),
        None => format!("The daemon is started at every login from now on: {file}"),
        Some(found) if found.is_edited => format!("The service was edited by hand, and is replaced: {file}"),
        Some(_) => format!("The service is brought up to date: {file}"),
    }
}

/// Has the daemon started at login no longer, and ends the service's.
pub fn disable(session: &Session, args: Planned) -> Result<ExitCode> {
    let service = Service::of(&session.home)?;
    let plan = service.manager.unregister(&service.subject.name);
    if args.dry_run {
        return print(session, &service, &plan);
    }
    let state = service.look()?;
    let was_there = remove(session, &service, &state)?;
    let still = Instance::running(&session.home).map(|running| running.pid);
    let words =
        if was_there { "The daemon is no longer started at login" } else { "The daemon was not started at login, nothing was changed" };
    session.console.done(&json!({ "name": service.subject.name, "file": state.file, "changed": was_there, "pid": still }), words)?;
    if let Some(pid) = still.filter(|_| !session.console.wants_json()) {
        session.console.note(format!("The daemon that runs (process {pid}) goes on; to end it: loopsy stop"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes a service away, and says whether there was one. Its daemon is ended in order before.
///
/// # Errors
/// When its file can't be removed.
pub fn remove(session: &Session, service: &Service, state: &State) -> Result<bool> {
    if state.found.is_none() {
        return Ok(false);
    }
    state.check_ours()?;
    let running = Instance::running(&service.home);
    let of_service = running.filter(|running| state.pid() == Some(running.pid) || !service.manager.tells_process());
    autostart::carry_out(service.manager.unregister(&service.subject.name))?;
    if of_service.is_some()
        && let Some(running) = Instance::running(&service.home)
    {
        stop::end(&session.home, &running)?;
    }
    Ok(true)
}

/// Prints what would be done.
pub fn print(session: &Session, service: &Service, plan: &Plan) -> Result<ExitCode> {
    let console = &session.console;
    if console.wants_json() {
        let steps: Vec<Value> = plan.iter().map(as_json).collect();
        console.json(&json!({ "system": service.manager.system, "name": service.subject.name, "steps": steps }))?;
        return Ok(ExitCode::SUCCESS);
    }
    plan.iter().try_for_each(|step| console.line(as_words(step)))?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(step: &Step) -> Value {
    match step {
        Step::Write(file) => json!({ "write": file.path, "content": file.text }),
        Step::Remove(path) => json!({ "remove": path }),
        Step::Run(words) => json!({ "run": words }),
        Step::Try(words) => json!({ "run": words, "mayFail": true }),
    }
}

fn as_words(step: &Step) -> String {
    let line = |words: &[String]| words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
    match step {
        Step::Write(file) => {
            let text: Vec<String> = file.text.lines().map(|line| format!("    {line}")).collect();
            format!("write {}\n{}", file.path.display(), text.join("\n"))
        }
        Step::Remove(path) => format!("remove {}", path.display()),
        Step::Run(words) => format!("run {}", line(words)),
        Step::Try(words) => format!("run {}, which may fail", line(words)),
    }
}

/// How a service is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    system: System,
    name: String,
    file: std::path::PathBuf,
    enabled: bool,
    /// Whether the data directory's daemon runs, whoever started it.
    running: bool,
    /// Whether it is the service's.
    managed: bool,
    pid: Option<u32>,
    /// When it was started, milliseconds since 1970.
    since: Option<u64>,
    program: Option<String>,
    edited: bool,
    current: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Shows how the service is; exits with 1 where it is not enabled, and with 3 where it is and its daemon does not run.
pub fn status(session: &Session) -> Result<ExitCode> {
    let service = Service::of(&session.home)?;
    let shown = look(session, &service, service.look()?);
    if session.console.wants_json() {
        session.console.json(&shown)?;
    } else {
        for (name, text) in lines(session, &shown) {
            session.console.line(format!("{name:<10}{text}"))?;
        }
    }
    Ok(match (shown.enabled, shown.running) {
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(Exit::NotRunning as u8),
        (false, _) => ExitCode::FAILURE,
    })
}

fn look(session: &Session, service: &Service, state: State) -> Shown {
    let running = Instance::running(&session.home);
    let uptime = running.as_ref().and_then(|_| {
        let link = session.link().ok()?;
        session.wait(async { link.call(&StatusGet {}).await }).ok().map(|status| status.uptime)
    });
    let enabled = state.is_enabled();
    let managed = running.as_ref().is_some_and(|running| state.pid() == Some(running.pid) || (enabled && !service.manager.tells_process()));
    Shown {
        system: service.manager.system,
        name: service.subject.name.clone(),
        enabled,
        running: running.is_some(),
        managed,
        pid: running.map(|running| running.pid),
        since: uptime.map(|uptime| clock::now().saturating_sub(uptime)),
        program: state.record().map(|record| record.program.clone()),
        edited: state.found.as_ref().is_some_and(|found| found.is_edited),
        current: state.is_current,
        problem: state.told.as_ref().err().map(|error| error.in_one_line()),
        file: state.file,
    }
}

fn lines(session: &Session, shown: &Shown) -> Vec<(&'static str, String)> {
    let console = &session.console;
    let enabled = match (shown.enabled, shown.edited, shown.current) {
        (false, ..) => "not enabled; have the daemon started at every login with: loopsy enable".to_owned(),
        (true, true, _) => format!("{}, edited by hand", console.paint(Colour::Green, "enabled")),
        (true, _, true) => console.paint(Colour::Green, "enabled"),
        (true, _, false) => format!("{}, not as this program would write it; see: loopsy doctor", console.paint(Colour::Green, "enabled")),
    };
    let ago = |since: u64| units::duration(Duration::from_millis(clock::now().saturating_sub(since)));
    let since = shown.since.map_or_else(String::new, |since| format!(", up {}", ago(since)));
    let by = if shown.managed || !shown.enabled { "" } else { ", not started by the service" };
    let daemon = match shown.pid {
        Some(pid) => format!("{} (process {pid}){since}{by}", console.paint(Colour::Green, "running")),
        None => console.paint(Colour::Red, "not running"),
    };
    let mut lines = vec![("Service", enabled), ("Daemon", daemon), ("Name", shown.name.clone())];
    if shown.enabled {
        lines.push(("File", shown.file.display().to_string()));
        lines.extend(shown.program.clone().map(|program| ("Program", program)));
    }
    lines.extend(shown.problem.clone().map(|problem| ("Problem", problem)));
    lines
}
