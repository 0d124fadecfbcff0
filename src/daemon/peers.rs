//! Other machines.

use super::Daemon;
use crate::api::Caller;
use crate::api::node::Identity;
use crate::api::peers::{
    Peer, PeerAdd, PeerCheck, PeerFind, PeerFindings, PeerHandshake, PeerList, PeerPing, PeerRemove, PeerRemoved, PeerRename, PeerRevoke,
    Peers,
};
use crate::base::Result;
use crate::http::Serve;

impl Serve<PeerList> for Daemon {
    async fn serve(&self, _: &Caller, _: PeerList) -> Result<Peers> {
        Ok(Peers { peers: self.peers.list() })
    }
}

impl Serve<PeerAdd> for Daemon {
    async fn serve(&self, _: &Caller, op: PeerAdd) -> Result<Peer> {
        self.peers.add(op).await
    }
}

impl Serve<PeerRemove> for Daemon {
    async fn serve(&self, _: &Caller, op: PeerRemove) -> Result<PeerRemoved> {
        self.peers.remove(&op.node_id).await
    }
}

impl Serve<PeerRevoke> for Daemon {
    async fn serve(&self, _: &Caller, op: PeerRevoke) -> Result<Peer> {
        self.peers.revoke(&op.node_id).await
    }
}

impl Serve<PeerPing> for Daemon {
    async fn serve(&self, _: &Caller, op: PeerPing) -> Result<Peer> {
        self.peers.ping(&op.node_id).await
    }
}

impl Serve<PeerCheck> for Daemon {
    async fn serve(&self, _: &Caller, op: PeerCheck) -> Result<PeerFindings> {
        self.peers.look_at(&op.node_id).await
    }
}

impl Serve<PeerFind> for Daemon {
    async fn serve(&self, _: &Caller, op: PeerFind) -> Result<Peer> {
        self.peers.resolve(&op.node_id)
    }
}

impl Serve<PeerRename> for Daemon {
    async fn serve(&self, _: &Caller, op: PeerRename) -> Result<Peer> {
        self.peers.rename(&op.node_id, op.name).await
    }
}

impl Serve<PeerHandshake> for Daemon {
    async fn serve(&self, caller: &Caller, op: PeerHandshake) -> Result<Identity> {
        self.peers.handshake(caller, &op.0)
    }
}
