//! The daemon itself: health, identity, status, its documents, and its end.

use serde_json::Value;

use super::Daemon;
use crate::api::node::{
    ConfigReload, ContextCounts, DaemonStop, Health, HealthGet, Identity, IdentityGet, OpenApiGet, Reloaded, Status, StatusGet, Stopping,
};
use crate::api::{Caller, openapi};
use crate::base::sync::lock;
use crate::base::{Result, clock};
use crate::http::Serve;
use crate::service::discovery::Discovery;

/// Version and commit of this program.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("LOOPSY_COMMIT"), ")");

impl Serve<HealthGet> for Daemon {
    async fn serve(&self, _: &Caller, _: HealthGet) -> Result<Health> {
        Ok(Health { status: "ok".into(), node_id: self.identity.node_id.clone(), uptime: uptime(), version: self.identity.version.clone() })
    }
}

impl Serve<IdentityGet> for Daemon {
    async fn serve(&self, _: &Caller, _: IdentityGet) -> Result<Identity> {
        Ok(self.peers.identity())
    }
}

impl Serve<StatusGet> for Daemon {
    async fn serve(&self, caller: &Caller, _: StatusGet) -> Result<Status> {
        let reloaded = lock(&self.reloaded).clone();
        let mut warnings = self.warnings.clone();
        warnings.extend(self.context.warnings().iter().cloned());
        warnings.extend(reloaded.warnings);
        warnings.extend(self.discovery.as_ref().and_then(Discovery::warning));
        Ok(Status {
            node_id: self.identity.node_id.clone(),
            hostname: self.identity.hostname.clone(),
            session: self.identity.session.clone(),
            platform: self.identity.platform.clone(),
            version: self.identity.version.clone(),
            uptime: uptime(),
            peers: self.peers.counts(),
            jobs: self.jobs.counts(),
            context: ContextCounts { entries: self.context.count()? },
            ai_tasks: Some(self.tasks.counts()),
            terminals: self.terminals.running(),
            messages: caller.is_owner().then(|| self.messages.counts()).transpose()?,
            build: Some(BUILD.into()),
            tls: self.settings.get().tls.enabled,
            certificate: Some(self.certificate.status()),
            restart_needed: reloaded.restart_needed,
            // Paths and keys of the configuration are the owner's business.
            warnings: if caller.is_owner() { warnings } else { Vec::new() },
        })
    }
}

impl Serve<OpenApiGet> for Daemon {
    async fn serve(&self, _: &Caller, _: OpenApiGet) -> Result<Value> {
        Ok(openapi::document(&self.operations))
    }
}

impl Serve<ConfigReload> for Daemon {
    async fn serve(&self, _: &Caller, _: ConfigReload) -> Result<Reloaded> {
        let reloaded = self.reloader.reload()?;
        Ok(self.taken_up(reloaded))
    }
}

impl Serve<DaemonStop> for Daemon {
    async fn serve(&self, _: &Caller, _: DaemonStop) -> Result<Stopping> {
        self.ending.cancel();
        Ok(Stopping { success: true, pid: std::process::id() })
    }
}

impl Daemon {
    /// What follows from a configuration that holds now.
    fn taken_up(&self, mut reloaded: Reloaded) -> Reloaded {
        reloaded.warnings.extend(self.peers.enter_manual());
        lock(&self.reloaded).clone_from(&reloaded);
        reloaded
    }

    /// Looks at the configuration file; takes it up if it changed.
    pub(super) fn look_at_configuration(&self) {
        if self.identity.session.is_some() && !self.home.config().exists() {
            tracing::error!("the session's data directory is gone; it ends");
            self.ending.cancel();
        }
        match self.reloader.reload_if_changed() {
            None => {}
            Some(Ok(reloaded)) => {
                tracing::info!("the configuration was taken up");
                self.taken_up(reloaded);
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "the configuration on disk is wrong; the last good one holds");
                lock(&self.reloaded).warnings = vec![format!("{error}; the last good configuration holds")];
            }
        }
    }
}

fn uptime() -> u64 {
    clock::now().saturating_sub(clock::started())
}
