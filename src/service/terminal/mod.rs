//! Terminals: programs in pseudo-terminals that live on when nobody looks at them.
//!
//! ```text
//! Terminals ── Worker (one a terminal: its program, its picture, its lines) ── Line (one a client) ── Client
//!                 └ Live: what is known of it, and the way to its worker, shared with all who ask
//! ```

mod lexer;
mod line;
mod live;
mod quiet;
mod screen;
mod worker;

#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub use self::screen::Screen;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::caller::Role;
use crate::api::execute::Command;
use crate::api::terminal::{MOST_CHARACTERS, MOST_COLUMNS, MOST_ROWS, Terminal, TerminalCreate, fitting};
use crate::api::{Caller, Permission};
use crate::base::sync::lock;
use crate::base::text::one_line;
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result, clock, id};
use crate::home::settings::Settings;
use crate::home::trust::Trust;
use crate::platform::host::{self, Language};
use crate::platform::process::{Guard, KILL_AFTER, Launch};
use crate::platform::pty::{self, Size};
use crate::service::jobs;
use crate::service::journal::Journal;
use crate::service::tasks::renamed;

use line::Line;
use live::{Live, Order};
use worker::{Parts, Worker};

pub use line::News;

/// Most terminals of a peer, or of this machine, that are kept after their program's end.
const MOST_ENDED: usize = 32;
/// Most clients of a terminal.
const MOST_CLIENTS: u32 = 32;
/// Bytes that are typed at once.
const TYPED: usize = 16 * 1024;
/// Most characters of a name.
const NAME: usize = 100;
/// The size of a terminal that is given none.
const USUAL: Size = Size { cols: 80, rows: 24 };

/// How a terminal's program ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; nothing when a signal ended it.
    pub exit_code: Option<i32>,
    /// Name of the signal that ended it, such as `SIGHUP`.
    pub signal: Option<String>,
}

/// The service that has terminals. Clones are the same.
#[derive(Clone)]
pub struct Terminals {
    inner: Arc<Inner>,
}

struct Inner {
    guard: Arc<Guard>,
    settings: Settings,
    trust: Trust,
    journal: Journal,
    workers: Workers,
    stopping: CancellationToken,
    /// Counts terminals of which something is left.
    alive: TaskTracker,
    /// Oldest first.
    table: Mutex<Vec<Arc<Live>>>,
    /// All of which something is left, also those that are listed no more.
    left: Mutex<Vec<Arc<Live>>>,
    running: Arc<Mutex<u32>>,
}

/// A place among the terminals whose program runs, given back when dropped.
struct Slot(Arc<Mutex<u32>>);

impl Drop for Slot {
    fn drop(&mut self) {
        *lock(&self.0) -= 1;
    }
}

/// The size that a client asks for.
///
/// # Errors
/// `INVALID_REQUEST` for one that no screen has.
pub fn size(cols: u16, rows: u16) -> Result<Size> {
    if fitting((cols, rows)) == (cols, rows) {
        return Ok(Size { cols, rows });
    }
    Err(Error::invalid(format!("cols and rows: {cols} by {rows} is not the size of a terminal"))
        .hint(format!("At most {MOST_COLUMNS} columns, {MOST_ROWS} rows, and {MOST_CHARACTERS} characters in all.")))
}

impl Terminals {
    /// Opens terminals below this guard, by the rules that hold at each start.
    pub fn start(guard: Arc<Guard>, settings: Settings, trust: Trust, workers: Workers, journal: Journal) -> Self {
        let inner = Inner {
            guard,
            settings: settings.clone(),
            trust,
            journal,
            workers: workers.clone(),
            stopping: CancellationToken::new(),
            alive: TaskTracker::new(),
            table: Mutex::default(),
            left: Mutex::default(),
            running: Arc::default(),
        };
        let terminals = Self { inner: Arc::new(inner) };
        workers.spawn_until_stop("owners of terminals", terminals.clone().watch_owners(settings));
        terminals
    }

