//! `concenter provider`: the product providers of the catalogue, for the operator.

use clap::Subcommand;

use super::remote::{
    ById, CatalogListArgs, ChangeArgs, ChangeById, Connection, Failure, Field, Service, Session, Shown, column, detail,
    word,
};
use super::words::ProviderKindWord;
use crate::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use crate::proto::admin::v1::{
    DisableProductProviderRequest, EnableProductProviderRequest, GetProductProviderRequest,
    ListProductProvidersRequest, ProductProvider, PutProductProviderRequest,
};
use crate::proto::v1;
use crate::proto::v1::ProductProviderKind;
use crate::proto::v1::catalog_service_client::CatalogServiceClient;

/// What is meant where there is no such thing.
const MISSING: &str = "there is no such product provider: `concenter provider list` shows them";

/// Keep the product providers (Produktgeber) of the catalogue; for role operator
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter provider list\n  \
    concenter provider put insurer-a --kind insurer --name 'Insurer A'")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the product providers, sorted by key, disabled ones included
    #[command(after_help = "Examples:\n  concenter provider list\n  concenter provider list --as-tenant --json")]
    List(CatalogListArgs),
    /// Show one product provider, its etag included
    #[command(after_help = "Examples:\n  concenter provider get insurer-a")]
    Get(ById),
    Put(PutArgs),
    /// Disable a product provider: jumps to its targets stop at once
    #[command(after_help = "Examples:\n  concenter provider disable insurer-a")]
    Disable(ChangeById),
    /// Enable a product provider again
    #[command(after_help = "Examples:\n  concenter provider enable insurer-a")]
    Enable(ChangeById),
}

/// Make a product provider, or replace everything but the state of a known one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter provider put insurer-a --kind insurer --name 'Insurer A'\n  \
    concenter provider put insurer-a --kind insurer --name 'Insurer A' --etag ''    # only if it is new")]
struct PutArgs {
    /// The operator's key, 1 to 64 of a-z 0-9 -
    #[arg(value_name = "ID")]
    id: String,

    /// What it is
    #[arg(long, value_enum)]
    kind: ProviderKindWord,

    /// Name for people
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
    let session = Session::open(&args.connection, MISSING).await?;
    let provider = match args.command {
        Command::List(args) if args.as_tenant => return list_as_tenant(&session, &args).await,
        Command::List(args) => return list(&session, &args).await,
        Command::Get(ById { id }) => get(&session, &id).await?,
        Command::Put(args) => put(&session, args).await?,
        Command::Disable(args) => disable(&session, args).await?,
        Command::Enable(args) => enable(&session, args).await?,
    };
    session.show(&provider)
}

fn client(session: &Session) -> CatalogAdminServiceClient<Service> {
    CatalogAdminServiceClient::new(session.service())
}

async fn list(session: &Session, args: &CatalogListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListProductProvidersRequest { page_size, page_token };
        let answer = session.read(client(session).list_product_providers(request)).await?;
        Ok((answer.product_providers, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

async fn list_as_tenant(session: &Session, args: &CatalogListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = v1::ListProductProvidersRequest { page_size, page_token };
        let call = async { CatalogServiceClient::new(session.service()).list_product_providers(request).await };
        let answer = session.read(call).await?;
        Ok((answer.product_providers, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

async fn get(session: &Session, id: &str) -> Result<ProductProvider, Failure> {
    let request = GetProductProviderRequest { product_provider_id: id.to_owned() };
    let answer = session.read(client(session).get_product_provider(request)).await?;
    session.required(answer.product_provider)
}

/// The etag that the entry has now.
async fn etag(session: &Session, id: &str) -> Result<String, Failure> {
    Ok(get(session, id).await?.etag)
}

async fn put(session: &Session, args: PutArgs) -> anyhow::Result<ProductProvider> {
    let change = session.put(&args.change, etag(session, &args.id)).await?;
    let request = PutProductProviderRequest {
        request_id: change.request_id(),
        product_provider_id: args.id,
        etag: change.etag(),
        display_name: args.name,
        kind: ProductProviderKind::from(args.kind).into(),
    };
    let answer = session.done(&change, client(session).put_product_provider(request)).await?;
    Ok(session.required(answer.product_provider)?)
}

async fn disable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<ProductProvider> {
    let change = session.change(&change, etag(session, &id)).await?;
    let (request_id, etag) = (change.request_id(), change.etag());
    let request = DisableProductProviderRequest { request_id, product_provider_id: id, etag };
    let answer = session.done(&change, client(session).disable_product_provider(request)).await?;
    Ok(session.required(answer.product_provider)?)
}

async fn enable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<ProductProvider> {
    let change = session.change(&change, etag(session, &id)).await?;
    let (request_id, etag) = (change.request_id(), change.etag());
    let request = EnableProductProviderRequest { request_id, product_provider_id: id, etag };
    let answer = session.done(&change, client(session).enable_product_provider(request)).await?;
    Ok(session.required(answer.product_provider)?)
}

impl Shown for ProductProvider {
    const NAME: &'static str = "concenter.admin.v1.ProductProvider";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.product_provider_id),
            column("Name", &self.display_name),
            column("Kind", word(self.kind().as_str_name(), "PRODUCT_PROVIDER_KIND_")),
            column("State", word(self.state().as_str_name(), "STATE_")),
            detail("etag", &self.etag),
        ]
    }
}

impl Shown for v1::ProductProvider {
    const NAME: &'static str = "concenter.v1.ProductProvider";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.product_provider_id),
            column("Name", &self.display_name),
            column("Kind", word(self.kind().as_str_name(), "PRODUCT_PROVIDER_KIND_")),
            column("State", word(self.state().as_str_name(), "STATE_")),
        ]
    }
}
