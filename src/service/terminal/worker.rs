//! The worker that owns a terminal: its program, its picture and the lines to its clients.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Ended;
use super::line::{Line, News};
use super::live::{Live, Order, Reins};
use super::screen::Screen;
use crate::home::settings::Settings;
use crate::platform::process::{Control, Exit, signal_name};
use crate::platform::pty::{Input, Output, Size};

/// How long a client may keep the program waiting before it is left behind.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a terminal may be silent after its program's end while something else still holds it open.
const SILENCE: Duration = Duration::from_millis(250);
/// Most bytes that are read after the program's end: more than the system keeps of what the program wrote.
const OWED: usize = 1024 * 1024;
/// How long a terminal is kept after its program's end.
pub(super) const KEPT: Duration = Duration::from_secs(5 * 60);
/// Bytes read at a time.
const PIECE: usize = 64 * 1024;
/// Bytes that go into the picture at a time, and how long that may take before others have their turn.
const PART: usize = 64;
const TURN: Duration = Duration::from_millis(2);
/// What is shown before anybody looks is kept as it is up to this, bytes.
const UNSEEN: usize = 64 * 1024;

/// A terminal from its program's start until nothing of it is left.
pub(super) struct Worker {
    live: Arc<Live>,
    control: Control,
    input: Input,
    /// Nothing once all was read.
    output: Option<Output>,
    screen: Screen,
    reins: Reins,
    settings: Settings,
    /// The daemon is stopping.
    stopping: CancellationToken,
    lines: Vec<Arc<Line>>,
    /// All that was shown while nobody has looked yet; nothing once somebody has, or when it is too much.
    unseen: Option<Vec<u8>>,
    /// What was typed and not taken in yet.
    typed: Bytes,
    /// Whether the program was told to end, after which the terminal is forgotten.
    closing: bool,
    /// How the program has ended, and when.
    ended: Option<(Ended, Instant)>,
    /// Bytes that are still read after that.
    owed: usize,
    /// When something last happened here.
    used: Instant,
    /// Since when there might have been output and was none.
    silent: Instant,
}

/// What a worker is made of.
pub(super) struct Parts {
    pub(super) live: Arc<Live>,
    pub(super) started: crate::platform::pty::Started,
    pub(super) size: Size,
    pub(super) reins: Reins,
    pub(super) settings: Settings,
    pub(super) stopping: CancellationToken,
}

