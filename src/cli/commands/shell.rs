//! `loopsy shell`: a terminal on a machine, as if one sat there.

mod attached;
mod escapes;

use std::process::ExitCode;
use std::time::Duration;

use crate::api::terminal::{Terminal, TerminalCreate, TerminalEnd, TerminalList, TerminalStatus};
use crate::base::units::duration;
use crate::base::{Code, Error, Result, clock};
use crate::cli::app::Shell;
use crate::cli::commands::exec::variables;
use crate::cli::console::Colour;
use crate::cli::{Session, reach};
use crate::client::Link;
use crate::platform::terminal;

/// How much of an id is shown: enough to tell terminals apart.
const SHOWN: usize = 8;

/// Carries out the command.
pub fn run(session: &Session, args: &Shell) -> Result<ExitCode> {
    session.wait(async {
        let machine = args.peer.as_deref().unwrap_or(".");
        let link = if machine == "." { session.link()? } else { reach::line(session, machine, &args.straight).await? };
        if args.list {
            return list(session, &link).await;
        }
        if let Some(which) = &args.end {
            let terminal = find(&link, which).await?;
            let ended = link.call(&TerminalEnd { terminal_id: terminal.terminal_id.clone() }).await?;
            session.console.done(&ended, format!("Ended {}", label(&terminal)))?;
            return Ok(ExitCode::SUCCESS);
        }
        let terminal = match &args.attach {
            Some(which) => find(&link, which).await?,
            None => open(&link, args).await?,
        };
        let back = format!("loopsy shell {machine} --attach {}", shown(&terminal));
        attached::run(session, &link, &terminal, &back).await
    })
}

async fn open(link: &Link, args: &Shell) -> Result<Terminal> {
    let size = terminal::size();
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

async fn find(link: &Link, which: &str) -> Result<Terminal> {
    let known = link.call(&TerminalList {}).await?.terminals;
    let exact = |terminal: &&Terminal| terminal.terminal_id == which || terminal.name.as_deref() == Some(which);
    let mut begun = known.iter().filter(|terminal| !which.is_empty() && terminal.terminal_id.starts_with(which));
    match (known.iter().find(exact), begun.next(), begun.next()) {
        (Some(terminal), ..) | (None, Some(terminal), None) => Ok(terminal.clone()),
        (None, None, _) => Err(Error::new(Code::ExecJobNotFound, format!("there is no terminal {which:?}"))
            .hint("See which there are: loopsy shell <peer> --list")),
        (None, Some(_), Some(_)) => {
            Err(Error::invalid(format!("{which:?} is the beginning of several terminals' ids")).hint("Give more of it."))
        }
    }
}

fn shown(terminal: &Terminal) -> &str {
    terminal.terminal_id.get(..SHOWN).unwrap_or(&terminal.terminal_id)
}

fn label(terminal: &Terminal) -> String {
    let what = terminal.name.as_deref().or(terminal.title.as_deref()).unwrap_or(&terminal.command);
    format!("{} ({what})", shown(terminal))
}

async fn list(session: &Session, link: &Link) -> Result<ExitCode> {
    let known = link.call(&TerminalList {}).await?;
    if session.console.wants_json() {
        session.console.json(&known)?;
        return Ok(ExitCode::SUCCESS);
    }
    if known.terminals.is_empty() {
        session.console.note("No terminals. Open one with: loopsy shell <peer>");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |terminal: &Terminal| {
        let status = match (terminal.status, terminal.exit_code, &terminal.signal) {
            (TerminalStatus::Running, ..) => session.console.paint(Colour::Green, "running"),
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
    session.console.table(&["terminal", "status", "command", "title", "size", "clients", "unused"], &rows)?;
    Ok(ExitCode::SUCCESS)
}
