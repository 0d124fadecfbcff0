//! Real processes under a real guard.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::platform::process::signal_number;

/// A shell that ignores TERM, with a child in a session of its own that does, too, and a grandchild that was forked
/// twice and has no environment. Each writes its process id into the file that is the first argument.
const STUBBORN: &str = r#"
    trap '' TERM
    setsid sh -c 'trap "" TERM; echo $$ >> "$0"; while :; do sleep 1; done' "$1" &
    (env -i PATH="$PATH" setsid sh -c 'trap "" TERM HUP; echo $$ >> "$0"; while :; do sleep 1; done' "$1" &)
    echo $$ >> "$1"
    while :; do sleep 1; done
"#;

fn launch(program: &str, args: &[&str]) -> Launch {
    Launch {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        cwd: "/".into(),
        env: Vec::new(),
        unset: Vec::new(),
        open_stdin: false,
    }
}

fn shell(script: &str, args: &[&str]) -> Launch {
    launch("/bin/sh", &[&["-c", script, "sh"], args].concat())
}

async fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let found = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            tick.tick().await;
            if let Some(value) = probe() {
                return value;
            }
        }
    };
    timeout(Duration::from_secs(10), found).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// The process ids in the file, once there are as many.
async fn pids(file: &Path, count: usize) -> Vec<u32> {
    until("the job to come up", || {
        let text = std::fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'))?;
        let pids: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        (pids.len() == count).then_some(pids)
    })
    .await
}

async fn all_gone(pids: &[u32]) {
    until("processes to be gone", || pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()).then_some(())).await;
}

fn stubborn(dir: &tempfile::TempDir) -> (Launch, PathBuf) {
    let file = dir.path().join("pids");
    (shell(STUBBORN, &[file.to_str().unwrap()]), file)
}

#[tokio::test]
async fn output_exit_codes_and_signals_come_back() {
    let guard = Guard::start().unwrap();
    let mut job = guard.spawn(&shell("echo out; echo err >&2; exit 7", &[])).await.unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    job.stdout.read_to_string(&mut out).await.unwrap();
    job.stderr.read_to_string(&mut err).await.unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
    assert_eq!(job.control.wait().await.unwrap(), (Exit::Code(7), false));
    let mut job = guard.spawn(&shell("kill -USR1 $$", &[])).await.unwrap();
    assert_eq!(job.control.wait().await.unwrap().0, Exit::Signal(libc::SIGUSR1));
}

#[tokio::test]
async fn an_open_input_carries_bytes_and_a_signal_reaches_the_group() {
    let guard = Guard::start().unwrap();
    let mut cat = guard.spawn(&Launch { open_stdin: true, ..launch("/bin/cat", &[]) }).await.unwrap();
    cat.stdin.take().unwrap().write_all(b"a\0\xff").await.unwrap();
    let mut out = Vec::new();
    cat.stdout.read_to_end(&mut out).await.unwrap();
    assert_eq!(out, b"a\0\xff");
    let mut job = guard.spawn(&launch("/bin/sleep", &["60"])).await.unwrap();
    job.control.signal(signal_number("INT").unwrap());
    assert_eq!(job.control.wait().await.unwrap().0, Exit::Signal(libc::SIGINT));
}

/// known fault 65
#[tokio::test]
async fn without_input_a_program_reads_end_of_file() {
    let guard = Guard::start().unwrap();
    let mut cat = guard.spawn(&launch("/bin/cat", &[])).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(10), cat.control.wait()).await.unwrap().unwrap().0, Exit::Code(0));
}

/// known fault 66
#[tokio::test]
async fn each_way_to_fail_is_told_apart() {
    let guard = Guard::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::File::create(&file).unwrap();
    let fails = async |launch: Launch| guard.spawn(&launch).await.err().unwrap();
    let truth = || launch("/bin/true", &[]);
    assert_eq!(fails(launch("/nowhere/x", &[])).await, SpawnError::NoProgram);
    assert_eq!(fails(launch(file.to_str().unwrap(), &[])).await, SpawnError::NotExecutable);
    assert_eq!(fails(launch("/", &[])).await, SpawnError::NotExecutable);
    assert_eq!(fails(launch("no-such-program", &[])).await, SpawnError::NoProgram);
    assert_eq!(fails(launch("", &[])).await, SpawnError::NoProgram);
    assert_eq!(fails(Launch { env: vec![("PATH".into(), "/nowhere".into())], ..launch("true", &[]) }).await, SpawnError::NoProgram);
    assert_eq!(fails(Launch { cwd: "/nowhere".into(), ..truth() }).await, SpawnError::NoFolder);
    assert_eq!(fails(Launch { cwd: file, ..truth() }).await, SpawnError::NotAFolder);
    assert_eq!(fails(launch("/bin/true", &["a\0b"])).await, SpawnError::Nul("args"));
    assert_eq!(fails(launch("/bin/true", &[&"x".repeat(4 << 20)])).await, SpawnError::TooLarge);
    assert_eq!(fails(launch("/bin/true", &[&"x".repeat(40 << 20)])).await, SpawnError::TooLarge);
    assert!(guard.spawn(&truth()).await.is_ok());
}

