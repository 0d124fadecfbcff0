//! `loopsy exec`: a command on another machine, as if it ran here.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use loopsy::api::execute::JobList;
use serde_json::{Value, json};

use super::{content, fails, lay};
use crate::support::node::{Node, Pair, knowing};
use crate::support::process::{Process, until};
use crate::support::program::Program;
use crate::support::sim::OWNER;

const PATIENCE: Duration = Duration::from_secs(10);

/// known faults 13 and 52
#[test]
fn the_exit_status_is_the_command_s_own_and_both_streams_stay_apart() {
    let pair = Pair::start();
    let status = |script: &str| pair.leo.program.run(&["exec", "kai", "sh", "-c", script]);
    let ran = status("echo out; echo err >&2; exit 7");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (7, "out\n", "err\n"));
    let ran = status("printf done");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "done", ""));
    assert_eq!(status("exit 255").code, 255);
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("INT", 130)] {
        let ran = status(&format!("kill -{signal} $$"));
        assert_eq!(ran.code, code);
        assert!(ran.err.contains(&format!("SIG{signal}")), "{ran:?}");
    }
    fails(&pair.leo.program, &["exec", "--timeout", "300ms", "kai", "sleep", "60"], 124, &["ran out of time"]);
    let done: Value = serde_json::from_str(&pair.leo.program.ok(&["exec", "--json", "kai", "echo", "hi"])).unwrap();
    assert_eq!((done["stdout"].as_str(), done["exitCode"].as_i64()), (Some("hi\n"), Some(0)));
}
/// known fault 8
#[test]
fn everything_behind_the_peer_is_the_command_s() {
    let pair = Pair::start();
    let words = ["-la", "--help", "-t", "-k", "--json", "--", "--timeout=1", "", "a b"];
    let printed = words.iter().map(|word| format!("<{word}>\n")).collect::<String>();
    for head in [&["exec", "kai"][..], &["exec", "kai", "--"]] {
        let args = [head, &["printf", "<%s>\\n"], &words].concat();
        assert_eq!(pair.leo.program.ok(&args), printed, "{head:?}");
        let listed = pair.leo.program.ok(&[head, &["ls", "-la"]].concat());
        assert!(listed.starts_with("total ") && listed.contains(".loopsy"), "{listed}");
    }
    assert_eq!(pair.leo.program.ok(&["exec", "kai", "sh", "-c", "echo \"$0 $#\"", "a", "-b", "c"]), "a 2\n");
}
#[test]
fn bytes_pass_untouched_both_ways() {
    let pair = Pair::start();
    let sent = content(20 * 1024 * 1024);
    let came = pair.leo.program.piped(&["exec", "kai", "cat"], &sent);
    assert!(came.status.success(), "{}", String::from_utf8_lossy(&came.stderr));
    assert!(came.stdout == sent, "{} of {} bytes, or others", came.stdout.len(), sent.len());
    let to_errors = pair.leo.program.piped(&["exec", "--shell", "kai", "cat >&2"], &sent[..300_000]);
    assert!(to_errors.stderr == sent[..300_000] && to_errors.stdout.is_empty());
}
#[test]
fn an_archive_flows_through_a_command() {
    let pair = Pair::start();
    let (here, there) = (pair.leo.program.folder(), pair.kai.program.folder());
    std::fs::create_dir_all(there.join("in")).unwrap();
    lay(&here.join("proj/deep/data.bin"), &content(3_000_000));
    let packed = std::process::Command::new("tar").arg("c").arg("proj").current_dir(&here).output().unwrap().stdout;
    let unpacked = pair.leo.program.piped(&["exec", "--cwd", "in", "kai", "tar", "x"], &packed);
    assert!(unpacked.status.success(), "{unpacked:?}");
    assert!(std::fs::read(there.join("in/proj/deep/data.bin")).unwrap() == content(3_000_000));
    let back = pair.leo.program.piped(&["exec", "--cwd", "in", "kai", "tar", "c", "proj"], b"");
    let listed = {
        let mut archive = tar::Archive::new(&back.stdout[..]);
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect::<Vec<_>>()
    };
    assert!(listed.iter().any(|name| name == "proj/deep/data.bin"), "{listed:?}");
}

