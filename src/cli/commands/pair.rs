//! `loopsy pair`: two machines come to trust each other by a code that is typed and six digits that are compared.

mod screen;

use std::cell::Cell;
use std::process::ExitCode;

use serde_json::json;

use self::screen::{Countdown, addresses, spaced};
use crate::api::Permission;
use crate::api::pairing::{PairCancel, PairConfirm, PairConnect, PairPhase, PairStart, PairStarted, PairState, PairStatus};
use crate::api::peers::{DEFAULT_PORT, PeerFind};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::{Code, Error, Result};
use crate::cli::app::Pair;
use crate::cli::{Session, ask};
use crate::client::Link;
use crate::fleet::launch;
use crate::home::instance::Instance;
use crate::net::Address;
use crate::platform::signals::Signals;

/// How often a machine is called with a code that somebody types.
const TRIES: u32 = 3;
/// Exit status after Ctrl-C, as of every shell.
const INTERRUPTED: u8 = 130;
/// How often it is looked whether the other machine has called; a second lies between, unless something changes.
const SETTLING: u32 = 10;
/// Seconds of one wait for a change.
const WAIT: u64 = 30;

/// Carries out the command.
pub fn run(session: &Session, args: &Pair) -> Result<ExitCode> {
    let allow = args.allow.as_ref().map(|names| names.iter().map(|name| Permission::named(name.trim())).collect::<Result<Vec<_>>>());
    let pairing = Pairing { session, args, allow: allow.transpose()?, own: Cell::new(Own::Nothing) };
    pairing.have_daemon()?;
    session.wait(pairing.run())
}

/// One run of the command.
struct Pairing<'a> {
    session: &'a Session,
    args: &'a Pair,
    allow: Option<Vec<Permission>>,
    own: Cell<Own>,
}

/// The pairing that this run has begun.
#[derive(Clone, Copy)]
enum Own {
    /// None.
    Nothing,
    /// The one that is being begun.
    Begun,
    /// The one of this number.
    Known(u64),
}

