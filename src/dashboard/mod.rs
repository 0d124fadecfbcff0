//! The dashboard: a web page for the owner, served beside the daemons by a process of its own.
//!
//! A browser comes in by a one-time link and then proves itself by a cookie and a token, both. What it asks of daemons is sent
//! on with the owner's key, which never gets to the page.

pub mod assets;
mod cuttable;
mod daemons;
mod guard;
pub mod instance;
mod live;
mod logins;
mod proxy;
pub mod qr;
mod routes;
pub mod run;
mod tickets;
