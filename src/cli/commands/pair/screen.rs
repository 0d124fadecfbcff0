//! What `loopsy pair` shows: addresses, codes as people read them, and the time that is left.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::base::{Result, clock};
use crate::cli::console::Console;
use crate::home::{Home, config_file};
use crate::net::interfaces::callable_of;

/// Six digits in two groups.
pub(super) fn spaced(digits: &str) -> String {
    digits.split_at_checked(3).map_or_else(|| digits.to_owned(), |(first, rest)| format!("{first} {rest}"))
}

/// The addresses at which the daemon can be reached, those that people can type first; loopback only where that is all.
pub(super) fn addresses(home: &Home) -> Vec<IpAddr> {
    let host = config_file::load(home).map(|loaded| loaded.config.server.host).unwrap_or_default();
    let own = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
    reachable(&host, own)
}

fn reachable(host: &str, own: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    if let Some(only) = host.parse::<IpAddr>().ok().filter(|ip| !ip.is_unspecified()) {
        return vec![only];
    }
    let mut found = callable_of(own);
    if found.is_empty() {
        let loopback = if host.contains(':') { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        found.push(loopback);
    }
    found
}

/// The time that is left, rewritten each second on a terminal.
pub(super) struct Countdown<'a> {
    console: &'a Console,
    until: u64,
}

impl<'a> Countdown<'a> {
    /// Counts down to an instant, milliseconds since the epoch.
    pub(super) fn new(console: &'a Console, until: u64) -> Self {
        Self { console, until }
    }
    /// Counts while something is waited for.
    pub(super) async fn until<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if !self.console.errors_are_seen() || self.console.is_quiet() || self.console.wants_json() {
            return work.await;
        }
        tokio::pin!(work);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let result = loop {
            tokio::select! {
                result = work.as_mut() => break result,
                _ = tick.tick() => {
                    let left = self.until.saturating_sub(clock::now()).div_ceil(1000);
                    self.console.error_bytes(format!("\rWaiting, {}:{:02} left ", left / 60, left % 60).as_bytes())?;
                }
            }
        };
        self.console.error_bytes(b"\r\x1b[K")?;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_another_machine_can_call() {
        let own = |texts: &[&str]| texts.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect::<Vec<_>>().into_iter();
        let shown = |host: &str, ips: &[&str]| reachable(host, own(ips)).iter().map(IpAddr::to_string).collect::<Vec<_>>();
        let all = ["127.0.0.1", "::1", "fe80::1", "fd00::7", "192.168.1.5", "10.0.0.1"];
        assert_eq!(shown("0.0.0.0", &all), ["10.0.0.1", "192.168.1.5", "fd00::7"]);
        assert_eq!(shown("0.0.0.0", &all[..2]), ["127.0.0.1"]);
        assert_eq!(shown("127.0.0.1", &all), ["127.0.0.1"]);
        assert_eq!(shown("::", &[]), ["::1"]);
        assert_eq!((spaced("492817").as_str(), spaced("").as_str()), ("492 817", ""));
    }
}
