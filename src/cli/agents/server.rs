//! The command with which an agent starts the MCP server of one data directory.

use std::path::PathBuf;

use crate::base::error::io_words;
use crate::base::text::shell_word;
use crate::base::{Code, Error, Result};
use crate::home::Home;
use crate::platform::host;

/// The server to register: this very program, for one data directory.
#[derive(Debug, Clone)]
pub struct Server {
    /// Absolute path of this program.
    pub program: PathBuf,
    /// The data directory of the daemon that it finds.
    pub home: Home,
}

impl Server {
    /// The server of a data directory.
    ///
    /// # Errors
    /// When the system does not tell where this program is.
    pub fn of(home: &Home) -> Result<Self> {
        let unknown = |error| Error::new(Code::Internal, format!("this program's own place is not known: {}", io_words(&error)));
        Ok(Self { program: host::own_program().map_err(unknown)?, home: home.clone() })
    }
    /// The command and its arguments. The key is not among them: the server reads it from the data directory.
    ///
    /// # Errors
    /// When a path is not UTF-8, which the agents' files can't hold.
    pub fn command(&self) -> Result<Vec<String>> {
        self.words(&["mcp-serve"])
    }
    /// This program with these words, for this data directory.
    ///
    /// # Errors
    /// As [`Server::command`].
    pub fn words(&self, words: &[&str]) -> Result<Vec<String>> {
        let text = |path: &std::path::Path| {
            path.to_str().map(str::to_owned).ok_or_else(|| Error::invalid(format!("{} has a name that is not UTF-8", path.display())))
        };
        let mut command = vec![text(&self.program)?];
        command.extend(words.iter().map(|word| (*word).to_owned()));
        if Home::locate(None).ok().as_ref() != Some(&self.home) {
            command.extend(["--data-dir".into(), text(self.home.root())?]);
        }
        Ok(command)
    }
}

/// A command as it is typed in a shell.
pub fn line(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_data_directory_only_where_it_is_not_the_usual_one() {
        let server = |home| Server { program: "/opt/my loopsy".into(), home };
        let usual = server(Home::locate(None).unwrap()).command().unwrap();
        assert_eq!(line(&usual), "'/opt/my loopsy' mcp-serve");
        let other = server(Home::at("/srv/it's")).command().unwrap();
        assert_eq!(other, ["/opt/my loopsy", "mcp-serve", "--data-dir", "/srv/it's"]);
        assert_eq!(line(&other), r"'/opt/my loopsy' mcp-serve --data-dir '/srv/it'\''s'");
    }
}
