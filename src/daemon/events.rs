//! What happens on this daemon.

use super::Daemon;
use crate::api::events::{EventWatch, Notice};
use crate::api::{Caller, Events};
use crate::base::Result;
use crate::http::Serve;

impl Serve<EventWatch> for Daemon {
    async fn serve(&self, _caller: &Caller, op: EventWatch) -> Result<Events<Notice>> {
        self.journal.watch(&op, self.watched.clone())
    }
}
