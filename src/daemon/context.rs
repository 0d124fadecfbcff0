//! The shared key-value store.

use super::Daemon;
use crate::api::context::{
    ContextChange, ContextDelete, ContextDeleted, ContextEntry, ContextGet, ContextList, ContextSet, ContextWatch, RESERVED,
};
use crate::api::{Caller, Events};
use crate::base::Result;
use crate::http::Serve;

impl Serve<ContextSet> for Daemon {
    async fn serve(&self, caller: &Caller, op: ContextSet) -> Result<ContextEntry> {
        let is_message = RESERVED.iter().any(|word| op.key.starts_with(word));
        if is_message { self.messages.take(caller, op).await } else { self.context.set(caller, op).await }
    }
}

impl Serve<ContextGet> for Daemon {
    async fn serve(&self, caller: &Caller, op: ContextGet) -> Result<ContextEntry> {
        self.context.get(caller, &op)
    }
}

impl Serve<ContextDelete> for Daemon {
    async fn serve(&self, caller: &Caller, op: ContextDelete) -> Result<ContextDeleted> {
        self.context.delete(caller, op).await
    }
}

impl Serve<ContextList> for Daemon {
    async fn serve(&self, caller: &Caller, op: ContextList) -> Result<Events<ContextEntry>> {
        self.context.list(caller, op)
    }
}

impl Serve<ContextWatch> for Daemon {
    async fn serve(&self, caller: &Caller, op: ContextWatch) -> Result<Events<ContextChange>> {
        self.context.watch(caller, op)
    }
}
