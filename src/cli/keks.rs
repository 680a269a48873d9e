//! `concenter keys kek`: the key-encryption keys, for the operator.
//!
//! `new` makes a key file on this machine and asks nobody; everything else is a call to a running service, which knows by itself
//! which keys it has.

use std::path::PathBuf;

use clap::Subcommand;

use super::out::print;
use super::remote::{EffectArgs, Field, ListArgs, Service, Session, Shown, column, confirm, detail, instant, word};
use crate::config::DataDir;
use crate::proto::admin::v1::key_service_client::KeyServiceClient;
use crate::proto::admin::v1::{ActivateKekRequest, AddKekRequest, Kek, ListKeksRequest, RetireKekRequest};
use crate::secrets::{SystemRandom, kek_file};

/// Change the key-encryption key (KEK), which all others are wrapped under; for role operator
///
/// In this order, while the service runs:
///
///   1. `new` makes a key file, once, on one machine.
///   2. Copy it to every replica: into `keys/` of its data directory, or to where its `--kek-file` or
///      `CONCENTER_KEK` names it, the old one beside it.
///   3. `add` makes it known. A replica that lacks it says so in its log within five seconds.
///   4. `activate` lets it wrap whatever is new. The service then wraps all else anew, by itself.
///   5. `retire` the old one as soon as `list` shows no data keys under it. Keep its file for as
///      long as a backup from before is kept.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter keys kek new --data-dir /var/lib/concenter\n  \
        concenter keys kek add 0123456789abcdef\n  \
        concenter keys kek activate 0123456789abcdef\n  \
        concenter keys kek list\n  \
        concenter keys kek retire fedcba9876543210"
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    New(NewArgs),
    /// List the key-encryption keys, those of the past too, the oldest first
    ///
    /// "Available" is what the replica says that answers: ask each of them.
    #[command(after_help = "Examples:\n  concenter keys kek list\n  concenter keys kek list --json")]
    List(ListArgs),
    Add(AddArgs),
    Activate(ActivateArgs),
    Retire(RetireArgs),
}

/// Make a new key file on this machine
///
/// It is for its owner alone, and on the disk when this ends; nothing is ever overwritten. Prints its id and
/// where it is. Nobody knows of it yet, and no service uses it: distribute it, then `add` it.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter keys kek new --data-dir /var/lib/concenter\n  \
        concenter keys kek new --out /etc/concenter/concenter-2.kek"
)]
pub(super) struct NewArgs {
    /// Where the file goes, into `keys/`, unless --out says otherwise.
    #[command(flatten)]
    dir: DataDir,

    /// File to write instead, which must not be there yet; its directory must be
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Make a key-encryption key known to the database
///
/// The replica that answers must have it. Nothing is wrapped with it yet.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  concenter keys kek add 0123456789abcdef")]
pub(super) struct AddArgs {
    /// Its id, as `new` printed it
    #[arg(value_name = "ID")]
    kek_id: String,

    #[command(flatten)]
    effect: EffectArgs,
}

/// Let a key-encryption key wrap whatever is new
///
/// Every replica must have it: one that does not is not ready from now on, and says so. All data keys are
/// then wrapped anew with it, in the background; no jump notices. To go back, activate the one from before.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter keys kek activate 0123456789abcdef\n  \
        concenter keys kek activate 0123456789abcdef --yes"
)]
pub(super) struct ActivateArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    kek_id: String,

    #[command(flatten)]
    effect: EffectArgs,

    /// Do not ask for confirmation; needed where standard input is no terminal
    #[arg(long)]
    yes: bool,
}

/// Retire a key-encryption key, for good
///
/// Refused while a single data key is under it, and for the active one. No service needs its file then; a backup
/// from before does.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter keys kek retire fedcba9876543210\n  \
        concenter keys kek retire fedcba9876543210 --yes"
)]
pub(super) struct RetireArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    kek_id: String,

    #[command(flatten)]
    effect: EffectArgs,

    /// Do not ask for confirmation; needed where standard input is no terminal
    #[arg(long)]
    yes: bool,
}

impl Command {
    /// Does what needs no service; `None` if this does.
    pub(super) fn run_here(&self) -> Option<anyhow::Result<()>> {
        match self {
            Self::New(args) => Some(new(args)),
            Self::List(_) | Self::Add(_) | Self::Activate(_) | Self::Retire(_) => None,
        }
    }

    /// Asks before what cannot be taken back, or harms where it comes too early.
    pub(super) fn confirm(&self) -> anyhow::Result<()> {
        match self {
            Self::Activate(args) => {
                confirm("Every replica must have this key-encryption key from now on", &args.kek_id, args.yes)
            }
            Self::Retire(args) => confirm("The key-encryption key is retired for good", &args.kek_id, args.yes),
            Self::New(_) | Self::List(_) | Self::Add(_) => Ok(()),
        }
    }

    /// Has the service do it.
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<()> {
        match self {
            Self::New(args) => new(&args),
            Self::List(args) => list(session, &args).await,
            Self::Add(args) => add(session, args).await,
            Self::Activate(args) => activate(session, args).await,
            Self::Retire(args) => retire(session, args).await,
        }
    }
}

fn new(args: &NewArgs) -> anyhow::Result<()> {
    let (kek, path) = if let Some(path) = &args.out {
        (kek_file::create_at(path, &SystemRandom)?, path.clone())
    } else {
        let kek = kek_file::create(&args.dir.path, &SystemRandom)?;
        let path = kek_file::path_of(&args.dir.path, kek.id());
        (kek, path)
    };
    let id = kek.id();
    print(&format!(
        "the key-encryption key {id} is in {}\n\
         Nothing is under it yet. Keep a copy apart from the data, give it to every replica beside the one from before, and \
         then: concenter keys kek add {id}\n",
        path.display()
    ))
}

fn client(session: &Session) -> KeyServiceClient<Service> {
    KeyServiceClient::new(session.service())
}

async fn list(session: &Session, args: &ListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListKeksRequest { page_size, page_token };
        let answer = session.read(client(session).list_keks(request)).await?;
        Ok((answer.keks, answer.next_page_token))
    };
    session.list(args, page).await
}

async fn add(session: &Session, args: AddArgs) -> anyhow::Result<()> {
    let change = session.effect(&args.effect);
    let request = AddKekRequest { request_id: change.request_id(), kek_id: args.kek_id };
    let answer = session.done(&change, client(session).add_kek(request)).await?;
    session.show(&session.required(answer.kek)?)
}

async fn activate(session: &Session, args: ActivateArgs) -> anyhow::Result<()> {
    let change = session.effect(&args.effect);
    let request = ActivateKekRequest { request_id: change.request_id(), kek_id: args.kek_id };
    let answer = session.done(&change, client(session).activate_kek(request)).await?;
    session.show(&session.required(answer.kek)?)
}

async fn retire(session: &Session, args: RetireArgs) -> anyhow::Result<()> {
    let change = session.effect(&args.effect);
    let request = RetireKekRequest { request_id: change.request_id(), kek_id: args.kek_id };
    let answer = session.done(&change, client(session).retire_kek(request)).await?;
    session.show(&session.required(answer.kek)?)
}

impl Shown for Kek {
    const NAME: &'static str = "concenter.admin.v1.Kek";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.kek_id),
            column("State", word(self.state().as_str_name(), "KEK_STATE_")),
            column("Data keys", self.data_keys.to_string()),
            column("Available", if self.available { "yes" } else { "no" }),
            column("Added at", instant(self.added_at.as_ref())),
            detail("Retired at", instant(self.retired_at.as_ref())),
        ]
    }
}
