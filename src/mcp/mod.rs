//! The Model Context Protocol server: what coding agents get.
//!
//! A client like any other: each call goes to this machine's daemon, and through it to peers. So the daemon need not run
//! for the protocol to be answered, and no key is ever seen by an agent.

pub mod actions;
pub mod answer;
pub mod arguments;
pub mod call;
pub mod complete;
pub mod detached;
pub mod own;
pub mod prompts;
pub mod resources;
pub mod roots;
pub mod schema;
pub mod server;
pub mod tool;
pub mod tools;
pub mod transport;
pub mod watch;

pub use own::Own;
pub use server::serve;
