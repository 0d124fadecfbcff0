//! Sessions on disk and as processes.
//!
//! Whether one runs is told by its lock and its process, never by its port or by a number in a file.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{launch, stop};
use crate::api::fleet::{DASHBOARD_PORT, Session, SessionFailed, SessionState, SessionsDone};
use crate::api::peers::DEFAULT_PORT;
use crate::base::error::io_words;
use crate::base::kin::SessionName;
use crate::base::{Code, Error, Result};
use crate::home::config::Server;
use crate::home::fleet::{Fleet, Member, hold};
use crate::home::instance::Instance;
use crate::home::{Home, config_file, identity};
use crate::net;
use crate::platform::host;

/// Daemons that are started at once: more only stand in each other's way.
const STARTS: usize = 8;
/// Ports that are tried in place of one that is taken.
const PORTS: u32 = 8;
/// How long a session that starts or ends already is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// Daemons that are stopped at once: they mostly wait.
const STOPS: usize = 64;

/// The home of a session of this name, which is there.
///
/// # Errors
/// `INVALID_REQUEST` for what is no name; `SESSION_NOT_FOUND` where there is none.
pub fn named(home: &Home, name: &str) -> Result<Home> {
    let name: SessionName = name.parse()?;
    let session = home.of_session(&name);
    if session.config().is_file() {
        return Ok(session);
    }
    Err(Error::new(Code::SessionNotFound, format!("there is no session {name}"))
        .hint(format!("List them with: loopsy session list; start it with: loopsy session start {name}")))
}

/// A session as it is now.
///
/// # Errors
/// As [`named`].
pub fn find(home: &Home, name: &str) -> Result<Session> {
    Ok(look(&named(home, name)?, &Fleet::open(&home.main())))
}

/// All sessions of a machine as they are now, by name, numbers in their order.
pub fn survey(home: &Home) -> Result<Vec<Session>> {
    let fleet = Fleet::open(&home.main());
    let mut sessions: Vec<Session> = homes(home)?.iter().map(|home| look(home, &fleet)).collect();
    sessions.sort_by_cached_key(|session| in_order(&session.name));
    Ok(sessions)
}

fn in_order(name: &str) -> (String, u64) {
    let stem = name.trim_end_matches(|last: char| last.is_ascii_digit());
    (stem.to_owned(), name[stem.len()..].parse().unwrap_or_default())
}

fn homes(home: &Home) -> Result<Vec<Home>> {
    let folder = home.sessions();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::new(Code::Config, format!("{}: {}", folder.display(), io_words(&error)))),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<SessionName>().ok());
    Ok(names.map(|name| home.of_session(&name)).filter(|session| session.config().is_file()).collect())
}

fn look(home: &Home, fleet: &Fleet) -> Session {
    let name = home.session().map(ToString::to_string).unwrap_or_default();
    let running = Instance::running(home);
    let roster = fleet.roster();
    let member = roster.as_ref().and_then(|roster| roster.members.get(&name));
    let configured = || config_file::load(home).map_or(0, |loaded| loaded.config.server.port);
    Session {
        status: if running.is_some() { SessionState::Running } else { SessionState::Stopped },
        port: running.as_ref().map(|running| running.address.port()).or(member.map(|member| member.port)).unwrap_or_else(configured),
        pid: running.map(|running| running.pid),
        hostname: member.map(|member| member.hostname.clone()),
        node_id: member.map(|member| member.node_id.clone()),
        data_dir: home.root().display().to_string(),
        name,
    }
}

/// Starts sessions, each made where there is none of its name, several at once; waits until they listen. Those that run are
/// left as they are. Blocks.
///
/// # Errors
/// Where none can be made: no configuration, a folder that can't be written.
pub fn start(home: &Home, names: &[SessionName]) -> Result<SessionsDone> {
    let main = home.main();
    let server = config_file::load(&main)?.config.server;
    let homes: Vec<Home> = names.iter().map(|name| main.of_session(name)).collect();
    furnish(&main, &server, &homes, false)?;
    enter_main(&main, &server)?;
    Ok(each(&main, &homes, STARTS, |session| start_one(&main, &server, session)))
}

