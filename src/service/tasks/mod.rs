//! Agents at work: dispatched, watched, asked for, answered and stopped.

pub mod acp;
pub mod agent;
pub mod agents;
pub mod claude;