    /// Opens a terminal and starts a program in it.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the field, `EXEC_COMMAND_DENIED`, `EXEC_MAX_CONCURRENT`, `EXEC_FAILED` saying what is
    /// missing, `SHUTTING_DOWN`.
    pub async fn create(&self, caller: &Caller, op: TerminalCreate) -> Result<Terminal> {
        let Inner { guard, settings, journal, workers, stopping, alive, table, left, .. } = &*self.inner;
        if stopping.is_cancelled() {
            return Err(Error::new(Code::ShuttingDown, "the daemon is shutting down"));
        }
        let config = settings.get();
        let size = size(op.cols.unwrap_or(USUAL.cols), op.rows.unwrap_or(USUAL.rows))?;
        let command = command(&op)?;
        let launch = in_terminal(jobs::launch(&command, &config.execution, false)?);
        let slot = self.reserve(config.terminal.max_concurrent)?;
        let was_permitted = self.is_permitted_to(caller);
        let started = pty::start(guard, &launch, size).await.map_err(|error| jobs::failure(error, &command, &launch))?;
        let now = clock::now();
        let shown = Terminal {
            terminal_id: id::job(),
            command: command.command,
            args: command.args.unwrap_or_default(),
            cwd: launch.cwd.to_string_lossy().into_owned(),
            cols: size.cols,
            rows: size.rows,
            created_at: now,
            last_used: now,
            from_node_id: caller.node_id.clone(),
            pid: Some(started.pid),
            name: op.name.map(|name| one_line(&name, NAME)),
            ..Terminal::default()
        };
        let _ = caller.job.set(shown.terminal_id.clone());
        let (live, reins) = Live::new(shown.clone(), caller, slot, journal.clone());
        let parts = Parts { live: live.clone(), started, size, reins, settings: settings.clone(), stopping: stopping.clone() };
        self.forget_some(live.peer().as_deref());
        lock(table).push(live.clone());
        lock(left).push(live.clone());
        let (terminals, worker, own) = (self.clone(), Worker::new(parts), live.clone());
        workers.spawn(
            "terminal",
            alive.track_future(async move {
                worker.run().await;
                terminals.sweep();
                lock(&terminals.inner.left).retain(|other| !Arc::ptr_eq(other, &own));
            }),
        );
        // What was taken away while the program was being started.
        if was_permitted && !self.is_permitted_to(caller) {
            live.close().await;
        }
        Ok(shown)
    }

    /// The terminals that are this caller's to see, oldest first.
    pub fn list(&self, caller: &Caller) -> Vec<Terminal> {
        self.known().iter().filter(|live| live.is_of(caller)).map(|live| live.terminal()).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// `EXEC_JOB_NOT_FOUND`, also for a terminal that is somebody else's.
    pub fn get(&self, caller: &Caller, id: &str) -> Result<Terminal> {
        Ok(self.find(caller, id)?.terminal())
    }

    /// Ends a terminal and all that its program started, and forgets it: asked to at once, forced to after three seconds.
    ///
    /// # Errors
    /// As [`Terminals::get`].
    pub async fn end(&self, caller: &Caller, id: &str) -> Result<()> {
        let live = self.find(caller, id)?;
        live.forget();
        self.sweep();
        live.close().await;
        Ok(())
    }

    /// Gives a terminal another size; its clients are told.
    ///
    /// # Errors
    /// As [`Terminals::get`], and `INVALID_REQUEST` for a size that no screen has.
    pub async fn resize(&self, caller: &Caller, id: &str, cols: u16, rows: u16) -> Result<Terminal> {
        let (live, size) = (self.find(caller, id)?, size(cols, rows)?);
        let _ = live.orders.send(Order::Resize(size)).await;
        Ok(Terminal { cols, rows, ..live.terminal() })
    }

    /// Lets a client look at a terminal, which takes on the client's size.
    ///
    /// # Errors
    /// As [`Terminals::get`].
    pub async fn attach(&self, caller: &Caller, id: &str, size: Option<Size>) -> Result<Client> {
        let live = self.find(caller, id)?;
        if live.clients() >= MOST_CLIENTS {
            return Err(Error::new(Code::ExecMaxConcurrent, format!("{MOST_CLIENTS} look at that terminal already"))
                .hint("Close a window that shows it."));
        }
        let line = Arc::new(Line::new(live.moved.clone()));
        let client = Client { line: line.clone(), live };
        let attached = client.live.orders.send(Order::Attach(line, size)).await;
        attached.map_err(|_| not_found(id))?;
        Ok(client)
    }

    /// How many terminals have a program that runs.
    pub fn running(&self) -> u32 {
        *lock(&self.inner.running)
    }

    /// Ends all terminals, waits until nothing is left of them, and opens no others. Gives up after four seconds; the guard
    /// still ends what is left then.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.alive.close();
        let _ = tokio::time::timeout(KILL_AFTER + Duration::from_secs(1), self.inner.alive.wait()).await;
    }

