//! The model of `tests/model` beside a service on PostgreSQL: the same modules. The name of this binary says which engine it is.
#![cfg(test)]

#[path = "../model/main.rs"]
pub mod model;

use model::{aim, call, command, harness, observe, play, rules, run, spoil, state, support};
