//! Terminals with real programs.
#![cfg(target_os = "linux")]

use std::net::Ipv4Addr;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::*;
use crate::api::caller::Role;
use crate::api::events::EventWatch;
use crate::api::terminal::TerminalStatus;
use crate::home::config::Config;

const PATIENCE: Duration = Duration::from_secs(10);

fn terminals_with(change: impl FnOnce(&mut Config)) -> (Terminals, Settings, Journal) {
    let mut config = Config::default();
    change(&mut config);
    let (settings, journal) = (Settings::new(config), Journal::default());
    let (guard, trust) = (Arc::new(Guard::start().unwrap()), Trust::new(settings.clone()));
    (Terminals::start(guard, settings.clone(), trust, Workers::default(), journal.clone()), settings, journal)
}

fn terminals() -> Terminals {
    terminals_with(|_| {}).0
}

fn caller(role: Role) -> Caller {
    Caller::new(role, "a-node".into(), Ipv4Addr::LOCALHOST.into())
}

fn owner() -> Caller {
    caller(Role::Owner)
}

fn peer(name: &str) -> Caller {
    caller(Role::Peer { name: name.into(), permissions: Permission::ALL.to_vec(), legacy: false })
}

fn sh(script: &str) -> TerminalCreate {
    TerminalCreate { command: Some("sh".into()), args: Some(vec!["-c".into(), script.into()]), ..TerminalCreate::default() }
}

/// Reads until the text has come, or the end; answers all that was shown, and the end.
async fn until(client: &Client, text: &str) -> (String, Option<Ended>) {
    let mut shown = Vec::new();
    let reading = async {
        loop {
            match client.next().await.expect("it ends with how it ended") {
                News::Shown(bytes) => shown.extend(bytes),
                News::Ended(ended) => return Some(ended),
                News::Attached(_) | News::Resized(_) => {}
            }
            if !text.is_empty() && String::from_utf8_lossy(&shown).contains(text) {
                return None;
            }
        }
    };
    let ended = timeout(PATIENCE, reading).await;
    let shown = String::from_utf8_lossy(&shown).into_owned();
    (shown.clone(), ended.unwrap_or_else(|_| panic!("waited in vain for {text:?}: {shown:?}")))
}

#[tokio::test]
async fn a_program_is_shown_typed_to_resized_and_its_end_is_told() {
    let terminals = terminals();
    let made = terminals.create(&owner(), sh("stty size; read a; stty size; echo $a $TERM; exit 7")).await.unwrap();
    assert_eq!((made.cols, made.rows, made.status), (80, 24, TerminalStatus::Running));
    let client = terminals.attach(&owner(), &made.terminal_id, Some(Size { cols: 80, rows: 24 })).await.unwrap();
    assert_eq!(client.next().await, Some(News::Attached(Size { cols: 80, rows: 24 })));
    until(&client, "24 80\r\n").await;
    let other = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    client.resize(Size { cols: 101, rows: 33 }).await;
    let is_resized = async { while other.next().await != Some(News::Resized(Size { cols: 101, rows: 33 })) {} };
    timeout(PATIENCE, is_resized).await.unwrap();
    assert_eq!(terminals.get(&owner(), &made.terminal_id).unwrap().clients, 2);
    client.type_in(Bytes::from_static(b"typed\n")).await;
    let (shown, ended) = until(&client, "").await;
    assert!(shown.contains("33 101\r\ntyped xterm-256color"), "{shown:?}");
    assert_eq!(ended, Some(Ended { exit_code: Some(7), signal: None }));
    assert_eq!(client.next().await, None);
    let left = terminals.get(&owner(), &made.terminal_id).unwrap();
    assert_eq!((left.status, left.exit_code, left.cols), (TerminalStatus::Exited, Some(7), 101));
    // Whoever comes now still sees what it was.
    let late = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    let (shown, ended) = until(&late, "").await;
    assert!(shown.contains("typed xterm-256color") && ended.unwrap().exit_code == Some(7), "{shown:?}");
}