/// Stops all sessions that run, at once. Blocks.
pub fn stop_all(home: &Home) -> Result<SessionsDone> {
    let main = home.main();
    let running: Vec<Home> = homes(&main)?.into_iter().filter(|session| Instance::running(session).is_some()).collect();
    Ok(each(&main, &running, STOPS, |session| match Instance::running(session) {
        Some(running) => stop::end(session, &running),
        None => Ok(()),
    }))
}

/// Does something with each of some sessions, so many at once, and looks at it then.
fn each(main: &Home, sessions: &[Home], at_once: usize, work: impl Fn(&Home) -> Result<()> + Sync) -> SessionsDone {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(sessions.len()) {
            scope.spawn(|| {
                while let Some(session) = sessions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(session);
                    crate::base::sync::lock(&results).push((session, result));
                }
            });
        }
    });
    let fleet = Fleet::open(main);
    let mut done = SessionsDone::default();
    for (session, result) in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let found = look(session, &fleet);
        match result {
            Ok(()) => done.sessions.push(found),
            Err(error) => done.failed.push(SessionFailed { name: found.name, error }),
        }
    }
    done.sessions.sort_by_cached_key(|session| in_order(&session.name));
    done.failed.sort_by_cached_key(|failed| in_order(&failed.name));
    done
}

/// Enters the main daemon, which has not entered itself where these are the first sessions: they are to know it at once.
fn enter_main(main: &Home, server: &Server) -> Result<()> {
    let running = Instance::running(main);
    let member = Member {
        node_id: identity::load_or_create(main)?.0,
        hostname: server.hostname.clone().unwrap_or_else(host::hostname),
        port: running.as_ref().map_or(server.port, |running| running.address.port()),
        running,
    };
    Fleet::open(main).found(&member)
}

