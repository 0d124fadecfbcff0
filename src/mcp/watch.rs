//! Following what is under a URI, for clients that subscribed to it.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;

use super::own::Own;
use super::resources::Place;
use crate::api::context::ContextWatch;
use crate::api::events::{EventWatch, NoticeType};
use crate::base::Result;
use crate::client::Link;

/// How long to wait before the daemon is asked anew; the wait doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What happens to messages on their way to others, which no inbox shows.
const OUTGOING: [&str; 4] = ["queued", "delivered", "acked", "failed"];

/// Says whenever what is under a place may have changed, the first time when it begins to look, until it is dropped. A daemon that goes away is waited for.
pub async fn follow(own: &Own, place: &Place, changed: &Notify) -> Infallible {
    let mut pause = PAUSE;
    loop {
        let mut begun = false;
        let begin = || {
            begun = true;
            // Something may have happened while nobody looked, also since the client was told that it is subscribed.
            changed.notify_one();
        };
        if let Err(error) = once(own, place, changed, begin).await {
            tracing::debug!(%error, "a subscription waits for the daemon");
        }
        pause = if begun { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::time::sleep(pause).await;
    }
}

/// Follows until the daemon goes away. `begin` is called when it is being listened to.
async fn once(own: &Own, place: &Place, changed: &Notify, begin: impl FnOnce() + Send) -> Result<()> {
    let link = own.link()?;
    match place {
        Place::Context => entries(&link, None, changed, begin).await,
        Place::Entry(key) => entries(&link, Some(key), changed, begin).await,
        Place::Inbox => events(&link, place, "message", changed, begin).await,
        Place::Tasks => events(&link, place, "task", changed, begin).await,
        Place::Peers | Place::Peer(_) => events(&link, place, "peer,trust", changed, begin).await,
        Place::Status => events(&link, place, "peer,trust,job,context,config,message,task", changed, begin).await,
    }
}

/// Follows what happens of the kinds that change a place.
async fn events(link: &Link, place: &Place, kinds: &str, changed: &Notify, begin: impl FnOnce() + Send) -> Result<()> {
    let mut happening = link.call(&EventWatch { since: None, kinds: Some(kinds.to_owned()) }).await?;
    begin();
    while let Some(notice) = happening.next().await {
        let notice = notice?;
        let is_elsewhere = *place == Place::Inbox && OUTGOING.contains(&notice.action.as_str());
        if notice.kind != NoticeType::Hello && !is_elsewhere {
            changed.notify_one();
        }
    }
    Ok(())
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
