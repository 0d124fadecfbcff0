//! Tasks as a table, and one task as a summary.

use std::time::Duration;

use super::place::{Place, short, shorts};
use super::question::lines;
use super::words::{dollars, flat, kept_lines, turns, wants};
use crate::api::tasks::{Remember, Suggestion, Task, TaskList, TaskStatus};
use crate::base::text::{one_line, printable};
use crate::base::{Result, clock, units};
use crate::cli::console::{Colour, Console};

/// Characters of a prompt in a list.
const SHOWN: usize = 60;
/// Who dispatched what no peer did.
const OWNER: &str = "owner";

/// Lists the tasks of a machine.
pub async fn list(place: Place<'_>) -> Result<()> {
    let console = &place.session.console;
    let tasks = place.link()?.call(&TaskList {}).await?;
    if console.wants_json() {
        return console.json(&tasks);
    }
    if tasks.tasks.is_empty() {
        console.note(format!("No tasks{}", place.suffix()));
        return Ok(());
    }
    console.table(&["ID", "STATUS", "AGENT", "AGE", "FROM", "TASK"], &rows(&tasks.tasks, clock::now()))
}

fn rows(tasks: &[Task], now: u64) -> Vec<Vec<String>> {
    let ids = shorts(&tasks.iter().map(|task| task.task_id.as_str()).collect::<Vec<_>>());
    let row = |(task, id): (&Task, &str)| {
        let age = units::duration(Duration::from_millis(now.saturating_sub(task.started_at)));
        let from = task.peer.as_deref().unwrap_or(OWNER);
        let cells = [id, task.status.name(), &task.agent, &age, from, &title(task)];
        cells.map(str::to_owned).to_vec()
    };
    tasks.iter().zip(ids).map(row).collect()
}

/// What people call a task, else the first line of its prompt.
fn title(task: &Task) -> String {
    let first = task.prompt.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    one_line(task.name.as_deref().unwrap_or(first).trim(), SHOWN)
}

/// Shows how a task is.
pub fn show(place: Place<'_>, task: &Task) -> Result<()> {
    let console = &place.session.console;
    if console.wants_json() {
        return console.json(task);
    }
    for (name, text) in summary(task, clock::now(), console) {
        console.line(format!("{name:<10}{text}"))?;
    }
    for asked in &task.pending_approvals {
        console.line(format!("\nIt asks    {}", wants(asked)))?;
        for line in lines(asked) {
            console.line(format!("  {line}"))?;
        }
        for suggestion in &asked.suggestions {
            console.line(format!("  {}", remembers(suggestion)))?;
        }
        console.line(format!("Answer     {}", place.command(&["approve", short(&task.task_id), short(&asked.request_id)])))?;
    }
    if let Some(result) = &task.result {
        console.line(format!("\n{}", kept_lines(result.trim_end())))?;
    }
    Ok(())
}

/// What could be remembered with an answer, for how long, and by which id.
fn remembers(suggestion: &Suggestion) -> String {
    let span = match suggestion.remember {
        Remember::Always => "session or always",
        Remember::Session | Remember::Once => "session",
    };
    let wider = if suggestion.wider { "; more than what is asked for" } else { "" };
    format!("suggestion {}: {} ({span}{wider})", one_line(&suggestion.id, SHOWN), one_line(&suggestion.label, SHOWN * 4))
}

fn summary(task: &Task, now: u64, console: &Console) -> Vec<(&'static str, String)> {
    let span = |from: u64, to: u64| units::duration(Duration::from_millis(to.saturating_sub(from)));
    let status = console.paint(colour(task.status), task.status.name());
    let took = match task.completed_at {
        Some(ended) => format!(" after {}, {} ago", span(task.started_at, ended), span(ended, now)),
        None => format!(" for {}", span(task.started_at, now)),
    };
    let agent = [Some(task.agent.clone()), task.model.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let trust = if task.untrusted { "; the folder's own settings are left alone" } else { "" };
    let took_turns = task.turns.map(turns);
    let cost = [task.cost.map(dollars), took_turns].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let fields = [
        ("Task", Some(task.task_id.clone())),
        ("Name", task.name.clone()),
        ("From", Some(task.peer.clone().unwrap_or_else(|| OWNER.into()))),
        ("Agent", Some(agent)),
        ("Folder", Some(format!("{}{trust}", task.cwd))),
        ("May", Some(task.permission_mode.name().to_owned())),
        ("Session", task.session_id.clone()),
        ("Cost", Some(cost).filter(|cost| !cost.is_empty())),
        ("Error", task.error.clone()),
        ("Prompt", Some(flat(task.prompt.trim(), SHOWN * 4)).filter(|prompt| !prompt.is_empty())),
    ];
    let mut lines = vec![("Status", format!("{status}{took}"))];
    lines.extend(fields.into_iter().filter_map(|(name, text)| Some((name, printable(&text?)))));
    lines
}

fn colour(status: TaskStatus) -> Colour {
    match status {
        TaskStatus::Completed => Colour::Green,
        TaskStatus::Failed => Colour::Red,
        TaskStatus::WaitingApproval | TaskStatus::Cancelled => Colour::Yellow,
        TaskStatus::Pending | TaskStatus::Running => Colour::Faint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str) -> Task {
        Task {
            task_id: id.into(),
            prompt: "\n  Mend it\u{1b}[2J\nand more".into(),
            agent: "claude".into(),
            started_at: 1_000,
            ..Task::default()
        }
    }

    #[test]
    fn a_list_has_a_line_for_each_task() {
        let named = Task { name: Some("nightly".into()), peer: Some("leo".into()), status: TaskStatus::Cancelled, ..task("2f1c8d5a-66") };
        let rows = rows(&[task("1f1c8d5a-55f1"), named], 61_000);
        assert_eq!(rows[0], ["1f1c8d5a", "pending", "claude", "1 m 0 s", "owner", "Mend it\u{fffd}[2J"]);
        assert_eq!(rows[1], ["2f1c8d5a", "cancelled", "claude", "1 m 0 s", "leo", "nightly"]);
    }
    #[test]
    fn what_could_be_remembered_is_named_by_its_id() {
        let suggestion = |remember, wider| Suggestion { id: "2".into(), label: "Bash(ls\u{1b} *)".into(), remember, wider };
        assert_eq!(remembers(&suggestion(Remember::Always, false)), "suggestion 2: Bash(ls\u{fffd} *) (session or always)");
        assert_eq!(
            remembers(&suggestion(Remember::Session, true)),
            "suggestion 2: Bash(ls\u{fffd} *) (session; more than what is asked for)"
        );
    }
    #[test]
    fn a_summary_says_how_it_is_and_obeys_nothing() {
        let task = Task {
            error: Some("\u{1b}[2Jno".into()),
            cost: Some(0.5),
            turns: Some(2),
            completed_at: Some(3_000),
            cwd: "/w".into(),
            untrusted: true,
            status: TaskStatus::Failed,
            ..task("2f1c8d5a")
        };
        let lines = summary(&task, 5_000, &Console::new(true, true));
        let line = |name: &str| &lines.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(line("Status"), "failed after 2 s, 2 s ago");
        assert_eq!(line("Error"), "\u{fffd}[2Jno");
        assert_eq!(line("Folder"), "/w; the folder's own settings are left alone");
        assert_eq!(line("Cost"), "$0.5000, 2 turns");
        assert!(!lines.iter().any(|(name, _)| *name == "Session" || *name == "Name"));
    }
}