#[tokio::test]
async fn a_peer_has_its_own_terminals_and_no_others() {
    let (terminals, _, _) = terminals_with(|config| config.terminal.max_concurrent = 2);
    let kais = terminals.create(&peer("kai"), sh("sleep 100")).await.unwrap().terminal_id;
    let owners = terminals.create(&owner(), sh("sleep 100")).await.unwrap().terminal_id;
    let full = terminals.create(&owner(), sh("sleep 100")).await.unwrap_err();
    assert_eq!(full.code, Code::ExecMaxConcurrent);
    let ids = |caller: &Caller| terminals.list(caller).into_iter().map(|terminal| terminal.terminal_id).collect::<Vec<_>>();
    assert_eq!((ids(&peer("kai")), ids(&peer("leo")).len(), ids(&owner()).len()), (vec![kais.clone()], 0, 2));
    for id in [&owners, "nothing", ""] {
        assert_eq!(terminals.attach(&peer("kai"), id, None).await.err().unwrap().code, Code::ExecJobNotFound);
        assert_eq!(terminals.end(&peer("kai"), id).await.unwrap_err().code, Code::ExecJobNotFound);
        assert_eq!(terminals.resize(&peer("kai"), id, 80, 24).await.unwrap_err().code, Code::ExecJobNotFound);
    }
    let watcher = terminals.attach(&peer("kai"), &kais, None).await.unwrap();
    terminals.end(&owner(), &kais).await.unwrap();
    assert_eq!(ids(&owner()), [owners]);
    assert_eq!(until(&watcher, "").await.1.unwrap().signal.as_deref(), Some("SIGHUP"));
    // Its place is free again.
    terminals.create(&owner(), sh("sleep 100")).await.unwrap();
    timeout(Duration::from_secs(2), terminals.stop()).await.unwrap();
    assert_eq!((terminals.running(), ids(&owner()).len()), (0, 0));
    assert_eq!(terminals.create(&owner(), sh("true")).await.unwrap_err().code, Code::ShuttingDown);
}

#[tokio::test]
async fn what_may_not_run_as_a_command_may_not_run_in_a_terminal() {
    let (terminals, _, _) = terminals_with(|config| config.execution.denylist = vec!["shutdown".into()]);
    for script in ["shutdown now", "true && env shutdown"] {
        assert_eq!(terminals.create(&owner(), sh(script)).await.unwrap_err().code, Code::ExecCommandDenied, "{script}");
    }
    let refused = async |op: TerminalCreate| terminals.create(&owner(), op).await.unwrap_err();
    assert_eq!(refused(TerminalCreate { command: Some("no-such-program".into()), ..sh("") }).await.code, Code::ExecFailed);
    assert_eq!(refused(TerminalCreate { command: None, ..sh("x") }).await.code, Code::InvalidRequest);
    assert_eq!(refused(TerminalCreate { cwd: Some("/no/such/folder".into()), ..sh("true") }).await.code, Code::ExecFailed);
    for (cols, rows) in [(0, 24), (80, 0), (501, 1), (1, 301), (500, 300), (u16::MAX, u16::MAX), (1000, 1000)] {
        let error = refused(TerminalCreate { cols: Some(cols), rows: Some(rows), ..sh("true") }).await;
        assert_eq!(error.code, Code::InvalidRequest, "{cols} {rows}");
    }
    assert_eq!(terminals.running(), 0);
    // An allow list holds for the login shell as well.
    let (strict, _, _) = terminals_with(|config| config.execution.allowlist = vec!["uptime".into()]);
    assert_eq!(strict.create(&owner(), TerminalCreate::default()).await.unwrap_err().code, Code::ExecCommandDenied);
}