fn start_one(main: &Home, server: &Server, session: &Home) -> Result<()> {
    let (begun, mut ports) = (Instant::now(), 0);
    loop {
        if Instance::running(session).is_some() {
            return Ok(());
        }
        match launch::daemon(session, launch::Ties::Cut) {
            Ok(_) => return Ok(()),
            // Where another program has its port by now it gets another: nobody knows a session by that alone.
            Err(error) if error.message.contains("can't be listened on") && ports < PORTS => {
                furnish(main, server, std::slice::from_ref(session), true)?;
                ports += 1;
            }
            // Somebody else starts it at this moment, or it is about to end.
            Err(error) if error.message.contains("running already") && begun.elapsed() < PATIENCE => {
                stop::gone_within(session, LOOK).unwrap_or(Ok(()))?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes what is missing of sessions' data directories, each with a port that nothing uses and no other session has, nor the
/// main daemon, whose place is `server`, nor the dashboard; where `anew`, gives them other ports.
fn furnish(main: &Home, server: &Server, sessions: &[Home], anew: bool) -> Result<()> {
    if !anew && sessions.iter().all(|session| session.config().is_file()) {
        return Ok(());
    }
    let _held = hold(main)?;
    let known: BTreeSet<u16> = homes(main)?.iter().filter_map(|home| Some(config_file::load(home).ok()?.config.server.port)).collect();
    let is_kept = |port: &u16| [server.port, DASHBOARD_PORT].contains(port) || known.contains(port);
    let is_free = |port: &u16| !is_kept(port) && net::is_free(&server.host, *port);
    let mut free = (DEFAULT_PORT + 1..=u16::MAX).filter(is_free);
    for session in sessions {
        if !anew && session.config().is_file() {
            continue;
        }
        let port = free.next().ok_or_else(|| Error::new(Code::Config, "there is no free port").hint("Stop sessions that nobody needs."))?;
        session.create()?;
        let text = format!(
            "# A session of the daemon whose configuration is {}.\n# What is not said here is as it is there; keys, pins and peers are.\nserver:\n  port: {port}\n",
            main.config().display()
        );
        if !config_file::create(session, &text)? {
            config_file::edit(session, |document| document.set(&["server", "port"], port))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::files;

    fn machine() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let main = Home::at(dir.path());
        files::write_private(&main.config(), b"server: {host: 127.0.0.1}\nauth: {apiKey: k}\n").unwrap();
        (dir, main)
    }
    fn server(main: &Home) -> Server {
        config_file::load(main).unwrap().config.server
    }
    fn homes_of(main: &Home, names: &[&str]) -> Vec<Home> {
        names.iter().map(|name| main.of_session(&name.parse().unwrap())).collect()
    }

    #[test]
    fn ports_are_free_each_ones_own_and_kept() {
        let (_dir, main) = machine();
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert!(!net::is_free("127.0.0.1", taken.local_addr().unwrap().port()));
        let sessions = homes_of(&main, &["a", "b", "worker-10", "worker-9"]);
        furnish(&main, &server(&main), &sessions[..2], false).unwrap();
        let port = |home: &Home| config_file::load(home).unwrap().config.server.port;
        let first: Vec<u16> = sessions[..2].iter().map(port).collect();
        assert!(first.iter().all(|port| *port > DEFAULT_PORT) && first[0] != first[1]);
        furnish(&main, &server(&main), &sessions, false).unwrap();
        assert_eq!(sessions[..2].iter().map(port).collect::<Vec<_>>(), first);
        assert_eq!(sessions.iter().map(port).collect::<BTreeSet<_>>().len(), 4);
        furnish(&main, &server(&main), &sessions[..1], true).unwrap();
        assert!(!first.contains(&port(&sessions[0])));
        let names: Vec<String> = survey(&main).unwrap().into_iter().map(|session| session.name).collect();
        assert_eq!(names, ["a", "b", "worker-9", "worker-10"]);
    }

    #[test]
    fn no_session_takes_the_port_of_the_dashboard() {
        let (_dir, main) = machine();
        let names: Vec<String> = (0..2 * (DASHBOARD_PORT - DEFAULT_PORT)).map(|number| format!("worker-{number}")).collect();
        let sessions = homes_of(&main, &names.iter().map(String::as_str).collect::<Vec<_>>());
        furnish(&main, &server(&main), &sessions, false).unwrap();
        let ports: BTreeSet<u16> = sessions.iter().map(|home| config_file::load(home).unwrap().config.server.port).collect();
        assert!(ports.iter().any(|port| *port > DASHBOARD_PORT) && !ports.contains(&DASHBOARD_PORT), "{ports:?}");
    }

    /// known fault 60: who sits on a session's port, or has its number, does not make it run.
    #[test]
    fn a_session_whose_port_and_number_others_have_is_stopped() {
        let (_dir, main) = machine();
        let sessions = homes_of(&main, &["worker-1"]);
        furnish(&main, &server(&main), &sessions, false).unwrap();
        let other = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let text = format!("server: {{port: {}}}\n", other.local_addr().unwrap().port());
        files::write_private(&sessions[0].config(), text.as_bytes()).unwrap();
        let stranger = Instance::this(other.local_addr().unwrap());
        files::write_private(&sessions[0].pid_file(), &serde_json::to_vec(&stranger).unwrap()).unwrap();
        assert_eq!(find(&main, "worker-1").unwrap().status, SessionState::Stopped);
        assert_eq!(stop_all(&main).unwrap(), SessionsDone::default());
    }

    /// known fault 24
    #[test]
    fn no_path_is_a_session() {
        let (_dir, main) = machine();
        assert_eq!(named(&main, "worker-1").unwrap_err().code, Code::SessionNotFound);
        for path in ["", "../x", "..", "a/b", "main", "con", &"x".repeat(300)] {
            assert_eq!(named(&main, path).unwrap_err().code, Code::InvalidRequest, "{path}");
        }
    }
}
