//! What the tests stand on.

pub mod dice;
pub mod disk;
pub mod line;
pub mod netns;
pub mod node;
pub mod pairing;
pub mod process;
pub mod program;
pub mod proxy;
pub mod raw;
pub mod sim;
pub mod stand_in;
pub mod tls;
pub mod world;
