//! Agents at work: dispatched, watched, asked for, answered and stopped.

pub mod agent;
pub mod claude;
