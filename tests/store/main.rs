//! The store: one suite for every engine, and what only one engine can be asked.
#![cfg(test)]

mod batch;
mod by_hand;
mod conformance;
mod fixture;
mod open;
mod rules;
mod sqlite;

/// The suite, on SQLite.
mod sqlite_conforms {
    crate::conformance::conformance!(on sqlite);
}
