//! The command line: one file a subcommand.
//!
//! Answers go to standard output, the log and errors to standard error. A subcommand gives `anyhow::Result`; what the
//! process says and with which code it ends is decided in one place, [`report`]. Secrets are never arguments: those can
//! be read in the list of processes. One more subcommand: a file here, and a line in [`Command`] and in [`run`].
//!
//! May use everything.

pub mod check;
pub mod demo;
pub mod migrate;
pub mod serve;
pub mod token;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::startup::UnlockError;
use crate::config::LogSettings;
use crate::server::StartError;
use crate::store::StoreError;
use crate::store::sqlite::OpenError;
use crate::telemetry::TelemetryError;

/// Something went wrong; trying again may help.
const EXIT_FAILURE: u8 = 1;
/// The command line is wrong (clap's own code).
const EXIT_USAGE: u8 = 2;
/// `EX_CONFIG` of `sysexits.h`: trying again does not help, a person must act.
const EXIT_CONFIG: u8 = 78;

/// Decides which con:center user a broker or customer jumps with, and carries the jump
#[derive(Debug, Parser)]
#[command(
    name = "concenter",
    version,
    after_help = "Examples:\n  \
        concenter demo\n  \
        concenter serve\n  \
        concenter token --role operator\n  \
        concenter check\n\n\
        Exit codes: 0 done; 1 failed, trying again may help; 2 wrong usage; 78 something must be put right first"
)]
pub struct Cli {
    /// How the log is written.
    #[command(flatten)]
    pub log: LogSettings,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "each shows the help of its `Args`; a comment here would take its place")]
pub enum Command {
    Serve(serve::Args),
    Token(token::Args),
    Migrate(migrate::Args),
    Check(check::Args),
    Demo(demo::Args),
}

/// Runs a subcommand.
///
/// # Errors
/// Whatever stopped it, for [`report`].
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Demo(args) => demo::run(args).await,
    }
}

/// Says on standard error what went wrong, in one line, and gives the code to end with.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // Nothing is left to tell anybody if standard error is closed.
    let _ = match error.downcast_ref::<clap::Error>() {
        Some(usage) => usage.print(),
        None => writeln!(io::stderr(), "error: {error:#}"),
    };
    ExitCode::from(exit_code(error))
}

/// The code that a failure ends the process with.
fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // `--help` and `--version` are errors to clap, with the code 0.
        return u8::try_from(usage.exit_code()).unwrap_or(EXIT_USAGE);
    }
    if let Some(TelemetryError::Filter(_)) = error.downcast_ref() {
        return EXIT_USAGE;
    }
    let must_act = match error.downcast_ref::<StartError>() {
        Some(StartError::Store(_) | StartError::Issuer(_)) => true,
        Some(StartError::Unlock(error)) => must_act_on(error),
        Some(StartError::Bind { .. } | StartError::Descriptors(_)) => false,
        None => error.is::<OpenError>() || error.downcast_ref::<UnlockError>().is_some_and(must_act_on),
    };
    if must_act { EXIT_CONFIG } else { EXIT_FAILURE }
}

/// Tells whether keys that do not open need a person. A store that does not answer may do so later.
const fn must_act_on(error: &UnlockError) -> bool {
    match error {
        UnlockError::KekFile(_)
        | UnlockError::WrongKek { .. }
        | UnlockError::Damaged { .. }
        | UnlockError::NotInitialised
        | UnlockError::Make(_)
        | UnlockError::Seal(_) => true,
        UnlockError::Store(error) => matches!(error, StoreError::Corrupt { .. }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_a_person_must_put_right_ends_with_78() {
        let held = || OpenError::Held { path: PathBuf::from("data/concenter.lock"), pid: Some(1) };
        assert_eq!(exit_code(&held().into()), EXIT_CONFIG);
        assert_eq!(exit_code(&StartError::Store(held()).into()), EXIT_CONFIG);
        assert_eq!(exit_code(&UnlockError::NotInitialised.into()), EXIT_CONFIG);
        assert_eq!(exit_code(&StartError::Unlock(UnlockError::NotInitialised).into()), EXIT_CONFIG);
    }

    #[test]
    fn what_may_pass_ends_with_1() {
        assert_eq!(exit_code(&UnlockError::Store(StoreError::Busy).into()), EXIT_FAILURE);
        assert_eq!(exit_code(&StartError::Unlock(UnlockError::Store(StoreError::Busy)).into()), EXIT_FAILURE);
        assert_eq!(exit_code(&anyhow::anyhow!("anything else")), EXIT_FAILURE);
    }

    #[test]
    fn a_wrong_command_line_ends_with_2_and_help_with_0() {
        let code = |arguments: &[&str]| exit_code(&Cli::try_parse_from(arguments).unwrap_err().into());
        assert_eq!(code(&["concenter", "fly"]), EXIT_USAGE);
        assert_eq!(code(&["concenter", "serve", "--grpc-addr", "nowhere"]), EXIT_USAGE);
        assert_eq!(code(&["concenter", "--help"]), 0);
        assert_eq!(code(&["concenter", "--version"]), 0);
    }
}
