//! `concenter access`: which con:center users the customers of a firm share, for its administrator.

use clap::{ArgGroup, Subcommand};

use super::remote::{ChangeArgs, Connection, Failure, Field, Service, Session, Shown, column, detail};
use super::table::check_box;
use super::words::YesNo;
use crate::proto::v1::customer_service_client::CustomerServiceClient;
use crate::proto::v1::{CustomerAccess, GetCustomerAccessRequest, UpdateCustomerAccessRequest};

/// What is meant where there is no such thing.
const MISSING: &str = "there is no such con:center user: `concenter user list` shows them";

/// Say which con:center users the customers share (Kundenzugang); for role admin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter access get\n  \
    concenter access set --private-user 019a0b6e-6a00-7000-8000-000000000004")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show which con:center users the customers share
    #[command(after_help = "Examples:\n  concenter access get")]
    Get,
    Set(SetArgs),
}

/// Change which con:center users the customers share
///
/// Only what is named changes. An empty id takes a user out. Open jumps of the tenant are revoked.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter access set --private-user 019a0b6e-6a00-7000-8000-000000000004 --commercial-fallback yes\n  \
        concenter access set --commercial-user ''"
)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true)
    .args([
        "private_user", "commercial_user", "commercial_fallback",
    ]))]
struct SetArgs {
    /// Id of the con:center user that private customers share; it must be Endkunde
    #[arg(long, value_name = "ID")]
    private_user: Option<String>,

    /// Id of the con:center user that commercial customers share; it must be Endkunde
    #[arg(long, value_name = "ID")]
    commercial_user: Option<String>,

    /// Whether commercial customers use the private user where no commercial one is set
    #[arg(long, value_enum, value_name = "YES/NO")]
    commercial_fallback: Option<YesNo>,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, MISSING).await?;
    let access = match args.command {
        Command::Get => get(&session).await?,
        Command::Set(args) => set(&session, args).await?,
    };
    session.show(&access)
}

fn client(session: &Session) -> CustomerServiceClient<Service> {
    CustomerServiceClient::new(session.service())
}

async fn get(session: &Session) -> Result<CustomerAccess, Failure> {
    let answer = session.read(client(session).get_customer_access(GetCustomerAccessRequest {})).await?;
    session.required(answer.customer_access)
}

async fn set(session: &Session, args: SetArgs) -> anyhow::Result<CustomerAccess> {
    let change = session.change(&args.change, async { Ok(get(session).await?.etag) }).await?;
    let request = UpdateCustomerAccessRequest {
        request_id: change.request_id(),
        etag: change.etag(),
        private_user_id: args.private_user,
        commercial_user_id: args.commercial_user,
        commercial_falls_back_to_private: args.commercial_fallback.map(bool::from),
    };
    let answer = session.done(&change, client(session).update_customer_access(request)).await?;
    Ok(session.required(answer.customer_access)?)
}

impl Shown for CustomerAccess {
    const NAME: &'static str = "concenter.v1.CustomerAccess";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("User of private customers", &self.private_user_id),
            column("User of commercial customers", &self.commercial_user_id),
            column("Commercial falls back to private", check_box(self.commercial_falls_back_to_private)),
            detail("etag", &self.etag),
        ]
    }
}
