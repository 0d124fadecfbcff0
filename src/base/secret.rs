//! Secrets: never printed, compared in constant time, overwritten when dropped.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// A key. `Debug` and `Display` show nothing of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key that came from outside.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// A fresh key: 32 random bytes as 64 hexadecimal digits.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0u8; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| Error::internal("no randomness", "the system's generator failed"))?;
        Ok(Self(super::hash::hex(&bytes)))
    }
    /// The key itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// What is compared and may be kept in memory: the digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes);
    }
}

/// A key's SHA-256. Equality takes the same time whatever differs, because equal digests mean equal keys and an
/// attacker can't choose the digest's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a presented key.
    pub fn of(key: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::generate().unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert!(!format!("{secret:?}").contains(secret.expose()));
        assert!(secret.digest() == Digest::of(secret.expose()));
    }
}
