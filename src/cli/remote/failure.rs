//! Why a command that calls a service did not do what it was asked to.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use tokio::signal::unix::SignalKind;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::advice::advice;
use super::reason::{from_wire, reason_of, wire_name};
use crate::cli::shell::quoted;
use crate::proto::v1::ErrorReason;
use crate::server::TlsError;

/// `metadata` of an `ErrorInfo`: how many things stand in the way, listed or not.
const RELATED_TOTAL: &str = "related_total";

/// What an id looks like that the service made.
pub(in crate::cli) const UUID: &str = "0190f5fe-7c00-7a8d-8d2e-5b1d3f4a5b6c";

/// The code that a failure ends the process with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Exit {
    /// Trying again may help.
    TryAgain,
    /// The command line is wrong.
    Usage,
    /// Trying again does not help, a person must act.
    MustAct,
    /// A signal ended it.
    Signalled(SignalKind),
}

/// What stopped a command. No text of it holds a token or password.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Failure {
    /// The address of the service cannot be taken. It is not repeated: somebody may have put a password into it.
    #[error("--server is no address of a service: give http://HOST:PORT or https://HOST:PORT and nothing behind it")]
    ServerUrl,
    /// The token would cross the network as it is.
    #[error(
        "plain http carries the token in the open, so --server takes it for 127.0.0.1, [::1] and localhost only: use \
         https"
    )]
    PlainHttp,
    /// A certificate without its key, or the key alone.
    #[error("--client-certificate and --client-key go together: give both")]
    HalfIdentity,
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no credential.
    #[error("no token: save one with `concenter token`, and name the file by --token-file or CONCENTER_TOKEN_FILE")]
    NoToken,
    /// What was given cannot be a token.
    #[error(
        "this is no token, which is one line of at most 8192 visible characters: save it again with `concenter token`"
    )]
    TokenForm,
    /// A file, or standard input, cannot be read.
    #[error("read {}: give another path, or mend this one", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// Standard input was named for two things.
    #[error("standard input holds one thing only: read the token or the other one from a file")]
    InputTwice,
    /// Nobody can be asked.
    #[error("standard input is no terminal: give the password by --password-file or --password-stdin")]
    NobodyToAsk,
    /// The two entries differ.
    #[error("the two passwords differ: run it again, nothing was changed")]
    PasswordsDiffer,
    /// There is no password where one was to be.
    #[error("the password is empty: nothing was changed")]
    PasswordEmpty,
    /// More than any password.
    #[error("this is no password, which is text of at most 512 bytes: nothing was changed")]
    PasswordForm,
    /// The input ended where a password was to be typed.
    #[error(
        "no password was typed: run it again and end it with the enter key, or give it by --password-file or \
         --password-stdin; nothing was changed"
    )]
    NothingTyped,
    /// A person, or the system, said stop.
    #[error("stopped by a signal")]
    Signalled(SignalKind),
    /// Nobody was there to confirm.
    #[error("this must be confirmed, and standard input is no terminal: add --yes")]
    NobodyToConfirm,
    /// Something else was typed than the id.
    #[error("what was typed is not the id: nothing was changed")]
    NotConfirmed,
    /// Lines of a file cannot be taken; the details name them.
    #[error("the file has lines that cannot be taken: correct them and run it again, nothing was changed")]
    Lines { problems: Vec<LineProblem>, total: usize },
    /// There is nothing in the file.
    #[error("the file holds no records: give lines of the form id;segment")]
    NoLines,
    /// One request id for several requests.
    #[error(
        "more than 1000 records are several requests, so --request-id does not fit: leave it out, repeating is harmless"
    )]
    RequestIdForMany,
    /// There is no connection.
    #[error("{server} cannot be reached: check --server, and that the service runs there")]
    Unreachable { server: String, source: tonic::transport::Error },
    /// The connection broke.
    #[error("the connection to {server} broke before the answer came: run it again")]
    Broken { server: String, repeat: Option<Repeat> },
    /// There was no answer in time.
    #[error("{server} did not answer within 15 s: run it again")]
    Silent { server: String, repeat: Option<Repeat> },
    /// The answer is not one of ours.
    #[error(
        "{server} answered as no service of this version does ({description}): check --server, and \
         `concenter --version` on both sides"
    )]
    Foreign { server: String, description: String, repeat: Option<Repeat> },
    /// The service said no.
    #[error("{} ({})", .0.advice(), wire_name(.0.reason))]
    Refused(Box<Refused>),
}

/// A line of a file that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct LineProblem {
    /// From 1.
    pub(in crate::cli) line: usize,
    pub(in crate::cli) problem: &'static str,
}

/// A refusal with a reason of ours.
#[derive(Debug)]
pub(in crate::cli) struct Refused {
    reason: ErrorReason,
    /// What the service lists, a line each; not yet fit for a terminal.
    details: Vec<String>,
    repeat: Option<Repeat>,
    /// What is said where there is no such thing.
    missing: &'static str,
}

impl Refused {
    fn advice(&self) -> &'static str {
        match self.reason {
            ErrorReason::NotFound => self.missing,
            reason => advice(reason).1,
        }
    }
}

/// How an effect is asked for again, so that it happens once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Repeat {
    pub(super) request_id: String,
    /// The etag that went with it: with another one it would be another request.
    pub(super) etag: Option<String>,
}

impl Repeat {
    fn advice(&self) -> String {
        let etag = self.etag.as_deref().map(|etag| format!(" --etag {}", quoted(etag))).unwrap_or_default();
        format!(
            "it may have been done or not; to make sure that it is done once, add: --request-id {}{etag}",
            self.request_id
        )
    }
}

