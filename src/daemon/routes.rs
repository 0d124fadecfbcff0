//! THE LIST of what a daemon serves.

use super::Daemon;
use crate::api::audit::AuditWatch;
use crate::api::context::{ContextDelete, ContextGet, ContextList, ContextSet, ContextWatch};
use crate::api::events::EventWatch;
use crate::api::execute::{Execute, ExecuteCancel, ExecuteSocket, ExecuteStream, JobList};
use crate::api::fleet::{SessionGet, SessionList, SessionStart, SessionStartFleet, SessionStop, SessionStopAll};
use crate::api::messages::{MessageAck, MessageAcks, MessageInbox, MessageOutbox, MessageSend};
use crate::api::node::{ConfigReload, DaemonStop, HealthGet, IdentityGet, OpenApiGet, StatusGet};
use crate::api::pairing::{PairCancel, PairConfirm, PairConnect, PairExchange, PairFinish, PairInitiate, PairStart, PairStatus};
use crate::api::peers::{PeerAdd, PeerCheck, PeerFind, PeerHandshake, PeerList, PeerPing, PeerRemove, PeerRename, PeerRevoke};
use crate::api::tasks::{
    TaskApprove, TaskCreate, TaskDelete, TaskEvents, TaskGet, TaskHook, TaskInterrupt, TaskList, TaskPrompt, TaskStream,
};
use crate::api::terminal::{TerminalCreate, TerminalEnd, TerminalGet, TerminalList, TerminalResize, TerminalSocket};
use crate::api::transfer::{
    TransferList, TransferManifest, TransferPull, TransferPush, TransferPut, TransferPutState, TransferRunning, TransferWatch, TreePull,
    TreePut,
};
use crate::http::Routes;

/// Every operation that a daemon serves.
pub fn routes() -> Routes<Daemon> {
    Routes::default()
        .serve::<HealthGet>()
        .serve::<IdentityGet>()
        .serve::<StatusGet>()
        .serve::<OpenApiGet>()
        .serve::<ConfigReload>()
        .serve::<DaemonStop>()
        .serve::<EventWatch>()
        .serve::<AuditWatch>()
        .serve::<Execute>()
        .serve::<ExecuteStream>()
        .socket::<ExecuteSocket>()
        .serve::<ExecuteCancel>()
        .serve::<JobList>()
        .serve::<ContextSet>()
        .serve::<ContextGet>()
        .serve::<ContextDelete>()
        .serve::<ContextList>()
        .serve::<ContextWatch>()
        .serve::<MessageSend>()
        .serve::<MessageInbox>()
        .serve::<MessageAck>()
        .serve::<MessageOutbox>()
        .serve::<MessageAcks>()
        .serve::<TaskCreate>()
        .serve::<TaskList>()
        .serve::<TaskGet>()
        .serve::<TaskDelete>()
        .serve::<TaskStream>()
        .serve::<TaskEvents>()
        .serve::<TaskApprove>()
        .serve::<TaskPrompt>()
        .serve::<TaskInterrupt>()
        .serve::<TaskHook>()
        .serve::<TerminalCreate>()
        .serve::<TerminalList>()
        .serve::<TerminalGet>()
        .serve::<TerminalEnd>()
        .serve::<TerminalResize>()
        .socket::<TerminalSocket>()
        .serve::<SessionList>()
        .serve::<SessionGet>()
        .serve::<SessionStart>()
        .serve::<SessionStartFleet>()
        .serve::<SessionStop>()
        .serve::<SessionStopAll>()
        .serve::<PeerList>()
        .serve::<PeerAdd>()
        .serve::<PeerRemove>()
        .serve::<PeerRevoke>()
        .serve::<PeerPing>()
        .serve::<PeerCheck>()
        .serve::<PeerFind>()
        .serve::<PeerRename>()
        .serve::<PeerHandshake>()
        .serve::<PairStart>()
        .serve::<PairInitiate>()
        .serve::<PairExchange>()
        .serve::<PairConfirm>()
        .serve::<PairFinish>()
        .serve::<PairCancel>()
        .serve::<PairStatus>()
        .serve::<PairConnect>()
        .raw::<TransferPush>()
        .raw::<TransferPut>()
        .serve::<TransferPutState>()
        .serve::<TransferPull>()
        .serve::<TransferRunning>()
        .serve::<TransferWatch>()
        .serve::<TransferList>()
        .serve::<TransferManifest>()
        .serve::<TreePull>()
        .raw::<TreePut>()
}