/// known fault 48
#[tokio::test]
async fn terminating_reaches_who_ignores_it_and_who_ran_away() {
    let guard = Guard::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (launch, file) = stubborn(&dir);
    let mut job = guard.spawn(&launch).await.unwrap();
    let pids = pids(&file, 3).await;
    job.control.terminate();
    assert_eq!(job.control.wait().await.unwrap().0, Exit::Signal(libc::SIGKILL));
    job.control.all_gone().await;
    all_gone(&pids).await;
}

/// known fault 49
#[tokio::test]
async fn dropping_a_job_ends_it_and_all_it_started() {
    let guard = Guard::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (launch, file) = stubborn(&dir);
    let job = guard.spawn(&launch).await.unwrap();
    let pids = pids(&file, 3).await;
    drop(job);
    all_gone(&pids).await;
}

#[tokio::test]
async fn killing_is_immediate() {
    let guard = Guard::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (launch, file) = stubborn(&dir);
    let mut job = guard.spawn(&launch).await.unwrap();
    let pids = pids(&file, 3).await;
    job.control.kill();
    timeout(KILL_AFTER, async {
        job.control.wait().await.unwrap();
        job.control.all_gone().await;
    })
    .await
    .unwrap();
    all_gone(&pids).await;
}

#[tokio::test]
async fn a_background_process_outlives_its_job_but_not_the_guard() {
    let guard = Guard::start().unwrap();
    let mut job = guard.spawn(&shell("sleep 60 > /dev/null 2>&1 & echo $!", &[])).await.unwrap();
    let mut out = String::new();
    job.stdout.read_to_string(&mut out).await.unwrap();
    let pid: u32 = out.trim().parse().unwrap();
    assert_eq!(job.control.wait().await.unwrap(), (Exit::Code(0), true));
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    drop((job, guard));
    all_gone(&[pid]).await;
}

#[tokio::test]
async fn what_a_killed_supervisor_leaves_is_killed_by_the_guard() {
    let guard = Guard::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (launch, file) = stubborn(&dir);
    let mut job = guard.spawn(&launch).await.unwrap();
    let pids = pids(&file, 3).await;
    let supervisors = supervisors(&guard).into_iter().filter(|pid| !tree::children(*pid).is_empty()).collect::<Vec<_>>();
    assert_eq!(supervisors.len(), 1);
    rustix::process::kill_process(supervisors[0], rustix::process::Signal::KILL).unwrap();
    assert!(job.control.wait().await.is_err());
    all_gone(&pids).await;
    assert!(guard.spawn(&self::launch("/bin/true", &[])).await.is_ok());
}

/// Supervisors of a guard, the one that waits for a job among them.
fn supervisors(guard: &Guard) -> Vec<rustix::process::Pid> {
    tree::children(rustix::process::Pid::from_raw(guard.pid() as i32).unwrap())
}

#[tokio::test]
async fn a_job_is_done_though_the_supervisor_that_was_ready_was_killed() {
    let guard = Guard::start().unwrap();
    for _ in 0..10 {
        guard.spawn(&launch("/bin/true", &[])).await.unwrap().control.all_gone().await;
        for ready in supervisors(&guard) {
            rustix::process::kill_process(ready, rustix::process::Signal::KILL).unwrap();
            all_gone(&[ready.as_raw_pid() as u32]).await;
        }
        let mut job = guard.spawn(&launch("/bin/true", &[])).await.unwrap();
        assert_eq!(job.control.wait().await.unwrap(), (Exit::Code(0), false));
    }
}

