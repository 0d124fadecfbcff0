//! Small JSON files, written whole, with a version.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::platform::files;

/// What was read, and what the owner should know about it.
#[derive(Debug)]
pub struct Stored<T> {
    /// The content; `None` when there is no file, or when it was set aside.
    pub content: Option<T>,
    /// Says that the file was broken, and where it is now.
    pub warning: Option<String>,
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    version: u32,
    #[serde(flatten)]
    content: &'a T,
}

/// Reads a file of at most this version; one without a version is the Node version's, or the first.
///
/// What can't be read is set aside beside it and never overwritten. A file of a newer release is an error, because
/// working on without it would lose what it holds.
pub fn read<T: DeserializeOwned>(path: &Path, version: u32) -> Result<Stored<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Stored { content: None, warning: None }),
        Err(error) => return Err(Error::internal(&format!("{} can't be read: {}", path.display(), io_words(&error)), error)),
    };
    let broken = match serde_json::from_slice::<Value>(&bytes) {
        Ok(value) => {
            if let Some(found) = value.get("version").and_then(Value::as_u64).filter(|found| *found > u64::from(version)) {
                return Err(newer(path, found));
            }
            match serde_path_to_error::deserialize(value) {
                Ok(content) => return Ok(Stored { content: Some(content), warning: None }),
                Err(error) => error.to_string(),
            }
        }
        Err(error) => error.to_string(),
    };
    let aside = files::set_aside(path)
        .map_err(|error| Error::internal(&format!("{} is broken and can't be set aside: {}", path.display(), io_words(&error)), error))?;
    let warning = format!("{} was broken ({broken}) and is now {}", path.display(), aside.display());
    tracing::warn!("{warning}");
    Ok(Stored { content: None, warning: Some(warning) })
}

/// What is said of a file of a later release, whose shape has a number that this one does not know.
pub fn newer(path: &Path, shape: u64) -> Error {
    Error::new(Code::Internal, format!("{} was written by a newer Loopsy (format {shape})", path.display()))
        .hint("Install the newer version again.")
}

/// Writes an object (a struct or a map) with its version, whole: a crash leaves the old or the new content.
pub fn write<T: Serialize>(path: &Path, version: u32, content: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(&Versioned { version, content })
        .map_err(|error| Error::internal(&format!("{} can't be written", path.display()), error))?;
    text.push(b'\n');
    files::write_private(path, &text).map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => full(path),
        _ => Error::internal(&format!("{} can't be written: {}", path.display(), io_words(&error)), error),
    })
}

/// What is said where the disk has no room for a file.
pub fn full(path: &Path) -> Error {
    Error::new(Code::TransferDiskFull, "the disk is full").hint(format!("Free some space where {} lies.", path.display()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Content {
        name: String,
    }

    #[test]
    fn what_was_written_is_read_and_what_is_broken_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert!(read::<Content>(&path, 1).unwrap().content.is_none());
        write(&path, 1, &Content { name: "kai".into() }).unwrap();
        assert_eq!(read::<Content>(&path, 1).unwrap().content, Some(Content { name: "kai".into() }));

        for broken in [&b"{\"name\":"[..], b"{\"name\":7}", b"[]", b"", b"\xff"] {
            files::write_private(&path, broken).unwrap();
            let stored = read::<Content>(&path, 1).unwrap();
            assert!(stored.content.is_none() && stored.warning.is_some());
            assert!(!path.exists());
        }
        assert!(std::fs::read_dir(dir.path()).unwrap().flatten().any(|entry| entry.file_name().to_string_lossy().contains("broken")));
    }
    #[test]
    fn a_file_of_a_newer_release_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        files::write_private(&path, b"{\"version\":2,\"name\":\"kai\"}").unwrap();
        assert!(read::<Content>(&path, 1).is_err());
        assert!(path.exists());
    }
}
