//! `loopsy context`: the shared store.

use std::process::ExitCode;

use futures_util::StreamExt;
use serde_json::Value;

use crate::api::context::{ContextDelete, ContextEntry, ContextGet, ContextList, ContextSet, ContextWatch, VALUE_BYTES};
use crate::base::error::io_words;
use crate::base::text::{one_line, printable};
use crate::base::units::parse_duration;
use crate::base::{Error, Result};
use crate::cli::app::{Context, Store};
use crate::cli::{Session, input, reach};
use crate::client::Link;
use crate::platform::files;

/// Entries asked for at a time.
const PAGE: u64 = 500;
/// Characters of a value shown in a list.
const SHOWN: usize = 60;

/// Carries out the command.
pub fn run(session: &Session, action: Context) -> Result<ExitCode> {
    session.wait(async {
        match action {
            Context::Set { key, value, ttl, store } => set(session, key, value, ttl, &store).await,
            Context::Get { key, store } => get(session, key, &store).await,
            Context::List { prefix, store } => list(session, prefix, &store).await,
            Context::Delete { key, store } => {
                let gone = line(session, &store).await?.call(&ContextDelete { key, if_match: None }).await?;
                session.console.done(&gone, format!("Deleted {}", printable(&gone.key)))
            }
            Context::Export { file, store } => export(session, file.as_deref(), &store).await,
            Context::Import { file, store } => import(session, &file, &store).await,
            Context::Watch { prefix, store } => watch(session, prefix, &store).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn line(session: &Session, store: &Store) -> Result<Link> {
    reach::store(session, store.peer.as_deref(), &store.straight).await
}

async fn set(session: &Session, key: String, value: String, ttl: Option<String>, store: &Store) -> Result<()> {
    let value = if value == "-" { input::text(std::io::stdin().lock(), "standard input", VALUE_BYTES as u64 + 1)? } else { value };
    let ttl = ttl.map(|ttl| parse_duration(&ttl).map(|ttl| ttl.as_secs_f64())).transpose()?;
    let entry = line(session, store).await?.call(&ContextSet { key, value, ttl, if_match: None, if_none_match: None }).await?;
    session.console.done(&entry, format!("Set {}", printable(&entry.key)))
}

async fn get(session: &Session, key: String, store: &Store) -> Result<()> {
    let entry = line(session, store).await?.call(&ContextGet { key }).await?;
    if session.console.wants_json() { session.console.json(&entry) } else { session.console.line(entry.value.unwrap_or_default()) }
}

/// Hands every entry on, page by page, so that neither side holds the whole store.
async fn each(link: &Link, prefix: Option<String>, mut take: impl FnMut(ContextEntry) -> Result<()>) -> Result<()> {
    let mut after = None;
    loop {
        let mut page = link.call(&ContextList { prefix: prefix.clone(), limit: Some(PAGE), after: after.take(), keys_only: false }).await?;
        let mut count = 0;
        while let Some(entry) = page.next().await {
            let entry = entry?;
            count += 1;
            after = Some(entry.key.clone());
            take(entry)?;
        }
        if count < PAGE {
            return Ok(());
        }
    }
}

async fn list(session: &Session, prefix: Option<String>, store: &Store) -> Result<()> {
    let link = line(session, store).await?;
    let mut entries = Vec::new();
    each(&link, prefix, |entry| {
        entries.push(entry);
        Ok(())
    })
    .await?;
    if session.console.wants_json() {
        return session.console.json(&serde_json::json!({ "entries": entries }));
    }
    let rows: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            let value = entry.value.unwrap_or_default();
            let shown = one_line(&value, SHOWN);
            vec![entry.key, shown, entry.ttl.map_or_else(|| "-".into(), |ttl| format!("{ttl} s"))]
        })
        .collect();
    session.console.table(&["KEY", "VALUE", "TTL"], &rows)
}

async fn export(session: &Session, file: Option<&std::path::Path>, store: &Store) -> Result<()> {
    let link = line(session, store).await?;
    let mut text = String::from("{\"entries\":[");
    let mut first = true;
    each(&link, None, |entry| {
        text.push_str(if std::mem::take(&mut first) { "\n" } else { ",\n" });
        text.push_str(&serde_json::to_string(&entry).map_err(|cause| Error::internal("an entry can't be written", cause))?);
        Ok(())
    })
    .await?;
    text.push_str("\n]}");
    match file {
        None => session.console.line(text),
        Some(file) => {
            text.push('\n');
            files::write_private(file, text.as_bytes())
                .map_err(|error| Error::invalid(format!("{} can't be written: {}", file.display(), io_words(&error))))?;
            session.console.note(format!("Wrote {}", file.display()));
            Ok(())
        }
    }
}

async fn import(session: &Session, file: &std::path::Path, store: &Store) -> Result<()> {
    let text = if file.as_os_str() == "-" {
        input::text(std::io::stdin().lock(), "standard input", u64::MAX)?
    } else {
        let opened = std::fs::File::open(file).map_err(|error| {
            Error::invalid(format!("{}: {}", file.display(), io_words(&error))).hint("Name an export, or - for standard input.")
        })?;
        input::text(opened, &file.display().to_string(), u64::MAX)?
    };
    let entries = entries_of(&text)?;
    let link = line(session, store).await?;
    let now = crate::base::clock::now();
    let (mut taken, mut expired) = (0, 0);
    for (key, entry) in entries {
        let ends = entry.get("expiresAt").and_then(Value::as_u64);
        if ends.is_some_and(|ends| ends <= now) {
            expired += 1;
            continue;
        }
        let ttl = ends.map(|ends| (ends - now) as f64 / 1000.0);
        let value = match entry.get("value") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => return Err(Error::invalid(format!("the entry {key:?} has no value"))),
        };
        link.call(&ContextSet { key, value, ttl, if_match: None, if_none_match: None }).await?;
        taken += 1;
    }
    session.console.note(format!("Imported {taken} entries; {expired} had expired"));
    Ok(())
}

/// The entries of an export, or of the Node version's `context.json`: a list, an object with one, or an object by key.
fn entries_of(text: &str) -> Result<Vec<(String, Value)>> {
    let bad = |what: &str| Error::invalid(format!("this is not an export: {what}")).hint("Make one with: loopsy context export");
    let value: Value = serde_json::from_str(text).map_err(|cause| bad(&cause.to_string()))?;
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut object) => match object.remove("entries") {
            Some(Value::Array(list)) => list,
            Some(Value::Object(by_key)) => return Ok(by_key.into_iter().collect()),
            Some(_) => return Err(bad("entries is neither a list nor an object")),
            None => return Ok(object.into_iter().filter(|(_, entry)| entry.is_object()).collect()),
        },
        _ => return Err(bad("it is neither a list nor an object")),
    };
    list.into_iter()
        .map(|entry| match entry.get("key").and_then(Value::as_str).map(str::to_owned) {
            Some(key) => Ok((key, entry)),
            None => Err(bad("an entry has no key")),
        })
        .collect()
}

async fn watch(session: &Session, prefix: Option<String>, store: &Store) -> Result<()> {
    let mut changes = line(session, store).await?.call(&ContextWatch { prefix, since: None }).await?;
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(change) = change else { return Ok(()) };
        let change = change?;
        if session.console.wants_json() {
            session.console.json_line(&change)?;
            continue;
        }
        let kind = format!("{:?}", change.kind).to_lowercase();
        let (key, value) = change.entry.map(|entry| (entry.key, entry.value.unwrap_or_default())).unwrap_or_default();
        session.console.line(format!("{kind}\t{}\t{}", printable(&key), printable(&value)))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_export_is_read() {
        for text in [
            r#"{"entries":[{"key":"a","value":"1"}]}"#,
            r#"[{"key":"a","value":"1"}]"#,
            r#"{"a":{"key":"a","value":"1"}}"#,
            r#"{"entries":{"a":{"value":"1"}}}"#,
        ] {
            assert_eq!(entries_of(text).unwrap()[0].0, "a", "{text}");
        }
        for text in ["", "7", "[1]", r#"{"entries":3}"#, r#"[{"value":"1"}]"#] {
            assert!(entries_of(text).is_err(), "{text}");
        }
    }
}
