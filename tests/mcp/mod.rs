//! `loopsy mcp-serve` as an agent has it: the real program over pipes, real daemons behind it.

mod agent;
mod calls;
mod fit;
mod life;
mod messages;
mod protocol;
mod reading;
mod tasks;
mod transfer;
