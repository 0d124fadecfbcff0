//! The course of a run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use loopsy::base::sync::lock;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::faults::{self, Faults, compare, read_logs, recovered};
use super::load::{COUNTER, Client, World};
use super::machine::{Machine, Means, Usage, runtime_in};
use super::support::dice::Dice;
use super::support::netns::{self, Lan};
use super::tally::Tally;
use super::truth::Truth;

/// Within this everything answers again after a fault.
const RECOVERY: Duration = Duration::from_secs(10);
/// How long there is no fault at first, so that what memory is usual can be seen.
const WARM_UP: Duration = Duration::from_secs(15);
/// The longest that clients take to end.
const ENDING: Duration = Duration::from_secs(60);
/// What connections that are not used are kept for, and more.
const QUIET: Duration = Duration::from_secs(90);
/// The most memory of a daemon at any time, and how much more than after the warm-up it may keep.
const MOST_MEMORY: u64 = 96 << 20;
const MORE_MEMORY: u64 = 32 << 20;
/// Descriptors and threads that a daemon may hold beyond those of its first calm moment.
const MORE: u64 = 8;

/// Keeps three daemons busy while one thing after the other goes wrong, and tells what did not hold. The seed is that of
/// LOOPSY_SEED.
#[derive(Debug, Parser)]
struct Options {
    /// How long it lasts.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// What goes wrong, with commas between; everything unless given.
    #[arg(long, value_delimiter = ',', value_parser = faults::ALL)]
    faults: Vec<String>,
    /// The program that is tried.
    #[arg(long)]
    binary: PathBuf,
}

pub fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt()).unwrap(), signal(SignalKind::terminate()).unwrap());
        tokio::select! {
            code = run(&options) => code,
            _ = interrupt.recv() => ExitCode::from(130),
            _ = terminate.recv() => ExitCode::from(143),
        }
    })
}

/// What is taken down at the end, in this order.
struct Site {
    world: Arc<World>,
    clients: Vec<(String, JoinHandle<()>)>,
    outside: Option<Runtime>,
    lan: Option<Lan>,
    _folder: tempfile::TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        // Clients hold the world; without them the machines go with it.
        self.world.is_over.store(true, Ordering::SeqCst);
        self.clients.iter().for_each(|(_, client)| client.abort());
        self.outside.take().into_iter().for_each(Runtime::shutdown_background);
        self.world.machines.iter().for_each(|machine| machine.take_down());
    }
}

async fn run(options: &Options) -> ExitCode {
    let mut dice = Dice::new();
    let root = rustix::process::geteuid().is_root();
    let lan = (root && netns::possible()).then(|| Lan::of(4));
    let agent = std::env::current_exe().unwrap().with_file_name("fake-agent");
    let means = Means { program: std::path::absolute(&options.binary).unwrap(), agent, root };
    let folder = tempfile::Builder::new().prefix("loopsy-soak-").tempdir().unwrap();
    let tally = Arc::new(Tally::new());
    let machine = |at: usize| {
        let name = ["leo", "kai", "ann"][at];
        Arc::new(Machine::new(name, at, folder.path().join(name), &means, lan.as_ref(), &tally))
    };
    let machines: Vec<_> = (0..3).map(machine).collect();
    let wanted = faults::possible(&options.faults, machines.iter().all(|machine| machine.has_disk()), lan.is_some());
    let outside = runtime_in(lan.as_ref().map(|lan| lan.hosts[3].file()));
    let truths = (0..3).map(|_| Truth::default()).collect();
    let world = Arc::new(World { machines, truths, tally: tally.clone(), is_over: AtomicBool::default() });
    let mut site = Site { world: world.clone(), clients: Vec::new(), outside: Some(outside), lan, _folder: folder };
    world.machines.iter().for_each(|machine| machine.start());
    for (here, there) in [(0, 1), (0, 2), (1, 2)] {
        world.machines[here].pair(&world.machines[there]);
    }
    if let Err(why) = recovered(&world, RECOVERY).await {
        tally.violation(format!("before the first fault: {why}"));
    }
    sleep(Duration::from_secs(2)).await;
    let at_rest = usages(&world);

    let end = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    site.clients = clients(&world, &mut dice);
    tally.say(&format!("{} clients", site.clients.len()));
    let mut peaks = [0; 3];
    watched(&world, &mut peaks, sleep(WARM_UP.min(Duration::from_secs_f64(options.minutes * 10.0)))).await;
    let warm = usages(&world);
    let mut faults = Faults { world: &world, lan: site.lan.as_ref(), outside: site.outside.as_ref().unwrap(), dice: dice.another() };
    let mut order = Vec::new();
    while Instant::now() < end && !wanted.is_empty() {
        if order.is_empty() {
            order.clone_from(&wanted);
        }
        let fault = order.swap_remove(dice.below(order.len() as u64) as usize);
        watched(&world, &mut peaks, faults.strike(fault)).await;
        watched(&world, &mut peaks, recover(&world, fault)).await;
        watched(&world, &mut peaks, compare(&world)).await;
        let gap = Duration::from_millis(2000 + dice.below(2000));
        watched(&world, &mut peaks, sleep(gap.min(end.saturating_duration_since(Instant::now())))).await;
    }
    watched(&world, &mut peaks, sleep(end.saturating_duration_since(Instant::now()))).await;

    tally.say("the end: clients finish");
    world.is_over.store(true, Ordering::SeqCst);
    let until = tokio::time::Instant::now() + ENDING;
    for (name, client) in &mut site.clients {
        match tokio::time::timeout_at(until, client).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => tally.violation(format!("{name}: {cause}")),
            Err(_) => tally.violation(format!("{name} does not come to its end")),
        }
    }
    compare(&world).await;
    count(&world).await;
    outboxes(&world).await;
    read_logs(&world);
    let after = rest(&world, &at_rest, &warm).await;
    told(&world, &peaks, &[at_rest, warm, after]);
    println!("{}", tally.table());
    if tally.violations() == 0 {
        return ExitCode::SUCCESS;
    }
    let kept = std::env::temp_dir().join(format!("loopsy-soak-logs-{}", std::process::id()));
    for machine in &world.machines {
        let (logs, to) = (machine.folder.join(".loopsy/logs"), kept.join(machine.name));
        std::fs::create_dir_all(&to).unwrap();
        for log in std::fs::read_dir(logs).unwrap().flatten() {
            let _ = std::fs::copy(log.path(), to.join(log.file_name()));
        }
    }
    println!("the daemons' logs are in {}", kept.display());
    ExitCode::FAILURE
}

