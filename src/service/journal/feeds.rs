//! What the journal learns by watching: changes of the store and of the configuration, whoever makes them.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Journal;
use crate::api::Permission;
use crate::api::context::{ContextChange, ContextChangeType};
use crate::api::events::{Notice, NoticeType};
use crate::base::replay::{Follower, Step};
use crate::base::secret::Secret;
use crate::base::workers::Workers;
use crate::home::config::Config;
use crate::home::settings::Settings;
use crate::service::context::Context;

/// Watches the store and the configuration until `workers` stop.
pub fn start(journal: &Journal, context: &Context, settings: &Settings, workers: &Workers) {
    workers.spawn_until_stop("journal of the store", follow_store(journal.clone(), context.changes()));
    workers.spawn_until_stop("journal of the configuration", follow_settings(journal.clone(), settings.clone(), settings.get()));
}

async fn follow_store(journal: Journal, mut changes: Follower<ContextChange>) {
    loop {
        journal.push(match changes.next().await {
            Step::Event(_, change) => of_store(&change),
            Step::Skipped(_) => Notice::new(NoticeType::Context, "reset", ""),
        });
    }
}

fn of_store(change: &ContextChange) -> Notice {
    let action = match change.kind {
        ContextChangeType::Set => "set",
        ContextChangeType::Delete => "delete",
        ContextChangeType::Expire => "expire",
        ContextChangeType::Reset => "reset",
    };
    let key = change.entry.as_ref().map(|entry| entry.key.clone()).unwrap_or_default();
    Notice::new(NoticeType::Context, action, key).detail("version", change.version)
}

async fn follow_settings(journal: Journal, settings: Settings, mut known: Arc<Config>) {
    let mut changes = settings.changes();
    while changes.changed().await.is_ok() {
        let now = settings.get();
        of_trust(&known, &now).chain(of_settings(&known, &now)).for_each(|notice| journal.push(notice));
        known = now;
    }
}

/// What of the trust in peers is another now.
fn of_trust<'a>(before: &'a Config, now: &'a Config) -> impl Iterator<Item = Notice> + 'a {
    let names =
        before.auth.allowed_keys.keys().chain(now.auth.allowed_keys.keys().filter(|name| !before.auth.allowed_keys.contains_key(*name)));
    names.filter_map(move |name| {
        let key = |config: &Config| config.auth.allowed_keys.get(name).map(Secret::digest);
        let proof = |config: &Config| (key(config), config.tls.pinned_certs.get(name).cloned());
        let permitted = |config: &Config| config.auth.permissions.get(name).cloned().unwrap_or_else(|| Permission::ALL.to_vec());
        let told = |action| Some(Notice::new(NoticeType::Trust, action, name));
        match (key(before), key(now)) {
            (None, None) => None,
            (None, Some(_)) => told("paired"),
            (Some(_), None) => told("revoked"),
            (Some(_), Some(_)) if proof(before) != proof(now) => told("renewed"),
            (Some(_), Some(_)) if permitted(before) != permitted(now) => {
                let names: Vec<&str> = permitted(now).into_iter().map(Permission::name).collect();
                told("permissions").map(|notice| notice.detail("permissions", names))
            }
            _ => None,
        }
    })
}

/// Which other settings have other values now.
fn of_settings(before: &Config, now: &Config) -> impl Iterator<Item = Notice> + use<> {
    let (before, now) = (sections(before), sections(now));
    let changed = now.into_iter().flat_map(move |(section, now)| {
        let before = before.get(&section).cloned().unwrap_or_default();
        let fields = now.as_object().cloned().unwrap_or_default();
        let fields = fields.into_iter().filter(move |(field, value)| before.get(field) != Some(value));
        fields.map(move |(field, _)| format!("{section}.{field}")).collect::<Vec<_>>()
    });
    // These are told as trust.
    let others = changed.filter(|setting| !["auth.allowedKeys", "auth.permissions", "tls.pinnedCerts"].contains(&setting.as_str()));
    others.map(|setting| Notice::new(NoticeType::Config, "changed", setting))
}

fn sections(config: &Config) -> Map<String, Value> {
    serde_json::to_value(config).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::config_file::parse;

    fn told(before: &str, now: &str) -> Vec<String> {
        let (before, now) = (parse(before).unwrap().config, parse(now).unwrap().config);
        let notices = of_trust(&before, &now).chain(of_settings(&before, &now));
        notices.map(|notice| format!("{} {} {}", notice.kind.name(), notice.action, notice.subject)).collect()
    }

    #[test]
    fn changes_of_trust_are_told_by_the_peers_name() {
        let pair = |more: &str| format!("auth: {{apiKey: own, allowedKeys: {{kai: k1}}{more}");
        let base = pair("}");
        assert_eq!(told("auth: {apiKey: own}", &base), ["trust paired kai"]);
        assert_eq!(told(&base, "auth: {apiKey: own}"), ["trust revoked kai"]);
        assert_eq!(told(&base, &base.replace("k1", "k2")), ["trust renewed kai"]);
        let pinned = base.clone() + "\ntls: {pinnedCerts: {kai: aa}}";
        assert_eq!(told(&base, &pinned), ["trust renewed kai"]);
        assert_eq!(told(&base, &pair(", permissions: {kai: [context]}}")), ["trust permissions kai"]);
        assert_eq!(told(&base, &base), [""; 0]);
    }
    #[test]
    fn other_settings_are_told_without_their_values() {
        assert_eq!(told("auth: {apiKey: own}", "auth: {apiKey: other}"), ["config changed auth.apiKey"]);
        assert_eq!(
            told("{}", "transfer: {maxFileSize: 7}\nserver: {port: 9}"),
            ["config changed server.port", "config changed transfer.maxFileSize"]
        );
    }
}
