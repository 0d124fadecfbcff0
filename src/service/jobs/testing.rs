//! What tests of jobs, and of what serves them, stand on.

use std::net::Ipv4Addr;

use super::Jobs;
use crate::api::Caller;
use crate::api::caller::Role;
use crate::api::execute::Command;
use crate::base::workers::Workers;
use crate::home::config::Config;
use crate::home::settings::Settings;
use crate::platform::process::Guard;
use crate::service::journal::Journal;

pub(crate) fn jobs_with(change: impl FnOnce(&mut Config)) -> Jobs {
    let mut config = Config::default();
    config.execution.denylist.clear();
    change(&mut config);
    Jobs::new(std::sync::Arc::new(Guard::start().unwrap()), Settings::new(config), Workers::default(), Journal::default())
}

pub(crate) fn jobs() -> Jobs {
    jobs_with(|_| {})
}

pub(crate) fn owner() -> Caller {
    Caller::new(Role::Owner, "node-of-owner".into(), Ipv4Addr::LOCALHOST.into())
}

pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    Command { command: program.into(), args: Some(args.iter().map(ToString::to_string).collect()), ..Command::default() }
}

pub(crate) fn sh(script: &str) -> Command {
    command("sh", &["-c", script])
}