/// Starts everybody who wants something.
fn clients(world: &Arc<World>, dice: &mut Dice) -> Vec<(String, JoinHandle<()>)> {
    let mut clients = Vec::new();
    let mut add = |here: usize, there: usize, what: &str| {
        let client = Client::new(world, here, there, what, dice.another());
        let runtime = world.machines[here].runtime();
        let running = match what {
            "write" => runtime.spawn(client.write()),
            "add" => runtime.spawn(client.add()),
            "watch" => runtime.spawn(client.watch()),
            "run" => runtime.spawn(client.run()),
            "send" => runtime.spawn(client.send()),
            "letters" => runtime.spawn(client.write_letters()),
            "inbox" => runtime.spawn(client.read_letters()),
            "employ" => runtime.spawn(client.employ()),
            _ => runtime.spawn(client.type_commands()),
        };
        clients.push((format!("{what} from {} on {}", world.machines[here].name, world.machines[there].name), running));
    };
    for here in 0..3 {
        let (next, last) = ((here + 1) % 3, (here + 2) % 3);
        for what in ["write", "add", "watch", "run", "inbox", "employ"] {
            add(here, here, what);
        }
        for what in ["write", "add", "run", "send", "letters", "watch", "type"] {
            add(here, next, what);
        }
        add(here, last, "run");
        add(here, last, "letters");
    }
    clients
}

/// Does something while memory is looked at.
async fn watched(world: &World, peaks: &mut [u64; 3], work: impl Future<Output = ()>) {
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            () = &mut work => return,
            _ = tick.tick() => {}
        }
        for (machine, peak) in world.machines.iter().zip(peaks.iter_mut()) {
            let memory = machine.usage().map_or(0, |usage| usage.memory);
            if memory > MOST_MEMORY && *peak <= MOST_MEMORY {
                world.tally.violation(format!("{} holds {} MiB", machine.name, memory >> 20));
            }
            *peak = memory.max(*peak);
        }
    }
}

