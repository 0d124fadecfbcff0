//! Who asks, as the gate found out.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use super::operation::{Access, Permission};
use crate::base::{Code, Error, Result};

/// How a caller proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// No key.
    Stranger,
    /// The machine's owner: `auth.apiKey` over loopback.
    Owner,
    /// A peer, by its own key.
    Peer {
        /// Its entry in `auth.allowedKeys`.
        name: String,
        /// What it may do.
        permissions: Vec<Permission>,
        /// It holds the owner's key from elsewhere, as old Node pairs do: compat routes only.
        legacy: bool,
    },
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// How it proved itself.
    pub role: Role,
    /// The node id that its entries carry: its own claim where it agrees with who it is, else what is known of it.
    pub node_id: String,
    /// Where the request came from.
    pub address: IpAddr,
    /// The job that the request started, for the audit log; set once by what starts it.
    pub job: Arc<OnceLock<String>>,
    /// Who hears of what is asked over a socket, where one request is many.
    told: Option<mpsc::UnboundedSender<Told>>,
}

/// What was asked over a socket, for the audit log.
#[derive(Debug, Clone)]
pub struct Told {
    /// What it is about: a command.
    pub target: String,
    /// The job that it started, or why there is none.
    pub outcome: std::result::Result<String, Code>,
}

impl Caller {
    /// A caller that has started nothing yet.
    pub fn new(role: Role, node_id: String, address: IpAddr) -> Self {
        Self { role, node_id, address, job: Arc::default(), told: None }
    }
    /// Hears from now on what this caller asks over a socket, until the last copy of the caller is gone.
    pub fn listen(&mut self) -> mpsc::UnboundedReceiver<Told> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.told = Some(sender);
        receiver
    }
    /// Tells whoever listens what was asked.
    pub fn tell(&self, told: impl FnOnce() -> Told) {
        if let Some(listener) = &self.told {
            // A log that is closed belongs to a daemon past its end.
            let _ = listener.send(told());
        }
    }
    /// Whether this is the owner.
    pub fn is_owner(&self) -> bool {
        self.role == Role::Owner
    }
    /// The name for logs and budgets: `owner`, the peer's entry, or `stranger`.
    pub fn name(&self) -> &str {
        match &self.role {
            Role::Stranger => "stranger",
            Role::Owner => "owner",
            Role::Peer { name, .. } => name,
        }
    }
    /// The peer's entry, if it is a peer.
    pub fn peer(&self) -> Option<&str> {
        match &self.role {
            Role::Peer { name, .. } => Some(name),
            _ => None,
        }
    }
    /// Whether what a caller of this role started is this caller's to see and to end: its own, or anything for the owner. A name
    /// alone says nothing: an entry may be called `owner`.
    pub fn owns(&self, starter: &Role) -> bool {
        match (&self.role, starter) {
            (Role::Owner, _) => true,
            (Role::Peer { name, legacy, .. }, Role::Peer { name: known, legacy: then, .. }) => name == known && legacy == then,
            _ => false,
        }
    }
    /// Whether this caller may use an operation.
    pub fn may(&self, access: Access, compat: bool) -> Result<()> {
        let forbidden = |what: String| Err(Error::new(Code::AuthForbidden, what));
        match (&self.role, access) {
            (_, Access::Open) | (Role::Owner, _) => Ok(()),
            (Role::Stranger, _) => {
                Err(Error::new(Code::AuthMissingKey, "no key was given").hint("Send it as 'Authorization: Bearer <key>'."))
            }
            (Role::Peer { legacy: true, name, .. }, _) if !compat => {
                forbidden(format!("{name} may use the routes of the Node version only"))
                    .map_err(|e| e.hint("Give it a key of its own: loopsy connect <address>"))
            }
            (Role::Peer { name, .. }, Access::Owner) => forbidden(format!("{name} is a peer; only the owner of this machine may do this")),
            (Role::Peer { .. }, Access::Peers) => Ok(()),
            (Role::Peer { name, permissions, .. }, Access::Permitted(wanted)) => {
                if permissions.contains(&wanted) {
                    return Ok(());
                }
                forbidden(format!("{name} has no permission to {}", wanted.name()))
                    .map_err(|e| e.hint(format!("The owner of this machine can add '{}' to auth.permissions.{name}.", wanted.name())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn caller(role: Role) -> Caller {
        Caller::new(role, String::new(), Ipv4Addr::LOCALHOST.into())
    }

    #[test]
    fn each_role_gets_its_own_and_no_more() {
        let peer = caller(Role::Peer { name: "kai".into(), permissions: vec![Permission::Context], legacy: false });
        let legacy = caller(Role::Peer { name: "legacy".into(), permissions: Permission::ALL.to_vec(), legacy: true });
        let code = |caller: &Caller, access, compat| caller.may(access, compat).err().map(|e| e.code);
        assert_eq!(code(&caller(Role::Stranger), Access::Peers, true), Some(Code::AuthMissingKey));
        assert_eq!(code(&peer, Access::Permitted(Permission::Context), false), None);
        assert_eq!(code(&peer, Access::Permitted(Permission::Execute), false), Some(Code::AuthForbidden));
        assert_eq!(code(&peer, Access::Owner, true), Some(Code::AuthForbidden));
        assert_eq!(code(&legacy, Access::Peers, true), None);
        assert_eq!(code(&legacy, Access::Peers, false), Some(Code::AuthForbidden));
    }

    #[test]
    fn a_peer_owns_what_it_started_and_no_name_makes_it_the_owner() {
        let peer = |name: &str, legacy| Role::Peer { name: name.into(), permissions: Permission::ALL.to_vec(), legacy };
        let narrowed = Role::Peer { name: "kai".into(), permissions: Vec::new(), legacy: false };
        let kai = caller(peer("kai", false));
        assert!(kai.owns(&peer("kai", false)) && kai.owns(&narrowed));
        assert!(!kai.owns(&peer("leo", false)) && !kai.owns(&peer("kai", true)) && !kai.owns(&Role::Owner));
        assert!(!caller(peer("owner", false)).owns(&Role::Owner) && !caller(Role::Stranger).owns(&Role::Stranger));
        assert!([Role::Owner, peer("owner", false)].iter().all(|starter| caller(Role::Owner).owns(starter)));
    }
}
