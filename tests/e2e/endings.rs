//! Nothing of a job is left, however it ends. Known faults 48, 49 and 50.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use futures_util::future::join_all;
use loopsy::api::context::ContextWatch;
use loopsy::api::execute::{Command, Execute, ExecuteCancel, ExecuteSocket, ExecuteStream, JobList, STDIN, SocketRequest};
use loopsy::base::workers::blocking;
use loopsy::client::Link;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::node::{Node, Pair};
use crate::support::process::{Process, skipped, until};
use crate::support::sim::OWNER;

/// How long anything of a job may outlive its end.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a test waits for what has to happen first.
const PATIENCE: Duration = Duration::from_secs(20);

/// A job with a child that ignores the polite signal, one in a session of its own, and one that left its parents, its session
/// and its environment. Each notes its number in a file.
const SCRIPT: &str = r#"
    sh -c 'trap "" TERM INT HUP; echo $$ > ignoring; exec sleep 600' &
    setsid sh -c 'echo $$ > apart; exec sleep 600' &
    (env -i PATH="$PATH" setsid sh -c 'trap "" TERM HUP; echo $$ > cleared; exec sleep 600' &)
    echo $$ > root
    wait"#;

/// A job of that kind.
struct Family {
    folder: tempfile::TempDir,
}

impl Family {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }
    /// The folder is among the arguments so that the job can be told from others.
    fn command(&self) -> Command {
        let args = vec!["-c".into(), SCRIPT.into(), self.folder()];
        Command { command: "sh".into(), args: Some(args), cwd: Some(self.folder()), ..Command::default() }
    }
    /// Its processes, once they all run.
    async fn members(&self) -> Vec<Process> {
        let noted = |name: &&str| Process::noted_in(&self.folder.path().join(name));
        let names = ["root", "ignoring", "apart", "cleared"];
        let mut members = Vec::new();
        until("the job runs", PATIENCE, || {
            members = names.iter().filter_map(noted).collect();
            members.len() == names.len()
        })
        .await;
        members
    }
}

async fn are_gone(members: &[Process], how: &str) {
    until(&format!("all of the job is gone ({how})"), LIMIT, || !members.iter().any(|member| member.runs())).await;
}

fn can_leave_a_session() -> bool {
    let can = std::process::Command::new("setsid").arg("true").status().is_ok_and(|status| status.success());
    if !can {
        skipped("there is no setsid");
    }
    can
}

/// Runs many at once, and is full of patience.
fn pair() -> Pair {
    Pair::with(json!({ "execution": { "maxConcurrent": 100 } }))
}

async fn job_of(link: &Link, family: &Family) -> String {
    let jobs = link.call(&JobList {}).await.unwrap().jobs;
    jobs.into_iter().find(|job| job.args.contains(&family.folder())).expect("the job is listed").job_id
}

/// known fault 48
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_gone_with_all_it_started() {
    if !can_leave_a_session() {
        return;
    }
    let pair = pair();
    join_all(pair.links().map(async |link| {
        let family = Family::new();
        let _events = link.call(&ExecuteStream(family.command())).await.unwrap();
        let members = family.members().await;
        let job_id = job_of(&link, &family).await;
        link.call(&ExecuteCancel { job_id }).await.unwrap();
        are_gone(&members, &link.whose()).await;
    }))
    .await;
    pair.kai.answers().await;
}
/// known fault 48
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_out_of_time_is_gone_with_all_it_started() {
    if !can_leave_a_session() {
        return;
    }
    let pair = pair();
    let limit = Duration::from_secs(3);
    join_all(pair.links().map(async |link| {
        let family = Family::new();
        let run = Execute(Command { timeout: Some(limit.as_millis() as u64), ..family.command() });
        let ended = async {
            let ended = link.call(&run).await.unwrap();
            assert!(ended.timed_out && ended.killed && ended.exit_code.is_none(), "{ended:?}");
        };
        let gone = async {
            let members = family.members().await;
            until("all of the job is gone", limit + LIMIT, || !members.iter().any(|member| member.runs())).await;
        };
        tokio::join!(ended, gone);
    }))
    .await;
}
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_exec_takes_the_job_with_it() {
    if !can_leave_a_session() {
        return;
    }
    let pair = pair();
    for more in [&["--json"][..], &[]] {
        let family = Family::new();
        let folder = family.folder();
        let args = [more, &["exec", "--cwd", &folder, "kai", "sh", "-c", SCRIPT]].concat();
        let mut exec = pair.leo.program.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let members = family.members().await;
        Process::of(exec.id()).unwrap().signal("INT");
        are_gone(&members, "Ctrl-C").await;
        let mut status = None;
        until("exec ends", LIMIT, || {
            status = exec.try_wait().unwrap();
            status.is_some()
        })
        .await;
        let interrupted = std::os::unix::process::ExitStatusExt::signal(&status.unwrap()) == Some(2);
        assert!(interrupted || status.unwrap().code() == Some(130), "{status:?}");
    }
}

/// A request as bytes, and the connection it went over.
async fn request(node: &Node, head: &str, more: &str, body: &[u8], length: usize) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", node.ready.port)).await.unwrap();
    let head = format!(
        "{head} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OWNER}\r\n{more}content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body).await.unwrap();
    connection
}