#[tokio::test]
async fn the_supervisor_that_is_ready_goes_with_its_guard() {
    let guard = Guard::start().unwrap();
    guard.spawn(&launch("/bin/true", &[])).await.unwrap().control.all_gone().await;
    let ready = async || loop {
        match supervisors(&guard)[..] {
            [one] => return one.as_raw_pid() as u32,
            _ => tokio::task::yield_now().await,
        }
    };
    let pid = timeout(Duration::from_secs(10), ready()).await.unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(guard.pid() as i32).unwrap(), rustix::process::Signal::KILL).unwrap();
    all_gone(&[pid]).await;
}

#[tokio::test]
async fn the_daemon_learns_that_its_guard_is_gone() {
    let guard = Guard::start().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(guard.pid() as i32).unwrap(), rustix::process::Signal::KILL).unwrap();
    timeout(Duration::from_secs(10), guard.gone()).await.unwrap();
    assert_eq!(guard.spawn(&launch("/bin/true", &[])).await.err(), Some(SpawnError::GuardGone));
}

#[tokio::test]
async fn the_guard_takes_no_notice_of_signals_and_its_jobs_have_the_defaults() {
    let guard = Guard::start().unwrap();
    // A first job, so that the guard is known to have set up its signals.
    guard.spawn(&launch("/bin/true", &[])).await.unwrap();
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT, rustix::process::Signal::HUP] {
        rustix::process::kill_process(rustix::process::Pid::from_raw(guard.pid() as i32).unwrap(), signal).unwrap();
    }
    let mut job = guard.spawn(&shell("grep -E 'Sig(Blk|Ign)' /proc/self/status", &[])).await.unwrap();
    let mut out = String::new();
    job.stdout.read_to_string(&mut out).await.unwrap();
    // The C library keeps two signals of its own, 32 and 33, to itself.
    let sets: Vec<u64> = out.split_whitespace().filter_map(|word| u64::from_str_radix(word, 16).ok()).collect();
    assert_eq!(sets.iter().map(|set| set & 0x7fff_ffff).collect::<Vec<_>>(), [0, 0]);
}

#[tokio::test]
async fn a_job_holds_no_descriptor_but_its_own_three() {
    let guard = Guard::start().unwrap();
    let _other = guard.spawn(&shell("sleep 60", &[])).await.unwrap();
    let mut job = guard.spawn(&launch("/bin/ls", &["/proc/self/fd"])).await.unwrap();
    let mut out = String::new();
    job.stdout.read_to_string(&mut out).await.unwrap();
    // The fourth is the folder that is being listed.
    assert_eq!(out, "0\n1\n2\n3\n");
}

const DAEMON: &str = "LOOPSY_TEST_GUARDED_DAEMON";

/// Not a test of its own: the daemon that [`nothing_outlives_a_daemon_that_was_killed`] starts and kills.
#[tokio::test]
async fn guarded_daemon() {
    let Some(dir) = std::env::var_os(DAEMON).map(PathBuf::from) else { return };
    let guard = Guard::start().unwrap();
    let file = dir.join("pids");
    let file = file.to_str().unwrap();
    let _stubborn = guard.spawn(&shell(STUBBORN, &[file])).await.unwrap();
    let mut background = guard.spawn(&shell("setsid sleep 600 > /dev/null 2>&1 & echo $! >> \"$1\"", &[file])).await.unwrap();
    background.control.wait().await.unwrap();
    std::future::pending::<()>().await;
}

/// The promise of the guard: also after `kill -9` of the daemon no child and no grandchild is left.
#[tokio::test]
async fn nothing_outlives_a_daemon_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "platform::process::unix::tests::guarded_daemon", "--test-threads=1"])
        .env(DAEMON, dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut pids = pids(&dir.path().join("pids"), 4).await;
    let below: Vec<u32> = tree::descendants(daemon.id() as i32).into_iter().map(|pid| pid as u32).collect();
    assert!(pids.iter().all(|pid| below.contains(pid)), "{pids:?} in {below:?}");
    pids.extend(below);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    all_gone(&pids).await;
}

#[tokio::test]
async fn a_hundred_at_once() {
    let guard = std::sync::Arc::new(Guard::start().unwrap());
    let one = async || guard.spawn(&launch("/bin/true", &[])).await.unwrap().control.wait().await.unwrap();
    let all = futures_util::future::join_all((0..100).map(|_| one())).await;
    assert!(all.into_iter().all(|exit| exit == (Exit::Code(0), false)));
}
