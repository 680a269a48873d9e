//! `concenter user`: the list of con:center users, for the firm's administrator.

use std::io::{self, Write as _};

use clap::{ArgGroup, Subcommand};

use super::remote::{
    ById, ChangeArgs, ChangeById, Connection, DeleteById, EffectArgs, Failure, Field, ListArgs, PasswordArgs, Service,
    Session, Shown, Wiped, column, confirm, detail, instant, mask, unless_signalled, word,
};
use super::scope::{ScopeArgs, scope_text};
use super::table::{check_box, plain, radio};
use super::words::{RemoteEndCustomerWord, UserKindWord, YesNo};
use crate::proto::v1::user_service_client::UserServiceClient;
use crate::proto::v1::{
    AttestEndCustomerRequest, ConcenterUser, CreateUserRequest, DeleteUserRequest, DisableUserRequest,
    EnableUserRequest, GetUserRequest, ListUsersRequest, RemoteEndCustomer, SetEndCustomerRequest,
    SetStandardUserRequest, SetUserSecretRequest, UpdateUserRequest, UserKind,
};

/// Keep the list of con:center users (con:center Benutzer); for role admin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter user list\n  \
    concenter user create vm.meier --kind broker --all-providers --ask-password\n  \
    concenter user disable 019a0b6e-6a00-7000-8000-000000000002")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the con:center users, in the order of their creation
    #[command(after_help = "Examples:\n  concenter user list\n  concenter user list --json --limit 10")]
    List(ListArgs),
    /// Show one con:center user, its etag included; a password is never shown
    #[command(after_help = "Examples:\n  concenter user get 019a0b6e-6a00-7000-8000-000000000002")]
    Get(ById),
    Create(CreateArgs),
    Update(UpdateArgs),
    SetSecret(SetSecretArgs),
    /// Move Standard to this con:center user; the one that was Standard becomes a broker's personal one
    #[command(after_help = "Examples:\n  concenter user set-standard 019a0b6e-6a00-7000-8000-000000000002")]
    SetStandard(ChangeById),
    SetEndCustomer(SetEndCustomerArgs),
    Attest(AttestArgs),
    /// Disable a con:center user: jumps with it stop at once
    #[command(after_help = "Examples:\n  concenter user disable 019a0b6e-6a00-7000-8000-000000000002")]
    Disable(ChangeById),
    /// Enable a con:center user again
    #[command(after_help = "Examples:\n  concenter user enable 019a0b6e-6a00-7000-8000-000000000002")]
    Enable(ChangeById),
    /// Delete a con:center user for good; one that something depends on is refused, and what that is is listed
    #[command(after_help = "Examples:\n  \
        concenter user delete 019a0b6e-6a00-7000-8000-000000000002\n  \
        concenter user delete 019a0b6e-6a00-7000-8000-000000000002 --yes")]
    Delete(DeleteById),
}

/// Add a con:center user to the list
///
/// Nobody is asked for a password unless --ask-password says so; without one, no jump goes through
/// the user until `concenter user set-secret`. Standard is moved by `set-standard`, not created.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter user create vm.meier --kind broker --all-providers --ask-password\n  \
        concenter user create privatkunden --kind end-customer --provider vergleicher --password-file secret.txt"
)]
#[command(group = ArgGroup::new("scope").required(true).args(["provider", "all_providers"]))]
struct CreateArgs {
    /// Name of the account at con:center
    #[arg(value_name = "NAME")]
    user_name: String,

    /// What the user is for
    #[arg(long, value_enum)]
    kind: UserKindWord,

    #[command(flatten)]
    scope: ScopeArgs,

    /// Name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    display_name: String,

    /// Address for messages about the transfer
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    email: String,

    #[command(flatten)]
    password: PasswordArgs,

    #[command(flatten)]
    effect: EffectArgs,
}

/// Change name, product providers, display name or address of a con:center user
///
/// Only what is named changes. An empty text takes display name or address out.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter user update 019a0b6e-6a00-7000-8000-000000000002 --name vm.meier2\n  \
        concenter user update 019a0b6e-6a00-7000-8000-000000000002 --provider insurer-a,insurer-b --email ''"
)]
#[command(group = ArgGroup::new("changes").required(true).multiple(true)
    .args([
        "name", "provider", "all_providers", "display_name", "email",
    ]))]
struct UpdateArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,

    /// New name of the account at con:center
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    scope: ScopeArgs,

    /// New name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,

    /// New address for messages about the transfer
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Replace the password of a con:center user
///
/// It is asked for on the terminal, twice and without showing it, unless it comes from a file or
/// standard input. It is never an argument, and nothing reads it back.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter user set-secret 019a0b6e-6a00-7000-8000-000000000002\n  \
        pass show concenter/vm.meier | concenter user set-secret 019a0b6e-6a00-7000-8000-000000000002 --password-stdin"
)]
struct SetSecretArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    password: PasswordArgs,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Set or clear Endkunde, with new product providers in the same step where they are named
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter user set-end-customer 019a0b6e-6a00-7000-8000-000000000002 yes --provider vergleicher\n  \
    concenter user set-end-customer 019a0b6e-6a00-7000-8000-000000000002 no")]
