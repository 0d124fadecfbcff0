//! Which agents there are, and how each is spoken with.

use serde_json::json;

use super::acp::{Acp, Modes, Quirks};
use super::agent::{Dialogue, Invocation, Start};
use super::claude::Claude;
use crate::api::tasks::PermissionMode;
use crate::base::agents::{self, Agent};
use crate::base::{Error, Result, id};
use crate::home::config::AiTasks;

/// An agent that is about to be started. `agent` is the name of one that is known, or of one in the configuration.
///
/// # Errors
/// `INVALID_REQUEST` for a name that is not known, and for what that agent can't be told.
pub fn dialogue(config: &AiTasks, agent: &str, start: Start) -> Result<Box<dyn Dialogue>> {
    if agent == agents::CLAUDE.name {
        return Ok(Box::new(Claude::new(start, id::job())));
    }
    let of_config = config.agents.get(agent).and_then(|command| command.split_first());
    let prepare = match KNOWN.iter().find(|(known, _)| known.name == agent) {
        _ if of_config.is_some() => None,
        Some((_, prepare)) => Some(prepare),
        None => return Err(unknown(config, agent)),
    };
    refuse_what_is_claudes(agent, &start)?;
    let (start, mut invocation, quirks) = match (prepare, of_config) {
        (Some(prepare), _) => prepare(start),
        (None, command) => {
            let (program, args) = command.ok_or_else(|| unknown(config, agent))?;
            (start, Invocation { program: program.clone(), args: args.to_vec(), env: Vec::new() }, Quirks::unknown(agent))
        }
    };
    invocation.args.extend(start.additional_args.iter().cloned());
    Ok(Box::new(Acp::new(start, invocation, quirks)))
}

/// How an agent is installed, as a hint.
pub fn how_to_install(agent: &str) -> String {
    let mut known = std::iter::once(&agents::CLAUDE).chain(KNOWN.iter().map(|(known, _)| *known));
    match known.find(|known| known.name == agent) {
        Some(known) => format!("Install it there with: {}", known.install),
        None => "Install it there.".into(),
    }
}

/// How an agent is started that is known, and in what it differs.
type Prepare = fn(Start) -> (Start, Invocation, Quirks);

/// The agents that are known and speak ACP.
const KNOWN: [(&Agent, Prepare); 3] = [(&agents::GEMINI, gemini), (&agents::OPENCODE, opencode), (&agents::CODEX_ACP, codex)];

fn gemini(mut start: Start) -> (Start, Invocation, Quirks) {
    // Its list of models leaves out some that it has.
    let model = start.model.take().map(|model| format!("--model={model}"));
    // Else it starts itself anew, and what is stopped is not what works.
    let mut env = vec![("GEMINI_CLI_NO_RELAUNCH".to_owned(), "true".to_owned())];
    if start.untrusted {
        env.push(("GEMINI_CLI_TRUST_WORKSPACE".into(), "false".into()));
    }
    let invocation = invocation(&agents::GEMINI, model.into_iter().chain(["--acp".into()]), env);
    let modes = Modes { asks: &["default"], edits: &["autoEdit"], bypasses: &["yolo"], plans: &["plan"] };
    let for_the_session = &["proceed_always", "proceed_always_tool", "proceed_always_server"];
    (start, invocation, Quirks { modes, for_the_session, for_ever: &["proceed_always_and_save"], ..Quirks::unknown(agents::GEMINI.title) })
}

fn opencode(start: Start) -> (Start, Invocation, Quirks) {
    // Unless it is told otherwise, it asks nothing. Tools of servers have an underscore in their names.
    let asks =
        |edit: &str| json!({ "bash": "ask", "edit": edit, "webfetch": "ask", "websearch": "ask", "codesearch": "ask", "*_*": "ask" });
    let permissions = match start.mode {
        PermissionMode::BypassPermissions => json!({ "*": "allow" }),
        PermissionMode::AcceptEdits => asks("allow"),
        PermissionMode::Default | PermissionMode::DontAsk | PermissionMode::Plan => asks("ask"),
    };
    let mut env = vec![("OPENCODE_PERMISSION".to_owned(), permissions.to_string())];
    if start.untrusted {
        env.extend(["OPENCODE_DISABLE_PROJECT_CONFIG", "OPENCODE_PURE"].map(|name| (name.to_owned(), "true".to_owned())));
    }
    let works: &[&str] = &["build"];
    let modes = Modes { asks: works, edits: works, bypasses: works, plans: &["plan"] };
    let quirks = Quirks { modes, for_the_session: &["always"], ..Quirks::unknown(agents::OPENCODE.title) };
    (start, invocation(&agents::OPENCODE, ["acp".into()], env), quirks)
}

fn codex(start: Start) -> (Start, Invocation, Quirks) {
    let modes = Modes { asks: &["read-only"], edits: &["workspace-write"], bypasses: &["agent-full-access"], plans: &[] };
    // The mode it begins with has a model, not a person, decide.
    let env = vec![("INITIAL_AGENT_MODE".to_owned(), "read-only".to_owned())];
    let for_the_session = &["allow_session", "allow_for_session", "allow_permissions_session"];
    let quirks = Quirks { modes, for_the_session, for_ever: &["accept_execpolicy_amendment"], ..Quirks::unknown(agents::CODEX_ACP.title) };
    (start, invocation(&agents::CODEX_ACP, [], env), quirks)
}

