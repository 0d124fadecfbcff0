//! The addresses of this machine.

use std::net::IpAddr;

use super::Address;
use super::socket::own_address_towards;

/// An address that is nobody's: the way to it is the way to everybody.
const ELSEWHERE: &str = "192.0.2.1";

/// Those at which other machines can call this one, the likeliest first. Nothing is sent to find out.
pub fn callable() -> Vec<IpAddr> {
    let own = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
    let mut found = callable_of(own);
    let usual = Address::new(ELSEWHERE, 9).ok().and_then(|elsewhere| own_address_towards(&elsewhere));
    found.sort_by_key(|ip| Some(*ip) != usual);
    found
}

/// Those of some addresses that others can call, IPv4 first: people can type them.
pub fn callable_of(own: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let is_local = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        // Without its zone, which means nothing elsewhere, an address of one link can't be called.
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    };
    let mut found: Vec<IpAddr> = own.filter(|ip| !is_local(ip)).collect();
    found.sort_by_key(|ip| (ip.is_ipv6(), *ip));
    found.dedup();
    found
}
