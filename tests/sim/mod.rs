//! Many daemons in one process, with time that is moved.

mod audit;
mod connections;
mod peers;
mod trust;
