//! `loopsy send` and `loopsy pull`: files and folders to a peer and from it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::api::node::IdentityGet;
use crate::base::units::size;
use crate::base::{Error, Result};
use crate::cli::app::{Copying, Pull, Send};
use crate::cli::{Session, reach};
use crate::client::files::{Files, Progress, Synced};

/// What came of one source, for programs.
#[derive(Serialize)]
struct Done {
    source: String,
    path: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<u64>,
}

/// Copies files to a peer.
pub fn send(session: &Session, args: &Send) -> Result<ExitCode> {
    let Some((dest, sources)) = args.paths.split_last() else { return Err(Error::invalid("there is nothing to send")) };
    session.wait(async {
        let bar = Bar::new(session);
        let files = files(session, &args.peer, &args.how, &bar).await?;
        let mut done = Vec::new();
        for source in sources {
            let into = sources.len() > 1 || dest.ends_with('/');
            bar.begin(source);
            let sent = send_one(&files, source, dest, into, args.how.recursive).await;
            bar.end();
            done.push(sent?);
        }
        tell(session, &done, "Sent")
    })
}

async fn send_one(files: &Files, source: &str, dest: &str, into: bool, recursive: bool) -> Result<Done> {
    if source == "-" {
        if into {
            return Err(Error::invalid("standard input has no name to go into a folder under")
                .hint("Name the file: loopsy send <peer> - <folder>/<name>"));
        }
        let sent = files.push_stream(tokio::io::stdin(), None, dest).await?;
        return Ok(Done {
            source: source.into(),
            path: sent.path,
            size: sent.size,
            checksum: Some(sent.checksum),
            files: None,
            same: None,
        });
    }
    let path = Path::new(source);
    if path.is_dir() {
        if !recursive {
            return Err(Error::invalid(format!("{source} is a folder")).hint("Send it with all that is in it: -r"));
        }
        let target = below(dest, source, path)?;
        let synced = files.push_tree(path, &target).await?;
        return Ok(Done::folder(source, target, &synced));
    }
    let target = if into && !dest.ends_with('/') { format!("{dest}/") } else { dest.to_owned() };
    let sent = files.push(path, &target).await?;
    Ok(Done { source: source.into(), path: sent.path, size: sent.size, checksum: Some(sent.checksum), files: None, same: None })
}

/// Copies a file or folder from a peer.
pub fn pull(session: &Session, args: &Pull) -> Result<ExitCode> {
    session.wait(async {
        let bar = Bar::new(session);
        let files = files(session, &args.peer, &args.how, &bar).await?;
        bar.begin(&args.src);
        let done = pull_one(&files, args).await;
        bar.end();
        match done? {
            Some(done) => tell(session, &[done], "Pulled"),
            None => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn pull_one(files: &Files, args: &Pull) -> Result<Option<Done>> {
    if args.dest == "-" {
        if args.how.recursive {
            return Err(Error::invalid("a folder does not fit into standard output")
                .hint("Pull it into a folder, or: loopsy exec <peer> tar c <folder>"));
        }
        files.pull_stream(&args.src, tokio::io::stdout()).await?;
        return Ok(None);
    }
    if args.how.recursive {
        let target = PathBuf::from(below(&args.dest, &args.src, Path::new(&args.src))?);
        let synced = files.pull_tree(&args.src, &target).await?;
        return Ok(Some(Done::folder(&args.src, target.display().to_string(), &synced)));
    }
    let (path, arrived) = files.pull(&args.src, Path::new(&args.dest)).await?;
    Ok(Some(Done {
        source: args.src.clone(),
        path: path.display().to_string(),
        size: arrived.size,
        checksum: Some(arrived.checksum),
        files: None,
        same: None,
    }))
}

/// Where a folder goes: below the destination under its own name, or, where the source ends with `/`, what is in it goes right there.
/// The same command twice therefore means the same place twice.
fn below(dest: &str, source: &str, path: &Path) -> Result<String> {
    if source.ends_with('/') || source.ends_with("/.") || source == "." {
        return Ok(dest.to_owned());
    }
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Error::invalid(format!("{source} has no name of its own")).hint("Write it with a / at its end, which means what is in it.")
    })?;
    Ok(format!("{}/{name}", dest.trim_end_matches('/')))
}

async fn files(session: &Session, peer: &str, how: &Copying, bar: &Bar) -> Result<Files> {
    let link = reach::line(session, peer, &how.straight).await?;
    let identity = link.call(&IdentityGet {}).await?;
    let bar = bar.0.clone();
    let watch = move |progress: Progress| {
        if let Some(bar) = &bar {
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.set_position(progress.done);
        }
    };
    let files = Files::new(link, &identity.capabilities, Arc::new(watch));
    Ok(if how.no_resume { files.anew() } else { files })
}

impl Done {
    fn folder(source: &str, path: String, synced: &Synced) -> Self {
        Self { source: source.into(), path, size: synced.size, checksum: None, files: Some(synced.files), same: Some(synced.same) }
    }
}

fn tell(session: &Session, done: &[Done], verb: &str) -> Result<ExitCode> {
    if session.console.wants_json() {
        session.console.json(&done)?;
        return Ok(ExitCode::SUCCESS);
    }
    for done in done {
        let what = match (done.files, done.same) {
            (Some(files), Some(same)) => format!("{files} files, {} ({same} entries were the same already)", size(done.size)),
            _ => size(done.size),
        };
        session.console.note(format!("{verb} {} to {}: {what}", done.source, done.path));
    }
    Ok(ExitCode::SUCCESS)
}

/// A progress bar on a terminal; nothing elsewhere.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(session: &Session) -> Self {
        if session.console.is_quiet() || session.console.wants_json() || !session.console.errors_are_seen() {
            return Self(None);
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }
    fn begin(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(crate::base::text::printable(what));
        }
    }
    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
            bar.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Code;

    #[test]
    fn a_folder_goes_to_the_same_place_every_time() {
        let place = |dest: &str, source: &str| below(dest, source, Path::new(source)).map_err(|error| error.code);
        assert_eq!(place("/data", "src/proj"), Ok("/data/proj".into()));
        assert_eq!(place("/data/", "proj"), Ok("/data/proj".into()));
        assert_eq!(place("/data/copy", "proj/"), Ok("/data/copy".into()));
        assert_eq!(place("/data", "."), Ok("/data".into()));
        assert_eq!(place("/data", ".."), Err(Code::InvalidRequest));
    }
}
