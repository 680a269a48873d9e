//! What breaks around the service (`docs/catalogue.md#faults`), done to a real data directory.
//!
//! A test is named after what it claims and cites the ids of the cases it shows. One more fault: a function beside those
//! of its file, which does it to a [`firm::Stopped`] and asks what the next start says.
#![cfg(test)]

mod firm;
mod key_file;
