//! The daemon and its service: starting it through the manager, and handing one that runs over to it.

use std::time::{Duration, Instant};

use super::{Service, carry};
use crate::api::node::{Status, StatusGet};
use crate::base::{Code, Error, Result};
use crate::cli::Session;
use crate::fleet::stop;
use crate::home::instance::{Instance, Running};

/// How long a daemon has to listen after its manager was told to start it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// How often its manager is asked whether it failed.
const ASK: Duration = Duration::from_millis(500);
/// How long a daemon has to say what it is doing.
const ANSWER: Duration = Duration::from_secs(3);

/// How a daemon came to be run by its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// It was not running, and is now.
    Started,
    /// The one that ran was stopped, and the service's has taken its place.
    TakenOver,
    /// The service's runs already, as it was before the service was changed or not.
    Kept,
    /// The one that runs is at work, and goes on; why.
    Busy(String),
}

/// Has the manager start a registered service, and waits until its daemon listens.
///
/// # Errors
/// When the manager refuses, or the daemon does not come up.
pub fn start(session: &Session, service: &Service) -> Result<Running> {
    carry::carry_out(service.manager.start(&service.subject.name))?;
    session.wait(listening(service))
}

async fn listening(service: &Service) -> Result<Running> {
    let began = Instant::now();
    let mut asked = began;
    let mut tick = tokio::time::interval(LOOK);
    while began.elapsed() < PATIENCE {
        tick.tick().await;
        if let Some(running) = Instance::running(&service.home) {
            return Ok(running);
        }
        if asked.elapsed() >= ASK {
            asked = Instant::now();
            if carry::ask(service).is_ok_and(|told| told.has_failed) {
                break;
            }
        }
    }
    Err(Error::new(Code::Internal, "the service was started, but its daemon does not come up").hint("See why with: loopsy logs --daemon"))
}

/// Has the service's daemon run. One that was started otherwise is stopped for it, unless it is at work: nothing that
/// somebody waits for is ended.
///
/// # Errors
/// As [`start`].
pub fn hand_over(session: &Session, service: &Service, is_changed: bool) -> Result<Handed> {
    let Some(running) = Instance::running(&session.home) else {
        start(session, service)?;
        return Ok(Handed::Started);
    };
    let tells = service.manager.tells_process();
    let is_services = carry::ask(service).is_ok_and(|told| told.pid == Some(running.pid) || !tells);
    if is_services && !is_changed {
        return Ok(Handed::Kept);
    }
    if let Some(work) = work_of(session) {
        return Ok(Handed::Busy(work));
    }
    stop::end(&session.home, &running)?;
    start(session, service)?;
    Ok(Handed::TakenOver)
}

/// What the daemon that runs is doing, if its end would be felt.
fn work_of(session: &Session) -> Option<String> {
    let asked = session.link().and_then(|link| {
        session.wait(async {
            let answer = tokio::time::timeout(ANSWER, link.call(&StatusGet {})).await;
            answer.unwrap_or_else(|_| Err(Error::new(Code::Internal, "it does not answer")))
        })
    });
    asked.map_or_else(|error| Some(format!("it can't be asked whether it is at work: {error}")), |status| work(&status))
}

fn work(status: &Status) -> Option<String> {
    let tasks = status.ai_tasks.as_ref().map_or(0, |tasks| tasks.active + tasks.pending);
    match (status.jobs.active, tasks) {
        (0, 0) => None,
        (jobs, 0) => Some(format!("{jobs} of its commands run")),
        (0, tasks) => Some(format!("{tasks} of its tasks are not done")),
        (jobs, tasks) => Some(format!("{jobs} of its commands run, and {tasks} of its tasks are not done")),
    }
}
