//! The program as an operator sees it: what it prints, and the code that it ends with.
//!
//! Each test runs the real binary on a data directory of its own and with nothing of our environment; what a test has
//! started ends with it. One more subcommand: a test for what it prints, and one for each code that it ends with.
//! `program` is about the commands that work on the data directory, `on_postgres` about the same where the data is elsewhere,
//! the others about those that call a service.
#![cfg(test)]

mod audit;
mod backups;
mod catalog;
mod client;
mod customers;
mod demo;
mod firm;
mod help;
mod jumps;
mod keys;
mod on_postgres;
mod passwords;
mod pipes;
mod place;
mod program;
mod prompts;
mod refusals;
mod relocate;
mod repeats;

#[path = "../support/postgres/mod.rs"]
pub mod support;
