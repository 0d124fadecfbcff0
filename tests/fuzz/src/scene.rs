//! A folder with what may be touched, what may not, and links from the one to the other.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use loopsy::api::caller::Role;
use loopsy::api::{Caller, Permission};
use loopsy::home::config::Config;
use loopsy::home::paths::Paths;
use loopsy::home::settings::Settings;
use tempfile::TempDir;

/// What a file outside says.
pub const SECRET: &str = "secret";

/// A folder in memory where there is one: what is written is brought to the disk each time.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

/// `inside` may be touched but for `inside/denied`; `outside` may not.
pub struct Scene {
    dir: TempDir,
    root: PathBuf,
}

impl Default for Scene {
    fn default() -> Self {
        let dir = folder();
        let root = dir.path().canonicalize().unwrap();
        for folder in ["outside", "inside/sub", "inside/denied"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["outside/file", "inside/denied/file", "inside/sub/file"] {
            fs::write(root.join(file), SECRET).unwrap();
        }
        for (target, link) in [("../outside", "out"), ("sub", "in"), ("loop", "loop"), (".", "here"), ("denied", "no"), ("/", "all")] {
            symlink(target, root.join("inside").join(link)).unwrap();
        }
        Self { dir, root }
    }
}

impl Scene {
    pub fn inside(&self) -> PathBuf {
        self.root.join("inside")
    }
    /// Whether a path without links is one that may be touched.
    pub fn permits(&self, path: &Path) -> bool {
        path.starts_with(self.inside()) && !path.starts_with(self.inside().join("denied"))
    }
    pub fn settings(&self) -> Settings {
        let mut config = Config::default();
        config.transfer.allowed_paths = Some(vec![self.inside().display().to_string()]);
        config.transfer.denied_paths = vec![self.inside().join("denied").display().to_string()];
        Settings::new(config)
    }
    pub fn paths(&self) -> Paths {
        Paths::new(self.settings(), self.inside(), Vec::new())
    }
    /// Panics where anything is not as it was that may not be touched.
    pub fn assert_untouched(&self) {
        let names = |folder: &str| {
            let mut names: Vec<_> = fs::read_dir(self.root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(""), ["inside", "outside"]);
        assert_eq!((names("outside"), names("inside/denied")), (vec!["file".into()], vec!["file".into()]));
        for file in ["outside/file", "inside/denied/file"] {
            assert_eq!(fs::read_to_string(self.dir.path().join(file)).unwrap(), SECRET);
        }
    }
}

/// The owner, or a peer that may transfer and nothing else.
pub fn caller(is_owner: bool) -> Caller {
    let peer = || Role::Peer { name: "leo".into(), permissions: vec![Permission::Transfer], legacy: false };
    Caller::new(if is_owner { Role::Owner } else { peer() }, "id-leo".into(), Ipv4Addr::LOCALHOST.into())
}
