//! `loopsy doctor`: what is wrong, and what to do about it.

use std::process::ExitCode;

use crate::base::text::printable;
use crate::base::{Error, Result};
use crate::cli::Session;
use crate::cli::app::Doctor;
use crate::cli::checks::{self, Health, Line, Scene};
use crate::cli::console::{Colour, Console};

/// Looks at everything; exits with 1 where something fails.
pub fn run(session: &Session, args: &Doctor) -> Result<ExitCode> {
    let scene = session.wait(async { Ok(Scene::look(session).await) })?;
    tell(&session.console, &checks::report(&scene, args.fix))
}

/// The report of a user who has no home folder.
pub fn homeless(console: &Console, error: &Error) -> Result<ExitCode> {
    tell(console, &checks::homeless(error))
}

fn tell(console: &Console, lines: &[Line]) -> Result<ExitCode> {
    if console.wants_json() {
        console.json(&lines)?;
    } else {
        for line in lines.iter().filter(|line| !console.is_quiet() || line.status != Health::Ok) {
            console.line(words(console, line))?;
        }
        summarise(console, lines);
    }
    let failed = lines.iter().any(|line| line.status == Health::Fail);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn words(console: &Console, line: &Line) -> String {
    let (colour, status) = match line.status {
        Health::Ok if line.fixed.is_some() => (Colour::Green, "fixed"),
        Health::Ok => (Colour::Green, "ok   "),
        Health::Warn => (Colour::Yellow, "warn "),
        Health::Fail => (Colour::Red, "fail "),
    };
    let mut text = format!("{} {:<14} {}", console.paint(colour, status), line.check, printable(&line.message));
    for (word, what) in [("Fix: ", &line.fix), ("Done: ", &line.fixed)] {
        if let Some(what) = what {
            text += &format!("\n{:21}{word}{}", "", printable(what));
        }
    }
    text
}

fn summarise(console: &Console, lines: &[Line]) {
    let count = |status| lines.iter().filter(|line| line.status == status).count();
    match (count(Health::Fail), count(Health::Warn)) {
        (0, 0) => console.note("All is well."),
        (fails, warns) => console.note(format!("{fails} failed, {warns} to look at.")),
    }
}
