//! How much work strangers can cause: a small budget for each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::Caller;
use crate::base::bucket::Bucket;
use crate::base::sync::lock;
use crate::base::{Code, Error, Result};
use crate::net::address::network_of;

/// Steps of pairings a minute from one address.
const STEPS: u32 = 60;
/// Addresses, or networks of IPv6, remembered; a flood from more counts as one address.
const ADDRESSES: usize = 1024;

/// How long they are remembered.
const FORGET: Duration = Duration::from_secs(60);

/// What each address has left.
#[derive(Default)]
pub(super) struct Strangers(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    since: Option<Instant>,
    buckets: HashMap<IpAddr, Bucket>,
}

impl Strangers {
    /// Lets one step pass, which the owner always may take.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub(super) fn admit(&self, caller: &Caller) -> Result<()> {
        if caller.is_owner() {
            return Ok(());
        }
        let now = Instant::now();
        let mut remembered = lock(&self.0);
        if remembered.since.is_none_or(|since| now >= since + FORGET) {
            *remembered = Remembered { since: Some(now), buckets: HashMap::new() };
        }
        let buckets = &mut remembered.buckets;
        let place = network_of(caller.address);
        let is_new = !buckets.contains_key(&place);
        let counted = if is_new && buckets.len() >= ADDRESSES { Ipv4Addr::UNSPECIFIED.into() } else { place };
        let taken = buckets.entry(counted).or_insert_with(|| Bucket::full(STEPS, now)).take(STEPS, now);
        taken.map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            Error::new(Code::RateLimited, "too many steps of pairings from this address")
                .details(serde_json::json!({ "retryAfter": seconds }))
                .hint(format!("Try again in {seconds} s."))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::api::caller::Role;

    #[tokio::test(start_paused = true)]
    async fn an_address_has_a_budget_and_a_flood_from_many_has_one_too() {
        let strangers = Strangers::default();
        let from = |number: u32| Caller::new(Role::Stranger, String::new(), Ipv4Addr::from(number).into());
        assert!((0..STEPS).all(|_| strangers.admit(&from(1)).is_ok()));
        assert_eq!(strangers.admit(&from(1)).unwrap_err().code, Code::RateLimited);
        let v6 = |network: u128, host: u128| {
            let address = Ipv6Addr::from_bits((0xfd00 << 112) | (network << 64) | host);
            strangers.admit(&Caller::new(Role::Stranger, String::new(), address.into())).is_ok()
        };
        assert_eq!((0..200).filter(|host| v6(1, *host)).count(), STEPS as usize, "a machine has many addresses");
        assert!(v6(2, 1));
        let passed = (10..5000).filter(|number| strangers.admit(&from(*number)).is_ok()).count();
        assert!(passed < ADDRESSES + STEPS as usize);
        assert!(lock(&strangers.0).buckets.len() <= ADDRESSES + 1);
    }
}
