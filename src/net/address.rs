//! Where a daemon is: a host and a port, as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::base::{Error, Result};

/// What counts as one caller's address: of IPv6 the network of 64 bits, as whoever has one address of it can have them all.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// A host name or IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Port, never 0.
    pub port: u16,
}

impl Address {
    /// Checks the two parts.
    pub fn new(host: &str, port: u16) -> Result<Self> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = |text: &str| {
            (1..=253).contains(&text.len())
                && !text.starts_with(['-', '.'])
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        };
        let is_v6 = bare.split('%').next().unwrap_or_default().parse::<Ipv6Addr>().is_ok();
        if port == 0 {
            return Err(Error::invalid("port 0 is not a port to call").hint("Give a port from 1 to 65535."));
        }
        if !is_v6 && !is_name(bare) {
            return Err(Error::invalid(format!("{host:?} is not an address"))
                .hint("Give an IP address or a host name, with an optional port: 192.168.1.50:19532, [fe80::1]:19532."));
        }
        Ok(Self { host: bare.to_owned(), port })
    }

    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare `v6`.
    pub fn parse(text: &str, default_port: u16) -> Result<Self> {
        let bad =
            || Error::invalid(format!("{text:?} is not an address")).hint("Write it like 192.168.1.50, kai.local:19532 or [::1]:19532.");
        if text.parse::<Ipv6Addr>().is_ok() {
            return Self::new(text, default_port);
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
                host.split('%').next().unwrap_or_default().parse::<Ipv6Addr>().map_err(|_| bad())?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(bad)?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().map_err(|_| bad())?,
            Some(_) => return Err(bad()),
            None => default_port,
        };
        Self::new(host, port)
    }

    /// The IP address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether this can only be the own machine.
    pub fn is_loopback(&self) -> bool {
        self.ip().map_or(self.host.eq_ignore_ascii_case("localhost"), |ip| ip.to_canonical().is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

impl FromStr for Address {
    type Err = Error;
    /// Reads an address that names its port.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// known fault 64: IPv6 addresses are parsed.
    #[test]
    fn addresses_are_read_as_people_write_them() {
        let shown = |text: &str| Address::parse(text, 19532).map(|a| a.to_string());
        assert_eq!(shown("192.168.1.50").unwrap(), "192.168.1.50:19532");
        assert_eq!(shown("kai.local:80").unwrap(), "kai.local:80");
        assert_eq!(shown("[::1]:19632").unwrap(), "[::1]:19632");
        assert_eq!(shown("::1").unwrap(), "[::1]:19532");
        assert_eq!(shown("[fe80::1%eth0]").unwrap(), "[fe80::1%eth0]:19532");
        for bad in ["", ":", "a:", "a:b", "a:70000", "a:0", "[::1", "[::1]x", "a b", "http://a", "a/b", "-a", "a:1:2", "a:+1", "ä", "a\0"]
        {
            assert!(shown(bad).is_err(), "{bad:?}");
        }
    }
    #[test]
    fn loopback_is_known_in_every_dress() {
        for host in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"] {
            assert!(Address::new(host, 1).unwrap().is_loopback(), "{host}");
        }
        assert!(!Address::new("127.0.0.1.example", 1).unwrap().is_loopback());
    }
}
