//! A machine is killed each second, another is cut off, and in the end everything that was taken is where it belongs.

use std::time::Duration;

use loopsy::client::Link;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::people::People;
use crate::support::dice::Dice;
use crate::support::node::{Node, knowing};
use crate::support::process::heavy;
use crate::support::proxy::Proxy;
use crate::support::world::World;

const NAMES: [&str; 3] = ["ann", "ben", "cat"];
/// How often a machine is killed.
const KILL: Duration = Duration::from_secs(1);
/// No budget is to be in the way.
const RATES: u32 = 1_000_000;

/// What happens to three machines, moment by moment: at most one is dead and at most one is cut off.
struct Fate {
    dice: Dice,
    next_kill: Duration,
    next_cut: Duration,
    /// Which one is dead, and until when.
    dead: Option<(usize, Duration)>,
    cut: Option<(usize, Duration)>,
    kills: usize,
}

/// What fate can do to machines.
trait Machines {
    fn kill(&mut self, at: usize);
    fn start(&mut self, at: usize);
    fn cut(&mut self, at: usize);
    fn heal(&mut self, at: usize);
}

impl Fate {
    fn new(dice: Dice) -> Self {
        Self { dice, next_kill: KILL, next_cut: KILL / 2, dead: None, cut: None, kills: 0 }
    }
    fn milliseconds(&mut self, most: u64) -> Duration {
        Duration::from_millis(50 + self.dice.below(most))
    }
    /// Does what is due `now`.
    fn strike(&mut self, machines: &mut impl Machines, now: Duration) {
        if let Some((at, _)) = self.dead.filter(|(_, until)| now >= *until) {
            machines.start(at);
            self.dead = None;
        }
        if let Some((at, _)) = self.cut.filter(|(_, until)| now >= *until) {
            machines.heal(at);
            self.cut = None;
        }
        if self.dead.is_none() && now >= self.next_kill {
            let at = self.dice.below(3) as usize;
            machines.kill(at);
            self.dead = Some((at, now + self.milliseconds(700)));
            self.next_kill = now + KILL;
            self.kills += 1;
        }
        if self.cut.is_none() && now >= self.next_cut {
            let at = self.dice.below(3) as usize;
            machines.cut(at);
            self.cut = Some((at, now + self.milliseconds(3000)));
            self.next_cut = now + self.milliseconds(5000);
        }
    }
    /// All machines live and reach each other.
    fn rest(&mut self, machines: &mut impl Machines) {
        self.dead.take().into_iter().for_each(|(at, _)| machines.start(at));
        self.cut.take().into_iter().for_each(|(at, _)| machines.heal(at));
    }
}

impl Machines for World {
    fn kill(&mut self, at: usize) {
        World::kill(self, at);
    }
    fn start(&mut self, at: usize) {
        World::start(self, at);
    }
    fn cut(&mut self, at: usize) {
        self.sim.memory.cut(&self.machines[at].machine.host);
    }
    fn heal(&mut self, at: usize) {
        self.sim.memory.heal(&self.machines[at].machine.host);
    }
}

/// In simulation: until so many messages are taken, and by then there have to have been so many kills.
fn simulate(count: usize, kills: usize) {
    let mut dice = Dice::new();
    let mut world = World::of(&NAMES, &format!("rateLimits: {{context: {RATES}}}\n"));
    let lines = [0, 1, 2].map(|at| watch::channel(world.machines[at].machine.link()).1);
    let people = People::new(NAMES, lines, count, Duration::from_millis(200));
    let mut fate = Fate::new(dice.another());
    let (calm, is_calm) = watch::channel(false);
    let began = world.now();
    let life = people.live(&mut dice, is_calm, Duration::from_secs(120));
    world.live(life, |world| {
        if people.all_written() {
            fate.rest(world);
            calm.send_replace(true);
        } else {
            let now = world.now() - began;
            fate.strike(world, now);
        }
    });
    assert!(fate.kills >= kills, "only {} kills", fate.kills);
}

/// What was taken is delivered once, and what was acknowledged is known to be and stays away.
#[test]
fn no_message_is_lost_doubled_or_brought_back_by_kills_and_cuts() {
    simulate(150, 2);
}

/// The same with two thousand.
#[test]
fn heavy_no_message_of_many_is_lost_doubled_or_brought_back() {
    if heavy() {
        simulate(2000, 20);
    }
}

/// Three daemons as processes; what others reach of each is a wire that can be cut.
struct Processes {
    nodes: [Node; 3],
    wires: [Proxy; 3],
    lines: [watch::Sender<Link>; 3],
}

impl Processes {
    async fn start() -> Self {
        let wires = [Proxy::start().await, Proxy::start().await, Proxy::start().await];
        let nodes = [0, 1, 2].map(|at| {
            let peers: Vec<_> = (0..3).filter(|peer| *peer != at).map(|peer| (NAMES[peer], Some(wires[peer].port))).collect();
            let node = Node::start(NAMES[at], knowing(NAMES[at], &peers, json!({})));
            wires[at].lead_to(node.ready.port);
            node
        });
        let lines = [0, 1, 2].map(|at| watch::channel(nodes[at].link()).0);
        Self { nodes, wires, lines }
    }
}

impl Machines for Processes {
    fn kill(&mut self, at: usize) {
        self.nodes[at].kill();
    }
    fn start(&mut self, at: usize) {
        self.nodes[at].again();
        assert_eq!(self.nodes[at].ready.warnings, Vec::<String>::new());
        self.wires[at].lead_to(self.nodes[at].ready.port);
        self.lines[at].send_replace(self.nodes[at].link());
    }
    fn cut(&mut self, at: usize) {
        self.wires[at].cut();
    }
    fn heal(&mut self, at: usize) {
        self.wires[at].heal();
    }
}

/// The same with processes and `kill -9`.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_no_message_is_lost_by_kill_9() {
    if !heavy() {
        return;
    }
    let mut dice = Dice::new();
    let mut processes = Processes::start().await;
    let lines = [0, 1, 2].map(|at| processes.lines[at].subscribe());
    let people = People::new(NAMES, lines, 600, Duration::from_millis(300));
    let mut fate = Fate::new(dice.another());
    let (calm, is_calm) = watch::channel(false);
    let began = Instant::now();
    let fates = async {
        while !people.all_written() {
            fate.strike(&mut processes, began.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
        fate.rest(&mut processes);
        calm.send_replace(true);
    };
    tokio::join!(fates, people.live(&mut dice, is_calm, Duration::from_secs(30)));
    assert!(fate.kills >= 5, "only {} kills", fate.kills);
}