/// What happened next.
enum Event {
    Asked(Order),
    Read(io::Result<usize>),
    Typed(Bytes),
    Wrote(io::Result<usize>),
    Exit(io::Result<(Exit, bool)>),
    Moved,
    Impatient,
    Silent,
    Late,
    Stop,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { live, started, size, reins, settings, stopping } = parts;
        Self {
            live,
            control: started.control,
            input: started.input,
            output: Some(started.output),
            screen: Screen::new(size),
            reins,
            settings,
            stopping,
            lines: Vec::new(),
            unseen: Some(Vec::new()),
            typed: Bytes::new(),
            closing: false,
            ended: None,
            owed: OWED,
            used: Instant::now(),
            silent: Instant::now(),
        }
    }

    /// Works until nothing of the terminal is left. What its program leaves running lives on, unless the terminal was closed.
    pub(super) async fn run(mut self) {
        self.live().await;
        let (mut control, closing, stopping, live) = self.dissolve();
        if !closing {
            tokio::select! {
                biased;
                () = control.all_gone() => return,
                () = stopping.cancelled() => control.terminate(),
                () = live.ending.cancelled() => control.terminate(),
            }
        }
        control.all_gone().await;
    }

    /// Lets go of everything but what is left running.
    fn dissolve(mut self) -> (Control, bool, CancellationToken, Arc<Live>) {
        self.lines.iter().for_each(|line| line.finish());
        // Nobody is to wait for an order that comes too late.
        self.reins.orders.close();
        while let Ok(order) = self.reins.orders.try_recv() {
            if let Order::Attach(line, _) = order {
                line.finish();
            }
        }
        self.live.closed();
        (self.control, self.closing, self.stopping, self.live)
    }

    /// Until the terminal is to be forgotten.
    async fn live(&mut self) {
        let mut buffer = BytesMut::new();
        let mut full_since = None;
        while !(self.closing && self.is_over()) {
            self.look_after_lines();
            let is_full = self.lines.iter().any(|line| line.is_full());
            full_since = is_full.then(|| full_since.unwrap_or_else(Instant::now));
            if is_full {
                self.silent = Instant::now();
            }
            buffer.reserve(PIECE);
            match self.next(&mut buffer, full_since).await {
                Event::Asked(Order::Attach(line, size)) => self.attach(line, size),
                Event::Asked(Order::Resize(size)) => self.resize(size),
                Event::Asked(Order::Close) | Event::Stop => self.close(),
                Event::Asked(Order::Forget) if self.ended.is_some() => return,
                Event::Asked(Order::Forget) => {}
                Event::Read(Ok(1..)) => self.show(&buffer.split()).await,
                Event::Read(_) | Event::Silent => self.end_of_output(),
                Event::Typed(bytes) => {
                    self.note_use();
                    self.typed = bytes;
                }
                Event::Wrote(Ok(count)) => self.typed.advance(count),
                // Nobody reads it any more.
                Event::Wrote(Err(_)) => self.typed.clear(),
                Event::Exit(exit) => self.exited(exit),
                Event::Moved => {}
                Event::Impatient => self.lines.iter().filter(|line| line.is_full()).for_each(|line| line.leave_behind()),
                Event::Late if self.ended.is_some() => return,
                Event::Late => self.close(),
            }
        }
    }

    async fn next(&mut self, buffer: &mut BytesMut, full_since: Option<Instant>) -> Event {
        let late = self.late();
        let is_running = self.ended.is_none();
        let has_typed = !self.typed.is_empty();
        let impatient = full_since.map(|since| since + PATIENCE);
        let silent = (!is_running && self.output.is_some() && impatient.is_none()).then(|| self.silent + SILENCE);
        let Self { control, input, output, reins, typed, stopping, closing, .. } = self;
        tokio::select! {
            biased;
            () = stopping.cancelled(), if !*closing => Event::Stop,
            Some(order) = reins.orders.recv() => Event::Asked(order),
            exit = control.wait(), if is_running => Event::Exit(exit),
            wrote = input.write(typed), if has_typed => Event::Wrote(wrote),
            Some(bytes) = reins.typed.recv(), if !has_typed => Event::Typed(bytes),
            () = reins.moved.notified() => Event::Moved,
            count = read(output, buffer), if impatient.is_none() => Event::Read(count),
            () = at(impatient) => Event::Impatient,
            () = at(silent) => Event::Silent,
            () = at(late) => Event::Late,
        }
    }

    /// When the terminal has been idle for too long, or kept for long enough.
    fn late(&self) -> Option<Instant> {
        if let Some((_, when)) = &self.ended {
            return Some(*when + KEPT);
        }
        let limit = Duration::from_millis(self.settings.get().terminal.idle_timeout);
        (self.lines.is_empty() && !limit.is_zero() && !self.closing).then(|| self.used + limit)
    }

    fn is_over(&self) -> bool {
        self.ended.is_some() && self.output.is_none()
    }

    /// Lets go of clients that have left, and shows those a picture that have missed something.
    fn look_after_lines(&mut self) {
        let before = self.lines.len();
        self.lines.retain(|line| !line.is_gone());
        for _ in self.lines.len()..before {
            self.note_use();
            self.live.detached();
        }
        let behind: Vec<_> = self.lines.iter().filter(|line| line.wants_picture()).cloned().collect();
        if !behind.is_empty() {
            let picture = self.screen.picture();
            behind.iter().for_each(|line| line.catch_up(&picture));
        }
    }

    fn attach(&mut self, line: Arc<Line>, size: Option<Size>) {
        self.note_use();
        if let Some(size) = size.filter(|_| self.ended.is_none()) {
            self.resize(size);
        }
        // Whoever hears that he is attached is counted.
        self.live.attached();
        line.tell(News::Attached(self.screen.size()));
        // The first to look sees all as it came, and answers what the program has asked its terminal.
        let shown = self.unseen.take().unwrap_or_else(|| self.screen.whole());
        line.catch_up(&shown);
        match &self.ended {
            Some((ended, _)) if self.is_over() => {
                line.tell(News::Ended(ended.clone()));
                line.finish();
            }
            _ => {}
        }
        self.lines.push(line);
    }

    fn resize(&mut self, size: Size) {
        if size == self.screen.size() || self.ended.is_some() {
            return;
        }
        if let Err(cause) = self.input.resize(size) {
            tracing::debug!(%cause, "a terminal could not be resized");
            return;
        }
        self.screen.resize(size);
        self.live.resized(size);
        self.lines.iter().for_each(|line| line.tell(News::Resized(size)));
    }

    async fn show(&mut self, bytes: &[u8]) {
        self.used = Instant::now();
        let mut begun = self.used;
        for part in bytes.chunks(PART) {
            self.screen.feed(part);
            // What is hard to paint must not hold up others.
            if begun.elapsed() > TURN {
                tokio::task::yield_now().await;
                begun = Instant::now();
            }
        }
        self.silent = Instant::now();
        self.live.shown(self.screen.title());
        self.unseen = self.unseen.take().filter(|unseen| unseen.len() + bytes.len() <= UNSEEN);
        if let Some(unseen) = &mut self.unseen {
            unseen.extend_from_slice(bytes);
        }
        self.lines.iter().for_each(|line| line.show(bytes));
        if self.ended.is_some() {
            self.owed = self.owed.saturating_sub(bytes.len());
            if self.owed == 0 {
                self.end_of_output();
            }
        }
    }

    fn exited(&mut self, exit: io::Result<(Exit, bool)>) {
        let ended = match exit {
            Ok((Exit::Code(code), _)) => Ended { exit_code: Some(code), signal: None },
            Ok((Exit::Signal(number), _)) => Ended { exit_code: None, signal: Some(signal_name(number)) },
            // The process above the program was killed, and the guard kills what it left.
            Err(_) => Ended { exit_code: None, signal: Some(signal_name(KILL)) },
        };
        self.silent = Instant::now();
        self.ended = Some((ended, self.silent));
        self.tell_end();
    }

    fn end_of_output(&mut self) {
        self.output = None;
        self.tell_end();
    }

    /// Tells the end, once all that came before it was told.
    fn tell_end(&mut self) {
        let Some((ended, _)) = self.ended.as_ref().filter(|_| self.output.is_none()) else { return };
        self.live.ended(ended);
        for line in self.lines.iter().filter(|line| line.is_behind()) {
            line.catch_up(&self.screen.picture());
        }
        self.screen.freeze();
        for line in &self.lines {
            line.tell(News::Ended(ended.clone()));
            line.finish();
        }
    }

    fn close(&mut self) {
        self.closing = true;
        self.control.terminate();
    }

    fn note_use(&mut self) {
        self.used = Instant::now();
        self.live.used();
    }
}

const KILL: i32 = 9;

async fn read(output: &mut Option<Output>, buffer: &mut BytesMut) -> io::Result<usize> {
    match output {
        Some(output) => output.read(buffer).await,
        None => std::future::pending().await,
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
