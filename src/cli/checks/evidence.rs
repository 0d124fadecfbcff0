//! What the audit logs tell about calls from elsewhere: the only evidence of whether others can call this machine.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use crate::base::Code;
use crate::base::clock::Millis;
use crate::home::Home;

/// How much of the end of a log is read, bytes.
const READ: u64 = 16 * 1024 * 1024;

/// The newest call of each kind.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Of each peer whose key was accepted, by its name.
    by_caller: HashMap<String, Call>,
    /// Of each address whose key was not.
    refused: HashMap<IpAddr, Millis>,
    /// From another machine, whoever it was.
    pub from_elsewhere: Option<Call>,
}

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When, milliseconds since the epoch.
    pub at: Millis,
    /// From where.
    pub from: IpAddr,
    /// With which failure it was answered, if it was a failure.
    pub failure: Option<Code>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    timestamp: Millis,
    from_ip: IpAddr,
    #[serde(default)]
    caller: String,
    #[serde(default)]
    error: Option<u16>,
}

impl Evidence {
    /// Reads the newest part of both logs; a log that can't be read tells nothing.
    pub fn read(home: &Home) -> Self {
        let mut evidence = Self::default();
        for log in [home.audit_log(), home.keyless_log()] {
            for line in lines(&log) {
                evidence.take(&line);
            }
        }
        evidence
    }
    /// The newest call of a peer whose key was accepted.
    pub fn of(&self, peer: &str) -> Option<Call> {
        self.by_caller.get(peer).copied()
    }
    /// When a wrong key was last presented from an address.
    pub fn refused(&self, from: IpAddr) -> Option<Millis> {
        self.refused.get(&from.to_canonical()).copied()
    }

    fn take(&mut self, line: &str) {
        // Counts of lost records are no records.
        let Ok(record) = serde_json::from_str::<Record>(line) else { return };
        let from = record.from_ip.to_canonical();
        let call = Call { at: record.timestamp, from, failure: record.error.and_then(Code::from_number) };
        let newer = |known: Option<Call>| known.is_none_or(|known| known.at <= call.at);
        if !from.is_loopback() && newer(self.from_elsewhere) {
            self.from_elsewhere = Some(call);
        }
        match record.caller.as_str() {
            "owner" | "" => {}
            "stranger" => {
                if call.failure == Some(Code::AuthInvalidKey) {
                    let newest = self.refused.entry(from).or_default();
                    *newest = call.at.max(*newest);
                }
            }
            peer => {
                if newer(self.of(peer)) {
                    self.by_caller.insert(peer.to_owned(), call);
                }
            }
        }
    }
}

fn lines(path: &Path) -> impl Iterator<Item = String> {
    let end = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(READ)))?;
        Ok(file)
    });
    let split = end.into_iter().flat_map(|file| BufReader::new(file).split(b'\n').map_while(Result::ok));
    split.filter_map(|line| String::from_utf8(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::files::write_private;

    #[test]
    fn the_newest_call_of_each_counts_and_nonsense_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        assert!(Evidence::read(&home).from_elsewhere.is_none());
        let line = |at: u64, from: &str, caller: &str, error: &str| {
            format!("{{\"timestamp\":{at},\"fromIp\":\"{from}\",\"caller\":\"{caller}\"{error}}}\n")
        };
        let keyed = [
            line(5, "10.0.0.2", "kai", ""),
            line(9, "10.0.0.2", "kai", ",\"error\":5001"),
            line(7, "10.0.0.3", "kai", ""),
            line(30, "127.0.0.1", "owner", ""),
            "{\"timestamp\":\"x\"}\nnonsense\n{\"lost\":7}\n".into(),
        ];
        write_private(&home.audit_log(), keyed.concat().as_bytes()).unwrap();
        let keyless = [line(20, "::ffff:10.0.0.4", "stranger", ",\"error\":1002"), line(21, "10.0.0.5", "stranger", ",\"error\":1001")];
        write_private(&home.keyless_log(), &[keyless.concat().as_bytes(), b"\xff\xfe\n"].concat()).unwrap();

        let evidence = Evidence::read(&home);
        let kai = evidence.of("kai").unwrap();
        assert_eq!((kai.at, kai.failure), (9, Some(Code::ContextKeyNotFound)));
        assert_eq!(evidence.refused("10.0.0.4".parse().unwrap()), Some(20));
        assert_eq!(evidence.refused("10.0.0.5".parse().unwrap()), None);
        assert_eq!(evidence.from_elsewhere.unwrap().at, 21);
        assert!(evidence.of("owner").is_none() && evidence.of("stranger").is_none());
    }
}
