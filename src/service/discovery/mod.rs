//! Discovery: this daemon announces itself on the local network by multicast DNS, and looks for others.
//!
//! What it hears is a hint and goes to [`Peers`], which decide what it is worth. Where multicast is not to be had, all else
//! works without it.

mod choice;
mod engine;
mod record;

#[cfg(fuzzing)]
pub use self::record::read;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::engine::{Engine, Heard, Reach};
use crate::api::node::Identity;
use crate::base::sync::lock;
use crate::base::workers::Workers;
use crate::home::settings::Settings;
use crate::service::peers::Peers;

/// How long a daemon may not hear its own announcement before its owner is told.
const DEAF: Duration = Duration::from_secs(5);
/// How often the network is asked for daemons: one that was cut off is found again within this time.
const SEARCH: Duration = Duration::from_secs(60);
/// How often a machine that no health check watches is asked whether it is still there, at the least; with the time that it
/// has to answer it is noticed to be gone within a minute.
const VERIFY: Duration = Duration::from_secs(20);
/// Machines that are asked in one second.
const AT_ONCE: usize = 20;
/// How often it is looked whether somebody floods the network.
const LOOK: Duration = Duration::from_secs(5);
/// How long to wait before the library is started anew.
const AGAIN: Duration = Duration::from_secs(5);

/// The daemon's announcement and search. Clones are the same.
#[derive(Clone)]
pub struct Discovery {
    identity: Identity,
    settings: Settings,
    peers: Peers,
    warning: Arc<Mutex<Option<String>>>,
}

/// Why a search came to its end.
enum End {
    /// It is not wanted any more.
    Unwanted,
    /// It broke.
    Broken,
}

impl Discovery {
    /// Announces a daemon that listens on these addresses, and looks for others, as long as the settings want it. Without an
    /// address that others could call, nothing is done.
    pub fn start(listening: &[IpAddr], identity: Identity, settings: Settings, peers: Peers, workers: &Workers) -> Self {
        let discovery = Self { identity, settings, peers, warning: Arc::default() };
        if let Some(reach) = Reach::of(listening) {
            workers.spawn("discovery", discovery.clone().run(reach, workers.clone()));
        }
        discovery
    }

    /// What the owner should know: that others can't be found.
    pub fn warning(&self) -> Option<String> {
        lock(&self.warning).clone()
    }

    async fn run(self, reach: Reach, workers: Workers) {
        let stop = workers.stopping();
        let mut changes = self.settings.changes();
        while !stop.is_cancelled() {
            let pause = if self.is_wanted() {
                let end = match Engine::start(&reach, &self.identity) {
                    Ok(mut engine) => {
                        let end = tokio::select! {
                            end = self.listen(&mut engine) => end,
                            () = stop.cancelled() => End::Unwanted,
                        };
                        engine.end().await;
                        end
                    }
                    Err(error) => {
                        self.warn(format!("multicast DNS does not start: {error}"));
                        End::Broken
                    }
                };
                self.peers.sees_nobody();
                if matches!(end, End::Unwanted) { Duration::ZERO } else { AGAIN }
            } else {
                self.hears_itself();
                Duration::MAX
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = changes.changed() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    fn is_wanted(&self) -> bool {
        self.settings.get().discovery.enabled
    }

    /// Listens until the settings want it no more.
    async fn listen(&self, engine: &mut Engine) -> End {
        let mut changes = self.settings.changes();
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut verified = HashMap::new();
        let mut deaf_at = Some(Instant::now() + DEAF);
        let (mut search_at, mut look_at) = (Instant::now() + SEARCH, Instant::now() + LOOK);
        loop {
            let heard = tokio::select! {
                heard = engine.heard() => heard,
                _ = changes.changed() => {
                    if !self.is_wanted() {
                        return End::Unwanted;
                    }
                    continue;
                }
                _ = tick.tick() => {
                    if deaf_at.is_some_and(|at| at <= Instant::now()) {
                        deaf_at = None;
                        self.warn("this machine does not hear itself; it is on no network, or UDP port 5353 is shut".into());
                    }
                    self.verify(engine, &mut verified);
                    if look_at <= Instant::now() {
                        if engine.is_flooded().await {
                            tracing::warn!("somebody floods the network with announcements; discovery starts anew");
                            return End::Broken;
                        }
                        look_at = Instant::now() + LOOK;
                    }
                    continue;
                }
                () = sleep_until(search_at) => None,
            };
            match heard {
                Some(Heard::Itself) => {
                    deaf_at = None;
                    self.hears_itself();
                }
                Some(heard) => self.tell(heard),
                None => {
                    match engine.search().await {
                        Ok(before) => before.into_iter().for_each(|heard| self.tell(heard)),
                        Err(_) => return End::Broken,
                    }
                    search_at = Instant::now() + SEARCH;
                }
            }
        }
    }

    fn tell(&self, heard: Heard) {
        match heard {
            Heard::Sighting(sighting) => self.peers.sighted(sighting),
            Heard::Gone(instance) => self.peers.vanished(&instance),
            Heard::Itself => {}
        }
    }

    /// Asks machines whose time has come whether they are still there.
    fn verify(&self, engine: &Engine, verified: &mut HashMap<String, Instant>) {
        let now = Instant::now();
        // Not all daemons at the same time, where they heard of a machine at the same time.
        let every = VERIFY + Duration::from_millis(u64::from(self.identity.node_id.bytes().fold(0u8, u8::wrapping_add)) * 20);
        let there = self.peers.unwatched();
        verified.retain(|instance, _| there.contains(instance));
        let due = there.into_iter().filter(|instance| *verified.entry(instance.clone()).or_insert(now) + every <= now);
        for instance in due.take(AT_ONCE).collect::<Vec<_>>() {
            engine.verify(&instance);
            verified.insert(instance, now);
        }
    }

    fn warn(&self, why: String) {
        let warning = format!("discovery: {why}. Other machines are reached by their addresses only.");
        if lock(&self.warning).replace(warning.clone()).as_ref() != Some(&warning) {
            tracing::warn!("{warning}");
        }
    }

    fn hears_itself(&self) {
        if lock(&self.warning).take().is_some() {
            tracing::info!("discovery works now");
        }
    }
}
