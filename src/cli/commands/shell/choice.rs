//! Which terminal is meant by an id, the beginning of one, or a name.

use super::place::shown;
use crate::api::terminal::{Terminal, TerminalStatus};
use crate::base::{Code, Error, Result};

/// The terminal that is meant. What runs is meant before what has ended, a name before the beginning of an id.
///
/// # Errors
/// `EXEC_JOB_NOT_FOUND` where there is none, `INVALID_REQUEST` where several are meant alike.
pub(super) fn choose<'a>(known: &'a [Terminal], which: &str) -> Result<&'a Terminal> {
    if let Some(terminal) = known.iter().find(|terminal| terminal.terminal_id == which) {
        return Ok(terminal);
    }
    let is_called = |terminal: &Terminal| terminal.name.as_deref() == Some(which);
    let begins = |terminal: &Terminal| !which.is_empty() && terminal.terminal_id.starts_with(which);
    for status in [TerminalStatus::Running, TerminalStatus::Exited] {
        for is_meant in [&is_called as &dyn Fn(&Terminal) -> bool, &begins] {
            let meant: Vec<&Terminal> = known.iter().filter(|terminal| terminal.status == status && is_meant(terminal)).collect();
            match meant[..] {
                [] => {}
                [terminal] => return Ok(terminal),
                _ => return Err(several(which, &meant)),
            }
        }
    }
    Err(Error::new(Code::ExecJobNotFound, format!("there is no terminal {which:?}")))
}

fn several(which: &str, meant: &[&Terminal]) -> Error {
    let ids: Vec<&str> = meant.iter().map(|terminal| shown(terminal)).collect();
    Error::invalid(format!("there are {} terminals {which:?}", meant.len())).hint(format!("Name one by its id: {}", ids.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(id: &str, name: &str, status: TerminalStatus) -> Terminal {
        Terminal { terminal_id: id.into(), name: Some(name.into()), status, ..Terminal::default() }
    }

    #[test]
    fn what_runs_is_meant_before_what_has_ended() {
        use TerminalStatus::{Exited, Running};
        let known = [
            terminal("aa11111111", "work", Exited),
            terminal("aa22222222", "work", Running),
            terminal("bb33333333", "logs", Exited),
            terminal("cc44444444", "logs", Exited),
            terminal("dd55555555", "aa", Running),
        ];
        let id = |which: &str| choose(&known, which).map(|terminal| terminal.terminal_id.clone());
        assert_eq!(id("work").unwrap(), "aa22222222");
        assert_eq!(id("aa11111111").unwrap(), "aa11111111");
        assert_eq!(id("aa1").unwrap(), "aa11111111");
        assert_eq!(id("bb").unwrap(), "bb33333333");
        assert_eq!(id("aa").unwrap(), "dd55555555");
        for nothing in ["", "nothing", "aa111111112"] {
            assert_eq!(id(nothing).unwrap_err().code, Code::ExecJobNotFound, "{nothing}");
        }
        let several = id("logs").unwrap_err();
        assert_eq!((several.code, several.message.as_str()), (Code::InvalidRequest, "there are 2 terminals \"logs\""));
        assert_eq!(several.hint.as_deref(), Some("Name one by its id: bb333333, cc444444"));
    }

    #[test]
    fn of_several_that_run_none_is_chosen() {
        let known = ["ab1", "ab2"].map(|id| terminal(id, "work", TerminalStatus::Running));
        for which in ["work", "ab"] {
            let error = choose(&known, which).unwrap_err();
            assert_eq!((error.code, error.hint.as_deref()), (Code::InvalidRequest, Some("Name one by its id: ab1, ab2")), "{which}");
        }
    }
}