#[tokio::test]
async fn a_login_shell_is_what_one_gets_without_a_command() {
    let terminals = terminals();
    let made = terminals.create(&owner(), TerminalCreate { name: Some("work\u{7}".into()), ..TerminalCreate::default() }).await.unwrap();
    assert!(made.command.starts_with('/') && made.name.as_deref() == Some("work\u{fffd}"), "{made:?}");
    let client = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    client.type_in(Bytes::from_static(b"echo $((6*7))-; exit 5\n")).await;
    let (shown, ended) = until(&client, "").await;
    assert!(shown.contains("42-") && ended.unwrap().exit_code == Some(5), "{shown:?}");
}

/// Time that passes by itself needs a program that does nothing meanwhile.
#[tokio::test(start_paused = true)]
async fn a_terminal_that_is_idle_for_long_is_ended_and_one_that_is_looked_at_is_not() {
    let (terminals, _, _) = terminals_with(|config| config.terminal.idle_timeout = 60_000);
    let made = terminals.create(&owner(), sh("sleep 1000")).await.unwrap();
    let client = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    client.next().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(terminals.list(&owner())[0].status, TerminalStatus::Running);
    drop(client);
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(terminals.list(&owner()).len(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::time::resume();
    let gone = async {
        while !terminals.list(&owner()).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn of_those_that_have_ended_some_are_kept() {
    let (terminals, _, _) = terminals_with(|config| config.terminal.max_concurrent = 100);
    let mut last = String::new();
    for _ in 0..MOST_ENDED + 5 {
        let made = terminals.create(&owner(), sh("true")).await.unwrap();
        let client = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
        until(&client, "").await;
        last = made.terminal_id;
    }
    let kept = terminals.list(&owner());
    assert!(kept.len() <= MOST_ENDED + 1 && kept.last().unwrap().terminal_id == last, "{}", kept.len());
}

#[tokio::test]
async fn a_peer_that_is_let_go_loses_its_terminals() {
    let allow = |config: &mut Config| {
        config.auth.allowed_keys = [("kai".to_owned(), crate::base::secret::Secret::new("k1"))].into();
    };
    let (terminals, settings, _) = terminals_with(allow);
    let made = terminals.create(&peer("kai"), sh("sleep 100")).await.unwrap();
    let client = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    let mut config = (*settings.get()).clone();
    config.logging.level = "debug".into();
    settings.set(config.clone());
    config.auth.allowed_keys = [("kai-2".to_owned(), crate::base::secret::Secret::new("k1"))].into();
    settings.set(config.clone());
    let renamed = async {
        while terminals.list(&peer("kai-2")).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, renamed).await.unwrap();
    config.auth.permissions = [("kai-2".to_owned(), vec![Permission::Execute])].into();
    settings.set(config);
    assert_eq!(until(&client, "").await.1.unwrap().signal.as_deref(), Some("SIGHUP"));
}

#[tokio::test]
async fn who_does_not_read_is_left_behind_and_then_sees_what_is_there_now() {
    let terminals = terminals();
    let script = "i=0; while [ $i -lt 60000 ]; do echo line $i; i=$((i+1)); done; echo all of it; read a";
    let made = terminals.create(&owner(), sh(script)).await.unwrap();
    let stuck = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    let reader = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    // The one that reads gets all of it, although the other takes nothing.
    let (shown, _) = until(&reader, "all of it").await;
    assert!(shown.lines().filter(|line| line.starts_with("line ")).count() >= 60_000 - 100);
    let (late, _) = until(&stuck, "all of it").await;
    assert!(late.len() < 512 * 1024, "{}", late.len());
    assert!(late.contains("59999"), "{late:?}");
}

#[tokio::test]
async fn what_happens_is_told() {
    let (terminals, _, journal) = terminals_with(|_| {});
    let op = EventWatch { since: None, kinds: Some("terminal".into()) };
    let mut events = journal.watch(&op, CancellationToken::new()).unwrap();
    let made = terminals.create(&peer("kai"), sh("exit 3")).await.unwrap();
    let client = terminals.attach(&peer("kai"), &made.terminal_id, None).await.unwrap();
    until(&client, "").await;
    drop(client);
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let notice = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        if notice.action == "exited" {
            assert_eq!((notice.details["exitCode"].as_i64(), notice.peer.as_deref()), (Some(3), Some("kai")));
        }
        if notice.action == "detached" {
            terminals.end(&peer("kai"), &made.terminal_id).await.unwrap();
        }
        seen.extend((notice.subject == made.terminal_id).then_some(notice.action));
    }
    seen.sort();
    assert_eq!(seen, ["attached", "closed", "detached", "exited", "opened"]);
}

#[tokio::test]
async fn one_who_is_stuck_with_a_large_picture_does_not_hold_up_the_others() {
    let terminals = terminals();
    // A picture that is larger than what may be on the way, then lines without end.
    let script = r"i=0; while [ $i -lt 900 ]; do printf '\033[38;2;1;2;3m%0490d\n' $i; i=$((i+1)); done; echo painted; read a;
        i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done; echo all of it; read a";
    let op = TerminalCreate { cols: Some(500), rows: Some(130), ..sh(script) };
    let made = terminals.create(&owner(), op).await.unwrap();
    let reader = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    until(&reader, "painted").await;
    let mut stuck = Vec::new();
    for _ in 0..4 {
        let client = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
        // It waited once, and was then stuck with something else.
        assert!(matches!(client.next().await, Some(News::Attached(_))));
        stuck.push(client);
    }
    let began = std::time::Instant::now();
    reader.type_in(Bytes::from_static(b"\n")).await;
    until(&reader, "all of it").await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_typed_comes_in_pieces_in_order_and_waits_in_little_memory() {
    let terminals = terminals();
    let made = terminals.create(&owner(), sh("stty raw -echo; echo ready; head -c 300000 | cksum; read a")).await.unwrap();
    let client = terminals.attach(&owner(), &made.terminal_id, None).await.unwrap();
    until(&client, "ready").await;
    let typed: Vec<u8> = (0..300_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let text = Bytes::from(typed.clone());
    let (_, (shown, _)) = tokio::join!(client.type_in(text), until(&client, " 300000"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file.as_file(), &typed).unwrap();
    let expected = std::process::Command::new("cksum").stdin(file.reopen().unwrap()).output().unwrap();
    assert_eq!(shown.trim(), String::from_utf8_lossy(&expected.stdout).trim());
    // A program that reads nothing: what waits is bounded, whatever was sent at once.
    let deaf = terminals.create(&owner(), sh("sleep 1000")).await.unwrap();
    let client = terminals.attach(&owner(), &deaf.terminal_id, None).await.unwrap();
    let much = Bytes::from(vec![b'x'; 4 * 1024 * 1024]);
    assert!(timeout(Duration::from_millis(300), client.type_in(much)).await.is_err());
}

#[tokio::test]
async fn what_an_ended_terminal_left_running_ends_with_its_peers_permission() {
    let allow = |config: &mut Config| {
        config.auth.allowed_keys = [("kai".to_owned(), crate::base::secret::Secret::new("k1"))].into();
    };
    let (terminals, settings, _) = terminals_with(allow);
    let script = "trap '' HUP; (trap '' HUP; exec sleep 1000 <&- >&- 2>&-) & exit 0";
    let made = terminals.create(&peer("kai"), sh(script)).await.unwrap();
    let client = terminals.attach(&peer("kai"), &made.terminal_id, None).await.unwrap();
    until(&client, "").await;
    let ended = terminals.known();
    ended[0].forget();
    ended[0].orders.send(Order::Forget).await.unwrap();
    until_holds(|| ended[0].orders.is_closed()).await;
    assert_eq!((terminals.list(&owner()).len(), lock(&terminals.inner.left).len()), (0, 1));
    settings.set(Config::default());
    until_holds(|| lock(&terminals.inner.left).is_empty()).await;
}

async fn until_holds(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}
