//! Uploads as the Node version takes them: a multipart form.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Files;
use super::push::{noted, same};
use crate::api::transfer::{Received, TransferPush};
use crate::api::{Piece, Pieces};
use crate::base::{Result, id};

impl Files {
    pub(super) async fn push_form(&self, content: Pieces, name: &str, total: Option<u64>, target: &str) -> Result<Received> {
        let boundary = format!("loopsy-{}", id::request());
        // In a header of a form, quotes and line ends are written percent-encoded (WHATWG).
        let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"destPath\"\r\n\r\n{target}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let (content, sent) = noted(self.watched(content, 0, total, Arc::default()));
        // The Node version knows no trailers: its answer tells the checksum, which is then compared.
        let content = content.try_filter(|piece| std::future::ready(matches!(piece, Piece::Data(_))));
        let whole = part(head).chain(content).chain(part(tail));
        let received = self.link.upload_as(&TransferPush {}, &format!("multipart/form-data; boundary={boundary}"), Box::pin(whole)).await?;
        same(received, &sent)
    }
}

fn part(text: String) -> Pieces {
    Box::pin(stream::iter([Ok(Piece::Data(Bytes::from(text)))]))
}
