//! Completion of names: machines and keys of the store.

use futures_util::StreamExt;
use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};

use super::own::Own;
use super::{prompts, resources};
use crate::api::context::ContextList;
use crate::api::peers::PeerList;
use crate::base::Result;

/// Most values of one answer.
const MOST: usize = CompletionInfo::MAX_VALUES;

/// What an argument stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Peer,
    Address,
    Key,
}

fn kind(reference: &Reference, argument: &str) -> Option<Kind> {
    match (reference, argument) {
        (Reference::Resource(template), "key") if template.uri == resources::ENTRY => Some(Kind::Key),
        (Reference::Resource(template), "peer") if template.uri == resources::PEER => Some(Kind::Peer),
        (Reference::Prompt(prompt), "peer") if prompt.name == prompts::COORDINATE => Some(Kind::Peer),
        (Reference::Prompt(prompt), "peerAddress") if prompt.name == prompts::COORDINATE => Some(Kind::Address),
        _ => None,
    }
}

/// The values that an argument may be meant to become; none where that is not known.
pub async fn complete(own: &Own, request: &CompleteRequestParams) -> CompletionInfo {
    let Some(kind) = kind(&request.r#ref, &request.argument.name) else { return CompletionInfo::default() };
    match values(own, kind, &request.argument.value).await {
        Ok(mut values) => {
            let more = values.len() > MOST;
            values.truncate(MOST);
            CompletionInfo::with_pagination(values, None, more).unwrap_or_default()
        }
        Err(error) => {
            tracing::debug!(%error, "nothing can be completed");
            CompletionInfo::default()
        }
    }
}

async fn values(own: &Own, kind: Kind, begun: &str) -> Result<Vec<String>> {
    let link = own.link()?;
    if kind == Kind::Key {
        let list = ContextList { prefix: Some(begun.to_owned()), limit: Some(MOST as u64 + 1), after: None, keys_only: true };
        let entries: Vec<_> = link.call(&list).await?.collect().await;
        return entries.into_iter().map(|entry| Ok(entry?.key)).collect();
    }
    let peers = link.call(&PeerList {}).await?.peers;
    let name = |peer: &crate::api::peers::Peer| match kind {
        Kind::Address => peer.address.clone(),
        _ => peer.label().to_owned(),
    };
    let begun = begun.to_lowercase();
    Ok(peers.iter().filter(|peer| peer.trusted).map(name).filter(|name| name.to_lowercase().starts_with(&begun)).collect())
}
