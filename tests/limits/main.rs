//! What whoever only wants to harm gets: connections that say nothing or nonsense, floods of frames, messages that unpack to
//! a thousandfold. Against the real program, as a process of its own, so that its memory and its descriptors can be told.
//!
//! Times are bounds that a slow machine keeps, too; what takes as long as it says takes a limit of the service.
#![cfg(test)]

mod bombs;
mod floods;
mod frames;
mod idle;
mod nonsense;
mod program;
