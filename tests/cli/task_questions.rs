//! What agents ask, put to a person at a terminal.

use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use loopsy::base::text::shell_word;
use serde_json::json;

use super::task::newest;
use crate::support::node::Node;
use crate::support::process::skipped;
use crate::support::program::{Program, binary};
use crate::tasks::{bash, node, script};

/// The program on a terminal of its own, and who types there.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: BufReader<std::process::ChildStdout>,
    seen: String,
}

impl Terminal {
    /// Nothing where the system has no program that lends a terminal.
    fn run(program: &Program, args: &[&str], env: &[(&str, &str)]) -> Option<Self> {
        let told = Command::new("script").arg("--version").output().ok().map(|told| String::from_utf8_lossy(&told.stdout).into_owned());
        if !told.is_some_and(|told| told.contains("util-linux")) {
            skipped("there is no script of util-linux, which lends a terminal");
            return None;
        }
        let like = program.command(args);
        let line: Vec<String> = std::iter::once(binary().display().to_string())
            .chain(args.iter().map(|arg| (*arg).to_owned()))
            .map(|word| shell_word(&word))
            .collect();
        let mut command = Command::new("script");
        command.args(["-qefc", &line.join(" "), "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        for (name, value) in like.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command.env("NO_COLOR", "1").envs(env.iter().copied()).spawn().unwrap();
        let (keys, screen) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, keys, screen, seen: String::new() })
    }
    /// Reads on until this is seen; answers what was seen since the last time.
    fn until(&mut self, what: &str) -> String {
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            assert!(self.screen.read(&mut byte).unwrap() > 0, "it ended before {what:?}: {}", String::from_utf8_lossy(&bytes));
            bytes.push(byte[0]);
            if bytes.ends_with(what.as_bytes()) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.seen.push_str(&text);
                return text;
            }
        }
    }
    fn types(&mut self, line: &str) {
        self.keys.write_all(line.as_bytes()).unwrap();
    }
    /// The exit status, and all that was seen.
    fn end(mut self) -> (i32, String) {
        let mut rest = Vec::new();
        // A terminal whose program has gone reads as an error on some systems.
        let _ = self.screen.read_to_end(&mut rest);
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        (self.child.wait().unwrap().code().unwrap_or(-1), self.seen)
    }
}

/// The agent asks for a command, and says what came of it.
fn asking(line: &str) -> String {
    script(json!([bash(line), {"text":"It said: {{last}}"}]))
}

fn with_prompt(kai: &Node, prompt: &str, env: &[(&str, &str)]) -> Option<Terminal> {
    Terminal::run(&kai.program, &["task", "run", prompt], env)
}

#[test]
fn a_question_comes_up_and_its_answer_holds() {
    let kai = node(json!({}));
    let cases = [("y\n", 0, "It said: one"), ("n use /tmp instead\n", 0, "It said: use /tmp instead"), ("maybe\ny\n", 0, "It said: one")];
    for (answer, code, said) in cases {
        let Some(mut terminal) = with_prompt(&kai, &asking("echo one"), &[]) else { return };
        let shown = terminal.until("Your answer (y, n, e, q): ");
        for part in ["? claude asks: Bash: echo one", "    command: echo one", "  y   yes, this once"] {
            assert!(shown.contains(part), "{part:?} in {shown}");
        }
        terminal.types(answer);
        let (status, seen) = terminal.end();
        assert!(status == code && seen.contains(said), "{answer:?}: {seen}");
    }
}

/// Remembering is a choice of its own, shown as what it is, and nothing else is widened.
#[test]
fn what_is_remembered_is_what_was_chosen() {
    let kai = node(json!({}));
    let rule =
        json!({"type":"addRules","behavior":"allow","destination":"localSettings","rules":[{"toolName":"Bash","ruleContent":"echo one"}]});
    let mode = json!({"type":"setMode","mode":"acceptEdits","destination":"session"});
    let ask = json!({"tool":"Bash","input":{"command":"echo one"},"suggest":[rule, mode]});
    let steps = script(json!([ask, ask, {"text":"twice: {{last}}"}]));
    let Some(mut terminal) = with_prompt(&kai, &steps, &[]) else { return };
    let shown = terminal.until("Your answer (");
    assert!(shown.contains("  s   yes, and for the rest of this session: ") && shown.contains("Bash(echo one)"), "{shown}");
    assert!(shown.contains("  s2  ") && shown.contains("(more than what is asked for)"), "{shown}");
    terminal.types("s\n");
    let (status, seen) = terminal.end();
    assert!(status == 0 && seen.contains("twice: one") && seen.matches("? claude asks").count() == 1, "{seen}");
    assert!(seen.contains("; remembered: "), "{seen}");
}

