//! The con:center gateway: decides which con:center user a person jumps with, and carries the jump.
//!
//! The map of the house, from the inside out. Arrows point inward; `tests/layering.rs` holds them. To follow one call,
//! begin with [`server`], then [`app::jump`].

/// The words and rules: pure, synchronous, without I/O.
pub mod domain;

/// How secrets are sealed, and under which keys.
pub mod secrets;
/// What is kept, and the rules that every engine keeps it by.
pub mod store;
/// What leaves the service signed, and what comes back.
pub mod token;

/// The use cases, one file a group.
pub mod app;

/// The gRPC services: convert, call `app`, convert.
pub mod api;
/// What a call meets before its handler: credential, policy, deadline.
pub mod edge;
/// The code generated from `proto/`.
pub mod proto;
/// What the HTTP listener serves.
pub mod web;

/// Typed settings.
pub mod config;
/// The log.
pub mod telemetry;

/// The command line, one file a subcommand.
pub mod cli;
/// How it is all put together.
pub mod server;
