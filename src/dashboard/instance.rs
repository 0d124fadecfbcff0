//! One dashboard for each data directory, and how a second call of `loopsy dashboard` finds the first.

use std::fs::{File, TryLockError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::operation::{One, Operation, Spec};
use crate::base::error::io_words;
use crate::base::secret::Secret;
use crate::base::{Code, Error, Fingerprint, Result};
use crate::client::Link;
use crate::client::connector::Security;
use crate::home::Home;
use crate::net::{Address, Network};
use crate::platform::{files, modes};

/// How long a dashboard that begins is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(50);

/// Make a one-time link: what a second call asks the running dashboard, with the secret of its file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Invite {}
impl Operation for Invite {
    const SPEC: Spec = Spec::post("dashboard.invite", "/invite");
    type Reply = One<Invitation>;
    fn example() -> Self {
        Self {}
    }
}

/// A one-time link, and where it leads.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The link, for a browser on this machine.
    pub url: String,
    /// The same for other machines, the likeliest address first; none unless it is there for them.
    pub lan: Vec<String>,
    /// The certificate that is shown to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// When the link ends, milliseconds since the epoch.
    pub expires_at: u64,
    /// The dashboard's port.
    pub port: u16,
    /// The dashboard's process.
    pub pid: u32,
}

/// What a running dashboard tells in its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Its port on loopback.
    pub port: u16,
    /// What to present to it.
    pub secret: Secret,
    /// The certificate that it shows, where it speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

impl Running {
    /// Asks it for a link.
    ///
    /// # Errors
    /// Those of the line: it does not answer, or is another.
    pub async fn invite(&self) -> Result<Invitation> {
        let address = Address::new("127.0.0.1", self.port)?;
        let security = self.fingerprint.map_or(Security::Loopback, Security::Pinned);
        Link::secured(&Network::Sockets, address, security)?.key(self.secret.clone()).call(&Invite {}).await
    }
}

/// The right to be a data directory's dashboard, held until it is dropped or the process ends.
pub struct Instance {
    home: Home,
    /// Held, never read: the system lets go of it whatever way the process ends.
    _lock: File,
}

impl Instance {
    /// Becomes the dashboard; none where another process is.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where the data directory can't be written.
    pub fn acquire(home: &Home) -> Result<Option<Self>> {
        let failed = |error: &std::io::Error| {
            Error::new(Code::Config, format!("{} can't be locked: {}", home.dashboard_lock().display(), io_words(error)))
                .hint("Create the data directory with: loopsy init")
        };
        let lock = modes::open_lock(&home.dashboard_lock()).map_err(|error| failed(&error))?;
        match lock.try_lock() {
            Ok(()) => {
                // Of one that was killed: another program may have its port by now.
                for left in [home.dashboard(), home.dashboard_door()] {
                    match std::fs::remove_file(left) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
                        _ => {}
                    }
                }
                Ok(Some(Self { home: home.clone(), _lock: lock }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(&error)),
        }
    }
    /// Tells others where it listens, once it does.
    pub fn announce(&self, running: &Running) -> Result<()> {
        let text = serde_json::to_vec(running).map_err(|error| Error::internal("the dashboard's file can't be written", error))?;
        files::write_private(&self.home.dashboard(), &text)
            .map_err(|error| Error::internal(&format!("the dashboard's file can't be written: {}", io_words(&error)), error))
    }
    /// The one that runs; where it has just begun, once it listens.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` where it does not in time.
    pub async fn running(home: &Home) -> Result<Running> {
        let read = || serde_json::from_slice(&std::fs::read(home.dashboard()).ok()?).ok();
        let looking = async {
            loop {
                if let Some(running) = read() {
                    return running;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let late =
            |_| Error::new(Code::Internal, "another dashboard of this data directory does not get ready").hint("End it, and try again.");
        tokio::time::timeout(PATIENCE, looking).await.map_err(late)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        for path in [self.home.dashboard(), self.home.dashboard_door()] {
            // What can't be removed is of no use: the secrets in it end with this process.
            let _ = std::fs::remove_file(path);
        }
    }
}
