//! The store: one suite for every engine, and what only one engine can be asked.
#![cfg(test)]

mod batch;
mod conformance;
mod connections;
mod fixture;
mod migrations;
mod older;
mod open;
mod postgres;
mod row_security;
mod rules;
mod server;
mod sqlite;

#[path = "../support/postgres/mod.rs"]
pub mod support;

/// The suite, on SQLite.
mod sqlite_conforms {
    crate::conformance::conformance!(on sqlite);
}

/// The suite, on PostgreSQL.
mod postgres_conforms {
    crate::conformance::conformance!(on postgres);
}

/// The rules of the schema, on SQLite.
mod sqlite_rules {
    crate::rules::rules!(on sqlite);
}

/// The rules of the schema, on PostgreSQL.
mod postgres_rules {
    crate::rules::rules!(on postgres);
}
