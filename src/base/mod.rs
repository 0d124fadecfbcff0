//! Words that every floor uses: errors, clocks, identifiers, secrets, and the few shared mechanisms.

pub mod agents;
pub mod base64url;
pub mod bucket;
pub mod clock;
pub mod code;
pub mod error;
pub mod fingerprint;
pub mod hash;
pub mod id;
pub mod kin;
pub mod replay;
pub mod secret;
pub mod sync;
pub mod text;
pub mod units;
pub mod workers;

pub use code::{Code, Exit};
pub use error::{Error, Failure, Result};
pub use fingerprint::Fingerprint;
