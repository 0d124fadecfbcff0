//! `loopsy dashboard`: a page for people.

use std::process::ExitCode;

use crate::api::fleet::DASHBOARD_PORT;
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::cli::Session;
use crate::cli::app::Dashboard;
use crate::daemon::BUILD;
use crate::dashboard::instance::{Instance, Invitation};
use crate::dashboard::qr::Picture;
use crate::dashboard::run::{self, Wanted};
use crate::platform::signals::Signals;
use crate::platform::{files, memory, opener};

/// Serves until somebody asks for the end, or gets a link of the dashboard that does.
pub fn run(session: &Session, args: Dashboard) -> Result<ExitCode> {
    let main = session.home.main();
    main.create()?.iter().for_each(|warning| session.console.warn(warning));
    session.wait(async {
        match Instance::acquire(&main)? {
            Some(instance) => serve(session, args, instance).await,
            None => ask(session, args).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(session: &Session, args: Dashboard, instance: Instance) -> Result<()> {
    let console = &session.console;
    let mut signals = Signals::listen().map_err(|error| Error::internal("signals can't be listened for", error))?;
    let wanted = Wanted { port: args.port.unwrap_or(DASHBOARD_PORT), lan: args.lan, version: BUILD };
    let dashboard = run::start(session.home.main(), instance, wanted).await?;
    if let Err(error) = session.link() {
        console.warn(error.in_one_line());
    }
    show(session, args, dashboard.invite()?)?;
    console.note("Ctrl-C ends the dashboard.");
    memory::forget_startup();
    // A terminal that is gone, too: nobody would know of it any more.
    signals.next().await;
    dashboard.stop().await;
    Ok(())
}

/// Has the dashboard that runs already make a link.
async fn ask(session: &Session, args: Dashboard) -> Result<()> {
    let running = Instance::running(&session.home.main()).await?;
    let other = |what: String| Err(Error::new(Code::Config, what).hint("End it with Ctrl-C where it runs, and try again."));
    if args.port.is_some_and(|port| port != 0 && port != running.port) {
        return other(format!("a dashboard of this data directory runs already, on port {}", running.port));
    }
    if args.lan && running.fingerprint.is_none() {
        return other("a dashboard of this data directory runs already, for this machine alone".into());
    }
    let invitation = running.invite().await?;
    session.console.note(format!("A dashboard runs already (process {}).", invitation.pid));
    show(session, args, invitation)
}

/// Shows a link, and opens it where that is asked for.
fn show(session: &Session, args: Dashboard, invitation: Invitation) -> Result<()> {
    let console = &session.console;
    let invitation = led_to(session, invitation);
    if console.wants_json() {
        console.json_line(&invitation)?;
    } else {
        console.line(&invitation.url)?;
        invitation.lan.iter().try_for_each(|url| console.line(url))?;
        if let Some(picture) = invitation.lan.first().filter(|_| console.is_terminal()).and_then(|url| Picture::of(url)) {
            picture.lines().iter().try_for_each(|line| console.line(line))?;
        }
        console.note("Open the link in a browser: it works once, within ten minutes.");
        if let Some(fingerprint) = &invitation.fingerprint {
            console.note(format!("The browser will ask about the certificate; go on if its SHA-256 fingerprint is\n{fingerprint}"));
        }
    }
    if args.open
        && let Err(error) = open(session, &invitation.url)
    {
        console.warn(format!("no browser could be opened: {}; open the link yourself", io_words(&error)));
    }
    Ok(())
}

/// The same links, to the session that is meant where it is one.
fn led_to(session: &Session, mut invitation: Invitation) -> Invitation {
    if let Some(name) = session.home.session() {
        std::iter::once(&mut invitation.url).chain(&mut invitation.lan).for_each(|url| url.push_str(&format!("&daemon={name}")));
    }
    invitation
}

/// Opens a link by way of a private page: the arguments of a program are seen by every user of the machine.
fn open(session: &Session, url: &str) -> std::io::Result<()> {
    let door = session.home.main().dashboard_door();
    let url = url.replace('&', "&amp;");
    let page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n<title>Loopsy</title>\n<a href=\"{url}\">Open the dashboard</a>\n"
    );
    files::write_private(&door, page.as_bytes())?;
    opener::open(&door)
}