    fn reserve(&self, most: u32) -> Result<Slot> {
        let mut running = lock(&self.inner.running);
        if *running >= most {
            return Err(Error::new(Code::ExecMaxConcurrent, format!("there are {most} terminals already"))
                .hint("See them with: loopsy shell <peer> --list; end one with --end ID, or raise terminal.maxConcurrent there."));
        }
        *running += 1;
        Ok(Slot(self.inner.running.clone()))
    }

    fn known(&self) -> Vec<Arc<Live>> {
        lock(&self.inner.table).iter().filter(|live| !live.is_forgotten()).cloned().collect()
    }

    fn find(&self, caller: &Caller, id: &str) -> Result<Arc<Live>> {
        self.known().into_iter().find(|live| live.is_of(caller) && live.id() == id).ok_or_else(|| not_found(id))
    }

    fn sweep(&self) {
        lock(&self.inner.table).retain(|live| !live.is_forgotten());
    }

    /// Makes room for one more of this peer, or of this machine, that may end.
    fn forget_some(&self, peer: Option<&str>) {
        let ended: Vec<_> = self.known().into_iter().filter(|live| live.has_ended() && live.peer().as_deref() == peer).collect();
        for live in ended.iter().rev().skip(MOST_ENDED - 1) {
            live.forget();
            // Where too much waits for it already, its worker forgets it when its time has come.
            let _ = live.orders.try_send(Order::Forget);
        }
        self.sweep();
    }

    /// Ends terminals of peers that may have none any more, and follows those that get another name.
    async fn watch_owners(self, settings: Settings) {
        let (mut known, mut changes) = (settings.get(), settings.changes());
        while changes.changed().await.is_ok() {
            let now = settings.get();
            let left = lock(&self.inner.left).clone();
            for (old, new) in renamed(&known.auth, &now.auth) {
                left.iter().for_each(|live| live.rename(&old, &new));
            }
            known = now;
            for live in left {
                if live.peer().is_some_and(|peer| !self.inner.trust.permits(&peer, Permission::Terminal)) {
                    live.close().await;
                }
            }
        }
    }

    fn is_permitted_to(&self, caller: &Caller) -> bool {
        match &caller.role {
            Role::Peer { name, .. } => self.inner.trust.permits(name, Permission::Terminal),
            _ => true,
        }
    }
}

fn not_found(id: &str) -> Error {
    Error::new(Code::ExecJobNotFound, format!("there is no terminal {id}")).hint("See which there are: loopsy shell <peer> --list")
}

/// What is started: what was asked for, or the user's shell as at a login.
fn command(op: &TerminalCreate) -> Result<Command> {
    let rest = Command { cwd: op.cwd.clone(), env: op.env.clone(), ..Command::default() };
    if let Some(command) = &op.command {
        return Ok(Command { command: command.clone(), args: op.args.clone(), ..rest });
    }
    if op.args.as_ref().is_some_and(|args| !args.is_empty()) {
        return Err(Error::invalid("args: there is no command that they are for"));
    }
    let shell = host::shell();
    let args = match shell.language {
        Language::Posix => vec!["-l".to_owned()],
        Language::Cmd => Vec::new(),
    };
    Ok(Command { command: shell.program.to_string_lossy().into_owned(), args: Some(args), ..rest })
}

/// The variables by which programs know what terminal they have.
fn in_terminal(launch: Launch) -> Launch {
    let own = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")].map(|(name, value)| (name.into(), value.into()));
    let env = own.into_iter().chain(launch.env).collect();
    // Sizes of the terminal from which the daemon was started.
    let unset = ["COLUMNS", "LINES"].map(Into::into).to_vec();
    Launch { env, unset, ..launch }
}

/// Somebody who looks at a terminal; leaves when dropped.
pub struct Client {
    line: Arc<Line>,
    live: Arc<Live>,
}

impl Client {
    /// What comes next; nothing at the end. Can be dropped and called again without loss.
    pub async fn next(&self) -> Option<News> {
        self.line.next().await
    }
    /// Types bytes; waits while the program takes none.
    pub async fn type_in(&self, bytes: Bytes) {
        for piece in bytes.chunks(TYPED) {
            // A copy: a piece that waits is not to hold all the rest. A terminal that is gone takes nothing.
            let _ = self.live.typed.send(Bytes::copy_from_slice(piece)).await;
        }
    }
    /// Gives the terminal another size.
    pub async fn resize(&self, size: Size) {
        let _ = self.live.orders.send(Order::Resize(size)).await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.line.leave();
    }
}
