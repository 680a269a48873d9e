//! The command line: one file a subcommand.
//!
//! Answers go to standard output, the log and errors to standard error. A subcommand gives `anyhow::Result`; what the
//! process says and with which code it ends is decided in one place, [`report()`]. Secrets are never arguments: those can
//! be read in the list of processes. One more subcommand: a file here, and a line in [`Command`] and in [`run`].
//!
//! Some work on the data directory themselves; those named after what people keep (`user`, `activation`, ..) are
//! clients of a running service and share `remote`.
//!
//! May use everything.

pub mod access;
pub mod activation;
pub mod audit;
pub mod backup;
pub mod check;
pub mod completions;
pub mod customer;
pub mod demo;
mod duration;
pub mod jump;
mod keks;
pub mod keys;
pub mod migrate;
mod out;
pub mod provider;
mod relocate;
mod remote;
pub mod report;
pub mod restore;
pub mod return_url;
mod scope;
pub mod serve;
pub mod settings;
mod shell;
pub mod simulate;
mod table;
pub mod target;
pub mod tenant;
pub mod token;
pub mod user;
mod words;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::signal::unix::SignalKind;

use self::audit::Tampered;
use self::out::OutputClosed;
use self::relocate::Differs;
use self::remote::{Exit, Failure};
use self::report::NotIsolated;
use self::table::plain;
use self::token::TenantDeleted;
use crate::app::startup::UnlockError;
use crate::config::{LogSettings, PasswordFileError, TelemetrySettings};
use crate::secrets::{InvalidGivenKeks, KekError, KekFileError};
use crate::server::{StartError, TlsError};
use crate::store::relocate::RelocateError;
use crate::store::{OpenError, StoreError, postgres, sqlite};
use crate::telemetry::TelemetryError;
use crate::telemetry::traces::{Collector, Traces};

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
        concenter check\n  \
        concenter user list --token-file admin.token\n\n\
        Exit codes: 0 done; 1 failed, trying again may help; 2 wrong usage, a field that the service does not take \
        among it; 78 something must be put right first"
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
    Serve(Box<serve::Args>),
    Token(token::Args),
    Migrate(migrate::Args),
    Check(check::Args),
    Audit(audit::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Demo(demo::Args),
    User(user::Args),
    Activation(activation::Args),
    Customer(customer::Args),
    Access(access::Args),
    Settings(settings::Args),
    Jump(jump::Args),
    Simulate(simulate::Args),
    Report(report::Args),
    Tenant(tenant::Args),
    Provider(provider::Args),
    Target(target::Args),
    ReturnUrl(return_url::Args),
    Keys(keys::Args),
    Completions(completions::Args),
}

impl Command {
    /// Where its traces go; `None` if it has none.
    #[must_use]
    pub fn collector(&self) -> Option<Collector> {
        let Self::Serve(args) = self else { return None };
        let TelemetrySettings { otlp_endpoint, otlp_percent, .. } = &args.settings.telemetry;
        otlp_endpoint.clone().map(|url| Collector { url, percent: *otlp_percent })
    }
}

/// Reads the command line.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let words: Vec<_> = words.into_iter().collect();
    Cli::try_parse_from(&words).map_err(|mut error| {
        // Clap's own names the options that the environment sets, as if they were missed.
        if error.get(ContextKind::Usage).is_some() {
            error.insert(ContextKind::Usage, ContextValue::StyledStr(usage(&words)));
        }
        error
    })
}

/// The usage of the subcommand that the words name.
fn usage(words: &[OsString]) -> StyledStr {
    let mut command = Cli::command();
    // Gives each the words that lead to it.
    command.build();
    for word in words {
        if let Some(below) = command.find_subcommand(word).cloned() {
            command = below;
        }
    }
    command.render_usage()
}

/// Runs a subcommand. Traces that were begun for it ([`Command::collector`]) end with it.
///
/// # Errors
/// Whatever stopped it, for [`report()`].
pub async fn run(command: Command, traces: Option<Traces>) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(*args, traces).await,
        Command::Token(args) => token::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::User(args) => user::run(args).await,
        Command::Activation(args) => activation::run(args).await,
        Command::Customer(args) => customer::run(args).await,
        Command::Access(args) => access::run(args).await,
        Command::Settings(args) => settings::run(args).await,
        Command::Jump(args) => jump::run(args).await,
        Command::Simulate(args) => simulate::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Tenant(args) => tenant::run(args).await,
        Command::Provider(args) => provider::run(args).await,
        Command::Target(args) => target::run(args).await,
        Command::ReturnUrl(args) => return_url::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::Completions(args) => completions::run(&args),
    }
}

/// Says on standard error what went wrong, in one line, with indented ones behind for what a service lists, and gives
/// the code to end with.
///
/// Whoever closes standard output has seen enough: nothing is said, and the code is that of success.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<OutputClosed>() {
        return ExitCode::SUCCESS;
    }
    // Nothing is left to tell anybody if standard error is closed.
    let _ = match error.downcast_ref::<clap::Error>() {
        Some(usage) => usage.print(),
        None => io::stderr().write_all(lines(error).as_bytes()),
    };
    ExitCode::from(exit_code(error))
}

/// What is said of a failure, each line ended. What comes from a service is made fit for a terminal.
fn lines(error: &anyhow::Error) -> String {
    let details = error.downcast_ref::<Failure>().map(Failure::details).unwrap_or_default();
    let details = details.iter().map(|detail| format!("  {}\n", plain(detail)));
    std::iter::once(format!("error: {}\n", plain(&format!("{error:#}")))).chain(details).collect()
}

