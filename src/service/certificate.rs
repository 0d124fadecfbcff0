//! The certificate that this daemon shows, renewed while it runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::api::node::CertificateStatus;
use crate::base::sync::lock;
use crate::base::workers::{Workers, blocking};
use crate::base::{Fingerprint, Result, clock};
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
    shown: Mutex<(Fingerprint, clock::Millis)>,
}

impl Certificate {
    /// Loads the certificate of a home, or makes it, and keeps it from ending.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where it can't be read.
    pub fn start(home: Home, hostname: String, workers: &Workers) -> Result<Self> {
        let first = certificate::load_or_create(&home, &hostname, clock::now())?;
        let server = tls::Server::new(first.credentials())?;
        let shown = Mutex::new((first.fingerprint(), first.valid_until()));
        let this = Self(Arc::new(Inner { home, hostname, server, shown }));
        workers.spawn_until_stop("certificate", this.clone().keep());
        Ok(this)
    }
    /// What serves TLS with it.
    pub fn server(&self) -> tls::Server {
        self.0.server.clone()
    }
    /// What peers know this machine by.
    pub fn fingerprint(&self) -> Fingerprint {
        lock(&self.0.shown).0
    }
    /// What is told of it.
    pub fn status(&self) -> CertificateStatus {
        let (fingerprint, valid_until) = *lock(&self.0.shown);
        CertificateStatus { fingerprint: fingerprint.to_string(), valid_until }
    }

    async fn keep(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.renew_if_due().await {
                tracing::error!(%error, "the certificate could not be renewed");
            }
        }
    }

    async fn renew_if_due(&self) -> Result<()> {
        let (this, now) = (self.clone(), clock::now());
        let next = blocking(move || certificate::load_or_create(&this.0.home, &this.0.hostname, now)).await??;
        if next.fingerprint() != self.fingerprint() {
            self.0.server.renew(next.credentials())?;
            *lock(&self.0.shown) = (next.fingerprint(), next.valid_until());
            tracing::info!(fingerprint = %next.fingerprint(), "the certificate was renewed");
        }
        Ok(())
    }
}