fn invocation(agent: &Agent, args: impl IntoIterator<Item = String>, env: Vec<(String, String)>) -> Invocation {
    Invocation { program: agent.program.to_owned(), args: args.into_iter().collect(), env }
}

/// What restricts Claude Code has no word in ACP, and would be left out silently.
fn refuse_what_is_claudes(agent: &str, start: &Start) -> Result<()> {
    let asked = [
        ("maxBudgetUsd", start.max_budget_usd.is_some()),
        ("allowedTools", !start.allowed_tools.is_empty()),
        ("disallowedTools", !start.disallowed_tools.is_empty()),
    ];
    match asked.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::invalid(format!("{agent} has no {name}")).hint("Leave it out; Claude Code alone has it.")),
        None => Ok(()),
    }
}

fn unknown(config: &AiTasks, agent: &str) -> Error {
    let known = KNOWN.iter().map(|(known, _)| known.name).chain(config.agents.keys().map(String::as_str));
    let names: Vec<_> = std::iter::once(agents::CLAUDE.name).chain(known).collect();
    Error::invalid(format!("there is no agent '{}'", crate::base::text::claimed_name(agent)))
        .hint(format!("There are {}; further ones are named in aiTasks.agents.", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoked(agent: &str, start: Start) -> Invocation {
        dialogue(&AiTasks::default(), agent, start).unwrap().invocation()
    }

    #[test]
    fn each_agent_is_started_in_its_own_way() {
        let start = Start { model: Some("m".into()), additional_args: vec!["--more".into()], ..Start::default() };
        assert_eq!(invoked("claude", start.clone()).program, "claude");
        assert!(how_to_install("codex").ends_with("codex-acp") && how_to_install("claude").ends_with("claude-code"));
        let gemini = invoked("gemini", start.clone());
        assert_eq!((gemini.program.as_str(), gemini.args.join(" ").as_str()), ("gemini", "--model=m --acp --more"));
        let opencode = invoked("opencode", start.clone());
        assert_eq!((opencode.program.as_str(), opencode.args.join(" ").as_str()), ("opencode", "acp --more"));
        assert_eq!((invoked("codex", start.clone()).program.as_str(), invoked("codex", start).args.len()), ("codex-acp", 1));
        let agents = [("mine".to_owned(), vec!["/opt/mine".to_owned(), "--acp".to_owned()]), ("none".to_owned(), Vec::new())];
        let config = AiTasks { agents: agents.into(), ..AiTasks::default() };
        let mine = dialogue(&config, "mine", Start::default()).unwrap().invocation();
        assert_eq!((mine.program.as_str(), mine.args.join(" ").as_str()), ("/opt/mine", "--acp"));
        assert!(dialogue(&config, "none", Start::default()).is_err());
        let error = dialogue(&config, "cursor", Start::default()).map(|_| ()).unwrap_err();
        assert!(error.hint.unwrap().contains("claude, gemini, opencode, codex, mine"));
    }
    #[test]
    fn what_an_agent_can_not_be_told_is_refused() {
        for start in [
            Start { max_budget_usd: Some(1.0), ..Start::default() },
            Start { allowed_tools: vec!["Bash".into()], ..Start::default() },
            Start { disallowed_tools: vec!["Bash".into()], ..Start::default() },
        ] {
            for agent in ["gemini", "opencode", "codex"] {
                assert!(dialogue(&AiTasks::default(), agent, start.clone()).is_err(), "{agent}");
            }
            assert!(dialogue(&AiTasks::default(), "claude", start).is_ok());
        }
    }
    #[test]
    fn a_folder_that_is_not_trusted_is_left_alone_as_far_as_the_agent_can() {
        let has = |agent: &str, untrusted: bool, name: &str| {
            let invocation = invoked(agent, Start { untrusted, ..Start::default() });
            invocation.env.iter().any(|(known, _)| known == name)
        };
        for (agent, name) in [("gemini", "GEMINI_CLI_TRUST_WORKSPACE"), ("opencode", "OPENCODE_DISABLE_PROJECT_CONFIG")] {
            assert!(has(agent, true, name) && !has(agent, false, name), "{agent}");
        }
    }
    #[test]
    fn opencode_asks_unless_it_need_not() {
        let permission = |mode: PermissionMode| {
            let (_, text) = invoked("opencode", Start { mode, ..Start::default() }).env.remove(0);
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        };
        for mode in [PermissionMode::Default, PermissionMode::DontAsk, PermissionMode::Plan] {
            assert_eq!((permission(mode)["bash"].as_str(), permission(mode)["edit"].as_str()), (Some("ask"), Some("ask")));
        }
        assert_eq!(
            (permission(PermissionMode::AcceptEdits)["bash"].as_str(), permission(PermissionMode::AcceptEdits)["edit"].as_str()),
            (Some("ask"), Some("allow"))
        );
        assert_eq!(permission(PermissionMode::BypassPermissions), json!({ "*": "allow" }));
    }
}
