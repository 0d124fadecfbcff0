//! The one error type: a code, a sentence fragment for people, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::code::Code;

/// A failure as it is told to the caller. Causes are logged where they happen and never sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Error {
    /// Which failure this is; the contract.
    pub code: Code,
    /// What failed, in words.
    pub message: String,
    /// Data that goes with the code, such as the current entry of a failed precondition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// What the reader can do about it, one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The result of everything that can fail in a way somebody is told about.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with its sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, hint: None }
    }
    /// The request is wrong, and how.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }
    /// A fault of ours. `cause` goes to the log, not to the caller.
    pub fn internal(what: &str, cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "{what}");
        Self::new(Code::Internal, what)
    }
    /// Adds what the reader can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Message and hint in one line, for where there is no room for two.
    pub fn in_one_line(&self) -> String {
        self.hint.iter().fold(self.message.clone(), |message, hint| format!("{message}. {hint}"))
    }
    /// Adds data for programs.
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The envelope of every failure on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// The failure inside.
    pub error: Error,
}

/// A system error in words a person can use: no number, no jargon.
pub fn io_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind as K;
    match error.kind() {
        K::NotFound => "no such file or directory".into(),
        K::PermissionDenied => "permission denied".into(),
        K::ConnectionRefused => "connection refused".into(),
        K::ConnectionReset | K::BrokenPipe | K::ConnectionAborted | K::UnexpectedEof => "the connection broke".into(),
        K::AddrInUse => "the port is in use".into(),
        K::AddrNotAvailable => "this machine does not have that address".into(),
        K::TimedOut => "timed out".into(),
        K::StorageFull | K::QuotaExceeded => "the disk is full".into(),
        K::IsADirectory => "it is a directory".into(),
        K::NotADirectory => "a part of the path is not a directory".into(),
        K::ReadOnlyFilesystem => "the file system is read-only".into(),
        K::HostUnreachable | K::NetworkUnreachable => "no route to that address".into(),
        K::InvalidFilename => "the name is too long or has characters that are not allowed".into(),
        K::ArgumentListTooLong => "the argument list is too long".into(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// known fault 38: what a fault of ours was caused by is in the log, and nowhere else.
    #[test]
    fn causes_are_never_told() {
        let error = Error::internal("the entry could not be written", "/home/ann/.loopsy/context.redb: os error 5");
        let told = serde_json::to_string(&Failure { error }).unwrap();
        assert_eq!(told, r#"{"error":{"code":9001,"message":"the entry could not be written"}}"#);
    }
    #[test]
    fn system_errors_are_words() {
        for number in 1..134 {
            let words = io_words(&std::io::Error::from_raw_os_error(number));
            assert!(!words.contains("os error") && !words.is_empty(), "{number}: {words}");
        }
    }
}
