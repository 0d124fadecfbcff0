//! Daemons that can be killed as by `kill -9`, and a clock that moves for all of them at once.
//!
//! Each has a runtime of its own: dropping that ends all it does where it stands. All are driven by the thread of the test,
//! in turns, so that the time they see is the world's, and most of what happens comes again with the same dice.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use loopsy::base::clock;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::sim::{Machine, Sim, knowing};

/// By how much the clock moves at once.
const STEP: Duration = Duration::from_millis(5);
/// How often each runtime is let go on before the next one's turn.
const TURNS: usize = 10;

/// Machines, and a tester who asks them.
pub struct World {
    pub sim: Sim,
    pub machines: Vec<Mortal>,
    tester: Runtime,
    now: Instant,
}

/// A machine whose daemon may end at any moment.
pub struct Mortal {
    pub machine: Machine,
    runtime: Option<Runtime>,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Brings a runtime's clock to `now`.
async fn move_to(now: Instant) {
    tokio::time::advance(now.saturating_duration_since(Instant::now())).await;
}

impl World {
    /// Machines that all trust each other. `more` is appended to their configurations.
    pub fn of(names: &[&str], more: &str) -> Self {
        let tester = runtime();
        let now = tester.block_on(async {
            clock::follow_runtime();
            Instant::now()
        });
        let sim = Sim::default();
        let mortal = |name: &&str| {
            let peers: Vec<_> = names.iter().copied().filter(|peer| peer != name).collect();
            Mortal { machine: sim.lay(name, &knowing(name, &peers, more)), runtime: None }
        };
        let machines = names.iter().map(mortal).collect();
        let mut world = Self { sim, machines, tester, now };
        (0..names.len()).for_each(|at| world.start(at));
        world
    }
    /// The time of all of them.
    pub fn now(&self) -> Instant {
        self.now
    }
    /// Starts the daemon of a machine.
    pub fn start(&mut self, at: usize) {
        let runtime = runtime();
        // A new clock begins with that of the tester's machine, which may be ahead or behind.
        self.now = self.now.max(runtime.block_on(async { Instant::now() }));
        self.now = runtime.block_on(async {
            move_to(self.now).await;
            self.machines[at].machine.start().await;
            // Where a start has to wait for the system, its clock runs ahead.
            Instant::now()
        });
        self.machines[at].runtime = Some(runtime);
    }
    /// Ends all that a daemon does, where it stands; what the system had been told to write is written.
    pub fn kill(&mut self, at: usize) {
        let mortal = &mut self.machines[at];
        drop(mortal.runtime.take());
        mortal.machine.running = None;
    }
    /// Lets the time pass until `work` is done. Before each step `fate` may do what it wants.
    pub fn live<T>(&mut self, work: impl Future<Output = T>, mut fate: impl FnMut(&mut Self)) -> T {
        let mut work = pin!(work);
        loop {
            fate(self);
            self.now += STEP;
            let now = self.now;
            for runtime in self.machines.iter().filter_map(|mortal| mortal.runtime.as_ref()) {
                runtime.block_on(async {
                    move_to(now).await;
                    for _ in 0..TURNS {
                        yield_now().await;
                    }
                });
            }
            let done = self.tester.block_on(async {
                move_to(now).await;
                for _ in 0..TURNS {
                    let done = work.as_mut().now_or_never();
                    if done.is_some() {
                        return done;
                    }
                    yield_now().await;
                }
                None
            });
            if let Some(done) = done {
                return done;
            }
        }
    }
}
