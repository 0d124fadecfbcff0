//! What a service's file says of itself, so that an old one and an edited one are told from the one that is wanted.

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::base::hash::Sha256;

/// The beginning of the line, behind what begins a comment.
const MARK: &str = "loopsy: ";

/// The line that a file has of Loopsy's, as JSON in a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The program that is started.
    pub program: String,
    /// Its data directory.
    pub data_dir: String,
    /// Its search path; nothing where the system has one of its own for services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_path: Option<String>,
    /// The hash of all of this and of all other lines.
    seal: String,
}

/// A service's file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it says of itself, if it was Loopsy that wrote it.
    pub record: Option<Record>,
    /// Whether somebody changed it afterwards, or another than Loopsy wrote it.
    pub is_edited: bool,
}

impl Found {
    /// Reads a file's text.
    pub fn read(text: &str) -> Self {
        let is_record = |line: &&str| line.contains(MARK) && record_in(line).is_some();
        let Some(line) = text.lines().find(is_record) else { return Self { record: None, is_edited: true } };
        let record = record_in(line);
        let rest: Vec<&str> = text.lines().filter(|other| *other != line).collect();
        let is_edited = record.as_ref().is_none_or(|record| record.seal != record.seal_with(&rest));
        Self { record, is_edited }
    }
}

fn record_in(line: &str) -> Option<Record> {
    let json = line.get(line.find('{')?..=line.rfind('}')?)?;
    serde_json::from_str(json).ok()
}

impl Record {
    /// The seal of a file that has these other lines.
    fn seal_with(&self, lines: &[&str]) -> String {
        let own = [&self.program, &self.data_dir, self.search_path.as_ref().unwrap_or(&self.program)].map(String::as_str);
        let mut hash = Sha256::default();
        own.iter().chain(lines).for_each(|line| {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        });
        hash.finish()
    }
}

/// A file's text: its first line, a comment with the record, the other lines.
pub(super) fn sealed(first: &str, (open, close): (&str, &str), subject: &Subject, has_path: bool, rest: &str) -> String {
    let lines: Vec<&str> = std::iter::once(first).chain(rest.lines()).collect();
    let mut record = Record {
        program: subject.program.clone(),
        data_dir: subject.data_dir.clone(),
        search_path: has_path.then(|| subject.search_path.clone()),
        seal: String::new(),
    };
    record.seal = record.seal_with(&lines);
    // Two of them would end a comment of XML.
    let json = serde_json::to_string(&record).unwrap_or_default().replace('-', "\\u002d");
    format!("{first}\n{open}{MARK}{json}{close}\n{}\n", lines[1..].join("\n"))
}
