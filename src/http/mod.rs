//! The half of HTTP that serves.

pub mod activity;
pub mod audit;
pub mod body;
pub mod crowd;
pub mod gate;
pub mod hosts;
pub mod limits;
pub mod open;
pub mod respond;
pub mod routes;
pub mod server;
pub mod upload;
mod version;
pub mod websocket;

pub use body::Body;
pub use routes::{Routes, Serve, ServeRaw, ServeSocket};