impl Pairing<'_> {
    /// Starts the daemon where there is none, and somebody agrees.
    fn have_daemon(&self) -> Result<()> {
        let Session { home, console, .. } = self.session;
        let missing = match self.session.link() {
            Err(error) if error.code == Code::NotRunning => error,
            other => return other.map(drop),
        };
        crate::home::config_file::load(home)?;
        let agreed = self.args.yes || self.session.wait(ask::yes(console, "Daemon is not running. Start it?")).unwrap_or_default();
        if !agreed {
            console.note("");
            return Err(missing);
        }
        home.create()?.iter().for_each(|warning| console.warn(warning));
        let (_, ready) = launch::daemon(home, launch::Ties::Cut)?;
        console.note(format!("Daemon is running (process {}, port {})", ready.pid, ready.port));
        Ok(())
    }

    async fn run(&self) -> Result<ExitCode> {
        let link = self.session.link()?;
        let mut signals = Signals::listen().map_err(|cause| Error::internal("signals can't be received", cause))?;
        let outcome = tokio::select! {
            outcome = self.pair(&link) => outcome.map(Some),
            _ = signals.next() => Ok(None),
        };
        let code = match outcome {
            Ok(Some(state)) => return self.tell(&state),
            Ok(None) => Ok(ExitCode::from(INTERRUPTED)),
            Err(error) => Err(error),
        };
        // Whatever it was that ended us, the other side is not left waiting. What has ended already stays as it ended, and a
        // pairing that is not this run's goes on.
        let session = match self.own.get() {
            Own::Nothing => return code,
            Own::Begun => None,
            Own::Known(session) => Some(session),
        };
        let _ = link.call(&PairCancel { session, ..PairCancel::default() }).await;
        code
    }

    async fn pair(&self, link: &Link) -> Result<PairState> {
        let met = match &self.args.machine {
            Some(machine) => self.call(link, machine).await?,
            None => self.wait_for_one(link).await?,
        };
        let paired = self.compare(link, met).await?;
        self.settle(link, paired).await
    }

    /// The other machine may still find that something is wrong, and take back its yes; its first call says that all is well.
    async fn settle(&self, link: &Link, mut state: PairState) -> Result<PairState> {
        let name = state.name.clone().unwrap_or_default();
        for _ in 0..SETTLING {
            let found = link.call(&PeerFind { node_id: name.clone() }).await;
            if found.is_ok_and(|peer| peer.unconfirmed_until.is_none()) {
                return Ok(state);
            }
            let next = link.call(&PairStatus { wait: Some(1), since: Some(state.revision), ..PairStatus::default() }).await?;
            if next.session != state.session {
                return Ok(state);
            }
            state = outcome(next)?;
        }
        self.session.console.warn(format!("{name} has not called yet; unless it does within ten minutes, its entry is dropped"));
        Ok(state)
    }

    fn tell(&self, state: &PairState) -> Result<ExitCode> {
        if self.session.console.wants_json() {
            self.session.console.json_line(state)?;
        } else {
            let name = state.name.as_deref().unwrap_or_default();
            self.session.console.line(format!("Paired with {name}. Try: loopsy exec {name} hostname"))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows a code until somebody knows it.
    async fn wait_for_one(&self, link: &Link) -> Result<PairState> {
        let console = &self.session.console;
        loop {
            let started = self.start(link).await?;
            self.own.set(Own::Known(started.session));
            self.show(&started)?;
            let countdown = Countdown::new(console, started.expires_at);
            let state = countdown.until(self.until(link, |state| state.state != Some(PairPhase::Waiting))).await?;
            match outcome(state) {
                Err(error) if error.code == Code::PairExpired && ask::is_attended() && !self.args.yes => {
                    console.warn(&error);
                    ask::line(console, "Press Enter for another code, Ctrl-C to end. ").await?;
                }
                other => return other,
            }
        }
    }

    async fn start(&self, link: &Link) -> Result<PairStarted> {
        match link.call(&PairStart { replace: false }).await {
            Err(error) if error.code == Code::PairActive && ask::is_attended() && !self.args.yes => {
                if !ask::yes(&self.session.console, "A pairing is under way. End it and begin anew?").await? {
                    return Err(error);
                }
                link.call(&PairStart { replace: true }).await
            }
            other => other,
        }
    }

    fn show(&self, started: &PairStarted) -> Result<()> {
        let console = &self.session.console;
        let port = Instance::running(&self.session.home).map_or(DEFAULT_PORT, |running| running.address.port());
        let addresses = addresses(&self.session.home);
        let code = started.invite_code.expose();
        if addresses.iter().all(|address| address.is_loopback()) {
            console.warn("the daemon listens on this machine alone, so no other can come: see server.host");
        }
        if console.wants_json() {
            let first = json!({ "inviteCode": code, "expiresAt": started.expires_at, "addresses": addresses, "port": port });
            return console.json_line(&first);
        }
        console.line("On the other machine:")?;
        for address in &addresses {
            let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
            let place = if port == DEFAULT_PORT { host } else { format!("{host}:{port}") };
            console.line(format!("  loopsy pair {place}"))?;
        }
        console.line(format!("Code: {}", spaced(code)))
    }

    /// Calls the machine that shows a code.
    async fn call(&self, link: &Link, machine: &str) -> Result<PairState> {
        let console = &self.session.console;
        let address = match link.call(&PeerFind { node_id: machine.to_owned() }).await {
            Ok(peer) => Address::new(&peer.address, peer.port)?,
            Err(unknown) if unknown.code == Code::PeerNotFound => Address::parse(machine, DEFAULT_PORT).map_err(|_| unknown)?,
            Err(several) => return Err(several),
        };
        for left in (0..TRIES).rev() {
            let code = match &self.args.code {
                Some(code) => code.clone(),
                None => ask::line(console, &format!("Code that {machine} shows: ")).await?,
            };
            let op = PairConnect { address: address.host.clone(), port: address.port, code: Secret::new(code) };
            self.own.set(Own::Begun);
            let error = match link.call(&op).await {
                Ok(state) => {
                    self.own.set(state.session.map_or(Own::Begun, Own::Known));
                    return Ok(state);
                }
                Err(error) => error,
            };
            self.own.set(Own::Nothing);
            let is_typo = matches!(error.code, Code::PairWrongCode | Code::InvalidRequest) && self.args.code.is_none();
            let is_void = error.details.as_ref().is_some_and(|details| details["attemptsLeft"] == 0);
            if left == 0 || !is_typo || is_void {
                return Err(error);
            }
            console.failure(&error);
        }
        Err(Error::new(Code::PairWrongCode, "wrong code"))
    }

    /// Both users compare the digits; answers how it ended.
    async fn compare(&self, link: &Link, met: PairState) -> Result<PairState> {
        let console = &self.session.console;
        let digits = spaced(met.sas.as_deref().unwrap_or_default());
        let (name, address) = met.peer.as_ref().map_or(("", ""), |peer| (&peer.hostname, &peer.address));
        let name = printable(name);
        console.note(format!("{name} ({}) knows the code.", printable(address)));
        console.note(format!("Digits on both screens: {digits}"));
        let answers = self.ask(&name, met.replaces);
        let (confirmed, replace) = tokio::select! {
            answers = answers => answers?,
            ended = self.until(link, |state| state.state.is_none_or(PairPhase::is_end)) => {
                console.note("");
                return outcome(ended?);
            }
        };
        let state = match link.call(&PairConfirm { confirmed, sas: met.sas, allow: self.allow.clone(), replace }).await {
            // It ended while the answer was typed; how, its state says.
            Err(error) if error.code == Code::PairNoSession => return outcome(link.call(&PairStatus::default()).await?).and(Err(error)),
            other => other?,
        };
        if state.state == Some(PairPhase::Confirmed) {
            console.note(format!("Waiting for the answer on {name}…"));
        }
        outcome(self.until(link, |state| state.state.is_none_or(PairPhase::is_end)).await?)
    }

    /// Whether the digits are the same, and which entry may be replaced.
    async fn ask(&self, name: &str, replaces: Option<String>) -> Result<(bool, Option<String>)> {
        let console = &self.session.console;
        if !self.args.yes && !ask::yes(console, &format!("Does {name} show the same?")).await? {
            return Ok((false, None));
        }
        let Some(known) = replaces else { return Ok((true, None)) };
        let is_agreed = self.args.replace || !self.args.yes && ask::yes(console, &format!("This replaces {}?", printable(&known))).await?;
        Ok((true, Some(known).filter(|_| is_agreed)))
    }

    /// Waits for this run's pairing to be as wanted.
    async fn until(&self, link: &Link, wanted: impl Fn(&PairState) -> bool) -> Result<PairState> {
        let mut state = link.call(&PairStatus::default()).await?;
        loop {
            if let (Own::Known(own), Some(live)) = (self.own.get(), state.session)
                && own != live
            {
                return Err(Error::new(Code::PairRejected, "another pairing was begun on this machine"));
            }
            if wanted(&state) {
                return Ok(state);
            }
            state = link.call(&PairStatus { wait: Some(WAIT), since: Some(state.revision), screen: true }).await?;
        }
    }
}

/// A pairing that came to nothing is a failure.
fn outcome(state: PairState) -> Result<PairState> {
    match (&state.error, state.state) {
        (None, Some(_)) => Ok(state),
        (Some(error), _) => {
            let code = state.error_code.and_then(Code::from_number).unwrap_or(Code::Internal);
            Err(Error::new(code, error.clone()).hint("Nothing was changed. Begin anew on both machines with: loopsy pair"))
        }
        (None, None) => Err(Error::new(Code::PairNoSession, "the pairing is gone").hint("Was the daemon started anew? Begin again.")),
    }
}