/// Waits until everything answers again.
async fn recover(world: &World, fault: &'static str) {
    let since = Instant::now();
    let mut why = String::new();
    while since.elapsed() < RECOVERY {
        match recovered(world, RECOVERY.saturating_sub(since.elapsed())).await {
            Ok(()) => return world.tally.recovered(fault, since.elapsed()),
            Err(cause) => why = cause,
        }
        sleep(Duration::from_millis(100)).await;
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    world.tally.violation(format!("no recovery within {RECOVERY:?}: {why}; load {}", load.trim()));
    while let Err(cause) = recovered(world, RECOVERY).await {
        if since.elapsed() > RECOVERY * 6 {
            world.tally.violation(format!("no recovery within a minute: {cause}"));
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    world.tally.recovered(fault, since.elapsed());
}

/// Compares the counters with what was added.
async fn count(world: &World) {
    for (machine, truth) in world.machines.iter().zip(&world.truths) {
        let link = machine.link();
        let got = machine.runtime().spawn(async move { link.call(&loopsy::api::context::ContextGet { key: COUNTER.into() }).await });
        let value: u64 = got.await.unwrap().ok().and_then(|entry| entry.value?.parse().ok()).unwrap_or_default();
        let (sure, perhaps) = (truth.added.load(Ordering::SeqCst), truth.perhaps_added.load(Ordering::SeqCst));
        if !(sure..=sure + perhaps).contains(&value) {
            world.tally.violation(format!("the counter of {} is {value} after {sure} additions, and {perhaps} perhaps", machine.name));
        }
    }
}

/// What every sender knows of its messages in the end: that they were acknowledged.
async fn outboxes(world: &World) {
    let since = Instant::now();
    loop {
        let mut open = Vec::new();
        for machine in &world.machines {
            let link = machine.link();
            let asked = loopsy::api::messages::MessageOutbox { limit: Some(1000), before: None };
            let outbox = machine.runtime().spawn(async move { link.call(&asked).await }).await.unwrap();
            let states = outbox
                .into_iter()
                .flat_map(|outbox| outbox.messages)
                .flat_map(|sent| sent.to.into_iter().map(move |to| (sent.id.clone(), to)));
            open.extend(
                states.filter(|(_, to)| to.state != loopsy::api::messages::MessageState::Acked).map(|(id, to)| format!("{id}: {to:?}")),
            );
        }
        if open.is_empty() {
            break;
        }
        if since.elapsed() > ENDING {
            world.tally.violation(format!("{} messages are not known to be acknowledged: {}", open.len(), open[0]));
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    for (machine, truth) in world.machines.iter().zip(&world.truths) {
        let (sent, came) = lock(&truth.letters).counts();
        world.tally.say(&format!("{}: {came} messages came of {sent} that were sent to it", machine.name));
    }
}

fn usages(world: &World) -> Vec<Usage> {
    world.machines.iter().map(|machine| machine.usage().unwrap_or_default()).collect()
}

/// Waits until the daemons hold no more than before.
async fn rest(world: &World, at_rest: &[Usage], warm: &[Usage]) -> Vec<Usage> {
    let wrong = |after: &[Usage]| {
        let too_much = |at: usize| {
            let (name, now, rest) = (world.machines[at].name, after[at], at_rest[at]);
            let most = [
                ("bytes of memory", now.memory, warm[at].memory + MORE_MEMORY),
                ("descriptors", now.descriptors, rest.descriptors + MORE),
                ("threads", now.threads, rest.threads + MORE),
                ("processes", now.processes, rest.processes),
            ];
            most.into_iter()
                .filter(|(_, now, most)| now > most)
                .map(move |(what, now, most)| format!("{name} keeps {now} {what}, more than {most}"))
        };
        (0..after.len()).flat_map(too_much).collect::<Vec<_>>()
    };
    let quiet = async {
        while !wrong(&usages(world)).is_empty() {
            sleep(Duration::from_millis(500)).await;
        }
    };
    let _ = timeout(QUIET, quiet).await;
    let after = usages(world);
    wrong(&after).into_iter().for_each(|what| world.tally.violation(what));
    for machine in &world.machines {
        if machine.process().is_none() {
            world.tally.violation(format!("the daemon of {} has ended", machine.name));
        }
    }
    after
}

fn told(world: &World, peaks: &[u64; 3], looks: &[Vec<Usage>; 3]) {
    println!("{:<24}{:>24}{:>12}{:>14}{:>12}", "daemon", "memory MiB", "peak", "descriptors", "threads");
    for (at, machine) in world.machines.iter().enumerate() {
        let each = |of: fn(&Usage) -> u64| looks.each_ref().map(|look| of(&look[at]).to_string()).join(" / ");
        let (memory, descriptors, threads) =
            (each(|usage| usage.memory >> 20), each(|usage| usage.descriptors), each(|usage| usage.threads));
        println!("{:<24}{memory:>24}{:>12}{descriptors:>14}{threads:>12}", machine.name, peaks[at] >> 20);
    }
    println!("at rest / warm / at rest in the end\n");
}
