//! Which paths may be touched, decided on the path that is really opened.

use std::borrow::Cow;
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;

use super::settings::Settings;
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::platform::files::{self, CASE_IS_IGNORED};

/// What is denied unless `transfer.allowedPaths` names it, or something in it, itself. Relative ones start at home.
///
/// Writing to any of these runs something, now or at the next login; reading some of them gives a secret away.
const DENIED_BY_DEFAULT: &[(&str, &[&str])] = &[
    (
        "shells run these",
        &[
            ".bashrc",
            ".bash_profile",
            ".bash_login",
            ".bash_logout",
            ".bash_aliases",
            ".profile",
            ".zshrc",
            ".zshenv",
            ".zprofile",
            ".zlogin",
            ".zlogout",
            ".kshrc",
            ".mkshrc",
            ".cshrc",
            ".tcshrc",
            ".login",
            ".logout",
            ".inputrc",
            ".config/fish",
            ".config/nushell",
            ".config/zsh",
            ".config/powershell",
            "Documents/PowerShell",
            "Documents/WindowsPowerShell",
            "/etc/profile",
            "/etc/profile.d",
            "/etc/bash.bashrc",
            "/etc/zsh",
        ],
    ),
    (
        "sessions and services start these",
        &[
            ".config/autostart",
            ".config/autostart-scripts",
            ".config/systemd",
            ".config/environment.d",
            ".config/plasma-workspace",
            ".local/share/systemd",
            ".local/share/dbus-1",
            ".pam_environment",
            ".xinitrc",
            ".xprofile",
            ".xsession",
            ".xsessionrc",
            ".xsessions",
            "Library/LaunchAgents",
            "Library/LaunchDaemons",
            "AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup",
            "AppData/Local/Microsoft/WindowsApps",
            "C:/ProgramData/Microsoft/Windows/Start Menu",
            "C:/Windows",
            "NTUSER.DAT",
            "/etc/systemd",
            "/etc/init.d",
            "/etc/rc.local",
            "/etc/xdg/autostart",
            "/etc/ld.so.preload",
            "/Library/LaunchAgents",
            "/Library/LaunchDaemons",
            "/etc/crontab",
            "/etc/cron.d",
            "/etc/cron.hourly",
            "/etc/cron.daily",
            "/etc/cron.weekly",
            "/etc/cron.monthly",
            "/var/spool/cron",
            "/var/spool/at",
            "/usr/lib/cron",
        ],
    ),
    (
        "keys and tokens",
        &[
            ".ssh",
            ".gnupg",
            ".aws",
            ".azure",
            ".kube",
            ".docker/config.json",
            ".netrc",
            ".git-credentials",
            ".password-store",
            ".config/gcloud",
            ".config/gh",
            ".local/share/keyrings",
            "Library/Keychains",
            "AppData/Local/Microsoft/Credentials",
            "AppData/Local/Microsoft/Vault",
            "AppData/Roaming/Microsoft/Credentials",
            "AppData/Roaming/Microsoft/Crypto",
            "AppData/Roaming/Microsoft/Protect",
            "/etc/shadow",
            "/etc/gshadow",
            "/etc/sudoers",
            "/etc/sudoers.d",
            "/etc/ssh",
        ],
    ),
    ("editors and git run what these say", &[".gitconfig", ".config/git", ".vimrc", ".vim", ".config/nvim", ".emacs", ".emacs.d"]),
    (
        "hooks, servers and tokens of coding agents",
        &[".claude", ".claude.json", ".codex", ".gemini", ".cursor", ".config/opencode", ".local/share/opencode"],
    ),
    ("the memory and environment of processes", &["/proc", "/sys"]),
];

/// Which paths may be touched. Obeys a change of the configuration at once.
#[derive(Clone)]
pub struct Paths {
    settings: Settings,
    home: PathBuf,
    always_denied: Arc<[PathBuf]>,
}

impl Paths {
    /// `home` is where relative paths and `~` start. `always_denied` no configuration can allow: the data directories.
    pub fn new(settings: Settings, home: PathBuf, always_denied: Vec<PathBuf>) -> Self {
        Self { settings, home, always_denied: always_denied.into() }
    }

    /// Where a path of a caller leads, if it may be touched. There are no links in it, and perhaps nothing at its end.
    ///
    /// # Errors
    /// `TRANSFER_PATH_DENIED`, which is the same whether or not there is anything; `INVALID_REQUEST` for what is no path.
    pub fn resolve(&self, given: &str) -> Result<PathBuf> {
        self.resolve_with(&self.rules(), given)
    }

    /// As [`Paths::resolve`], with rules taken earlier.
    pub fn resolve_with(&self, rules: &Rules, given: &str) -> Result<PathBuf> {
        if given.is_empty() {
            return Err(Error::invalid("the path is empty"));
        }
        let resolved = files::resolve(&self.absolute(given)).map_err(|error| Error::invalid(io_words(&error)))?;
        rules.check(&resolved.path, given)?;
        match resolved.problem {
            None => Ok(resolved.path),
            Some(problem) => Err(Error::invalid(format!("{given}: {}", io_words(&problem)))),
        }
    }

