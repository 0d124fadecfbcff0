//! `loopsy daemon`: the daemon itself, in this process.

use std::process::ExitCode;
use std::time::Duration;

use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

use crate::base::error::io_words;
use crate::base::{Error, Failure, Result};
use crate::cli::Session;
use crate::cli::app;
use crate::daemon::run;
use crate::home::config::Logging;
use crate::home::log_file::LogFile;
use crate::home::{Home, config_file};
use crate::net::Network;
use crate::platform::host;
use crate::platform::memory;
use crate::platform::process::Guard;
use crate::platform::signals::{Asked, Signals};
use crate::platform::terminal;

/// How often memory is given back that a busy time has left.
const TIDYING: Duration = Duration::from_secs(30);

/// Runs the daemon until it is asked to end. Prints one line of JSON when it listens; when it is detached, a failure too.
pub fn run(session: &Session, args: &app::Daemon) -> Result<ExitCode> {
    let result = serve(session, args.detached);
    match &result {
        Err(error) if args.detached => session.console.json_line(&Failure { error: error.clone() })?,
        _ => {}
    }
    result
}

fn serve(session: &Session, detached: bool) -> Result<ExitCode> {
    let failed = |what: &str, error: std::io::Error| Error::internal(&format!("{what}: {}", io_words(&error)), error);
    if detached {
        terminal::leave();
    }
    // A fork: before there is any thread.
    let guard = Guard::start().map_err(|error| failed("the guard of the commands can't be started", error))?;
    // After the guard was made: commands have the limit that this process was started with.
    host::claim_descriptors();
    session.home.create()?.iter().for_each(|warning| session.console.warn(warning));
    let logging = config_file::load(&session.home)?.config.logging;
    let log = open_log(&session.home, &logging, detached)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed("the runtime can't be started", error))?;
    let result = runtime.block_on(live(session, guard));
    runtime.shutdown_background();
    // At a terminal the failure is told on standard error anyway; a service manager may show that to nobody.
    if let (Err(error), false) = (&result, session.console.errors_are_seen()) {
        tracing::error!("{error}");
    }
    log.flush();
    result.map(|()| ExitCode::SUCCESS)
}

async fn live(session: &Session, guard: Guard) -> Result<()> {
    let mut signals = Signals::listen().map_err(|error| Error::internal("signals can't be listened for", error))?;
    let daemon = run::start(session.home.clone(), Network::Sockets, guard).await?;
    session.console.json_line(&daemon.ready)?;
    tracing::info!(port = daemon.ready.port, node = daemon.ready.node_id, "listening");
    memory::forget_startup();
    let mut tidying = tokio::time::interval(TIDYING);
    loop {
        tokio::select! {
            _ = tidying.tick() => memory::give_back(),
            () = daemon.asked_to_end() => break,
            asked = signals.next() => if asked != Asked::HangUp { break },
        }
    }
    tracing::info!("ending");
    daemon.stop().await;
    Ok(())
}

/// The daemon's log: its file, and in the foreground standard error as well.
fn open_log(home: &Home, logging: &Logging, detached: bool) -> Result<LogFile> {
    let path = home.daemon_log(logging.file.as_deref());
    let log = LogFile::open(&path, logging.max_size, logging.max_files)?;
    let level: tracing::level_filters::LevelFilter = logging.level.parse().unwrap_or(tracing::level_filters::LevelFilter::INFO);
    let writer = if detached { BoxMakeWriter::new(log.clone()) } else { BoxMakeWriter::new(log.clone().and(std::io::stderr)) };
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_max_level(level).finish();
    tracing::subscriber::set_global_default(subscriber).map_err(|error| Error::internal("the log can't be set up", error))?;
    Ok(log)
}
