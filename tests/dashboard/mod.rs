//! The dashboard: who gets in, what reaches the daemons, and what never does.

mod board;
mod hostile;
mod lan;
mod life;
mod logins;
mod origins;
mod proxy;
mod streams;
