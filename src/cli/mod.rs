//! The command line: what people type becomes operations, and what comes back becomes lines and an exit status.

pub mod agents;
pub mod app;
pub mod ask;
pub mod autostart;
pub mod checks;
pub mod commands;
pub mod console;
pub mod failure;
pub mod input;
pub mod reach;
pub mod session;
pub mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use self::app::{App, Command};
use self::console::Console;
pub use self::session::Session;
use crate::base::Result;

/// Runs the program with these arguments, the program's own name first, and answers its exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let app = match App::try_parse_from(&args) {
        Ok(app) => app,
        Err(complaint) => return complain(&complaint, args.iter().any(|arg| arg == "--json")),
    };
    let console = Console::new(app.global.json, app.global.quiet);
    let session = match Session::new(&app.global, console) {
        Ok(session) => session,
        Err(error) => {
            let console = Console::new(app.global.json, app.global.quiet);
            if matches!(app.command, Command::Doctor(_)) {
                return commands::doctor::homeless(&console, &error).unwrap_or(ExitCode::FAILURE);
            }
            console.failure(&error);
            return failure::exit(&error);
        }
    };
    let is_daemon = matches!(&app.command, Command::Daemon(_) | Command::Start(app::Start { foreground: true }));
    if app.global.verbose > 0 && !is_daemon {
        show_log(app.global.verbose);
    }
    match dispatch(&session, app.command) {
        Ok(code) => code,
        Err(_) if session.console.reader_gone() => ExitCode::SUCCESS,
        Err(error) => {
            session.console.failure(&error);
            failure::exit(&error)
        }
    }
}

/// Prints the help or version that was asked for, or says what is wrong with the arguments.
fn complain(complaint: &clap::Error, json: bool) -> ExitCode {
    let help = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
    if help.contains(&complaint.kind()) {
        // A reader that is gone is no failure.
        let _ = complaint.print();
        return ExitCode::from(u8::try_from(complaint.exit_code()).unwrap_or(2));
    }
    let error = usage::failure(complaint);
    Console::new(json, false).failure(&error);
    failure::exit(&error)
}

fn dispatch(session: &Session, command: Command) -> Result<ExitCode> {
    use commands::{
        api, config, connect, context, daemon, dashboard, demo, doctor, events, exec, generate, hook, init, key, logs, mcp, mcp_serve,
        message, pair, peers, service, session as sessions, shell, start, status, stop, task, transfer, uninstall,
    };
    match command {
        Command::Init(args) => init::run(session, &args),
        Command::Start(args) => start::run(session, &args),
        Command::Stop => stop::run(session),
        Command::Restart => start::restart(session),
        Command::Status => status::run(session),
        Command::Doctor(args) => doctor::run(session, &args),
        Command::Daemon(args) => daemon::run(session, &args),
        Command::Enable(args) => service::enable(session, args),
        Command::Disable(args) => service::disable(session, args),
        Command::ServiceStatus => service::status(session),
        Command::Uninstall(args) => uninstall::run(session, args),
        Command::Config(action) => config::run(session, action),
        Command::Key(action) => key::run(session, action),
        Command::Dashboard(args) => dashboard::run(session, args),
        Command::Events(args) => events::run(session, &args),
        Command::Mcp(action) => mcp::run(session, action),
        Command::Logs(args) => logs::run(session, &args),
        Command::Completions { shell } => generate::completions(session, shell),
        Command::Man { folder } => generate::man(session, &folder),
        Command::Exec(args) => exec::run(session, &args),
        Command::Shell(args) => shell::run(session, &args),
        Command::Context(action) => context::run(session, action),
        Command::Message(action) => message::run(session, action),
        Command::Task(action) => task::run(session, action),
        Command::Hook(action) => hook::run(session, action),
        Command::Session(action) => sessions::run(session, action),
        Command::Pair(args) => pair::run(session, &args),
        Command::Connect(args) => connect::run(session, &args),
        Command::Peers(args) => peers::run(session, args),
        Command::Api(args) => api::run(session, &args),
        Command::Send(args) => transfer::send(session, &args),
        Command::Pull(args) => transfer::pull(session, &args),
        Command::McpServe => mcp_serve::run(session),
        Command::Demo => demo::run(session),
    }
}

/// Shows on standard error what the program does.
fn show_log(verbose: u8) {
    let level = if verbose > 1 { tracing::Level::TRACE } else { tracing::Level::DEBUG };
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).without_time().finish();
    // Fails where somebody has set one already, who then gets the events.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

#[cfg(test)]
mod tests;
