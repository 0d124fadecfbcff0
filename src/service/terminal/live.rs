//! What is known of a terminal by everybody who asks, and the way to its worker.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::{Ended, Slot};
use crate::api::Caller;
use crate::api::caller::Role;
use crate::api::events::{Notice, NoticeType};
use crate::api::terminal::{Terminal, TerminalStatus};
use crate::base::sync::lock;
use crate::base::{clock, kin};
use crate::platform::pty::Size;
use crate::service::journal::Journal;

/// Orders, and pieces of what is typed, that wait for the worker.
const WAITING: usize = 16;

/// What a worker is asked.
pub(super) enum Order {
    /// Let a client look from now on; it may bring a size.
    Attach(Arc<Line>, Option<Size>),
    /// Take on another size.
    Resize(Size),
    /// End the program with all that it started, and the worker.
    Close,
    /// The program has ended: end the worker.
    Forget,
}

/// How a worker is reached.
pub(super) struct Reins {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) typed: mpsc::Receiver<Bytes>,
    /// A line has room again, or its client is gone.
    pub(super) moved: Arc<Notify>,
}

/// A terminal that is known.
pub(super) struct Live {
    state: Mutex<State>,
    journal: Journal,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) typed: mpsc::Sender<Bytes>,
    pub(super) moved: Arc<Notify>,
    /// All that its program started is to end, even what outlives the terminal.
    pub(super) ending: CancellationToken,
}

struct State {
    shown: Terminal,
    starter: Role,
    /// Its place among those whose program runs.
    slot: Option<Slot>,
    /// Whether it is listed no more.
    is_forgotten: bool,
}

impl Live {
    /// One whose program has just been started.
    pub(super) fn new(shown: Terminal, caller: &Caller, slot: Slot, journal: Journal) -> (Arc<Self>, Reins) {
        let (orders, asked) = mpsc::channel(WAITING);
        let (typed, written) = mpsc::channel(WAITING);
        let moved = Arc::new(Notify::new());
        let state = State { shown, starter: caller.role.clone(), slot: Some(slot), is_forgotten: false };
        let live =
            Arc::new(Self { state: Mutex::new(state), journal, orders, typed, moved: moved.clone(), ending: CancellationToken::new() });
        live.tell("opened");
        (live, Reins { orders: asked, typed: written, moved })
    }

    /// As it is told.
    pub(super) fn terminal(&self) -> Terminal {
        lock(&self.state).shown.clone()
    }
    pub(super) fn id(&self) -> String {
        lock(&self.state).shown.terminal_id.clone()
    }
    /// Whether it is this caller's to see and to end.
    pub(super) fn is_of(&self, caller: &Caller) -> bool {
        caller.owns(&lock(&self.state).starter)
    }
    /// The peer that opened it.
    pub(super) fn peer(&self) -> Option<String> {
        match &lock(&self.state).starter {
            Role::Peer { name, .. } => Some(name.clone()),
            _ => None,
        }
    }
    /// The peer that opened it has another name.
    pub(super) fn rename(&self, old: &str, new: &str) {
        if let Role::Peer { name, .. } = &mut lock(&self.state).starter
            && let Some(now) = kin::renamed(name, old, new)
        {
            *name = now;
        }
    }
    pub(super) fn has_ended(&self) -> bool {
        lock(&self.state).shown.status == TerminalStatus::Exited
    }
    pub(super) fn is_forgotten(&self) -> bool {
        lock(&self.state).is_forgotten
    }
    /// It is to be listed no more.
    pub(super) fn forget(&self) {
        lock(&self.state).is_forgotten = true;
    }

    /// Asks the worker to end all, whatever else waits.
    pub(super) async fn close(&self) {
        self.ending.cancel();
        // A worker that takes no orders any more has heard the other.
        let _ = self.orders.send(Order::Close).await;
    }

    /// Something was typed.
    pub(super) fn used(&self) {
        lock(&self.state).shown.last_used = clock::now();
    }
    /// Something was shown.
    pub(super) fn shown(&self, title: Option<&str>) {
        let mut state = lock(&self.state);
        state.shown.last_used = clock::now();
        if state.shown.title.as_deref() != title {
            state.shown.title = title.map(str::to_owned);
        }
    }
    pub(super) fn resized(&self, size: Size) {
        let mut state = lock(&self.state);
        (state.shown.cols, state.shown.rows) = (size.cols, size.rows);
    }
    pub(super) fn clients(&self) -> u32 {
        lock(&self.state).shown.clients
    }
    pub(super) fn attached(&self) {
        lock(&self.state).shown.clients += 1;
        self.tell("attached");
    }
    pub(super) fn detached(&self) {
        let mut state = lock(&self.state);
        state.shown.clients = state.shown.clients.saturating_sub(1);
        drop(state);
        self.tell("detached");
    }
    /// Its program has ended.
    pub(super) fn ended(&self, ended: &Ended) {
        let mut state = lock(&self.state);
        state.slot = None;
        state.shown.status = TerminalStatus::Exited;
        (state.shown.exit_code, state.shown.signal) = (ended.exit_code, ended.signal.clone());
        state.shown.pid = None;
        drop(state);
        self.tell("exited");
    }
    /// There is nobody left who could show it.
    pub(super) fn closed(&self) {
        self.forget();
        self.tell("closed");
    }

    fn tell(&self, action: &str) {
        let peer = self.peer();
        let Terminal { terminal_id, clients, exit_code, signal, .. } = self.terminal();
        let mut notice = Notice::new(NoticeType::Terminal, action, terminal_id).peer(peer.as_deref()).detail("clients", clients);
        if let Some(code) = exit_code {
            notice = notice.detail("exitCode", code);
        }
        if let Some(signal) = signal {
            notice = notice.detail("signal", signal);
        }
        self.journal.push(notice);
    }
}
