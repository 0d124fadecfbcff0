//! Real commands, as callers start them.
#![cfg(target_os = "linux")]

use std::net::Ipv4Addr;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::testing::{command, jobs, jobs_with, owner, sh};
use super::*;
use crate::api::Permission;
use crate::api::caller::Role;

fn peer(name: &str) -> Caller {
    let role = Role::Peer { name: name.into(), permissions: vec![Permission::Execute], legacy: false };
    Caller::new(role, format!("node-of-{name}"), Ipv4Addr::LOCALHOST.into())
}

async fn run(command: Command) -> Executed {
    timeout(Duration::from_secs(10), jobs().run(&owner(), command)).await.unwrap().unwrap()
}

async fn fails(command: Command) -> Error {
    jobs().run(&owner(), command).await.unwrap_err()
}

/// Reads until the job has printed its process id, and answers it.
async fn printed_pid(job: &mut JobHandle) -> u32 {
    let mut text = Vec::new();
    while !text.ends_with(b"\n") {
        match job.next().await {
            Some(Output::Stdout(bytes)) => text.extend_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
    }
    String::from_utf8(text).unwrap().trim().parse().unwrap()
}

async fn end(job: &mut JobHandle) -> Ended {
    let last = async {
        loop {
            match job.next().await {
                Some(Output::Ended(ended)) => return ended,
                Some(_) => {}
                None => panic!("the end was not told"),
            }
        }
    };
    timeout(Duration::from_secs(10), last).await.unwrap()
}

async fn gone(pid: u32) {
    let gone = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while Path::new(&format!("/proc/{pid}")).exists() {
            tick.tick().await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn a_command_answers_output_code_and_signal() {
    let done = run(sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!((done.stdout.as_str(), done.stderr.as_str(), done.exit_code), ("out\n", "err\n", Some(3)));
    assert!(!done.killed && !done.timed_out && !done.truncated);
    let done = run(sh("kill -KILL $$")).await;
    assert_eq!((done.exit_code, done.signal.as_deref(), done.killed), (None, Some("SIGKILL"), false));
    let cwd = Command { cwd: Some("/".into()), env: Some([("A".to_string(), "b c".to_string())].into()), ..sh("pwd; echo $A") };
    assert_eq!(run(cwd).await.stdout, "/\nb c\n");
    let line = Command { command: "echo $((1+1)) | cat".into(), shell: Some(true), ..Command::default() };
    assert_eq!(run(line).await.stdout, "2\n");
}

/// known fault 65
#[tokio::test]
async fn input_is_closed_unless_it_is_given() {
    assert_eq!(run(command("cat", &[])).await.exit_code, Some(0));
    let text = "ä".repeat(500_000);
    let done = run(Command { stdin: Some(text.clone()), ..command("cat", &[]) }).await;
    assert!(done.stdout == text);
    assert_eq!(run(Command { stdin: Some(text), ..command("true", &[]) }).await.exit_code, Some(0));
}

#[tokio::test]
async fn an_open_input_is_the_callers() {
    let jobs = jobs();
    let mut job = jobs.start(&owner(), command("cat", &[]), Input::Open).await.unwrap();
    let mut stdin = job.stdin().unwrap();
    stdin.write_all(b"\0\xff").await.unwrap();
    assert_eq!(job.next().await, Some(Output::Stdout(Bytes::from_static(b"\0\xff"))));
    drop(stdin);
    assert_eq!(end(&mut job).await.exit_code, Some(0));
    assert_eq!(job.next().await, None);
}

#[tokio::test]
async fn a_missing_program_names_the_path_and_a_line_gets_a_hint() {
    let error = fails(Command { env: Some([("PATH".to_string(), "/x:/y".to_string())].into()), ..command("npm test", &[]) }).await;
    assert_eq!(error.code, Code::ExecFailed);
    assert!(error.message.contains("npm test") && error.message.contains("/x:/y"), "{error}");
    assert!(error.hint.unwrap().contains("--shell"));
    assert!(!fails(command("no-such-program", &[])).await.hint.unwrap().contains("--shell"));
}

/// known faults 14, 53 and 66
#[tokio::test]
async fn a_wrong_folder_or_argument_is_an_answer_not_a_crash() {
    let jobs = jobs();
    let fails = async |command: Command| jobs.start(&owner(), command, Input::Given).await.err().unwrap();
    let missing = fails(Command { cwd: Some("/no/such/folder".into()), ..command("true", &[]) }).await;
    assert_eq!(missing.code, Code::ExecFailed);
    assert!(missing.message.contains("/no/such/folder") && !missing.message.contains("true"), "{missing}");
    let file = fails(Command { cwd: Some("/etc/passwd".into()), ..command("true", &[]) }).await;
    assert!(file.message.contains("/etc/passwd") && file.message.contains("not a folder"), "{file}");
    assert_eq!(fails(command("true", &["a\0b"])).await.code, Code::InvalidRequest);
    assert_eq!(fails(command("", &[])).await.code, Code::InvalidRequest);
    assert_eq!(fails(command("true", &[&"x".repeat(3 << 20)])).await.code, Code::InvalidRequest);
    assert_eq!(fails(command("/etc/passwd", &[])).await.code, Code::ExecFailed);
    assert_eq!(jobs.counts(), JobCounts { active: 0, total: 0 });
    assert_eq!(jobs.run(&owner(), command("true", &[])).await.unwrap().exit_code, Some(0));
}

/// known faults 48 and 52
#[tokio::test]
async fn a_timeout_ends_the_tree_and_says_so() {
    let jobs = jobs();
    let script = "setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $!; while :; do sleep 1; done";
    let mut job = jobs.start(&owner(), Command { timeout: Some(200), ..sh(script) }, Input::Given).await.unwrap();
    let grandchild = printed_pid(&mut job).await;
    let ended = end(&mut job).await;
    assert!(ended.timed_out && ended.killed && ended.exit_code.is_none() && ended.signal.as_deref() == Some("SIGTERM"), "{ended:?}");
    gone(grandchild).await;
}

/// known faults 7 and 48
#[tokio::test]
async fn the_default_timeout_applies_even_if_nobody_reads_and_term_is_ignored() {
    let jobs = jobs_with(|config| config.execution.default_timeout = 100);
    let mut job = jobs.start(&owner(), sh("trap '' TERM; while :; do echo x; done"), Input::Given).await.unwrap();
    gone(job.pid()).await;
    let ended = end(&mut job).await;
    assert!(ended.timed_out && ended.signal.as_deref() == Some("SIGKILL"), "{ended:?}");
}

/// known fault 49
#[tokio::test]
async fn a_caller_that_leaves_takes_its_command_along() {
    let jobs = jobs();
    let mut job = jobs.start(&owner(), sh("setsid sleep 60 & echo $!; sleep 60"), Input::Given).await.unwrap();
    let (grandchild, child) = (printed_pid(&mut job).await, job.pid());
    drop(job);
    gone(child).await;
    gone(grandchild).await;
    assert!(timeout(Duration::from_millis(50), jobs.run(&owner(), command("sleep", &["61"]))).await.is_err());
    jobs.stop().await;
    assert_eq!(jobs.counts(), JobCounts { active: 0, total: 2 });
}

/// known fault 48
#[tokio::test]
async fn a_background_process_that_holds_the_pipe_does_not_hold_the_answer() {
    let began = Instant::now();
    let done = run(sh("sleep 60 & echo done")).await;
    assert_eq!((done.stdout.as_str(), done.exit_code), ("done\n", Some(0)));
    let done = run(sh("(while :; do echo x; sleep 0.05; done) & exit 5")).await;
    assert_eq!(done.exit_code, Some(5));
    let done = run(sh("yes & exit 6")).await;
    assert_eq!(done.exit_code, Some(6));
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn output_that_waited_in_the_pipe_is_never_lost() {
    let jobs = jobs();
    let mut job = jobs.start(&owner(), sh("head -c 60000 /dev/zero; sleep 60 &"), Input::Given).await.unwrap();
    gone(job.pid()).await;
    let mut got = 0;
    while let Some(Output::Stdout(bytes)) = job.next().await {
        got += bytes.len();
    }
    assert_eq!(got, 60_000);
}

#[tokio::test]
async fn background_processes_live_on_until_the_service_stops() {
    let jobs = jobs();
    let done = jobs.run(&owner(), sh("sleep 60 > /dev/null 2>&1 & echo $!")).await.unwrap();
    let pid: u32 = done.stdout.trim().parse().unwrap();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(jobs.counts(), JobCounts { active: 0, total: 1 });
    jobs.stop().await;
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(jobs.run(&owner(), command("true", &[])).await.unwrap_err().code, Code::ShuttingDown);
}

/// known fault 50
#[tokio::test]
async fn stopping_ends_what_runs_and_tells_its_readers() {
    let jobs = jobs();
    let mut job = jobs.start(&owner(), command("sleep", &["60"]), Input::Given).await.unwrap();
    jobs.stop().await;
    let ended = end(&mut job).await;
    assert!(ended.killed && ended.signal.as_deref() == Some("SIGTERM"), "{ended:?}");
}

#[tokio::test]
async fn jobs_are_seen_and_ended_by_their_owners_alone() {
    let jobs = jobs();
    let kai = peer("kai");
    let mut job = jobs.start(&kai, command("sleep", &["60"]), Input::Given).await.unwrap();
    assert_eq!(kai.job.get().map(String::as_str), Some(job.id()));
    let seen = jobs.list(&peer("kai"));
    assert_eq!((seen.len(), seen[0].command.as_str(), seen[0].from_node_id.as_str()), (1, "sleep", "node-of-kai"));
    assert_eq!((seen[0].pid, seen[0].job_id.as_str()), (Some(job.pid()), job.id()));
    assert_eq!((jobs.list(&owner()).len(), jobs.list(&peer("leo")).len()), (1, 0));
    assert_eq!(jobs.cancel(&peer("leo"), job.id()).unwrap_err().code, Code::ExecJobNotFound);
    assert_eq!(jobs.cancel(&owner(), "nope").unwrap_err().code, Code::ExecJobNotFound);
    assert_eq!(jobs.counts(), JobCounts { active: 1, total: 1 });
    jobs.cancel(&kai, job.id()).unwrap();
    assert!(end(&mut job).await.killed);
    assert_eq!(jobs.counts(), JobCounts { active: 0, total: 1 });
    assert_eq!(jobs.cancel(&kai, job.id()).unwrap_err().code, Code::ExecJobNotFound);
}

/// A peer's entry may have any name: it is not the owner for being called so.
#[tokio::test]
async fn a_peer_called_owner_is_not_the_owner() {
    let jobs = jobs();
    let mut job = jobs.start(&owner(), command("sleep", &["60"]), Input::Given).await.unwrap();
    assert!(jobs.list(&peer("owner")).is_empty());
    assert_eq!(jobs.cancel(&peer("owner"), job.id()).unwrap_err().code, Code::ExecJobNotFound);
    jobs.cancel(&owner(), job.id()).unwrap();
    assert!(end(&mut job).await.killed);
}

#[tokio::test]
async fn a_signal_reaches_the_command() {
    let jobs = jobs();
    let mut job = jobs.start(&owner(), command("sleep", &["60"]), Input::Given).await.unwrap();
    job.remote().signal(2);
    let ended = end(&mut job).await;
    assert_eq!((ended.signal.as_deref(), ended.killed), (Some("SIGINT"), false));
}

#[tokio::test]
async fn no_more_run_at_once_than_the_configuration_says() {
    let jobs = jobs_with(|config| config.execution.max_concurrent = 1);
    let mut job = jobs.start(&owner(), command("sleep", &["60"]), Input::Given).await.unwrap();
    assert_eq!(jobs.run(&owner(), command("true", &[])).await.unwrap_err().code, Code::ExecMaxConcurrent);
    job.remote().cancel();
    end(&mut job).await;
    assert_eq!(jobs.run(&owner(), command("true", &[])).await.unwrap().exit_code, Some(0));
    assert_eq!(jobs.run(&owner(), command("nope", &[])).await.unwrap_err().code, Code::ExecFailed);
    assert_eq!(jobs.run(&owner(), command("true", &[])).await.unwrap().exit_code, Some(0));
}

#[tokio::test]
async fn a_hundred_at_once() {
    let jobs = jobs_with(|config| config.execution.max_concurrent = 100);
    let owner = owner();
    let all = futures_util::future::join_all((0..100).map(|_| jobs.run(&owner, command("true", &[])))).await;
    assert!(all.into_iter().all(|done| done.unwrap().exit_code == Some(0)));
    assert_eq!(jobs.counts(), JobCounts { active: 0, total: 100 });
}

/// known faults 16 and 51
#[tokio::test]
async fn a_flood_of_output_is_kept_within_bounds() {
    let done = run(Command { max_output_bytes: Some(1000), ..sh("head -c 50000000 /dev/zero | tr '\\0' a; echo end") }).await;
    assert!(done.truncated && done.stdout.len() < 1100 && done.stdout.ends_with("aend\n"));
    assert!(done.stdout.contains(" 49999004 bytes left out "), "{}", &done.stdout[490..560]);
    let jobs = jobs_with(|config| config.execution.max_output_bytes = 10);
    let done = jobs.run(&owner(), Command { max_output_bytes: Some(u64::MAX), ..sh("yes | head -c 100000") }).await.unwrap();
    assert!(done.truncated && done.stdout.len() < 100);
}

/// known fault 51
#[tokio::test]
async fn a_command_stands_still_while_nobody_reads() {
    let jobs = jobs();
    let mut job = jobs.start(&owner(), command("head", &["-c", "1000000000", "/dev/zero"]), Input::Given).await.unwrap();
    let mut got = 0;
    while got < 1_000_000 {
        match job.next().await {
            Some(Output::Stdout(bytes)) => {
                assert!(bytes.len() <= PIECE);
                got += bytes.len();
            }
            other => panic!("{other:?}"),
        }
    }
    // The program sleeps in its write: all that it is ahead is one full pipe.
    let stat = format!("/proc/{}/stat", job.pid());
    let blocked = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let mut calm = 0;
        while calm < 5 {
            tick.tick().await;
            let state = std::fs::read_to_string(&stat).unwrap();
            calm = if state.contains(") S ") { calm + 1 } else { 0 };
        }
    };
    timeout(Duration::from_secs(10), blocked).await.unwrap();
    drop(job);
}
