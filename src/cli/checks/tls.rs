//! This machine's certificate.

use std::time::Duration;

use super::{Finding, Scene};
use crate::base::{clock, units};
use crate::home::certificate::{self, Certificate};
use crate::platform::host;

/// Can be read with its key, is valid, and is the one that the daemon shows.
pub fn certificate(scene: &Scene) -> Vec<Finding> {
    if !scene.home.root().is_dir() {
        return Vec::new();
    }
    match certificate::load(&scene.home) {
        Ok(None) if scene.shown.is_some() => {
            vec![Finding::fail("the certificate is gone from the disk", "loopsy restart makes a new one; then pair every peer again")]
        }
        Ok(None) => vec![Finding::ok("none yet; the first start makes it")],
        Err(error) => vec![Finding::error(&error, "loopsy logs --daemon")],
        Ok(Some(certificate)) => vec![judge(scene, &certificate)],
    }
}

fn judge(scene: &Scene, certificate: &Certificate) -> Finding {
    let (now, end) = (clock::now(), certificate.valid_until());
    let (fingerprint, span) = (certificate.fingerprint(), units::duration(Duration::from_millis(end.abs_diff(now))));
    let renewing = if scene.running.is_some() { "loopsy restart" } else { "loopsy start" };
    let renewable = |finding: Finding| if scene.running.is_some() { finding } else { finding.repair(renewal(scene)) };
    if let Some(shown) = scene.shown.filter(|shown| *shown != fingerprint) {
        return Finding::fail(format!("the daemon shows the certificate {shown}, on disk is {fingerprint}"), "loopsy restart");
    }
    if end <= now {
        return renewable(Finding::fail(
            format!("the certificate expired {span} ago"),
            format!("{renewing} renews it; peers take the new one"),
        ));
    }
    if certificate.is_due(now) {
        return renewable(Finding::warn(
            format!("the certificate ends in {span}"),
            format!("{renewing} renews it; peers take the new one"),
        ));
    }
    Finding::ok(format!("valid for {span}, SHA-256 {fingerprint}"))
}

/// A new certificate that the old one hands over to, as a daemon makes it when it starts.
fn renewal(scene: &Scene) -> impl FnOnce() -> crate::base::Result<String> + 'static {
    let home = scene.home.clone();
    let hostname = scene.config().and_then(|config| config.server.hostname.clone()).unwrap_or_else(host::hostname);
    move || {
        let renewed = certificate::renew(&home, &hostname, clock::now())?;
        Ok(format!("renewed it; the new one is {}, and peers that pinned the old one take it", renewed.fingerprint()))
    }
}
