//! Messages between machines.

use super::Daemon;
use crate::api::Caller;
use crate::api::messages::{
    Acknowledged, Acks, Inbox, MessageAck, MessageAcks, MessageInbox, MessageOutbox, MessageSend, MessageSent, Outbox,
};
use crate::base::Result;
use crate::http::Serve;

impl Serve<MessageSend> for Daemon {
    async fn serve(&self, _: &Caller, op: MessageSend) -> Result<MessageSent> {
        self.messages.send(op).await
    }
}

impl Serve<MessageInbox> for Daemon {
    async fn serve(&self, _: &Caller, op: MessageInbox) -> Result<Inbox> {
        self.messages.inbox(&op).await
    }
}

impl Serve<MessageAck> for Daemon {
    async fn serve(&self, _: &Caller, op: MessageAck) -> Result<Acknowledged> {
        self.messages.acknowledge(op).await
    }
}

impl Serve<MessageOutbox> for Daemon {
    async fn serve(&self, _: &Caller, op: MessageOutbox) -> Result<Outbox> {
        self.messages.outbox(&op)
    }
}

impl Serve<MessageAcks> for Daemon {
    async fn serve(&self, _: &Caller, op: MessageAcks) -> Result<Acks> {
        self.messages.acks(&op).await
    }
}
