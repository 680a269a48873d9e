//! What breaks around the service (`docs/catalogue.md#faults`), done to a real data directory, a real PostgreSQL or a real
//! process.
//!
//! A test is named after what it claims and cites the ids of the cases it shows. One more fault: a function beside those
//! of its file. What a file needs: a service in this process (`gateway`) or one that can be killed (`process`), a
//! `firm` that jumps, and a network that fails on demand (`proxy`). How much is played is set by `just soak`.
#![cfg(test)]

mod cancelled;
mod chance;
mod commit;
mod contention;
mod failover;
mod firm;
mod full;
mod gateway;
mod history;
mod keks;
mod key_file;
mod keys;
mod moved;
mod outage;
mod process;
mod refusals;
mod replicas;
mod restore;
mod stopped;

#[path = "../support/postgres/mod.rs"]
pub mod postgres;
#[path = "../support/proxy.rs"]
pub mod proxy;
