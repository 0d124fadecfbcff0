//! The certificate that this daemon shows, renewed while it runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::api::node::CertificateStatus;
use crate::base::sync::lock;
use crate::base::workers::{Workers, blocking};
use crate::base::{Fingerprint, Result, clock};
use crate::home::stamp::Stamp;
use crate::home::{Home, certificate};
use crate::net::tls;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(12 * 60 * 60);

/// The certificate. Clones are the same.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    home: Home,
    hostname: String,
    server: tls::Server,
    shown: Mutex<Arc<certificate::Certificate>>,
    seen: Mutex<Stamp>,
}

impl Certificate {
    /// Loads the certificate of a home, or makes it, and keeps it from ending.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where it can't be read.
    pub fn start(home: Home, hostname: String, workers: &Workers) -> Result<Self> {
        let seen = Mutex::new(Stamp::of(&home.certificate()));
        let first = certificate::load_or_create(&home, &hostname, clock::now())?;
        let server = tls::Server::new(first.credentials())?;
        let shown = Mutex::new(Arc::new(first));
        let this = Self(Arc::new(Inner { home, hostname, server, shown, seen }));
        workers.spawn_until_stop("certificate", this.clone().keep());
        Ok(this)
    }
    /// What serves TLS with it.
    pub fn server(&self) -> tls::Server {
        self.0.server.clone()
    }
    /// What peers know this machine by.
    pub fn fingerprint(&self) -> Fingerprint {
        self.shown().fingerprint()
    }
    /// The one that is shown now, which may be another than the one on disk.
    pub fn shown(&self) -> Arc<certificate::Certificate> {
        lock(&self.0.shown).clone()
    }
    /// What is told of it.
    pub fn status(&self) -> CertificateStatus {
        let shown = self.shown();
        CertificateStatus { fingerprint: shown.fingerprint().to_string(), valid_until: shown.valid_until() }
    }

    async fn keep(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look().await;
        }
    }

    /// Takes up the certificate that another daemon of this machine has made since. Cheap enough to ask every second.
    pub async fn look_if_changed(&self) {
        let stamp = Stamp::of(&self.0.home.certificate());
        if std::mem::replace(&mut *lock(&self.0.seen), stamp) != stamp {
            self.look().await;
        }
    }

    async fn look(&self) {
        if let Err(error) = self.renew_if_due().await {
            tracing::error!(%error, "the certificate could not be renewed");
        }
    }

    async fn renew_if_due(&self) -> Result<()> {
        let (this, now) = (self.clone(), clock::now());
        let next = blocking(move || certificate::load_or_create(&this.0.home, &this.0.hostname, now)).await??;
        if next.fingerprint() != self.fingerprint() {
            tracing::info!(fingerprint = %next.fingerprint(), "the certificate was renewed");
            let mut shown = lock(&self.0.shown);
            self.0.server.renew(next.credentials())?;
            *shown = Arc::new(next);
        }
        Ok(())
    }
}
