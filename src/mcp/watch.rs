//! Following what is under a URI, for clients that subscribed to it.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;

use super::own::Own;
use super::resources::Place;
use crate::api::context::ContextWatch;
use crate::api::messages::{LONGEST_WAIT, MOST, MessageInbox};
use crate::api::node::StatusGet;
use crate::api::peers::PeerList;
use crate::base::{Code, Error, Result};
use crate::client::Link;

/// How long to wait before the daemon is asked anew; the wait doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often is looked at what tells nobody when it changes.
const LOOK: Duration = Duration::from_secs(15);

/// Says whenever what is under a place may have changed, until it is dropped. A daemon that goes away is waited for.
pub async fn follow(own: &Own, place: &Place, changed: &Notify) -> Infallible {
    let mut pause = PAUSE;
    let mut again = false;
    loop {
        let mut begun = false;
        let begin = || {
            begun = true;
            // Something may have happened while nobody looked.
            if again {
                changed.notify_one();
            }
        };
        if let Err(error) = once(own, place, changed, begin).await {
            tracing::debug!(%error, "a subscription waits for the daemon");
        }
        (pause, again) = if begun { (PAUSE, true) } else { ((pause * 2).min(LONGEST_PAUSE), again) };
        tokio::time::sleep(pause).await;
    }
}

/// Follows until the daemon goes away. `begin` is called when it is being listened to.
async fn once(own: &Own, place: &Place, changed: &Notify, begin: impl FnOnce() + Send) -> Result<()> {
    let link = own.link()?;
    match place {
        Place::Context => entries(&link, None, changed, begin).await,
        Place::Entry(key) => entries(&link, Some(key), changed, begin).await,
        Place::Inbox => inbox(&link, changed, begin).await,
        Place::Peers | Place::Status | Place::Peer(_) => looks(&link, place, changed, begin).await,
    }
}

async fn entries(link: &Link, key: Option<&str>, changed: &Notify, begin: impl FnOnce() + Send) -> Result<()> {
    let mut changes = link.call(&ContextWatch { prefix: key.map(str::to_owned), since: None }).await?;
    begin();
    while let Some(change) = changes.next().await {
        let entry = change?.entry;
        if key.is_none() || entry.is_none_or(|entry| Some(entry.key.as_str()) == key) {
            changed.notify_one();
        }
    }
    Ok(())
}

async fn inbox(link: &Link, changed: &Notify, begin: impl FnOnce() + Send) -> Result<()> {
    let ask = async |since, wait| link.call(&MessageInbox { wait, since, limit: Some(MOST) }).await;
    let mut inbox = ask(None, None).await?;
    while inbox.more {
        inbox = ask(Some(inbox.cursor), None).await?;
    }
    begin();
    loop {
        let next = ask(Some(inbox.cursor), Some(LONGEST_WAIT)).await?;
        if !next.messages.is_empty() {
            changed.notify_one();
        }
        inbox = next;
    }
}

async fn looks(link: &Link, place: &Place, changed: &Notify, begin: impl FnOnce() + Send) -> Result<()> {
    let mut before = look(link, place).await?;
    begin();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = look(link, place).await?;
        if now != before {
            changed.notify_one();
            before = now;
        }
    }
}

/// What is there, without what changes all the time.
async fn look(link: &Link, place: &Place) -> Result<serde_json::Value> {
    let value = if *place == Place::Status {
        let mut status = link.call(&StatusGet {}).await?;
        status.uptime = 0;
        serde_json::to_value(status)
    } else {
        let mut peers = link.call(&PeerList {}).await?.peers;
        for peer in &mut peers {
            (peer.last_seen, peer.latency_ms) = (0, None);
        }
        serde_json::to_value(peers)
    };
    value.map_err(|cause| Error::new(Code::Internal, cause.to_string()))
}
