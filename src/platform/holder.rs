//! Which process has what one wants: a port, or a lock.

use std::path::Path;

/// A process, as people recognise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Its program's short name.
    pub name: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Who listens on a TCP port; none where the system does not tell, as of other users' processes.
#[cfg(target_os = "linux")]
pub fn of_port(port: u16) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<String> = tables.iter().flat_map(|table| listening(table, port)).collect();
    if sockets.is_empty() {
        return None;
    }
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let holds = files.any(|file| std::fs::read_link(file.path()).is_ok_and(|to| sockets.iter().any(|socket| to == Path::new(socket))));
        holds.then(|| named(pid))
    })
}

/// Who listens on a TCP port; not told on this system.
#[cfg(not(target_os = "linux"))]
pub fn of_port(_port: u16) -> Option<Holder> {
    None
}

/// Who holds a lock on a file; none where the system does not tell.
#[cfg(target_os = "linux")]
pub fn of_lock(path: &Path) -> Option<Holder> {
    use std::os::unix::fs::MetadataExt;
    let inode = std::fs::metadata(path).ok()?.ino();
    lock_owner(&std::fs::read_to_string("/proc/locks").ok()?, inode).map(named)
}

/// Who holds a lock on a file; not told on this system.
#[cfg(not(target_os = "linux"))]
pub fn of_lock(_path: &Path) -> Option<Holder> {
    None
}

#[cfg(target_os = "linux")]
fn named(pid: u32) -> Holder {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(|_| "a program".into(), |name| name.trim().to_owned());
    Holder { pid, name }
}

/// The sockets that listen on a port, as links below `/proc/<pid>/fd` name them.
#[cfg(target_os = "linux")]
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let ending = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1).is_some_and(|local| local.ends_with(&ending)) && row.get(3) == Some(&LISTEN))
        .filter_map(|row| Some(format!("socket:[{}]", row.get(9)?)))
        .collect()
}

/// The process of the first lock on a file in the system's table: `1: FLOCK ADVISORY WRITE 77 00:2f:1234 0 EOF`.
#[cfg(target_os = "linux")]
fn lock_owner(table: &str, inode: u64) -> Option<u32> {
    let inode = inode.to_string();
    table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>()).find_map(|row| {
        let file = row.iter().position(|word| word.matches(':').count() == 2)?;
        (row[file].rsplit(':').next() == Some(&inode)).then(|| row.get(file.checked_sub(1)?)?.parse().ok())?
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_port_or_a_lock_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_port(listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.name.is_empty());

        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(of_lock(file.path()), None);
        file.as_file().lock().unwrap();
        assert_eq!(of_lock(file.path()).unwrap().pid, std::process::id());
    }
    #[test]
    fn strange_tables_name_nobody() {
        for table in ["", "x\n", "head\n1 2 3\n", "head\n0: 0100007F:1F90 0 0A\n"] {
            assert!(listening(table, 8080).is_empty(), "{table:?}");
            assert_eq!(lock_owner(table, 7), None, "{table:?}");
        }
        assert_eq!(lock_owner("1: FLOCK  ADVISORY  WRITE 77 00:2f:1234 0 EOF\n", 1234), Some(77));
        assert_eq!(lock_owner("1: FLOCK  ADVISORY  WRITE -1 00:2f:1234 0 EOF\n", 1234), None);
        assert_eq!(lock_owner("00:2f:1234", 1234), None);
    }
}
