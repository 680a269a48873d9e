//! `concenter activation`: with which con:center user a broker jumps, for the firm's administrator.

use clap::{ArgGroup, Subcommand};

use super::remote::{
    ById, ChangeArgs, ChangeById, Connection, DeleteById, EffectArgs, Failure, Field, ListArgs, Service, Session,
    Shown, column, confirm, detail, instant, mask, word,
};
use crate::proto::v1::broker_activation_service_client::BrokerActivationServiceClient;
use crate::proto::v1::{
    BrokerActivation, CreateBrokerActivationRequest, DeleteBrokerActivationRequest, DisableBrokerActivationRequest,
    EnableBrokerActivationRequest, GetBrokerActivationRequest, ListBrokerActivationsRequest,
    UpdateBrokerActivationRequest,
};

/// Keep the broker activations (VM-Freischaltungen); for role admin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter activation list\n  \
    concenter activation create --broker b-17 --user 019a0b6e-6a00-7000-8000-000000000002")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the activations, in the order of their creation
    #[command(after_help = "Examples:\n  concenter activation list\n  concenter activation list --broker b-17 --json")]
    List(ListActivationsArgs),
    /// Show one activation, its etag included
    #[command(after_help = "Examples:\n  concenter activation get 019a0b6e-6a00-7000-8000-000000000003")]
    Get(ById),
    Create(CreateArgs),
    Update(UpdateArgs),
    /// Disable an activation: jumps through it stop at once
    #[command(after_help = "Examples:\n  concenter activation disable 019a0b6e-6a00-7000-8000-000000000003")]
    Disable(ChangeById),
    /// Enable an activation again
    #[command(after_help = "Examples:\n  concenter activation enable 019a0b6e-6a00-7000-8000-000000000003")]
    Enable(ChangeById),
    /// Delete an activation for good
    #[command(after_help = "Examples:\n  concenter activation delete 019a0b6e-6a00-7000-8000-000000000003 --yes")]
    Delete(DeleteById),
}

#[derive(Debug, clap::Args)]
struct ListActivationsArgs {
    /// Only activations of this broker: the portal's id of him
    #[arg(long, value_name = "ID")]
    broker: Option<String>,

    #[command(flatten)]
    list: ListArgs,
}

/// Assign a con:center user to one or more brokers
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter activation create --broker b-17 --user 019a0b6e-6a00-7000-8000-000000000002\n  \
    concenter activation create --broker b-17,b-18 --user 019a0b6e-6a00-7000-8000-000000000002 \\\n    \
    --name 'Team Nord' --sharing-reason 'one account for the team'")]
struct CreateArgs {
    /// Brokers (Vermittler), by the portal's ids, with commas or one by one
    #[arg(long, value_name = "ID", value_delimiter = ',', required = true)]
    broker: Vec<String>,

    /// Id of the con:center user that they jump with
    #[arg(long, value_name = "ID")]
    user: String,

    /// Name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,

    /// Why another activation has this con:center user, too
    #[arg(long, value_name = "TEXT", default_value = "")]
    sharing_reason: String,

    #[command(flatten)]
    effect: EffectArgs,
}

/// Change brokers, con:center user, name or sharing reason of an activation
///
/// Only what is named changes; the brokers named take the place of all that were.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter activation update 019a0b6e-6a00-7000-8000-000000000003 --broker b-17,b-18,b-19\n  \
        concenter activation update 019a0b6e-6a00-7000-8000-000000000003 --name ''"
)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true)
    .args([
        "broker", "user", "name", "sharing_reason",
    ]))]
struct UpdateArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,

    /// All brokers (Vermittler) from now on, by the portal's ids, with commas or one by one
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    broker: Vec<String>,

    /// Id of the con:center user that they jump with
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    /// Name for people; an empty text takes it out
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// Why another activation has this con:center user, too; an empty text takes it out
    #[arg(long, value_name = "TEXT")]
    sharing_reason: Option<String>,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { connection, command } = args;
    if let Command::Delete(delete) = &command {
        confirm("The activation is deleted for good", &delete.id, delete.yes)?;
    }
    let session = Session::open(&connection, missing(&command)).await?;
    let activation = match command {
        Command::List(args) => return list(&session, args).await,
        Command::Delete(args) => return delete(&session, args).await,
        Command::Get(ById { id }) => get(&session, &id).await?,
        Command::Create(args) => create(&session, args).await?,
        Command::Update(args) => update(&session, args).await?,
        Command::Disable(args) => disable(&session, args).await?,
        Command::Enable(args) => enable(&session, args).await?,
    };
    session.show(&activation)
}

