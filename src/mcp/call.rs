//! One call of a tool: for whom, and the ways it has to the daemon and back to the client.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};

use super::own::Own;
use crate::api::peers::PeerList;
use crate::base::{Error, Result};
use crate::client::Link;

/// One call.
pub struct Call {
    /// This machine's daemon.
    pub own: Arc<Own>,
    /// Whoever calls.
    pub client: Peer<RoleServer>,
    /// Whether the client has folders of its own to tell of.
    pub has_roots: bool,
    machine: Option<String>,
    progress: Option<ProgressToken>,
}

impl Call {
    /// The call of a request, about a machine or this one.
    pub fn new(own: Arc<Own>, context: &RequestContext<RoleServer>, machine: Option<String>) -> Self {
        let has_roots = context.client_capabilities().is_some_and(|able| able.roots.is_some());
        Self { own, client: context.peer.clone(), has_roots, machine, progress: context.meta.get_progress_token() }
    }
    /// What the caller called the machine, if he named one.
    pub fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }
    /// The line to the machine that was named, or to this one.
    pub fn line(&self) -> Result<Link> {
        let own = self.own.link()?;
        Ok(self.machine().map_or_else(|| own.clone(), |machine| own.via(machine)))
    }
    /// Behind "there", in words.
    pub fn place(&self) -> &str {
        self.machine().unwrap_or("this machine")
    }
    /// Whether anybody wants to be told how far it is.
    pub fn is_watched(&self) -> bool {
        self.progress.is_some()
    }
    /// Tells how far it is, if anybody wants to know. `done` must grow from one time to the next.
    pub async fn tell(&self, done: f64, total: Option<f64>, message: Option<String>) {
        let Some(token) = &self.progress else { return };
        let mut progress = ProgressNotificationParam::new(token.clone(), done);
        progress.total = total;
        progress.message = message;
        // A client that is gone is noticed where its requests come from.
        let _ = self.client.notify_progress(progress).await;
    }
    /// A failure over the name of a machine, with the names that there are.
    pub async fn with_names(&self, error: Error) -> Error {
        let Ok(link) = self.own.link() else { return error };
        let Ok(known) = link.call(&PeerList {}).await else { return error };
        let names: Vec<&str> = known.peers.iter().filter(|peer| peer.trusted).map(|peer| peer.label()).collect();
        if names.is_empty() {
            return error.hint("No machine is paired with this one. Ask the user to pair one: loopsy pair");
        }
        error.hint(format!("There are: {}.", names.join(", ")))
    }
}
