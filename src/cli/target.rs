//! `concenter target`: the targets of the catalogue, for the operator.

use clap::Subcommand;

use super::remote::{
    ById, CatalogListArgs, ChangeArgs, ChangeById, Connection, Failure, Field, Service, Session, Shown, column, detail,
    word,
};
use super::scope::{LineScopeArgs, line_scope_text};
use super::table::check_box;
use super::words::{DeliveryWord, PersonKindWord, TargetKindWord, YesNo};
use crate::proto::admin::v1::catalog_admin_service_client::CatalogAdminServiceClient;
use crate::proto::admin::v1::{
    Delivery, DisableTargetRequest, EnableTargetRequest, GetTargetRequest, ListTargetsRequest, PutTargetRequest, Target,
};
use crate::proto::v1;
use crate::proto::v1::catalog_service_client::CatalogServiceClient;
use crate::proto::v1::{PersonKind, TargetKind};

/// Keep the targets (Tarifrechner and VU-Auskünfte) of the catalogue; for role operator
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  concenter target list\n  concenter target disable tarif-rechner")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the targets, sorted by key, disabled ones included
    #[command(after_help = "Examples:\n  concenter target list\n  concenter target list --as-tenant")]
    List(CatalogListArgs),
    /// Show one target, its etag included
    #[command(after_help = "Examples:\n  concenter target get tarif-rechner")]
    Get(ById),
    Put(Box<PutArgs>),
    /// Disable a target: jumps to it stop at once
    #[command(after_help = "Examples:\n  concenter target disable tarif-rechner")]
    Disable(ChangeById),
    /// Enable a target again
    #[command(after_help = "Examples:\n  concenter target enable tarif-rechner")]
    Enable(ChangeById),
}

/// Make a target, or replace everything but the state of a known one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter target put tarif-rechner --provider insurer-a --kind tariff-calculator --name 'Tarifrechner A' \\\n    \
    --url https://rechner.example.com/start --delivery form-post --person broker,customer \\\n    \
    --line-of-business 050,070 --hands-over-secret no --nonce-required no")]
struct PutArgs {
    /// The operator's key, 1 to 64 of a-z 0-9 -; it is also the audience of the tokens
    #[arg(value_name = "ID")]
    id: String,

    /// Key of the product provider that it belongs to
    #[arg(long, value_name = "ID")]
    provider: String,

    /// What it is
    #[arg(long, value_enum)]
    kind: TargetKindWord,

    /// Name for people
    #[arg(long, value_name = "NAME")]
    name: String,

    /// Where jumps lead
    #[arg(long, value_name = "URL")]
    url: String,

    /// How jumps reach it
    #[arg(long, value_enum)]
    delivery: DeliveryWord,

    /// Kinds of person that it takes, with commas or one by one
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    person: Vec<PersonKindWord>,

    #[command(flatten)]
    lines: LineScopeArgs,

    /// Whether it gets the password of the con:center user when it redeems a jump
    #[arg(long, value_enum, value_name = "YES/NO")]
    hands_over_secret: YesNo,

    /// Whether a jump to it needs the target's nonce
    #[arg(long, value_enum, value_name = "YES/NO")]
    nonce_required: YesNo,

    /// Origins (https://HOST:PORT) that its answer to the posted form redirects through or to, with commas or one by one
    ///
    /// At most 10, for form-post only. That of --url is allowed anyway. Browsers stop a redirect to any other.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    redirect_origin: Vec<String>,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, missing(&args.command)).await?;
    let target = match args.command {
        Command::List(args) if args.as_tenant => return list_as_tenant(&session, &args).await,
        Command::List(args) => return list(&session, &args).await,
        Command::Get(ById { id }) => get(&session, &id).await?,
        Command::Put(args) => put(&session, *args).await?,
        Command::Disable(args) => disable(&session, args).await?,
        Command::Enable(args) => enable(&session, args).await?,
    };
    session.show(&target)
}