    /// The rules that hold now, their links followed. Take them once for an operation, not once for each file.
    pub fn rules(&self) -> Rules {
        let config = self.settings.get();
        let home = [String::from("~")];
        let mut rules = Rules { fold: CASE_IS_IGNORED, ..Rules::default() };
        for allowed in config.transfer.allowed_paths.as_deref().unwrap_or(&home) {
            if let Ok(resolved) = files::resolve(&self.absolute(allowed)) {
                rules.allowed.push(rules.form(&resolved.path).into_owned());
            }
        }
        let configured = config.transfer.denied_paths.iter().map(|path| self.absolute(path));
        rules.denied = rules.both_forms(configured.chain(self.always_denied.iter().cloned()));
        let table = DENIED_BY_DEFAULT.iter().flat_map(|(_, paths)| *paths);
        rules.denied_by_default = rules.both_forms(table.map(|path| self.absolute(path)));
        rules
    }

    /// A path of a caller as an absolute one: `~` is home, and relative paths start there.
    pub fn absolute(&self, given: &str) -> PathBuf {
        let rest = match given.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with(is_separator) => rest.trim_start_matches(is_separator),
            _ => given,
        };
        self.home.join(files::local(rest))
    }
}

/// The rules at one moment, on paths without links.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    allowed: Vec<PathBuf>,
    denied: Vec<PathBuf>,
    denied_by_default: Vec<PathBuf>,
    fold: bool,
}

impl Rules {
    /// Whether a path without links may be touched.
    pub fn permit(&self, real: &Path) -> bool {
        let real = self.form(real);
        self.allowed.iter().any(|allowed| real.starts_with(allowed)) && !self.forbid(&real)
    }

    /// As [`Rules::permit`], with the error that tells no more than that.
    pub fn check(&self, real: &Path, given: &str) -> Result<()> {
        if self.permit(real) { Ok(()) } else { Err(self.denial(given)) }
    }

    /// The one answer to everything that is not permitted.
    pub fn denial(&self, given: &str) -> Error {
        Error::new(Code::TransferPathDenied, format!("{given} may not be transferred")).hint(
            "The owner of that machine decides with transfer.allowedPaths and transfer.deniedPaths. Keys, start-up files and \
             Loopsy's own data are denied by default.",
        )
    }

    /// Whether a link to `target`, as it is written, may be put at a path below a folder.
    ///
    /// A link may point where its maker could go; a maker who may run commands could point it anywhere anyway. What is
    /// denied by name is denied to both, and no link may stand where the way to something denied begins.
    pub fn check_link(&self, folder: &Path, path: &Path, target: &Path, may_execute: bool) -> Result<()> {
        let link = folder.join(path);
        let shown = format!("{} -> {}", path.display(), target.display());
        let leads = files::resolve(&link.parent().unwrap_or(folder).join(target))
            .map_err(|error| Error::invalid(format!("{shown}: {}", io_words(&error))))?;
        let denied = self.guards(&link) || self.forbid(&leads.path);
        if denied || !(may_execute || self.permit(&leads.path)) {
            return Err(self.denial(&shown));
        }
        Ok(())
    }

    /// Whether a denied path lies below this one: putting a link here would lead it elsewhere.
    pub fn guards(&self, real: &Path) -> bool {
        let real = self.form(real);
        self.denied.iter().chain(&self.denied_by_default).any(|denied| denied.starts_with(&real))
    }

    /// Whether a path is denied by name, not only outside of what is allowed.
    pub fn forbid(&self, real: &Path) -> bool {
        let real = self.form(real);
        let named = |denied: &PathBuf| self.allowed.iter().any(|allowed| allowed.starts_with(denied) && real.starts_with(allowed));
        self.denied.iter().any(|denied| real.starts_with(denied))
            || self.denied_by_default.iter().any(|denied| real.starts_with(denied) && !named(denied))
    }

    /// The rules that matter at and below a permitted folder; they decide there as all of them would.
    pub fn within(&self, folder: &Path) -> Rules {
        let folder = self.form(folder);
        let near = |rules: &[PathBuf]| -> Vec<PathBuf> {
            rules.iter().filter(|rule| rule.starts_with(&folder) || folder.starts_with(rule)).cloned().collect()
        };
        Rules {
            allowed: near(&self.allowed),
            denied: near(&self.denied),
            denied_by_default: near(&self.denied_by_default),
            fold: self.fold,
        }
    }

    /// A path in the form in which paths are compared.
    fn form<'a>(&self, path: &'a Path) -> Cow<'a, Path> {
        if !self.fold {
            return Cow::Borrowed(path);
        }
        // To upper case and back, so that letters with several lower-case forms (a long s) meet.
        Cow::Owned(PathBuf::from(path.to_string_lossy().to_uppercase().to_lowercase()))
    }

    /// Each path as it is written, which guards a link of that name, and as it leads, which guards where that points.
    fn both_forms(&self, paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
        let mut forms = Vec::new();
        for path in paths {
            forms.push(self.form(&path).into_owned());
            if let Some(parent) = path.parent()
                && let Ok(folder) = files::resolve(parent)
            {
                forms.push(self.form(&folder.path.join(path.file_name().unwrap_or_default())).into_owned());
            }
            if let Ok(resolved) = files::resolve(&path) {
                forms.push(self.form(&resolved.path).into_owned());
            }
        }
        forms.sort_unstable();
        forms.dedup();
        forms
    }
}

#[cfg(test)]
mod tests;
