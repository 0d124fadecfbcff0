//! The daemon at every login: what the managers of three systems make of what they are told, and one of them at work.

mod documents;
mod instance;
mod systemd;
