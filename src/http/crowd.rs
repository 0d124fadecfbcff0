//! How many connections there may be from elsewhere, so that nobody uses up the descriptors that the owner needs. Those of
//! this machine itself are the owner's, and only the system bounds them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::net::address::network_of;

/// Connections from elsewhere, where the system has descriptors for twice as many.
const MOST: usize = 4096;
/// Connections from one address.
const MOST_EACH: usize = 256;

/// The connections from elsewhere, by their addresses. Clones are the same.
#[derive(Clone)]
pub struct Crowd {
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// A connection's place, given back when dropped.
pub struct Place {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// Nobody yet, where a process may have this many descriptors.
    pub fn new(descriptors: usize) -> Self {
        Self { by_address: Arc::default(), most: MOST.min(descriptors / 2) }
    }
    /// A place for one more connection; none where there are too many.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = network_of(address);
        let mut by_address = lock(&self.by_address);
        // As many addresses as connections at most, which are few.
        if by_address.values().sum::<usize>() >= self.most {
            return None;
        }
        let count = by_address.entry(address).or_default();
        if *count >= MOST_EACH {
            return None;
        }
        *count += 1;
        Some(Place { crowd: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = lock(&self.crowd.by_address);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(crowd: &Crowd, addresses: impl Iterator<Item = String>) -> Vec<Place> {
        addresses.map_while(|address| crowd.enter(address.parse().unwrap())).collect()
    }

    #[test]
    fn neither_one_nor_many_can_take_all_places() {
        let crowd = Crowd::new(1_000_000);
        let one = places(&crowd, (0..).map(|_| "192.0.2.1".into()));
        assert_eq!(one.len(), MOST_EACH);
        let network = places(&crowd, (0..).map(|number| format!("2001:db8::{number:x}")));
        assert_eq!(network.len(), MOST_EACH);
        let many = places(&crowd, (0..).map(|number| format!("198.51.{}.{}", number / 256, number % 256)));
        assert_eq!(one.len() + network.len() + many.len(), MOST);
        drop(one);
        assert!(crowd.enter("203.0.113.1".parse().unwrap()).is_some());
        drop((network, many));
        assert!(lock(&crowd.by_address).is_empty());
    }

    #[test]
    fn half_of_the_descriptors_are_left_to_the_owner() {
        let many = |crowd: &Crowd| places(crowd, (0..).map(|number| format!("198.51.{}.{}", number / 256, number % 256))).len();
        assert_eq!(many(&Crowd::new(1024)), 512);
    }
}
