//! `loopsy task`: coding agents at work, on this machine and on others.

pub mod answer;
mod follow;
mod place;
mod question;
mod shown;
mod typist;
mod watch;
mod words;

use std::process::ExitCode;

use self::place::{Place, short};
use self::watch::Teller;
use crate::api::tasks::{PROMPT_BYTES, PermissionMode, Task as Known, TaskCreate, TaskDelete, TaskEvents, TaskInterrupt, TaskPrompt};
use crate::base::text::printable;
use crate::base::units::parse_duration;
use crate::base::{Code, Error, Result};
use crate::cli::app::{Run, Task, Which};
use crate::cli::{Session, input};

/// Carries out the command.
pub fn run(session: &Session, action: Task) -> Result<ExitCode> {
    session.wait(async {
        match action {
            Task::Run(args) => return start(session, *args).await,
            Task::Prompt { which, prompt, detach } => return more(session, &which, prompt, detach).await,
            Task::List { place } => shown::list(Place::of(session, &place)).await,
            Task::Show(which) => {
                let (place, task) = meant(session, &which).await?;
                shown::show(place, &task)
            }
            Task::Logs { which, follow, since } => {
                let (place, task) = meant(session, &which).await?;
                if follow { watch::from_aside(place, &task.task_id, since).await } else { kept(place, &task.task_id, since).await }
            }
            Task::Approve(args) => answer::approve(session, args).await,
            Task::Deny { question, message } => answer::deny(session, &question, message).await,
            Task::Interrupt(which) => {
                let (place, task) = meant(session, &which).await?;
                let done = place.link()?.call(&TaskInterrupt { task_id: task.task_id.clone() }).await?;
                session.console.done(&done, format!("Interrupted {}", named(&task)))
            }
            Task::Cancel(which) => {
                let (place, task) = meant(session, &which).await?;
                let done = watch::cancel(place, &task.task_id).await?;
                session.console.done(&done, format!("Cancelled {}", named(&task)))
            }
            Task::Delete(which) => delete(session, &which).await,
        }?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn meant<'a>(session: &'a Session, which: &'a Which) -> Result<(Place<'a>, Known)> {
    let place = Place::of(session, &which.place);
    Ok((place, place.task(&which.id).await?))
}

/// A task in a sentence.
fn named(task: &Known) -> String {
    let name = task.name.as_ref().map(|name| format!(" ({})", printable(name))).unwrap_or_default();
    format!("{}{name}", printable(short(&task.task_id)))
}

async fn start(session: &Session, mut args: Run) -> Result<ExitCode> {
    let prompt = prompt_of(args.words.pop().unwrap_or_default())?;
    let peer = args.words.pop();
    let detach = args.detach;
    let place = Place { session, peer: peer.as_deref() };
    if args.mode == Some(PermissionMode::BypassPermissions) {
        // What an agent may not approve, it can't give away either.
        answer::permitted(session)?;
    }
    let task = place.link()?.call(&request(args, prompt, place.peer.is_none())?).await?;
    if detach {
        return leave(place, &task);
    }
    session.console.note(format!("Task {}{}, {}", named(&task), place.suffix(), printable(&task.agent)));
    watch::to_the_end(place, &task, 0).await
}

async fn more(session: &Session, which: &Which, prompt: String, detach: bool) -> Result<ExitCode> {
    let prompt = prompt_of(prompt)?;
    let (place, task) = meant(session, which).await?;
    let told = place.link()?.call(&TaskPrompt { task_id: task.task_id.clone(), prompt }).await?;
    if detach {
        return leave(place, &task);
    }
    watch::to_the_end(place, &task, told.since).await
}

/// Prints the id of a task that is not followed.
fn leave(place: Place<'_>, task: &Known) -> Result<ExitCode> {
    let console = &place.session.console;
    if console.wants_json() {
        console.json(task)?;
    } else {
        console.line(printable(&task.task_id))?;
        console.note(format!("Follow it with: {}", place.command(&["logs", "-f", short(&task.task_id)])));
    }
    Ok(ExitCode::SUCCESS)
}

fn prompt_of(text: String) -> Result<String> {
    if text == "-" { input::text(std::io::stdin().lock(), "standard input", PROMPT_BYTES as u64 + 1) } else { Ok(text) }
}

/// What is asked of the daemon. Where the task is for this machine, folders are meant as they are at the caller's.
fn request(args: Run, prompt: String, is_here: bool) -> Result<TaskCreate> {
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let cwd = if is_here { Some(folder(args.cwd.as_deref())?) } else { args.cwd };
    Ok(TaskCreate {
        prompt,
        cwd,
        permission_mode: args.mode,
        model: args.model,
        max_budget_usd: args.max_budget,
        allowed_tools: some(args.allowed_tools),
        disallowed_tools: some(args.denied_tools),
        additional_args: some(args.args),
        resume_session_id: args.resume,
        agent: args.agent,
        name: args.name,
        timeout: args.timeout.as_deref().map(parse_duration).transpose()?.map(|limit| limit.as_millis() as u64),
        untrusted: args.untrusted,
        queue: args.queue.then_some(true),
    })
}

/// A folder of this machine, from the current one on.
fn folder(given: Option<&str>) -> Result<String> {
    let given = given.unwrap_or(".");
    if given.starts_with('~') {
        return Ok(given.to_owned());
    }
    let unknown = || Error::invalid(format!("the folder {} is not known", printable(given))).hint("Name it from the root on: --cwd /DIR");
    let current = std::env::current_dir().map_err(|_| unknown())?;
    let whole = if given == "." { current } else { current.join(given) };
    whole.to_str().map(str::to_owned).ok_or_else(unknown)
}

/// What is kept of what a task did.
async fn kept(place: Place<'_>, task_id: &str, since: Option<u64>) -> Result<()> {
    let history = place.link()?.call(&TaskEvents { task_id: task_id.to_owned(), since }).await?;
    let mut teller = Teller::new(&place.session.console, place.session.is_verbose);
    history.events.iter().try_for_each(|event| teller.tell(event))?;
    teller.finish()
}

async fn delete(session: &Session, which: &Which) -> Result<()> {
    let (place, task) = meant(session, which).await?;
    if !task.status.has_ended() {
        return Err(Error::new(Code::AiTaskFailed, format!("the task has not ended; it is {}", task.status.name()))
            .hint(format!("End it with: {}", place.command(&["cancel", short(&task.task_id)]))));
    }
    // Somebody may have it go on at this moment.
    let done = place.link()?.call(&TaskDelete { task_id: task.task_id.clone(), ended: Some(true) }).await?;
    session.console.done(&done, format!("Deleted {}", named(&task)))
}