/// What may be meant where there is no such thing.
const fn missing(command: &Command) -> &'static str {
    match command {
        Command::Put(_) => "there is no such product provider: `concenter provider list` shows them",
        _ => "there is no such target: `concenter target list` shows them",
    }
}

fn client(session: &Session) -> CatalogAdminServiceClient<Service> {
    CatalogAdminServiceClient::new(session.service())
}

async fn list(session: &Session, args: &CatalogListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListTargetsRequest { page_size, page_token };
        let answer = session.read(client(session).list_targets(request)).await?;
        Ok((answer.targets, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

async fn list_as_tenant(session: &Session, args: &CatalogListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = v1::ListTargetsRequest { page_size, page_token };
        let call = async { CatalogServiceClient::new(session.service()).list_targets(request).await };
        let answer = session.read(call).await?;
        Ok((answer.targets, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

async fn get(session: &Session, id: &str) -> Result<Target, Failure> {
    let answer = session.read(client(session).get_target(GetTargetRequest { target_id: id.to_owned() })).await?;
    session.required(answer.target)
}

/// The etag that the entry has now.
async fn etag(session: &Session, id: &str) -> Result<String, Failure> {
    Ok(get(session, id).await?.etag)
}

async fn put(session: &Session, args: PutArgs) -> anyhow::Result<Target> {
    let change = session.put(&args.change, etag(session, &args.id)).await?;
    let request = PutTargetRequest {
        request_id: change.request_id(),
        target_id: args.id,
        etag: change.etag(),
        product_provider_id: args.provider,
        kind: TargetKind::from(args.kind).into(),
        display_name: args.name,
        url: args.url,
        delivery: Delivery::from(args.delivery).into(),
        accepted_persons: args.person.into_iter().map(|person| PersonKind::from(person).into()).collect(),
        lines_of_business: Some(args.lines.scope()),
        hands_over_secret: Some(args.hands_over_secret.into()),
        nonce_required: Some(args.nonce_required.into()),
        redirect_origins: args.redirect_origin,
    };
    let answer = session.done(&change, client(session).put_target(request)).await?;
    Ok(session.required(answer.target)?)
}

async fn disable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<Target> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = DisableTargetRequest { request_id: change.request_id(), target_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).disable_target(request)).await?;
    Ok(session.required(answer.target)?)
}

async fn enable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<Target> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = EnableTargetRequest { request_id: change.request_id(), target_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).enable_target(request)).await?;
    Ok(session.required(answer.target)?)
}

fn persons(kinds: impl Iterator<Item = PersonKind>) -> String {
    kinds.map(|kind| word(kind.as_str_name(), "PERSON_KIND_")).collect::<Vec<_>>().join(", ")
}

impl Shown for Target {
    const NAME: &'static str = "concenter.admin.v1.Target";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.target_id),
            column("Produktgeber", &self.product_provider_id),
            column("Name", &self.display_name),
            column("Kind", word(self.kind().as_str_name(), "TARGET_KIND_")),
            column("Persons", persons(self.accepted_persons())),
            column("Lines of business", line_scope_text(self.lines_of_business.as_ref())),
            column("State", word(self.state().as_str_name(), "STATE_")),
            detail("URL", &self.url),
            detail("Delivery", word(self.delivery().as_str_name(), "DELIVERY_")),
            detail("Redirects to", self.redirect_origins.join(", ")),
            detail("Gets the password", check_box(self.hands_over_secret)),
            detail("Needs a nonce", check_box(self.nonce_required)),
            detail("etag", &self.etag),
        ]
    }
}

impl Shown for v1::Target {
    const NAME: &'static str = "concenter.v1.Target";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.target_id),
            column("Produktgeber", &self.product_provider_id),
            column("Name", &self.display_name),
            column("Kind", word(self.kind().as_str_name(), "TARGET_KIND_")),
            column("Persons", persons(self.accepted_persons())),
            column("Lines of business", line_scope_text(self.lines_of_business.as_ref())),
            column("State", word(self.state().as_str_name(), "STATE_")),
        ]
    }
}
