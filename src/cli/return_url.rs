//! `concenter return-url`: where targets may send the browser afterwards, for the operator.

use clap::Subcommand;

use super::remote::{
    ById, ChangeArgs, ChangeById, Connection, Failure, Field, ListArgs, Service, Session, Shown, column, detail, word,
};
use crate::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use crate::proto::admin::v1::{
    DisableReturnUrlRequest, EnableReturnUrlRequest, GetReturnUrlRequest, ListReturnUrlsRequest, PutReturnUrlRequest,
    ReturnUrl,
};

/// What is meant where there is no such thing.
const MISSING: &str = "there is no such return URL: `concenter return-url list` shows them";

/// Keep the return URLs (Rücksprungadressen) of the catalogue; for role operator
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter return-url list\n  \
    concenter return-url put portal --url https://portal.example.com/back")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the return URLs, sorted by key, disabled ones included
    #[command(after_help = "Examples:\n  concenter return-url list")]
    List(ListArgs),
    /// Show one return URL, its etag included
    #[command(after_help = "Examples:\n  concenter return-url get portal")]
    Get(ById),
    Put(PutArgs),
    /// Disable a return URL: jumps that name it are refused
    #[command(after_help = "Examples:\n  concenter return-url disable portal")]
    Disable(ChangeById),
    /// Enable a return URL again
    #[command(after_help = "Examples:\n  concenter return-url enable portal")]
    Enable(ChangeById),
}

/// Make a return URL, or replace everything but the state of a known one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  concenter return-url put portal --url https://portal.example.com/back")]
struct PutArgs {
    /// The operator's key, 1 to 64 of a-z 0-9 -
    #[arg(value_name = "ID")]
    id: String,

    /// The URL; a jump names exactly this text
    #[arg(long, value_name = "URL")]
    url: String,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, MISSING).await?;
    let return_url = match args.command {
        Command::List(args) => return list(&session, &args).await,
        Command::Get(ById { id }) => get(&session, &id).await?,
        Command::Put(args) => put(&session, args).await?,
        Command::Disable(args) => disable(&session, args).await?,
        Command::Enable(args) => enable(&session, args).await?,
    };
    session.show(&return_url)
}

fn client(session: &Session) -> CatalogAdminServiceClient<Service> {
    CatalogAdminServiceClient::new(session.service())
}

async fn list(session: &Session, args: &ListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListReturnUrlsRequest { page_size, page_token };
        let answer = session.read(client(session).list_return_urls(request)).await?;
        Ok((answer.return_urls, answer.next_page_token))
    };
    session.list(args, page).await
}

async fn get(session: &Session, id: &str) -> Result<ReturnUrl, Failure> {
    let request = GetReturnUrlRequest { return_url_id: id.to_owned() };
    let answer = session.read(client(session).get_return_url(request)).await?;
    session.required(answer.return_url)
}

/// The etag that the entry has now.
async fn etag(session: &Session, id: &str) -> Result<String, Failure> {
    Ok(get(session, id).await?.etag)
}

async fn put(session: &Session, args: PutArgs) -> anyhow::Result<ReturnUrl> {
    let change = session.put(&args.change, etag(session, &args.id)).await?;
    let request = PutReturnUrlRequest {
        request_id: change.request_id(),
        return_url_id: args.id,
        etag: change.etag(),
        url: args.url,
    };
    let answer = session.done(&change, client(session).put_return_url(request)).await?;
    Ok(session.required(answer.return_url)?)
}

async fn disable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<ReturnUrl> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = DisableReturnUrlRequest { request_id: change.request_id(), return_url_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).disable_return_url(request)).await?;
    Ok(session.required(answer.return_url)?)
}

async fn enable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<ReturnUrl> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = EnableReturnUrlRequest { request_id: change.request_id(), return_url_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).enable_return_url(request)).await?;
    Ok(session.required(answer.return_url)?)
}

impl Shown for ReturnUrl {
    const NAME: &'static str = "concenter.admin.v1.ReturnUrl";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.return_url_id),
            column("URL", &self.url),
            column("State", word(self.state().as_str_name(), "STATE_")),
            detail("etag", &self.etag),
        ]
    }
}
