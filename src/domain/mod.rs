//! The words and rules of the domain: what a con:center user is, and who jumps with which one.
//!
//! Everything here is synchronous and pure: no I/O, no clock, no dice. What needs an instant or random
//! bytes takes them as a parameter. The module uses nothing else of this crate.
//!
//! One more noun: a file of its own, named after it, with its ids in [`ids`] and its refusals in
//! [`error`]. The words are those of `docs/domain.md`; one word per thing.

pub mod activation;
pub mod audit;
pub mod audit_log;
pub mod backup;
pub mod caller;
pub mod change;
pub mod claims;
pub mod customer;
pub mod error;
pub mod ids;
pub mod isolation;
pub mod issuer;
pub mod jump;
pub mod kek;
pub mod load;
pub mod page;
pub mod profile;
pub mod provider;
pub mod resolve;
pub mod retention;
pub mod service;
pub mod session;
pub mod settings;
pub mod signing;
pub mod simulation;
pub mod target;
pub mod tenant;
pub mod text;
pub mod time;
pub mod user;