struct SetEndCustomerArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,

    /// Whether the user is Endkunde from now on
    #[arg(value_enum)]
    end_customer: YesNo,

    #[command(flatten)]
    scope: ScopeArgs,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Note what con:center itself says about Endkunde, as you looked it up there
///
/// Customers get no jump through an Endkunde user of whom con:center says no. That nobody knows is no
/// obstacle: the mark is your word then.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter user attest 019a0b6e-6a00-7000-8000-000000000002 yes\n  \
        concenter user attest 019a0b6e-6a00-7000-8000-000000000002 unknown"
)]
struct AttestArgs {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,

    /// What con:center says
    #[arg(value_enum)]
    remote_end_customer: RemoteEndCustomerWord,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { connection, command } = args;
    match &command {
        Command::Create(create) => connection.share_input(create.password.reads_input())?,
        Command::SetSecret(set) => connection.share_input(set.password.reads_input())?,
        Command::Delete(delete) => confirm("The con:center user is deleted for good", &delete.id, delete.yes)?,
        _ => {}
    }
    unless_signalled(Box::pin(answer(&connection, command))).await
}

async fn answer(connection: &Connection, command: Command) -> anyhow::Result<()> {
    let session = Session::open(connection, missing(&command)).await?;
    let user = match command {
        Command::List(args) => return list(&session, &args).await,
        Command::Delete(args) => return delete(&session, args).await,
        Command::Get(ById { id }) => get(&session, &id).await?,
        Command::Create(args) => create(&session, args).await?,
        Command::Update(args) => update(&session, args).await?,
        Command::SetSecret(args) => set_secret(&session, args).await?,
        Command::SetStandard(args) => set_standard(&session, args).await?,
        Command::SetEndCustomer(args) => set_end_customer(&session, args).await?,
        Command::Attest(args) => attest(&session, args).await?,
        Command::Disable(args) => disable(&session, args).await?,
        Command::Enable(args) => enable(&session, args).await?,
    };
    session.show(&user)
}

/// What may be meant where there is no such thing.
const fn missing(command: &Command) -> &'static str {
    match command {
        Command::Create(_) => "there is no such product provider: `concenter provider list --as-tenant` shows them",
        Command::Update(_) | Command::SetEndCustomer(_) => {
            "there is no such con:center user or product provider: `concenter user list` and \
             `concenter provider list --as-tenant` show them"
        }
        _ => "there is no such con:center user: `concenter user list` shows them",
    }
}

fn client(session: &Session) -> UserServiceClient<Service> {
    UserServiceClient::new(session.service())
}

async fn list(session: &Session, args: &ListArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListUsersRequest { page_size, page_token };
        let answer = session.read(client(session).list_users(request)).await?;
        Ok((answer.users, answer.next_page_token))
    };
    session.list(args, page).await
}

async fn get(session: &Session, id: &str) -> Result<ConcenterUser, Failure> {
    let answer = session.read(client(session).get_user(GetUserRequest { user_id: id.to_owned() })).await?;
    session.required(answer.user)
}

/// The etag that the user has now.
async fn etag(session: &Session, id: &str) -> Result<String, Failure> {
    Ok(get(session, id).await?.etag)
}

async fn create(session: &Session, args: CreateArgs) -> anyhow::Result<ConcenterUser> {
    let mut password = args.password.read().await?;
    let change = session.effect(&args.effect);
    let request = Wiped(CreateUserRequest {
        request_id: change.request_id(),
        user_name: args.user_name,
        kind: UserKind::from(args.kind).into(),
        provider_scope: args.scope.scope(),
        display_name: args.display_name,
        notification_email: args.email,
        // Moved, not copied: there is no second buffer.
        password: password.as_deref_mut().map(std::mem::take),
    });
    let answer = session.done_wiping(&change, request).await?;
    let user = session.required(answer.user)?;
    if user.secret_set_at.is_none() {
        let advice = format!("concenter user set-secret {}", plain(&user.user_id));
        // Nothing is left to tell anybody if standard error is closed.
        let _ = writeln!(io::stderr(), "note: no jump goes through this user until it has a password: {advice}");
    }
    Ok(user)
}

async fn update(session: &Session, args: UpdateArgs) -> anyhow::Result<ConcenterUser> {
    let change = session.change(&args.change, etag(session, &args.id)).await?;
    let scope = args.scope.scope();
    let changed = [
        ("user_name", args.name.is_some()),
        ("provider_scope", scope.is_some()),
        ("display_name", args.display_name.is_some()),
        ("notification_email", args.email.is_some()),
    ];
    let request = UpdateUserRequest {
        request_id: change.request_id(),
        user: Some(ConcenterUser {
            user_id: args.id,
            user_name: args.name.unwrap_or_default(),
            provider_scope: scope,
            display_name: args.display_name.unwrap_or_default(),
            notification_email: args.email.unwrap_or_default(),
            etag: change.etag(),
            ..ConcenterUser::default()
        }),
        update_mask: Some(mask(&changed)),
    };
    let answer = session.done(&change, client(session).update_user(request)).await?;
    Ok(session.required(answer.user)?)
}