/// What may be meant where there is no such thing.
const fn missing(command: &Command) -> &'static str {
    match command {
        Command::Create(_) => "there is no such con:center user: `concenter user list` shows them",
        Command::Update(_) => {
            "there is no such activation or con:center user: `concenter activation list` and `concenter user list` \
             show them"
        }
        _ => "there is no such activation: `concenter activation list` shows them",
    }
}

fn client(session: &Session) -> BrokerActivationServiceClient<Service> {
    BrokerActivationServiceClient::new(session.service())
}

async fn list(session: &Session, args: ListActivationsArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListBrokerActivationsRequest { page_size, page_token, broker_id: args.broker.clone() };
        let answer = session.read(client(session).list_broker_activations(request)).await?;
        Ok((answer.activations, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

async fn get(session: &Session, id: &str) -> Result<BrokerActivation, Failure> {
    let request = GetBrokerActivationRequest { activation_id: id.to_owned() };
    let answer = session.read(client(session).get_broker_activation(request)).await?;
    session.required(answer.activation)
}

/// The etag that the activation has now.
async fn etag(session: &Session, id: &str) -> Result<String, Failure> {
    Ok(get(session, id).await?.etag)
}

async fn create(session: &Session, args: CreateArgs) -> anyhow::Result<BrokerActivation> {
    let change = session.effect(&args.effect);
    let request = CreateBrokerActivationRequest {
        request_id: change.request_id(),
        display_name: args.name,
        broker_ids: args.broker,
        user_id: args.user,
        sharing_reason: args.sharing_reason,
    };
    let answer = session.done(&change, client(session).create_broker_activation(request)).await?;
    Ok(session.required(answer.activation)?)
}

async fn update(session: &Session, args: UpdateArgs) -> anyhow::Result<BrokerActivation> {
    let change = session.change(&args.change, etag(session, &args.id)).await?;
    let changed = [
        ("display_name", args.name.is_some()),
        ("broker_ids", !args.broker.is_empty()),
        ("user_id", args.user.is_some()),
        ("sharing_reason", args.sharing_reason.is_some()),
    ];
    let request = UpdateBrokerActivationRequest {
        request_id: change.request_id(),
        activation: Some(BrokerActivation {
            activation_id: args.id,
            display_name: args.name.unwrap_or_default(),
            broker_ids: args.broker,
            user_id: args.user.unwrap_or_default(),
            sharing_reason: args.sharing_reason.unwrap_or_default(),
            etag: change.etag(),
            ..BrokerActivation::default()
        }),
        update_mask: Some(mask(&changed)),
    };
    let answer = session.done(&change, client(session).update_broker_activation(request)).await?;
    Ok(session.required(answer.activation)?)
}

async fn disable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<BrokerActivation> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request =
        DisableBrokerActivationRequest { request_id: change.request_id(), activation_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).disable_broker_activation(request)).await?;
    Ok(session.required(answer.activation)?)
}

async fn enable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<BrokerActivation> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request =
        EnableBrokerActivationRequest { request_id: change.request_id(), activation_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).enable_broker_activation(request)).await?;
    Ok(session.required(answer.activation)?)
}

async fn delete(session: &Session, DeleteById { id, change, yes: _ }: DeleteById) -> anyhow::Result<()> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request =
        DeleteBrokerActivationRequest { request_id: change.request_id(), activation_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).delete_broker_activation(request)).await?;
    session.show_answer("concenter.v1.DeleteBrokerActivationResponse", &answer, || "deleted\n".to_owned())
}

impl Shown for BrokerActivation {
    const NAME: &'static str = "concenter.v1.BrokerActivation";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.activation_id),
            column("Name", &self.display_name),
            column("Brokers", self.broker_ids.join(", ")),
            column("User", &self.user_id),
            column("State", word(self.state().as_str_name(), "STATE_")),
            column("Shared because", &self.sharing_reason),
            detail("Created at", instant(self.created_at.as_ref())),
            detail("Updated at", instant(self.updated_at.as_ref())),
            detail("etag", &self.etag),
        ]
    }
}