/// known fault 65
#[test]
fn input_ends_where_there_is_none_and_what_nobody_reads_hinders_nobody() {
    let pair = Pair::start();
    assert_eq!(pair.leo.program.ok(&["exec", "kai", "cat"]), "");
    let input = content(5_000_000);
    for _ in 0..10 {
        let heedless = pair.leo.program.piped(&["exec", "kai", "echo", "hi"], &input);
        assert_eq!((heedless.status.code(), heedless.stdout.as_slice()), (Some(0), &b"hi\n"[..]), "{heedless:?}");
        let refused = pair.leo.program.piped(&["exec", "kai", "no-such-program"], &input);
        assert!(refused.status.code() == Some(1) && refused.stderr.starts_with(b"There is no program"), "{refused:?}");
    }
}
#[test]
fn folder_variables_and_shell_are_as_asked() {
    let pair = Pair::start();
    let program = &pair.leo.program;
    let home = pair.kai.program.folder();
    std::fs::create_dir(home.join("work")).unwrap();
    let line = |path: std::path::PathBuf| format!("{}\n", path.canonicalize().unwrap().display());
    assert_eq!(program.ok(&["exec", "kai", "pwd", "-P"]), line(home.clone()));
    assert_eq!(program.ok(&["exec", "--cwd", "work", "kai", "pwd", "-P"]), line(home.join("work")));
    assert_eq!(program.ok(&["exec", "--cwd", "~/work", "kai", "pwd", "-P"]), line(home.join("work")));
    let echo = "echo \"$ONE, $TWO\"";
    assert_eq!(program.ok(&["exec", "--env", "ONE=1=1", "--env", "TWO=zwei drei", "kai", "sh", "-c", echo]), "1=1, zwei drei\n");
    assert_eq!(program.ok(&["exec", "--shell", "kai", "printf 'a\\nb\\n' | wc -l | tr -d ' '; exit 0"]), "2\n");
    assert_eq!(program.run(&["exec", "--shell", "kai", "exit 9"]).code, 9);
    fails(program, &["exec", "--env", "ONE", "kai", "true"], 2, &["NAME=VALUE"]);
    fails(program, &["exec", "--timeout", "soon", "kai", "true"], 2, &["soon"]);
    fails(program, &["exec", "kai"], 2, &["no command"]);
}
/// known fault 66
#[test]
fn what_is_missing_is_named() {
    let pair = Pair::start();
    let program = &pair.leo.program;
    fails(program, &["exec", "kai", "no-such-program"], 1, &["no-such-program", "PATH", "/bin"]);
    fails(program, &["exec", "kai", "ls -la | wc"], 1, &["loopsy exec --shell"]);
    fails(program, &["exec", "--cwd", "nowhere", "kai", "true"], 1, &["nowhere", "does not exist"]);
}
#[test]
fn who_is_meant_and_what_is_allowed() {
    let pair = Pair::start();
    let program = &pair.leo.program;
    fails(program, &["exec", "kay", "true"], 4, &["\"kay\"", "Did you mean kai?"]);
    // known fault 25
    for denied in [&["rm", "x"][..], &["sh", "-c", "rm x"], &["env", "A=1", "rm", "x"]] {
        fails(program, &[&["exec", "kai"], denied].concat(), 5, &["rm"]);
    }
    fails(program, &["exec", "--shell", "kai", "true && rm x"], 5, &["rm"]);
    let id = pair.kai.ready.node_id.clone();
    program.ok(&["peers", "ping", "kai"]);
    for name in ["KAI", &id, &id[..8], &pair.kai.address().to_string()] {
        assert_eq!(program.ok(&["exec", name, "echo", "hi"]), "hi\n", "{name}");
    }
    let bare = Program::bare();
    bare.ok(&["init"]);
    fails(&bare, &["exec", "kai", "true"], 3, &["Daemon is not running", "loopsy start"]);
}
#[test]
fn with_a_key_the_peer_is_called_straight_and_no_daemon_is_needed() {
    let kai = Node::start("kai", json!({}));
    let address = kai.address().to_string();
    let bare = Program::bare();
    assert_eq!(bare.ok(&["exec", "-k", OWNER, &address, "echo", "-k"]), "-k\n");
    fails(&bare, &["exec", "--key", "wrong-key-0123456789", &address, "true"], 5, &["key"]);
    fails(&bare, &["exec", "-k", OWNER, "192.0.2.1", "true"], 5, &["no key is sent"]);
}
#[tokio::test(flavor = "multi_thread")]
async fn several_peers_side_by_side() {
    let more = |name| knowing(name, &[("leo", None)], json!({}));
    let (kai, mia) = (Node::start("kai", more("kai")), Node::start("mia", more("mia")));
    let peers = [("kai", Some(kai.ready.port)), ("mia", Some(mia.ready.port))];
    let leo = Node::start("leo", knowing("leo", &peers, json!({})));
    let program = &leo.program;
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let ran = program.run(&["exec", "kai,mia", "sh", "-c", "echo one; printf two; echo bad >&2"]);
    assert_eq!((ran.code, sorted(&ran.out)), (0, ["kai | one", "kai | two", "mia | one", "mia | two"].map(str::to_owned).to_vec()));
    assert_eq!(sorted(&ran.err), ["kai | bad", "mia | bad"]);
    for peer in ["kai", "mia"] {
        program.ok(&["peers", "ping", peer]);
    }
    let ran = program.run(&["exec", "--all", "sh", "-c", "echo hi; [ -n \"$ABSENT\" ]"]);
    assert_eq!((ran.code, sorted(&ran.out)), (1, ["kai | hi", "mia | hi"].map(str::to_owned).to_vec()));
    assert!(ran.err.contains("kai: exit status 1") && ran.err.contains("mia: exit status 1"), "{ran:?}");
    // One that is not there does not keep the others from their work.
    let ran = program.run(&["exec", "kai,nobody", "echo", "hi"]);
    assert_eq!((ran.code, ran.out.trim_end()), (4, "kai    | hi"));
    assert!(ran.err.contains("no peer \"nobody\""), "{ran:?}");
}
#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_ends_at_once_and_so_does_the_job() {
    let pair = Pair::start();
    // Input that nobody reads fills the way to the job; the interrupt must get through all the same.
    for input in [Stdio::null, || Stdio::from(std::fs::File::open("/dev/zero").unwrap())] {
        let args = ["exec", "kai", "sh", "-c", "echo on; exec sleep 600"];
        let mut exec = pair.leo.program.command(&args).stdin(input()).stdout(Stdio::piped()).spawn().unwrap();
        let mut on = [0; 3];
        exec.stdout.as_mut().unwrap().read_exact(&mut on).unwrap();
        let job = jobs(&pair).await.pop().unwrap();
        tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await.unwrap_err();
        Process::of(exec.id()).unwrap().signal("INT");
        let mut status = None;
        until("exec ends", Duration::from_secs(2), || {
            status = exec.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert_eq!(status.unwrap().code(), Some(130));
        until("the job ends", Duration::from_secs(5), || !job.is_some_and(Process::runs)).await;
    }
}

async fn jobs(pair: &Pair) -> Vec<Option<Process>> {
    let jobs = pair.kai.link().call(&JobList {}).await.unwrap().jobs;
    jobs.into_iter().map(|job| Process::of(job.pid.unwrap())).collect()
}

/// known fault 49
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_job_and_is_no_failure() {
    let pair = Pair::start();
    let mut exec = pair.leo.program.command(&["exec", "kai", "cat", "/dev/zero"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut some = vec![1; 100_000];
    exec.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    assert!(some.iter().all(|byte| *byte == 0));
    let job = jobs(&pair).await.pop().unwrap();
    drop(exec.stdout.take());
    let mut status = None;
    until("exec ends", PATIENCE, || {
        status = exec.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(0));
    until("the job ends", PATIENCE, || !job.is_some_and(Process::runs)).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dies_is_told_in_words() {
    let mut pair = Pair::start();
    let mut exec = pair.leo.program.command(&["exec", "kai", "sh", "-c", "echo on; exec sleep 600"]);
    let mut exec = exec.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut on = [0; 3];
    exec.stdout.as_mut().unwrap().read_exact(&mut on).unwrap();
    pair.kai.kill();
    let output = exec.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("The connection broke"), "{said}");
    fails(&pair.leo.program, &["exec", "kai", "true"], 4, &["kai (127.0.0.1:", "does not answer", "refused"]);
}
