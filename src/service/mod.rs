//! What is done: the services behind the operations. They know no HTTP types.

pub mod certificate;
pub mod commands;
pub mod context;
pub mod discovery;
pub mod jobs;
pub mod journal;
pub mod messages;
pub mod pairing;
pub mod peers;
pub mod tasks;
pub mod terminal;
pub mod transfer;