#[test]
fn an_input_is_changed_in_an_editor_before_it_runs() {
    let kai = node(json!({}));
    let Some(mut terminal) = with_prompt(&kai, &asking("echo one"), &[("EDITOR", "sed -i s/one/two/"), ("VISUAL", "")]) else { return };
    terminal.until("Your answer (");
    terminal.types("e\n");
    let (status, seen) = terminal.end();
    assert!(status == 0 && seen.contains("It said: two") && seen.contains("with another input"), "{seen}");
    let left =
        std::fs::read_dir(kai.program.home().root()).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().contains("answer-"));
    assert!(!left, "the draft is gone");

    let Some(mut terminal) = with_prompt(&kai, &asking("echo one"), &[("EDITOR", "false"), ("VISUAL", "")]) else { return };
    terminal.until("Your answer (");
    terminal.types("e\n");
    assert!(terminal.until("Your answer (").to_lowercase().contains("the editor failed"));
    terminal.types("n\n");
    assert_eq!(terminal.end().0, 0);
}

/// Who is slower is told, and what he types then is an answer to nothing.
#[tokio::test]
async fn a_question_that_somebody_else_answers_is_taken_down() {
    let kai = node(json!({}));
    let steps = script(json!([bash("echo one"), bash("echo two"), {"text":"It said: {{last}}"}]));
    let Some(mut terminal) = with_prompt(&kai, &steps, &[]) else { return };
    terminal.until("Your answer (");
    // Half a line is typed; Enter is not pressed yet.
    terminal.types("y");
    let task = newest(&kai.program, "waiting_approval").await;
    kai.program.ok(&["task", "approve", task["taskId"].as_str().unwrap()]);
    assert!(terminal.until("echo two").contains("! approved by owner"));
    terminal.until("Your answer (");
    terminal.types("\n");
    terminal.until("Type one of these");
    terminal.types("n not now\n");
    let (status, seen) = terminal.end();
    assert!(status == 0 && seen.contains("It said: not now"), "{seen}");
}

#[tokio::test]
async fn who_leaves_a_question_open_leaves_the_task_at_work() {
    let kai = node(json!({}));
    let Some(mut terminal) = with_prompt(&kai, &asking("echo one"), &[]) else { return };
    terminal.until("Your answer (");
    terminal.types("q\n");
    let (status, seen) = terminal.end();
    assert!(status == 0 && seen.contains("loopsy task approve ") && seen.contains("loopsy task logs -f "), "{seen}");
    newest(&kai.program, "waiting_approval").await;
}

#[test]
fn something_is_chosen_by_its_number() {
    let kai = node(json!({}));
    let input = json!({"questions":[{"question":"Which DB?","options":[{"label":"sqlite","description":"small"},{"label":"postgres","description":"large"}]}]});
    let steps = script(json!([{"tool":"AskUserQuestion","input":input}, {"text":"It said: {{last}}"}]));
    let Some(mut terminal) = with_prompt(&kai, &steps, &[]) else { return };
    let shown = terminal.until("A number, or your own words");
    assert!(shown.contains("    Which DB?") && shown.contains("  2   postgres  large"), "{shown}");
    terminal.types("2\n");
    let (status, seen) = terminal.end();
    assert!(status == 0 && seen.contains(r#""answers":{"Which DB?":"postgres"}"#), "{seen}");
}

/// What an agent wrote can't draw on the screen on which it is asked about.
#[test]
fn a_question_is_shown_and_not_obeyed() {
    let kai = node(json!({}));
    let evil = "x\u{1b}[2J\u{1b}[1A\u{9b}2K\r\n? claude asks: Bash: ls\nYour answer (y): ";
    let steps = script(json!([{"tool":evil,"input":{"command":evil,evil:[evil]}}]));
    let Some(mut terminal) = with_prompt(&kai, &steps, &[]) else { return };
    terminal.until("Your answer (y, n, e, q): ");
    terminal.types("n\n");
    let (_, seen) = terminal.end();
    let plain = seen.replace("\r\n", "\n");
    assert!(plain.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{plain:?}");
    assert!(!plain.contains("\n? claude asks: Bash: ls"), "{plain}");
}

/// Inside of an agent nobody is asked who is not a person.
#[tokio::test]
async fn an_agent_at_a_terminal_is_told_who_may_answer() {
    let kai = node(json!({}));
    let Some(mut terminal) = with_prompt(&kai, &asking("echo one"), &[("CLAUDECODE", "1")]) else { return };
    terminal.until("Answer it with: loopsy task approve ");
    let task = newest(&kai.program, "waiting_approval").await;
    kai.program.ok(&["task", "approve", task["taskId"].as_str().unwrap()]);
    assert!(terminal.end().1.contains("It said: one"));
}