impl Failure {
    /// What came of a call to `server` that did not succeed; `missing` is said where there is no such thing, `repeat` is
    /// given for an effect.
    pub(super) fn of_call(status: &Status, server: &str, missing: &'static str, repeat: Option<Repeat>) -> Self {
        let server = server.to_owned();
        let reason = reason_of(status);
        match reason.as_deref().and_then(from_wire) {
            Some(reason) => {
                // The service turns a call away before it looks at it.
                let is_undone = matches!(
                    reason,
                    ErrorReason::EtagMismatch | ErrorReason::Overloaded | ErrorReason::ClockRegression
                );
                let may_be_done = matches!(advice(reason).0, Exit::TryAgain) && !is_undone;
                let repeat = repeat.filter(|_| may_be_done);
                Self::Refused(Box::new(Refused { reason, details: details(reason, status), repeat, missing }))
            }
            // The library makes a status of what happened to the connection.
            None if reason.is_none() && status.source().is_some() => Self::Broken { server, repeat },
            None => {
                let description = reason.unwrap_or_else(|| status.code().description().to_owned());
                Self::Foreign { server, description, repeat }
            }
        }
    }

    /// The code to end with.
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::ServerUrl | Self::PlainHttp | Self::HalfIdentity => Exit::Usage,
            Self::InputTwice | Self::NobodyToAsk => Exit::Usage,
            Self::PasswordsDiffer | Self::PasswordEmpty | Self::PasswordForm | Self::NothingTyped => Exit::Usage,
            Self::Signalled(kind) => Exit::Signalled(*kind),
            Self::NobodyToConfirm | Self::NotConfirmed => Exit::Usage,
            Self::Lines { .. } | Self::NoLines | Self::RequestIdForMany => Exit::Usage,
            Self::NoToken | Self::TokenForm | Self::Tls(_) | Self::Unreadable { .. } => Exit::MustAct,
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Silent { .. } | Self::Foreign { .. } => {
                Exit::TryAgain
            }
            Self::Refused(refused) => advice(refused.reason).0,
        }
    }

    /// What stands below the error, a line each; not yet fit for a terminal.
    pub(in crate::cli) fn details(&self) -> Vec<String> {
        match self {
            Self::Lines { problems, total } => {
                let lines = problems.iter().map(|at| format!("line {}: {}", at.line, at.problem));
                lines.chain(and_more(problems.len(), *total)).collect()
            }
            Self::Broken { repeat, .. } | Self::Silent { repeat, .. } | Self::Foreign { repeat, .. } => {
                repeat.iter().map(Repeat::advice).collect()
            }
            Self::Refused(refused) => {
                refused.details.iter().cloned().chain(refused.repeat.iter().map(Repeat::advice)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Tells whether the service refused for this reason.
    pub(in crate::cli) fn is(&self, reason: ErrorReason) -> bool {
        matches!(self, Self::Refused(refused) if refused.reason == reason)
    }
}

/// What a refusal lists: fields, dependents, candidates, the number of an incident.
fn details(reason: ErrorReason, status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let fields = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    let mut lines: Vec<String> = fields.map(|field| of_field(&field.field, &field.description)).collect();

    let related = details.precondition_failure().map(|failure| failure.violations.as_slice()).unwrap_or_default();
    lines.extend(related.iter().map(|one| format!("{} {}: {}", one.r#type, one.subject, one.description)));
    let total = details.error_info().and_then(|info| info.metadata.get(RELATED_TOTAL)?.parse().ok()).unwrap_or(0);
    if reason == ErrorReason::KekInUse {
        lines.push(format!("{total} keys are wrapped under it"));
    } else {
        lines.extend(and_more(related.len(), total));
    }

    if reason == ErrorReason::Internal {
        // The one text of a status that is no constant: the number of the incident.
        lines.push(status.message().to_owned());
    }
    lines
}

/// What is wrong with a field. What a UUID looks like is shown, for people who gave a name instead.
fn of_field(field: &str, problem: &str) -> String {
    if problem.contains("UUID") {
        format!("{field}: {problem}, like {UUID}, as `list` shows it")
    } else {
        format!("{field}: {problem}")
    }
}

/// Says how many things are not listed, if any.
pub(in crate::cli) fn and_more(listed: usize, total: usize) -> Option<String> {
    let more = total.checked_sub(listed).filter(|more| *more > 0)?;
    Some(format!("and {more} more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeat(etag: Option<&str>) -> Repeat {
        Repeat { request_id: "id-1".to_owned(), etag: etag.map(str::to_owned) }
    }

    #[test]
    fn a_repeated_effect_names_the_etag_that_went_with_it() {
        assert!(repeat(None).advice().ends_with("add: --request-id id-1"));
        assert!(repeat(Some("7")).advice().ends_with("add: --request-id id-1 --etag 7"));
        assert!(repeat(Some("")).advice().ends_with("add: --request-id id-1 --etag ''"));
    }

    #[test]
    fn an_effect_without_an_answer_says_how_to_repeat_it() {
        let server = "http://127.0.0.1:1".to_owned();
        let silent = Failure::Silent { server, repeat: Some(repeat(None)) };
        assert_eq!(silent.exit(), Exit::TryAgain);
        assert!(silent.details()[0].contains("--request-id id-1"));
    }

    #[test]
    fn a_field_that_is_no_uuid_is_told_what_one_looks_like() {
        let told = of_field("user_id", "must be a UUID of 36 characters");
        assert_eq!(told, format!("user_id: must be a UUID of 36 characters, like {UUID}, as `list` shows it"));
        assert_eq!(of_field("user_name", "is too long"), "user_name: is too long");
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        assert_eq!(and_more(20, 23), Some("and 3 more".to_owned()));
        assert_eq!(and_more(3, 3), None);
        assert_eq!(and_more(3, 0), None);
    }
}
