//! An agent that says whatever it likes.

use loopsy::api::tasks::Remember;
use loopsy::home::config::AiTasks;
use loopsy::service::tasks::agent::{Decision, Start, Step};
use loopsy::service::tasks::dialogue;
use serde_json::Value;

/// Plays the lines of an agent to its dialogue. Lines that begin with `!` stand for people: `!yes`, `!keep`, `!no`, `!more`, `!stop`.
pub fn talk(agent: &str, bytes: &[u8]) {
    let start = Start { prompt: "do".into(), cwd: "/".into(), ..Start::default() };
    let mut dialogue = dialogue(&AiTasks::default(), agent, start).unwrap();
    let mut open = Vec::new();
    take(dialogue.begin(), &mut open);
    for line in bytes.split(|byte| *byte == b'\n') {
        let steps = match line {
            b"!more" => dialogue.prompt("more"),
            b"!stop" => dialogue.interrupt(),
            b"!yes" | b"!keep" | b"!no" => match open.pop() {
                Some(id) => {
                    let remember = if line == b"!keep" { Remember::Session } else { Remember::Once };
                    let decision = Decision { approved: line != b"!no", remember, ..Decision::default() };
                    dialogue.decide(&id, decision.with_a_reason("kai")).map_or_else(|_| Vec::new(), |decided| decided.steps)
                }
                None => Vec::new(),
            },
            line => dialogue.line(line),
        };
        take(steps, &mut open);
    }
}

/// What is written to the agent is one JSON object a line, and no question is asked twice.
fn take(steps: Vec<Step>, open: &mut Vec<String>) {
    for step in steps {
        match step {
            Step::Write(line) => {
                assert!(!line.contains('\n'));
                assert!(serde_json::from_str::<Value>(&line).unwrap().is_object());
            }
            Step::Ask(asked) => {
                assert!(!open.contains(&asked.request_id), "{} is asked again", asked.request_id);
                open.push(asked.request_id);
            }
            Step::Withdraw(id) => open.retain(|known| *known != id),
            _ => {}
        }
    }
}
