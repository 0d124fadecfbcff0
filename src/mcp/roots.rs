//! Where relative paths of this machine start: the client's first root, else the working directory.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::call::Call;
use crate::base::error::io_words;
use crate::base::{Error, Result};
use crate::platform::files;

/// How long a client may take to tell its roots.
const PATIENCE: Duration = Duration::from_secs(5);

/// The folder of the client.
///
/// # Errors
/// `INVALID_REQUEST` where there is no such folder.
pub async fn folder(call: &Call) -> Result<PathBuf> {
    if call.has_roots
        && let Some(root) = first(call).await
    {
        return Ok(root);
    }
    std::env::current_dir()
        .map_err(|error| Error::invalid(format!("the working folder can't be used: {}", io_words(&error))).hint("Give an absolute path."))
}

#[expect(deprecated, reason = "the newest version of the protocol has no roots any more; those before it do")]
async fn first(call: &Call) -> Option<PathBuf> {
    // In the newest version a server may not ask, and the answer is an error at once.
    let told = tokio::time::timeout(PATIENCE, call.client.list_roots()).await.ok()?.ok()?;
    told.roots.iter().find_map(|root| local(&root.uri))
}

/// The path of a `file:` URI on this machine.
fn local(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    let path = files::local(&percent_decode_str(path).decode_utf8().ok()?);
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_file_uri() {
        assert_eq!(local("file:///home/ann/my%20proj"), Some("/home/ann/my proj".into()));
        assert_eq!(local("file://localhost/srv"), Some("/srv".into()));
        for strange in ["https://x/y", "file://other/share", "file:relative", "/plain", "file:///%ff"] {
            assert_eq!(local(strange), None, "{strange}");
        }
    }
}
