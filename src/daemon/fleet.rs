//! The other daemons of this machine.

use serde::de::DeserializeOwned;

use super::Daemon;
use crate::api::Caller;
use crate::api::fleet::{
    MOST, Session, SessionGet, SessionList, SessionStart, SessionStartFleet, SessionState, SessionStop, SessionStopAll, Sessions,
    SessionsDone,
};
use crate::base::kin::SessionName;
use crate::base::workers::blocking;
use crate::base::{Error, Failure, Result};
use crate::fleet::{self, stop};
use crate::home::Home;
use crate::home::instance::Instance;
use crate::http::Serve;
use crate::platform::host;

impl Serve<SessionList> for Daemon {
    async fn serve(&self, _: &Caller, _: SessionList) -> Result<Sessions> {
        let home = self.home.clone();
        Ok(Sessions { sessions: blocking(move || fleet::survey(&home)).await?? })
    }
}

impl Serve<SessionGet> for Daemon {
    async fn serve(&self, _: &Caller, op: SessionGet) -> Result<Session> {
        let home = self.home.clone();
        blocking(move || fleet::find(&home, &op.name)).await?
    }
}

impl Serve<SessionStart> for Daemon {
    async fn serve(&self, _: &Caller, op: SessionStart) -> Result<Session> {
        let name: SessionName = op.name.parse()?;
        self.run_session(vec!["start".into(), name.to_string()]).await
    }
}

impl Serve<SessionStartFleet> for Daemon {
    async fn serve(&self, _: &Caller, op: SessionStartFleet) -> Result<SessionsDone> {
        if !(1..=MOST).contains(&op.count) {
            return Err(Error::invalid(format!("count: {} is not between 1 and {MOST}", op.count)));
        }
        self.run_session(vec!["start-fleet".into(), format!("--count={}", op.count)]).await
    }
}

impl Serve<SessionStop> for Daemon {
    async fn serve(&self, _: &Caller, op: SessionStop) -> Result<Session> {
        let home = self.home.clone();
        if self.identity.session.as_deref() == Some(&op.name) {
            // It can't wait for its own end, and tells what will be.
            let found = blocking(move || fleet::find(&home, &op.name)).await??;
            self.ending.cancel();
            return Ok(Session { status: SessionState::Stopped, pid: None, ..found });
        }
        blocking(move || {
            let session = fleet::named(&home, &op.name)?;
            if let Some(running) = Instance::running(&session) {
                stop::end(&session, &running)?;
            }
            fleet::find(&home, &op.name)
        })
        .await?
    }
}

impl Serve<SessionStopAll> for Daemon {
    async fn serve(&self, _: &Caller, _: SessionStopAll) -> Result<SessionsDone> {
        if let Some(name) = &self.identity.session {
            return Err(Error::invalid(format!("{name} is a session, and can't stop all of them")).hint("Ask the main daemon."));
        }
        let home = self.home.clone();
        blocking(move || fleet::stop_all(&home)).await?
    }
}

/// Runs `loopsy session …` and reads what it says.
fn program<T: DeserializeOwned>(home: &Home, arguments: &[String]) -> Result<T> {
    let failed = |cause: std::io::Error| Error::internal("the session can't be started", cause);
    let mut command = std::process::Command::new(host::own_program().map_err(failed)?);
    command.arg("session").args(arguments).arg("--json").arg("--data-dir").arg(home.main().root());
    host::give_back_descriptors(&mut command);
    let output = command.stdin(std::process::Stdio::null()).output().map_err(failed)?;
    if let Ok(answer) = serde_json::from_slice(&output.stdout) {
        return Ok(answer);
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    match told.lines().rev().find_map(|line| serde_json::from_str::<Failure>(line).ok()) {
        Some(Failure { error }) => Err(error),
        None => Err(Error::internal("the session was not started", told)),
    }
}

impl Daemon {
    /// Starts sessions from a process of its own: they are nobody's children then, and outlive this daemon.
    async fn run_session<T: DeserializeOwned + Send + 'static>(&self, arguments: Vec<String>) -> Result<T> {
        let home = self.home.clone();
        blocking(move || program(&home, &arguments)).await?
    }

    /// Makes the registry say what is true, as far as that is this daemon's to do. Looking is cheap; changing is not.
    async fn look_after_registry(&self) -> Result<()> {
        if self.fleet.lacks(&self.member) {
            let (fleet, member) = (self.fleet.clone(), self.member.clone());
            blocking(move || fleet.enter(&member)).await??;
        }
        if self.fleet.has_dead()? {
            let fleet = self.fleet.clone();
            blocking(move || fleet.bury()).await??;
        }
        Ok(())
    }

    /// Looks at what this machine's daemons share: who runs, what the main one knows, the certificate.
    pub(super) async fn look_at_fleet(&self) {
        if let Err(error) = self.look_after_registry().await {
            tracing::warn!(%error, "the registry of the sessions could not be changed");
        }
        self.certificate.look_if_changed().await;
        self.trust.shows(self.certificate.fingerprint());
        self.peers.look_around();
    }
}
