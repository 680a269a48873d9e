//! What the commands share that call a running service.
//!
//! Such a command is a thin client: it reads its arguments, makes its calls through a [`Session`], and shows what
//! came back. It decides nothing that the service decides. One more: a file in `cli` named after its noun, with
//! [`Shown`] for what it shows. The parts:
//!
//! - `connection`: where the service is, and the credential
//! - `session`: calls, lists and effects over one connection
//! - `show`: tables for people, canonical JSON for machines
//! - `failure`, `advice`: what went wrong, what to do next, and the code to end with
//! - `password`, `terminal`: what a person is asked for
//! - `wiped`: requests that are wiped of their password

mod advice;
mod connection;
mod failure;
mod password;
mod reason;
mod session;
mod show;
mod terminal;
mod wiped;

use prost_types::FieldMask;

pub(super) use self::connection::{Connection, is_input, open};
pub(super) use self::failure::{Exit, Failure, LineProblem, UUID, and_more};
pub(super) use self::password::PasswordArgs;
pub(super) use self::reason::{reason_of, wire_name};
pub(super) use self::session::{ChangeArgs, EffectArgs, ListArgs, Service, Session};
pub(super) use self::show::{Field, Shown, column, detail, instant, span, word};
pub(super) use self::terminal::{confirm, unless_signalled};
pub(super) use self::wiped::Wiped;

/// How much of the catalogue is wanted, and in whose eyes.
#[derive(Debug, clap::Args)]
pub(super) struct CatalogListArgs {
    /// How much is wanted.
    #[command(flatten)]
    pub(super) list: ListArgs,

    /// Ask as a caller of a tenant, without URLs and etags: for roles admin and portal, for targets broker and customer
    #[arg(long)]
    pub(super) as_tenant: bool,
}

/// Names one thing to look at.
#[derive(Debug, clap::Args)]
pub(super) struct ById {
    /// Its id or key, as `list` shows it
    #[arg(value_name = "ID")]
    pub(super) id: String,
}

/// Names one thing to change.
#[derive(Debug, clap::Args)]
pub(super) struct ChangeById {
    /// Its id or key, as `list` shows it
    #[arg(value_name = "ID")]
    pub(super) id: String,

    /// How the change is made.
    #[command(flatten)]
    pub(super) change: ChangeArgs,
}

/// Names one thing to delete.
#[derive(Debug, clap::Args)]
pub(super) struct DeleteById {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    pub(super) id: String,

    /// How the change is made.
    #[command(flatten)]
    pub(super) change: ChangeArgs,

    /// Do not ask for confirmation; needed where standard input is no terminal
    #[arg(long)]
    pub(super) yes: bool,
}

/// Names the fields that are to change.
pub(super) fn mask(fields: &[(&str, bool)]) -> FieldMask {
    let changed = fields.iter().filter(|(_, is_changed)| *is_changed);
    FieldMask { paths: changed.map(|(path, _)| (*path).to_owned()).collect() }
}
