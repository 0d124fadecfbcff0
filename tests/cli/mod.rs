//! The command line as people use it: the real program, a home of its own, exit statuses and words.

mod connect;
mod doctor;
mod doctor_peers;
mod events;
mod hook;
mod lifecycle;
mod mcp;
mod message;
mod service;
mod settings;
mod strangers;
mod task;
mod task_questions;