/// known fault 49
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_takes_its_job_with_it() {
    if !can_leave_a_session() {
        return;
    }
    let pair = pair();
    let plain = [("/execute", &pair.kai, ""), ("/execute/stream", &pair.kai, ""), ("/execute", &pair.leo, "x-loopsy-peer: kai\r\n")];
    let plain = plain.into_iter().chain([("/execute/stream", &pair.leo, "x-loopsy-peer: kai\r\n")]);
    let by_request = plain.map(async |(route, node, more)| {
        let family = Family::new();
        let body = serde_json::to_vec(&family.command()).unwrap();
        let connection = request(node, &format!("POST /api/v1{route}"), more, &body, body.len()).await;
        let members = family.members().await;
        drop(connection);
        are_gone(&members, &format!("{route} {more}")).await;
    });
    let by_socket = pair.links().into_iter().flat_map(|link| [(link.clone(), false), (link, true)]).map(async |(link, busy)| {
        let family = Family::new();
        let mut socket = link.socket(&ExecuteSocket {}).await.unwrap();
        let start = SocketRequest::Start { command: family.command(), open_stdin: busy };
        socket.send(Message::text(serde_json::to_string(&start).unwrap())).await.unwrap();
        let members = family.members().await;
        if busy {
            // The job reads nothing: at some point there is no more room on the way.
            let stuffing = async {
                loop {
                    let mut piece = vec![b'x'; 65_536];
                    piece[0] = STDIN;
                    socket.send(Message::Binary(piece.into())).await.unwrap();
                }
            };
            assert!(tokio::time::timeout(Duration::from_secs(1), stuffing).await.is_err());
        }
        drop(socket);
        are_gone(&members, &format!("WebSocket, {}, with input on the way: {busy}", link.whose())).await;
    });
    tokio::join!(join_all(by_request), join_all(by_socket));
    pair.kai.answers().await;
}

/// Starts jobs in all three ways and ends the daemon; no job may outlive it.
async fn ends_with_the_daemon(how: &str, end: impl AsyncFnOnce(&mut Node)) {
    if !can_leave_a_session() {
        return;
    }
    let mut node = Node::start("kai", json!({}));
    let link = node.link();
    let families = [Family::new(), Family::new(), Family::new()];
    let _events = link.call(&ExecuteStream(families[0].command())).await.unwrap();
    let mut socket = link.socket(&ExecuteSocket {}).await.unwrap();
    let start = SocketRequest::Start { command: families[1].command(), open_stdin: true };
    socket.send(Message::text(serde_json::to_string(&start).unwrap())).await.unwrap();
    let body = serde_json::to_vec(&families[2].command()).unwrap();
    let _waiting = request(&node, "POST /api/v1/execute", "", &body, body.len()).await;
    let mut members = Vec::new();
    for family in &families {
        members.extend(family.members().await);
    }
    let began = Instant::now();
    end(&mut node).await;
    until(how, LIMIT.saturating_sub(began.elapsed()), || !members.iter().any(|member| member.runs())).await;
    until("the daemon is gone", LIMIT.saturating_sub(began.elapsed()), || node.ended().is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_outlives_a_daemon_that_is_stopped() {
    ends_with_the_daemon("loopsy stop", async |node| assert_eq!(stop(node).await, 0)).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn no_job_outlives_a_daemon_that_is_asked_to_end() {
    ends_with_the_daemon("SIGTERM", async |node| node.process().signal("TERM")).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn no_job_outlives_a_daemon_that_is_killed() {
    ends_with_the_daemon("kill -9", async |node| node.kill()).await;
}

async fn stop(node: &Node) -> i32 {
    let mut command = node.program.command(&["stop"]);
    blocking(move || command.output()).await.unwrap().unwrap().status.code().unwrap()
}

/// known fault 50
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_stops_in_time_whatever_is_open() {
    let mut node = Node::start("kai", json!({}));
    let link = node.link();
    let watch = ContextWatch { prefix: None, since: None };
    let _watches = (link.call(&watch).await.unwrap(), link.call(&watch).await.unwrap());
    let job = Command { command: "sh".into(), args: Some(vec!["-c".into(), "echo on; exec sleep 600".into()]), ..Command::default() };
    let _events = link.call(&ExecuteStream(job)).await.unwrap();
    let _raw_stream = request(&node, "GET /api/v1/context-watch", "", b"", 0).await;
    let _upload = request(&node, "PUT /api/v1/transfer/file?path=slow.bin", "", &[7; 1000], 1_000_000).await;
    let _body = request(&node, "POST /api/v1/execute", "", b"{\"comm", 1000).await;
    let _silent = TcpStream::connect(("127.0.0.1", node.ready.port)).await.unwrap();
    let began = Instant::now();
    assert_eq!(stop(&node).await, 0);
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    until("the daemon is gone", LIMIT, || node.ended().is_some()).await;
    assert!(node.ended().unwrap().success());
    assert!(!Path::new(&node.program.folder().join("slow.bin")).exists());
}