async fn set_secret(session: &Session, args: SetSecretArgs) -> anyhow::Result<ConcenterUser> {
    let change = session.change(&args.change, etag(session, &args.id)).await?;
    let mut password = args.password.read_or_ask().await?;
    let request = Wiped(SetUserSecretRequest {
        request_id: change.request_id(),
        user_id: args.id,
        etag: change.etag(),
        // Moved, not copied: there is no second buffer.
        password: std::mem::take(&mut *password),
    });
    let answer = session.done_wiping(&change, request).await?;
    Ok(session.required(answer.user)?)
}

async fn set_standard(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<ConcenterUser> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = SetStandardUserRequest { request_id: change.request_id(), user_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).set_standard_user(request)).await?;
    Ok(session.required(answer.user)?)
}

async fn set_end_customer(session: &Session, args: SetEndCustomerArgs) -> anyhow::Result<ConcenterUser> {
    let change = session.change(&args.change, etag(session, &args.id)).await?;
    let request = SetEndCustomerRequest {
        request_id: change.request_id(),
        user_id: args.id,
        etag: change.etag(),
        end_customer: Some(args.end_customer.into()),
        provider_scope: args.scope.scope(),
    };
    let answer = session.done(&change, client(session).set_end_customer(request)).await?;
    Ok(session.required(answer.user)?)
}

async fn attest(session: &Session, args: AttestArgs) -> anyhow::Result<ConcenterUser> {
    let change = session.change(&args.change, etag(session, &args.id)).await?;
    let request = AttestEndCustomerRequest {
        request_id: change.request_id(),
        user_id: args.id,
        etag: change.etag(),
        remote_end_customer: RemoteEndCustomer::from(args.remote_end_customer).into(),
    };
    let answer = session.done(&change, client(session).attest_end_customer(request)).await?;
    Ok(session.required(answer.user)?)
}

async fn disable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<ConcenterUser> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = DisableUserRequest { request_id: change.request_id(), user_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).disable_user(request)).await?;
    Ok(session.required(answer.user)?)
}

async fn enable(session: &Session, ChangeById { id, change }: ChangeById) -> anyhow::Result<ConcenterUser> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = EnableUserRequest { request_id: change.request_id(), user_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).enable_user(request)).await?;
    Ok(session.required(answer.user)?)
}

async fn delete(session: &Session, DeleteById { id, change, yes: _ }: DeleteById) -> anyhow::Result<()> {
    let change = session.change(&change, etag(session, &id)).await?;
    let request = DeleteUserRequest { request_id: change.request_id(), user_id: id, etag: change.etag() };
    let answer = session.done(&change, client(session).delete_user(request)).await?;
    session.show_answer("concenter.v1.DeleteUserResponse", &answer, || "deleted\n".to_owned())
}

/// Whether there is a password, and whether it is one to jump with.
const fn password_text(user: &ConcenterUser) -> &'static str {
    match (&user.secret_set_at, &user.credential_suspect_since) {
        (None, _) => "",
        (Some(_), None) => "set",
        (Some(_), Some(_)) => "SUSPECT",
    }
}

impl Shown for ConcenterUser {
    const NAME: &'static str = "concenter.v1.ConcenterUser";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.user_id),
            column("con:center Benutzer", &self.user_name),
            column("Password", password_text(self)),
            column("Standard", radio(self.kind() == UserKind::Standard)),
            column("Endkunde", check_box(self.kind() == UserKind::EndCustomer)),
            column("Produktgeber", scope_text(self.provider_scope.as_ref())),
            column("State", word(self.state().as_str_name(), "STATE_")),
            detail("Display name", &self.display_name),
            detail("E-mail", &self.notification_email),
            detail("Password set at", instant(self.secret_set_at.as_ref())),
            detail("Password version", self.secret_version.to_string()),
            detail("Password suspect since", instant(self.credential_suspect_since.as_ref())),
            detail("Last login succeeded at", instant(self.last_login_succeeded_at.as_ref())),
            detail("Last login failed at", instant(self.last_login_failed_at.as_ref())),
            detail("Endkunde set at", instant(self.end_customer_at.as_ref())),
            detail("Endkunde set by", &self.end_customer_by),
            detail("Endkunde at con:center", word(self.remote_end_customer().as_str_name(), "REMOTE_END_CUSTOMER_")),
            detail("Said at", instant(self.remote_end_customer_at.as_ref())),
            detail("Said by", &self.remote_end_customer_by),
            detail("Known from", word(self.remote_end_customer_source().as_str_name(), "REMOTE_END_CUSTOMER_SOURCE_")),
            detail("Created at", instant(self.created_at.as_ref())),
            detail("Updated at", instant(self.updated_at.as_ref())),
            detail("etag", &self.etag),
        ]
    }
}
