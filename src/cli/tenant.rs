//! `concenter tenant`: the tenants, for the operator.

use clap::Subcommand;

use super::remote::{
    ById, ChangeArgs, ChangeById, Connection, DeleteById, EffectArgs, Failure, Field, ListArgs, Service, Session,
    Shown, column, confirm, detail, instant, mask, word,
};
use crate::proto::admin::v1::tenant_service_client::TenantServiceClient;
use crate::proto::admin::v1::{
    CreateTenantRequest, DeleteTenantRequest, GetTenantRequest, ListTenantsRequest, StartTenantRequest,
    StopTenantRequest, Tenant, UndeleteTenantRequest, UpdateTenantRequest,
};

/// What is meant where there is no such thing.
const MISSING: &str = "there is no such tenant: `concenter tenant list` shows them";

/// Keep the tenants (Mandanten); for role operator
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  concenter tenant list\n  concenter tenant create 'Makler Nord GmbH'")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(CreateArgs),
    /// Show one tenant, its etag included
    #[command(after_help = "Examples:\n  concenter tenant get 019a0b6e-6a00-7000-8000-000000000001")]
    Get(ById),
    /// List the tenants, in the order of their creation
    #[command(after_help = "Examples:\n  concenter tenant list\n  concenter tenant list --json")]
    List(ListArgs),
    Update(UpdateArgs),
    /// Stop a tenant: its jumps stop at once
    #[command(after_help = "Examples:\n  concenter tenant stop 019a0b6e-6a00-7000-8000-000000000001")]
    Stop(ChangeById),
    /// Start a stopped tenant again
    #[command(after_help = "Examples:\n  concenter tenant start 019a0b6e-6a00-7000-8000-000000000001")]
    Start(ChangeById),
    /// Delete a tenant: it is stopped at once, and its keys and data are destroyed 30 days later
    #[command(after_help = "Examples:\n  \
        concenter tenant delete 019a0b6e-6a00-7000-8000-000000000001\n  \
        concenter tenant delete 019a0b6e-6a00-7000-8000-000000000001 --yes")]
    Delete(DeleteById),
    /// Take the deletion of a tenant back, within the 30 days; it is stopped then
    #[command(after_help = "Examples:\n  concenter tenant undelete 019a0b6e-6a00-7000-8000-000000000001")]
    Undelete(ChangeById),
}

/// Make a tenant
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter tenant create 'Makler Nord GmbH'\n  \
    concenter tenant create 'Makler Nord GmbH' --no-standard-user")]
struct CreateArgs {
    /// Name for people
    #[arg(value_name = "NAME")]
    name: String,

    /// Do not make the con:center user cloudtransfer, Standard and without a password
    #[arg(long)]
    no_standard_user: bool,

    #[command(flatten)]
    effect: EffectArgs,
}

/// Change the name of a tenant
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter tenant update 019a0b6e-6a00-7000-8000-000000000001 --name 'Makler Nord AG'")]
struct UpdateArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,

    /// New name for people
    #[arg(long, value_name = "NAME")]
    name: String,

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
        confirm("The tenant is deleted: it stops now, and its data is destroyed in 30 days", &delete.id, delete.yes)?;
    }
    let session = Session::open(&connection, MISSING).await?;
    let tenant = match command {
        Command::List(args) => return list(&session, &args).await,
        Command::Create(args) => create(&session, args).await?,
        Command::Get(ById { id }) => get(&session, &id).await?,
        Command::Update(args) => update(&session, args).await?,
        Command::Stop(args) => stop(&session, args).await?,
        Command::Start(args) => start(&session, args).await?,
        Command::Delete(args) => delete(&session, args).await?,
        Command::Undelete(args) => undelete(&session, args).await?,
    };
    session.show(&tenant)
}

fn client(session: &Session) -> TenantServiceClient<Service> {
    TenantServiceClient::new(session.service())
}

async fn list(session: &Session, args: &ListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListTenantsRequest { page_size, page_token };
        let answer = session.read(client(session).list_tenants(request)).await?;
        Ok((answer.tenants, answer.next_page_token))
    };
    session.list(args, page).await
}

async fn get(session: &Session, id: &str) -> Result<Tenant, Failure> {
    let answer = session.read(client(session).get_tenant(GetTenantRequest { tenant_id: id.to_owned() })).await?;
    session.required(answer.tenant)
}

/// The etag that the tenant has now.
async fn etag(session: &Session, id: &str) -> Result<String, Failure> {
    Ok(get(session, id).await?.etag)
}

async fn create(session: &Session, args: CreateArgs) -> anyhow::Result<Tenant> {
    let change = session.effect(&args.effect);
    let request = CreateTenantRequest {
        request_id: change.request_id(),
        display_name: args.name,
        create_standard_user: Some(!args.no_standard_user),
    };
    let answer = session.done(&change, client(session).create_tenant(request)).await?;
    Ok(session.required(answer.tenant)?)
}

async fn update(session: &Session, args: UpdateArgs) -> anyhow::Result<Tenant> {
    let change = session.change(&args.change, etag(session, &args.id)).await?;
    let request = UpdateTenantRequest {
        request_id: change.request_id(),
        tenant: Some(Tenant { tenant_id: args.id, display_name: args.name, etag: change.etag(), ..Tenant::default() }),
        update_mask: Some(mask(&[("display_name", true)])),
    };
    let answer = session.done(&change, client(session).update_tenant(request)).await?;
    Ok(session.required(answer.tenant)?)
}

async fn stop(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<Tenant> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = StopTenantRequest { request_id: change.request_id(), tenant_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).stop_tenant(request)).await?;
    Ok(session.required(answer.tenant)?)
}

async fn start(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<Tenant> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = StartTenantRequest { request_id: change.request_id(), tenant_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).start_tenant(request)).await?;
    Ok(session.required(answer.tenant)?)
}

async fn delete(session: &Session, DeleteById { id, change, yes: _ }: DeleteById) -> anyhow::Result<Tenant> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = DeleteTenantRequest { request_id: change.request_id(), tenant_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).delete_tenant(request)).await?;
    Ok(session.required(answer.tenant)?)
}

async fn undelete(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<Tenant> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = UndeleteTenantRequest { request_id: change.request_id(), tenant_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).undelete_tenant(request)).await?;
    Ok(session.required(answer.tenant)?)
}

impl Shown for Tenant {
    const NAME: &'static str = "concenter.admin.v1.Tenant";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.tenant_id),
            column("Name", &self.display_name),
            column("State", word(self.state().as_str_name(), "TENANT_STATE_")),
            column("Destroyed after", instant(self.destroyed_after.as_ref())),
            column("Restored at", instant(self.restored_at.as_ref())),
            detail("Created at", instant(self.created_at.as_ref())),
            detail("Updated at", instant(self.updated_at.as_ref())),
            detail("etag", &self.etag),
        ]
    }
}
