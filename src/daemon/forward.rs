//! Sending the owner's requests on to a peer, with that peer's key.

use std::future::Future;
use std::pin::Pin;

use http::{Request, Response};
use hyper::body::Incoming;

use super::Daemon;
use super::transfer::onward::{self, Content};
use crate::base::text::printable;
use crate::base::{Code, Result};
use crate::http::Body;
use crate::http::routes::Forward;

impl Forward for Daemon {
    fn forward(&self, peer: &str, request: Request<Incoming>) -> Pin<Box<dyn Future<Output = Result<Response<Body>>> + Send + '_>> {
        let peer = printable(peer);
        Box::pin(async move {
            let peer = self.peers.resolve(&peer)?;
            let link = self.peers.link(&peer)?;
            let (running, content) = (self.transfer.running(), Content::of(&request));
            let request = onward::asked(running, peer.label(), content, request);
            let answer = link.forward(request, &self.connections).await.map_err(|mut error| {
                self.peers.suspect(&peer, error.code);
                // People know the peer by its name, not by where it listens.
                let name = peer.label();
                error.message = error.message.replace(&link.target().to_string(), &format!("{name} ({})", link.target()));
                if error.code == Code::PeerUnreachable
                    && let Some(start) = self.peers.how_to_start(&peer)
                {
                    error.hint = Some(start);
                }
                error
            })?;
            Ok(onward::answered(running, peer.label(), content, answer))
        })
    }
}
