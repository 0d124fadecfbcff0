//! On which machine a task is, and which task is meant.

use std::collections::HashSet;

use crate::api::tasks::{Task, TaskGet, TaskList};
use crate::base::text::{closest, one_line, printable, shell_word};
use crate::base::{Code, Error, Result};
use crate::cli::Session;
use crate::client::Link;

/// Characters that the beginning of an id must have.
const SHORTEST: usize = 4;
/// Characters of an id that are shown, unless more are needed to tell it from others.
const SHOWN: usize = 8;
/// Characters of a whole id.
const WHOLE: usize = 36;
/// Characters of what was typed that are repeated.
const REPEATED: usize = 60;

/// The machine that a command is about.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The run of the program.
    pub session: &'a Session,
    /// The peer; this machine where there is none.
    pub peer: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// From a command's options.
    pub fn of(session: &'a Session, place: &'a crate::cli::app::Place) -> Self {
        Self { session, peer: place.peer.as_deref() }
    }
    /// The line to it.
    pub fn link(&self) -> Result<Link> {
        let link = self.session.link()?;
        Ok(self.peer.map_or_else(|| link.clone(), |peer| link.via(peer)))
    }
    /// Where it is, to be put behind a noun.
    pub fn suffix(&self) -> String {
        self.peer.map(|peer| format!(" on {}", printable(peer))).unwrap_or_default()
    }
    /// The command that does something with a task of this machine, as it is typed.
    pub fn command(&self, words: &[&str]) -> String {
        let place = self.peer.into_iter().flat_map(|peer| ["--peer", peer]);
        let words = words.iter().copied().chain(place).map(|word| shell_word(&printable(word)));
        format!("loopsy task {}", words.collect::<Vec<_>>().join(" "))
    }
    /// The task whose id this is, or begins so.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND` where there is none, `INVALID_REQUEST` where several are meant.
    pub async fn task(&self, id: &str) -> Result<Task> {
        let link = self.link()?;
        let task_id = if id.len() == WHOLE { id.to_owned() } else { self.meant(&link, id).await? };
        link.call(&TaskGet { task_id }).await
    }
    async fn meant(&self, link: &Link, id: &str) -> Result<String> {
        if id.chars().count() < SHORTEST {
            return Err(Error::invalid(format!("{id:?} is too short for the id of a task")).hint("Give four characters of it or more."));
        }
        let known: Vec<String> = link.call(&TaskList {}).await?.tasks.into_iter().map(|task| task.task_id).collect();
        if let Some(found) = beginning("tasks", id, known.iter().map(String::as_str))? {
            return Ok(found.to_owned());
        }
        let error = Error::new(Code::AiTaskNotFound, format!("no task {}{}", one_line(id, REPEATED), self.suffix()));
        Err(match closest(id, known.iter().filter_map(|known| known.get(..id.len()))) {
            Some(close) => error.hint(format!("Did you mean {}?", printable(close))),
            None => error.hint(format!("List them with: {}", self.command(&["list"]))),
        })
    }
}

/// The one of `known` that is `text`, or begins so; `what` names them.
///
/// # Errors
/// `INVALID_REQUEST` where several begin so.
pub fn beginning<'a>(what: &str, text: &str, known: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>> {
    let found: Vec<&str> = known.filter(|known| known.starts_with(text)).collect();
    match found.iter().find(|known| **known == text) {
        Some(same) => Ok(Some(same)),
        None if found.len() > 1 => {
            let all = shorts(&found).iter().map(|short| printable(short)).collect::<Vec<_>>().join(", ");
            Err(Error::invalid(format!("{} {what} begin with {}", found.len(), one_line(text, REPEATED))).hint(format!("They are: {all}")))
        }
        None => Ok(found.first().copied()),
    }
}

/// The beginnings of ids, as long as it takes to tell each from the others.
pub fn shorts<'a>(ids: &[&'a str]) -> Vec<&'a str> {
    let differ = |length: usize| {
        let mut seen = HashSet::new();
        ids.iter().all(|id| seen.insert(cut(id, length)))
    };
    let longest = ids.iter().map(|id| id.chars().count()).max().unwrap_or(0);
    let length = (SHOWN..longest).find(|length| differ(*length)).unwrap_or(longest);
    ids.iter().map(|id| cut(id, length)).collect()
}

/// The beginning of an id that is no other's, in the usual length.
pub fn short(id: &str) -> &str {
    cut(id, SHOWN)
}

fn cut(id: &str, length: usize) -> &str {
    id.char_indices().nth(length).map_or(id, |(end, _)| &id[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_short_as_can_be_told_apart() {
        assert_eq!(shorts(&["12345678-aa", "22345678-aa"]), ["12345678", "22345678"]);
        assert_eq!(shorts(&["12345678-aa", "12345678-ab", "3"]), ["12345678-aa", "12345678-ab", "3"]);
        assert_eq!(shorts(&["ääääääää-ää"]), ["ääääääää"]);
        assert_eq!(shorts(&[]), [""; 0]);
        assert_eq!(short("12345678-aa"), "12345678");
    }
    #[test]
    fn the_beginning_of_an_id_will_do_unless_several_are_meant() {
        let known = ["abcd", "abcdef", "abzz"];
        let meant = |text: &str| beginning("tasks", text, known.into_iter());
        assert_eq!(meant("abz").unwrap(), Some("abzz"));
        assert_eq!(meant("abcd").unwrap(), Some("abcd"), "a whole id is that one");
        assert_eq!(meant("x").unwrap(), None);
        let error = meant("ab").unwrap_err();
        assert_eq!((error.message.as_str(), error.hint.as_deref()), ("3 tasks begin with ab", Some("They are: abcd, abcdef, abzz")));
    }
}
