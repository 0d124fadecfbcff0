//! A file that arrives as a multipart form, as the Node version sends it.

use std::path::Path;

use futures_util::{StreamExt, TryStreamExt};
use multer::{Field, Multipart};

use crate::api::transfer::Received;
use crate::api::{Caller, Piece, Pieces};
use crate::base::{Code, Error, Result};
use crate::http::upload::Upload;
use crate::service::transfer::{Put, Transfer};

/// The text field that says where the file goes.
const TARGET: &str = "destPath";
/// Bytes of the longest text field.
const LONGEST_TEXT: usize = 64 * 1024;

/// Receives the file of a form. `private` is a folder for content that comes before its target.
pub(super) async fn receive(transfer: &Transfer, private: &Path, caller: &Caller, upload: Upload) -> Result<Received> {
    let kind = upload.header("content-type").unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| {
        Error::new(Code::UnsupportedMediaType, "the body is not multipart/form-data")
            .hint("Send a form with the text field destPath and a file.")
    })?;
    let bytes = upload.into_pieces().try_filter_map(|piece| async {
        Ok(match piece {
            Piece::Data(bytes) => Some(bytes),
            Piece::Checksum(_) => None,
        })
    });
    let mut form = Multipart::new(bytes, boundary);
    let mut target = None;
    let mut early = None;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let is_file = field.file_name().is_some() || field.content_type().is_some();
        if field.name() == Some(TARGET) && !is_file {
            let path = text(field).await?;
            if let Some(body) = early {
                return transfer.receive(caller, put(path), body).await;
            }
            target = Some(path);
        } else if is_file && early.is_none() {
            match target.take() {
                Some(path) => return transfer.receive(caller, put(path), content(field)).await,
                None => early = Some(transfer.spool(private, content(field)).await?),
            }
        }
    }
    let missing = if target.is_none() { "the text field destPath" } else { "a file" };
    Err(Error::invalid(format!("the form has not {missing}")))
}

/// Whatever the form calls the file: its whole path is `destPath`, and a folder that is there already is refused.
fn put(path: String) -> Put {
    Put { path, ..Put::default() }
}

fn content(field: Field<'static>) -> Pieces {
    Box::pin(field.map(|chunk| chunk.map(Piece::Data).map_err(broken)))
}

async fn text(mut field: Field<'static>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST_TEXT {
            return Err(Error::invalid(format!("the field {TARGET} is too long")));
        }
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("the field {TARGET} is not UTF-8")))
}

/// Our own failure out of the parser's, or what it says about the form.
fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::invalid(format!("the form can't be read: {other}")),
        },
        other => Error::invalid(format!("the form can't be read: {other}")),
    }
}
