//! The multicast DNS library, as far as it is used here: its traps are dealt with in this file.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};

use super::{choice, record};
use crate::api::node::Identity;
use crate::service::peers::Sighting;

/// How long the library takes to say goodbye a second time, for those who missed the first.
const SECOND_GOODBYE: Duration = Duration::from_millis(150);
/// How long an instance has to answer when it is asked whether it is still there.
const ANSWER: Duration = Duration::from_secs(10);
/// How often it is looked for new interfaces and addresses, seconds.
const NEW_INTERFACES: u32 = 2;
/// How long what was heard already may take to be handed over.
const LEFT_OVER: Duration = Duration::from_secs(1);
/// Instances that the library may have in its memory; it has no bound of its own.
const MOST_HEARD: i64 = 4096;

/// What was heard.
pub(super) enum Heard {
    /// A daemon, perhaps not for the first time.
    Sighting(Sighting),
    /// This machine's own announcement.
    Itself,
    /// An instance said goodbye or answers no more.
    Gone(String),
}

/// On which of this machine's addresses daemons are announced and looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reach {
    /// On all of these families.
    Everywhere {
        /// IPv4.
        v4: bool,
        /// IPv6.
        v6: bool,
    },
    /// On these alone.
    Only(Vec<IpAddr>),
}

impl Reach {
    /// What follows from the addresses that the daemon listens on; nothing where those are all loopback.
    pub(super) fn of(listening: &[IpAddr]) -> Option<Self> {
        let v6 = listening.iter().any(|ip| ip.is_ipv6() && ip.is_unspecified());
        // The unspecified address of IPv6 takes IPv4 as well.
        let v4 = v6 || listening.iter().any(|ip| ip.is_ipv4() && ip.is_unspecified());
        let outside: Vec<IpAddr> = listening.iter().filter(|ip| !ip.is_loopback() && !ip.is_unspecified()).copied().collect();
        match (v4 || v6, outside.is_empty()) {
            (true, _) => Some(Self::Everywhere { v4, v6 }),
            (false, false) => Some(Self::Only(outside)),
            (false, true) => None,
        }
    }

    fn kinds(&self) -> Vec<IfKind> {
        match self {
            Self::Everywhere { v4, v6 } => v4.then_some(IfKind::IPv4).into_iter().chain(v6.then_some(IfKind::IPv6)).collect(),
            Self::Only(addresses) => addresses.iter().copied().map(IfKind::Addr).collect(),
        }
    }
}

/// An announcement and a search that run. Both end when this is dropped.
pub(super) struct Engine {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    fullname: String,
}

impl Engine {
    pub(super) fn start(reach: &Reach, identity: &Identity) -> mdns_sd::Result<Self> {
        let addresses: &[IpAddr] = match reach {
            Reach::Everywhere { .. } => &[],
            Reach::Only(addresses) => addresses,
        };
        let instance = record::instance(&identity.node_id);
        let words = record::words(identity);
        let mut info =
            ServiceInfo::new(record::SERVICE, &instance, &record::host(&identity.node_id), addresses, identity.port, &words[..])?;
        // The names have a node id in them: nobody else has them, and asking around first would take most of a second.
        info.set_requires_probe(false);
        let info = if addresses.is_empty() { info.enable_addr_auto() } else { info };
        let fullname = info.get_fullname().to_ascii_lowercase();
        let daemon = ServiceDaemon::new()?;
        let configured = (|| {
            daemon.set_ip_check_interval(NEW_INTERFACES)?;
            daemon.disable_interface(IfKind::All)?;
            daemon.enable_interface(reach.kinds())?;
            // Others can't be reached over this machine's loopback, nor this machine over theirs.
            daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
            daemon.register(info)?;
            daemon.browse(record::SERVICE)
        })();
        match configured {
            Ok(events) => Ok(Self { daemon, events, fullname }),
            Err(error) => {
                let _ = daemon.shutdown();
                Err(error)
            }
        }
    }

    /// The next thing that was heard; nothing when the library gave up, because too much came at once or it broke.
    pub(super) async fn heard(&self) -> Option<Heard> {
        loop {
            let event = self.events.recv_async().await.ok()?;
            if let Some(heard) = self.understand(event) {
                return Some(heard);
            }
        }
    }

    fn understand(&self, event: ServiceEvent) -> Option<Heard> {
        match event {
            ServiceEvent::ServiceResolved(service) if service.fullname.eq_ignore_ascii_case(&self.fullname) => Some(Heard::Itself),
            ServiceEvent::ServiceResolved(service) => {
                let hosts = choice::ordered(&service.addresses, &choice::own());
                let words: HashMap<String, String> = service
                    .txt_properties
                    .iter()
                    .map(|word| (word.key().to_owned(), String::from_utf8_lossy(word.val().unwrap_or_default()).into_owned()))
                    .collect();
                record::read(&service.fullname, &service.host, service.port, &hosts, &words).map(Heard::Sighting)
            }
            ServiceEvent::ServiceRemoved(_, fullname) => Some(Heard::Gone(fullname.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// Asks the network again, which the library itself would do ever more seldom. Answers what had been heard before.
    pub(super) async fn search(&mut self) -> mdns_sd::Result<Vec<Heard>> {
        let events = self.daemon.browse(record::SERVICE)?;
        let before = std::mem::replace(&mut self.events, events);
        let mut heard = Vec::new();
        // The old channel closes as soon as the new one holds, unless the library is at its end.
        while let Ok(Ok(event)) = tokio::time::timeout(LEFT_OVER, before.recv_async()).await {
            heard.extend(self.understand(event));
        }
        Ok(heard)
    }

    /// Asks an instance whether it is still there; if it is not, it is heard to be gone.
    pub(super) fn verify(&self, instance: &str) {
        let _ = self.daemon.verify(instance.to_owned(), ANSWER);
    }

    /// Whether strangers have filled the library's memory.
    pub(super) async fn is_flooded(&self) -> bool {
        let Ok(metrics) = self.daemon.get_metrics() else { return false };
        let Ok(Ok(metrics)) = tokio::time::timeout(LEFT_OVER, metrics.recv_async()).await else { return false };
        metrics.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, count)| count).sum::<i64>() > MOST_HEARD
    }

    /// Says goodbye.
    pub(super) async fn end(self) {
        if let Ok(done) = self.daemon.unregister(&self.fullname)
            && done.recv_async().await.is_ok()
        {
            tokio::time::sleep(SECOND_GOODBYE).await;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}
