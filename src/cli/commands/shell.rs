//! `loopsy shell`: a terminal on a machine, as if one sat there.

mod attached;
mod choice;
mod escapes;
mod place;

use std::process::ExitCode;
use std::time::Duration;

use self::place::{HERE, Place, shown};
use crate::api::terminal::{Terminal, TerminalCreate, TerminalEnd, TerminalList, TerminalStatus, fitting};
use crate::base::units::duration;
use crate::base::{Code, Error, Result, clock};
use crate::cli::app::Shell;
use crate::cli::commands::exec::variables;
use crate::cli::{Session, reach};
use crate::client::Link;
use crate::platform::terminal;

/// Carries out the command.
pub fn run(session: &Session, args: &Shell) -> Result<ExitCode> {
    session.wait(async {
        let machine = args.peer.as_deref().unwrap_or(HERE);
        let link = if machine == HERE { session.link()? } else { reach::line(session, machine, &args.straight).await? };
        if args.list {
            return list(session, &link, args).await;
        }
        if let Some(which) = &args.end {
            let terminal = find(&link, args, which).await?;
            let ended = link.call(&TerminalEnd { terminal_id: terminal.terminal_id.clone() }).await?;
            session.console.done(&ended, format!("Ended {}", label(&terminal)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let terminal = match &args.attach {
            Some(which) => find(&link, args, which).await?,
            None => open(&link, args).await?,
        };
        attached::run(session, &Place { link, terminal, machine }).await
    })
}

async fn open(link: &Link, args: &Shell) -> Result<Terminal> {
    let size = terminal::size().map(fitting);
    let op = TerminalCreate {
        command: args.command.first().cloned(),
        args: args.command.get(1..).map(<[String]>::to_vec),
        cwd: args.cwd.clone(),
        env: variables(&args.env)?,
        cols: size.map(|(cols, _)| cols),
        rows: size.map(|(_, rows)| rows),
        name: args.name.clone(),
    };
    link.call(&op).await.map_err(|error| match error.code {
        Code::NotFound => Error::new(Code::NotFound, "the machine knows no terminals").hint("Install this version of Loopsy there."),
        _ => error,
    })
}

async fn find(link: &Link, args: &Shell, which: &str) -> Result<Terminal> {
    let known = link.call(&TerminalList {}).await?.terminals;
    choice::choose(&known, which).cloned().map_err(|error| match args.peer.as_deref() {
        _ if error.code != Code::ExecJobNotFound => error,
        None | Some(HERE) => {
            let option = if args.end.is_some() { "--end" } else { "--attach" };
            Error::new(error.code, format!("{} on this machine", error.message))
                .hint(format!("For one on a peer: loopsy shell <peer> {option} {which}"))
        }
        Some(peer) => error.hint(format!("See which there are: loopsy shell {peer} --list")),
    })
}

fn label(terminal: &Terminal) -> String {
    let what = terminal.name.as_deref().or(terminal.title.as_deref()).unwrap_or(&terminal.command);
    format!("{} ({what})", shown(terminal))
}

async fn list(session: &Session, link: &Link, args: &Shell) -> Result<ExitCode> {
    let known = link.call(&TerminalList {}).await?;
    if session.console.wants_json() {
        session.console.json(&known)?;
        return Ok(ExitCode::SUCCESS);
    }
    if known.terminals.is_empty() {
        session.console.note(match args.peer.as_deref() {
            None | Some(HERE) => {
                "No terminals on this machine. Open one with: loopsy shell .\nList those on a peer with: loopsy shell <peer> --list".into()
            }
            Some(peer) => format!("You have no terminals on {peer}. Open one with: loopsy shell {peer}"),
        });
        return Ok(ExitCode::SUCCESS);
    }
    let row = |terminal: &Terminal| {
        let status = match (terminal.status, terminal.exit_code, &terminal.signal) {
            (TerminalStatus::Running, ..) => "running".into(),
            (TerminalStatus::Exited, Some(code), _) => format!("exited {code}"),
            (TerminalStatus::Exited, None, signal) => signal.clone().unwrap_or_else(|| "exited".into()),
        };
        let command = std::iter::once(&terminal.command).chain(&terminal.args).cloned().collect::<Vec<_>>().join(" ");
        let unused = Duration::from_millis(clock::now().saturating_sub(terminal.last_used));
        let what = terminal.name.clone().or_else(|| terminal.title.clone()).unwrap_or_else(|| "-".into());
        let size = format!("{}x{}", terminal.cols, terminal.rows);
        vec![shown(terminal).to_owned(), status, command, what, size, terminal.clients.to_string(), duration(unused)]
    };
    let rows: Vec<_> = known.terminals.iter().map(row).collect();
    session.console.table(&["terminal", "status", "command", "name", "size", "clients", "unused"], &rows)?;
    Ok(ExitCode::SUCCESS)
}