/// The code that a failure ends the process with.
fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // `--help` and `--version` are errors to clap, with the code 0.
        return u8::try_from(usage.exit_code()).unwrap_or(EXIT_USAGE);
    }
    if let Some(TelemetryError::Filter(_) | TelemetryError::Collector) = error.downcast_ref() {
        return EXIT_USAGE;
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return match failure.exit() {
            Exit::TryAgain => EXIT_FAILURE,
            Exit::Usage => EXIT_USAGE,
            Exit::MustAct => EXIT_CONFIG,
            Exit::Signalled(kind) => after_signal(kind),
        };
    }
    let must_act = match error.downcast_ref::<StartError>() {
        Some(StartError::Store(error)) => !error.may_pass(),
        Some(
            StartError::PasswordFile(_)
            | StartError::IssuersFile(_)
            | StartError::Profile(_)
            | StartError::Tls(_)
            | StartError::ForeignIssuer(_)
            | StartError::IssuerTwice(_)
            | StartError::GivenKeks(_),
        ) => true,
        Some(StartError::Unlock(error)) => must_act_on(error),
        Some(StartError::Bind { .. } | StartError::Descriptors(_)) => false,
        None => {
            error.downcast_ref::<OpenError>().is_some_and(|error| !error.may_pass())
                || error.downcast_ref::<RelocateError>().is_some_and(|error| !error.may_pass())
                || error.is::<Differs>()
                || error.is::<Tampered>()
                || error.is::<NotIsolated>()
                || error.is::<PasswordFileError>()
                || error.is::<InvalidGivenKeks>()
                || error.is::<KekFileError>()
                || error.is::<sqlite::BackupError>()
                || error.downcast_ref::<postgres::BackupError>().is_some_and(must_act_for)
                || error.is::<TenantDeleted>()
                || error.is::<TlsError>()
                || error.downcast_ref::<UnlockError>().is_some_and(must_act_on)
        }
    };
    if must_act { EXIT_CONFIG } else { EXIT_FAILURE }
}

/// The code of a process that a signal ended, as shells say it.
fn after_signal(kind: SignalKind) -> u8 {
    u8::try_from(kind.as_raw_value()).ok().and_then(|number| number.checked_add(128)).unwrap_or(EXIT_FAILURE)
}

/// Tells whether keys that do not open need a person. A store that does not answer may do so later.
const fn must_act_on(error: &UnlockError) -> bool {
    match error {
        UnlockError::KekFile(_)
        | UnlockError::WrongKek { .. }
        | UnlockError::Damaged { .. }
        | UnlockError::SigningKey { .. }
        | UnlockError::NoSigningKey
        | UnlockError::NotInitialised
        | UnlockError::Make(_)
        | UnlockError::Seal(_) => true,
        UnlockError::Kek(error) => !matches!(error, KekError::Unreachable { .. }),
        UnlockError::Store(error) => matches!(error, StoreError::Corrupt { .. }),
    }
}

/// Tells whether a backup of a server's database needs a person. A server that does not answer may do so later.
const fn must_act_for(error: &postgres::BackupError) -> bool {
    match error {
        postgres::BackupError::Open(error) => !matches!(error, postgres::OpenError::Unreachable { .. }),
        postgres::BackupError::Store(error) => matches!(error, StoreError::Corrupt { .. }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// The command and everything below it, with the words that lead there.
    fn all(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        let mut found: Vec<_> = below.flat_map(|below| all(below, &path)).collect();
        found.push((path, command.clone()));
        found
    }

    #[test]
    fn every_command_has_examples() {
        let commands = all(&Cli::command(), "");
        assert!(commands.len() > 60, "{}", commands.len());
        for (path, command) in commands {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n") && help.contains("concenter"), "{path}");
        }
    }

    #[test]
    fn every_example_is_taken() {
        for (path, command) in all(&Cli::command(), "") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default().replace("\\\n", " ");
            for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
                // What comes before and behind the command is the shell's.
                let line = line.rsplit(" | ").next().unwrap_or(line).split(" > ").next().unwrap_or(line);
                let line = line.split(" && ").next().unwrap_or(line).split("    #").next().unwrap_or(line);
                let Some(at) = line.find("concenter ") else { continue };
                let outcome = Cli::try_parse_from(words(&line[at..]));
                assert!(outcome.is_ok(), "{path}: {line}: {}", outcome.unwrap_err());
            }
        }
    }

    /// The words of a line, with single quotes as a shell takes them.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<String>, false);
        for c in line.chars() {
            match c {
                '\'' => {
                    is_quoted = !is_quoted;
                    word.get_or_insert_default();
                }
                ' ' if !is_quoted => words.extend(word.take()),
                _ => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    #[test]
    fn a_failure_is_one_line_that_no_terminal_obeys() {
        assert_eq!(lines(&anyhow::anyhow!("a\u{1b}[2Jb\nc")), "error: a\u{fffd}[2Jb\u{fffd}c\n");
        assert_eq!(
            lines(&anyhow::Error::from(Failure::NotConfirmed).context("x")),
            "error: x: what was typed is not the id: nothing was changed\n"
        );
    }

    #[test]
    fn a_failed_call_ends_with_the_code_of_its_kind() {
        assert_eq!(exit_code(&Failure::PlainHttp.into()), EXIT_USAGE);
        assert_eq!(exit_code(&Failure::NoToken.into()), EXIT_CONFIG);
        assert_eq!(
            exit_code(&anyhow::Error::from(Failure::NoToken).context("after 1000 of 2000 records")),
            EXIT_CONFIG
        );
        let silent = Failure::Silent { server: String::new(), repeat: None };
        assert_eq!(exit_code(&silent.into()), EXIT_FAILURE);
    }

    #[test]
    fn what_a_person_must_put_right_ends_with_78() {
        let held =
            || OpenError::from(sqlite::OpenError::Held { path: PathBuf::from("data/concenter.lock"), pid: Some(1) });
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
