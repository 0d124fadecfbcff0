//! Many daemons in one process, with time that is moved.

mod audit;
mod connections;
mod messages;
mod peers;
mod transfer;
mod trust;
