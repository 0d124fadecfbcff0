//! Which of the addresses that a machine announces is the one to call. Pure.

use std::cmp::Reverse;
use std::net::IpAddr;

use mdns_sd::ScopedIp;

/// Addresses of one machine that are looked at.
const MOST: usize = 16;

/// An address of this machine, and how many of its leading bits its whole network shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) ip: IpAddr,
    pub(super) prefix: u8,
}

impl Own {
    fn is_beside(&self, other: IpAddr) -> bool {
        let differing = match (self.ip, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.prefix)
    }
}

/// The addresses of this machine now.
pub(super) fn own() -> Vec<Own> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let own = interfaces.iter().filter(|interface| !interface.is_loopback()).map(|interface| match &interface.addr {
        if_addrs::IfAddr::V4(v4) => Own { ip: v4.ip.into(), prefix: v4.prefixlen },
        if_addrs::IfAddr::V6(v6) => Own { ip: v6.ip.into(), prefix: v6.prefixlen },
    });
    own.collect()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Whether a machine elsewhere can be called at this address at all.
fn is_callable(ip: &ScopedIp) -> bool {
    let plain = ip.to_ip_addr();
    let out_of_place = plain.is_unspecified() || plain.is_multicast() || plain.to_canonical().is_loopback();
    match ip {
        ScopedIp::V4(v4) => !out_of_place && !v4.addr().is_broadcast(),
        // A link-local address means nothing without the link.
        ScopedIp::V6(v6) => !out_of_place && v6.addr().to_ipv4_mapped().is_none() && (!is_link_local(plain) || v6.scope_id().index != 0),
        _ => false,
    }
}

/// The addresses as hosts to call, best first: those on a network that this machine is on, then those of the link itself, which
/// reach as far as the announcement did, then the rest, which a router would have to know. IPv4 goes before IPv6, and what is an
/// address of this machine as well goes last, because two machines may have the same on their inside networks.
pub(super) fn ordered<'a>(announced: impl IntoIterator<Item = &'a ScopedIp>, own: &[Own]) -> Vec<String> {
    let rank = |ip: IpAddr| {
        let is_ours = own.iter().any(|own| own.ip == ip);
        let is_beside = !is_link_local(ip) && own.iter().any(|own| own.is_beside(ip));
        (is_ours, Reverse((is_beside, is_link_local(ip))), ip.is_ipv6(), ip)
    };
    let mut hosts: Vec<_> = announced.into_iter().filter(|ip| is_callable(ip)).map(|ip| (rank(ip.to_ip_addr()), ip.to_string())).collect();
    hosts.sort();
    hosts.dedup();
    hosts.truncate(MOST);
    hosts.into_iter().map(|(_, host)| host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(addresses: &[(&str, u8)]) -> Vec<Own> {
        addresses.iter().map(|(ip, prefix)| Own { ip: ip.parse().unwrap(), prefix: *prefix }).collect()
    }
    fn order(announced: &[&str], own: &[Own]) -> Vec<String> {
        let announced: Vec<ScopedIp> = announced.iter().map(|ip| ScopedIp::from(ip.parse::<IpAddr>().unwrap())).collect();
        ordered(&announced, own)
    }

    #[test]
    fn a_network_that_both_are_on_comes_first() {
        let own = own(&[("10.1.0.1", 16), ("fd00::1", 64), ("192.168.7.1", 24)]);
        assert_eq!(
            order(&["8.8.8.8", "fd00::2", "172.17.0.1", "2001:db8::5", "10.1.200.2"], &own),
            ["10.1.200.2", "fd00::2", "8.8.8.8", "172.17.0.1", "2001:db8::5"]
        );
        assert_eq!(order(&["10.2.0.1", "169.254.3.4", "192.168.7.9"], &own), ["192.168.7.9", "169.254.3.4", "10.2.0.1"]);
    }

    #[test]
    fn an_inside_network_that_both_have_is_not_the_way() {
        let own = own(&[("172.17.0.1", 16), ("10.0.0.1", 24)]);
        assert_eq!(order(&["172.17.0.1", "10.0.0.2"], &own), ["10.0.0.2", "172.17.0.1"]);
        // Another daemon of this very machine has no other addresses.
        assert_eq!(order(&["10.0.0.1"], &own), ["10.0.0.1"]);
    }

    #[test]
    fn what_nobody_elsewhere_can_be_called_at_is_left_out() {
        let hostile =
            ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "224.0.0.251", "ff02::fb", "255.255.255.255", "::ffff:127.0.0.1", "fe80::1"];
        assert!(order(&hostile, &own(&[("10.0.0.1", 24)])).is_empty());
        let many: Vec<String> = (0..255).map(|at| format!("10.0.1.{at}")).collect();
        assert_eq!(order(&many.iter().map(String::as_str).collect::<Vec<_>>(), &[]).len(), MOST);
    }

    #[test]
    fn every_address_fits_into_a_network_of_any_size() {
        for prefix in [0, 32, 128, 255] {
            for (ip, other) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2"), ("10.0.0.1", "fd00::1")] {
                Own { ip: ip.parse().unwrap(), prefix }.is_beside(other.parse().unwrap());
            }
        }
    }
}
