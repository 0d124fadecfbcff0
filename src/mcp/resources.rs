//! What agents can read without calling a tool: JSON under `loopsy://`.

use percent_encoding::percent_decode_str;
use rmcp::model::{ErrorData, Resource, ResourceTemplate};
use serde::Serialize;

use super::actions::context::Page;
use super::actions::tasks::Seen;
use super::answer;
use super::own::Own;
use crate::api::context::{ContextGet, ContextList};
use crate::api::messages::MessageInbox;
use crate::api::node::StatusGet;
use crate::api::peers::{PeerFind, PeerList};
use crate::base::{Code, Error, Result};

/// The type of all of them.
pub const JSON: &str = "application/json";
/// The templates' texts.
pub const ENTRY: &str = "loopsy://context/{key}";
/// See [`ENTRY`].
pub const PEER: &str = "loopsy://peers/{peer}";
/// Messages that the inbox shows.
const INBOX: u64 = 100;

/// What a URI stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Every machine that is known.
    Peers,
    /// How this machine's daemon is.
    Status,
    /// Keys and values of this machine's store.
    Context,
    /// Messages to this machine.
    Inbox,
    /// Agents at work on this machine.
    Tasks,
    /// One entry of the store, whole.
    Entry(String),
    /// One machine.
    Peer(String),
}

/// The resources that are always there: (URI, name, title, words).
const FIXED: [(&str, &str, &str, &str); 5] = [
    ("loopsy://peers", "peers", "Machines", "Every machine that this one knows, with status and abilities."),
    ("loopsy://status", "status", "Status", "How this machine's daemon is."),
    ("loopsy://context", "context", "Shared values", "The first 500 keys and values of this machine's store; long values are cut."),
    ("loopsy://inbox", "inbox", "Inbox", "Messages sent to this machine that are not acknowledged yet; sender says who wrote each."),
    ("loopsy://tasks", "tasks", "Tasks", "Agents at work on this machine and what they did, newest first."),
];

impl Place {
    /// The place of a URI, if it is one of ours.
    pub fn of(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("loopsy://")?;
        let decoded =
            |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned()).filter(|text| !text.is_empty());
        match rest {
            "peers" => Some(Self::Peers),
            "status" => Some(Self::Status),
            "context" => Some(Self::Context),
            "inbox" => Some(Self::Inbox),
            "tasks" => Some(Self::Tasks),
            _ => match rest.split_once('/')? {
                ("context", key) => decoded(key).map(Self::Entry),
                ("peers", peer) => decoded(peer).map(Self::Peer),
                _ => None,
            },
        }
    }

    /// What is there now.
    pub async fn read(&self, own: &Own) -> Result<String> {
        let link = own.link()?;
        match self {
            Self::Peers => json(&link.call(&PeerList {}).await?),
            Self::Status => json(&link.call(&StatusGet {}).await?),
            Self::Context => json(&Page::read(&link, ContextList { limit: Some(500), ..ContextList::default() }).await?),
            Self::Inbox => {
                let mut inbox = link.call(&MessageInbox { limit: Some(INBOX), ..MessageInbox::default() }).await?;
                super::actions::messages::shorten(&mut inbox.messages);
                json(&inbox)
            }
            Self::Tasks => json(&Seen::all(&link).await?),
            Self::Entry(key) => json(&link.call(&ContextGet { key: key.clone() }).await?),
            Self::Peer(peer) => json(&link.call(&PeerFind { node_id: peer.clone() }).await?),
        }
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| Error::internal("a resource is not JSON", cause))
}

/// All that are always there.
pub fn fixed() -> Vec<Resource> {
    let resource = |(uri, name, title, words): (&str, &str, &str, &str)| {
        Resource::new(uri, name).with_title(title).with_description(words).with_mime_type(JSON)
    };
    FIXED.map(resource).to_vec()
}

/// Those with a name in them.
pub fn templates() -> Vec<ResourceTemplate> {
    let template = |(uri, name, title, words): (&str, &str, &str, &str)| {
        ResourceTemplate::new(uri, name).with_title(title).with_description(words).with_mime_type(JSON)
    };
    [
        (ENTRY, "value", "A shared value", "One entry of this machine's store, whole."),
        (PEER, "peer", "A machine", "One machine that this one knows."),
    ]
    .map(template)
    .to_vec()
}

/// The protocol's error for what could not be read.
pub fn unreadable(error: &Error) -> ErrorData {
    let words = answer::failure(error, None);
    match error.code {
        Code::ContextKeyNotFound | Code::PeerNotFound => ErrorData::resource_not_found(words, None),
        _ => ErrorData::internal_error(words, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_one_of_ours_or_nothing() {
        assert_eq!(Place::of("loopsy://peers"), Some(Place::Peers));
        assert_eq!(Place::of("loopsy://context/build%2Fstatus"), Some(Place::Entry("build/status".into())));
        assert_eq!(Place::of("loopsy://context/build/status"), Some(Place::Entry("build/status".into())));
        assert_eq!(Place::of("loopsy://peers/kai"), Some(Place::Peer("kai".into())));
        for strange in [
            "",
            "loopsy:peers",
            "file:///etc/passwd",
            "loopsy://",
            "loopsy://x",
            "loopsy://context/",
            "loopsy://inbox/x",
            "loopsy://peers/%ff",
        ] {
            assert_eq!(Place::of(strange), None, "{strange}");
        }
        for resource in fixed() {
            assert!(Place::of(&resource.uri).is_some());
        }
    }
}
