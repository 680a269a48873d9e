//! `concenter keys`: the signing keys, for the operator; with `kek` the key-encryption keys.

use clap::Subcommand;

use super::keks;
use super::remote::{
    Connection, EffectArgs, Field, ListArgs, Service, Session, Shown, column, confirm, detail, instant, word,
};
use super::words::KeyPurposeWord;
use crate::proto::admin::v1::key_service_client::KeyServiceClient;
use crate::proto::admin::v1::{KeyPurpose, ListKeysRequest, RevokeKeyRequest, RotateKeyRequest, SigningKey};

/// What is meant where there is no such thing.
const MISSING: &str = "there is no such signing key: `concenter keys list` shows them";

const MISSING_KEK: &str = "there is no such key-encryption key, or it is retired: `concenter keys kek list` shows them";

/// Look at the signing keys, change them before their time and revoke them; for role operator
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter keys list\n  \
    concenter keys rotate --purpose jump\n  \
    concenter keys kek list\n  \
    concenter keys revoke uXb9xWHX4CPMlE9C3cPTiRqR2w3mvV1kl0LRfKEKJRk")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the signing keys, those of the past too; the one that begins or began to sign last comes first
    #[command(after_help = "Examples:\n  concenter keys list\n  concenter keys list --json")]
    List(ListArgs),
    Rotate(RotateArgs),
    Revoke(RevokeArgs),
    Kek(keks::Args),
}

/// Let the next key sign as soon as it has been published long enough
///
/// Keys change by themselves; this is for changing them earlier. The answer says which key signs next and
/// when: ten minutes after it was made at the earliest, so that everybody who verifies with it has it by
/// then. Nothing is revoked, and nobody notices.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter keys rotate --purpose jump\n  \
        concenter keys rotate --purpose caller"
)]
struct RotateArgs {
    /// Which keys
    #[arg(long, value_enum)]
    purpose: KeyPurposeWord,

    #[command(flatten)]
    effect: EffectArgs,
}

/// Revoke a key that somebody else may have, at once and for good
///
/// Another one signs at once. Every open jump is revoked: people click again. Tokens of callers that a key
/// of theirs signed are no longer taken, this command's own among them: make new ones with `concenter token`.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter keys revoke uXb9xWHX4CPMlE9C3cPTiRqR2w3mvV1kl0LRfKEKJRk\n  \
        concenter keys revoke uXb9xWHX4CPMlE9C3cPTiRqR2w3mvV1kl0LRfKEKJRk --yes"
)]
struct RevokeArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,

    #[command(flatten)]
    effect: EffectArgs,

    /// Do not ask for confirmation; needed where standard input is no terminal
    #[arg(long)]
    yes: bool,
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if let Command::Revoke(revoke) = &args.command {
        confirm("The key is revoked for good, and every open jump with it", &revoke.kid, revoke.yes)?;
    }
    let missing = match &args.command {
        Command::Kek(kek) => {
            if let Some(done) = kek.command.run_here() {
                return done;
            }
            kek.command.confirm()?;
            MISSING_KEK
        }
        Command::List(_) | Command::Rotate(_) | Command::Revoke(_) => MISSING,
    };
    let session = Session::open(&args.connection, missing).await?;
    match args.command {
        Command::List(args) => list(&session, &args).await,
        Command::Rotate(args) => rotate(&session, args).await,
        Command::Revoke(args) => revoke(&session, args).await,
        Command::Kek(kek) => kek.command.run(&session).await,
    }
}

fn client(session: &Session) -> KeyServiceClient<Service> {
    KeyServiceClient::new(session.service())
}

async fn list(session: &Session, args: &ListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListKeysRequest { page_size, page_token };
        let answer = session.read(client(session).list_keys(request)).await?;
        Ok((answer.keys, answer.next_page_token))
    };
    session.list(args, page).await
}

async fn rotate(session: &Session, args: RotateArgs) -> anyhow::Result<()> {
    let change = session.effect(&args.effect);
    let request = RotateKeyRequest { request_id: change.request_id(), purpose: KeyPurpose::from(args.purpose).into() };
    let answer = session.done(&change, client(session).rotate_key(request)).await?;
    session.show(&session.required(answer.key)?)
}

async fn revoke(session: &Session, args: RevokeArgs) -> anyhow::Result<()> {
    let change = session.effect(&args.effect);
    let request = RevokeKeyRequest { request_id: change.request_id(), kid: args.kid };
    let answer = session.done(&change, client(session).revoke_key(request)).await?;
    session.show(&session.required(answer.key)?)
}

impl Shown for SigningKey {
    const NAME: &'static str = "concenter.admin.v1.SigningKey";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.kid),
            column("Purpose", word(self.purpose().as_str_name(), "KEY_PURPOSE_")),
            column("State", word(self.state().as_str_name(), "KEY_STATE_")),
            column("Signs from", instant(self.activate_at.as_ref())),
            column("Signs until", instant(self.replaced_at.as_ref())),
            column("Usable", if self.usable { "yes" } else { "no" }),
            detail("Created at", instant(self.created_at.as_ref())),
            detail("Revoked at", instant(self.revoked_at.as_ref())),
        ]
    }
}
