//! `concenter customer`: the records of customers, for the firm's administrator and its portal.

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{ArgGroup, Subcommand};

use super::remote::{
    ById, ChangeArgs, Connection, EffectArgs, Failure, Field, LineProblem, ListArgs, Service, Session, Shown, column,
    confirm, detail, instant, is_input, open, word,
};
use super::table::render;
use super::words::SegmentWord;
use crate::domain::ids::CustomerId;
use crate::proto::v1::customer_service_client::CustomerServiceClient;
use crate::proto::v1::{
    AssignUserRequest, Customer, CustomerRecord, EraseCustomerRequest, GetCustomerRequest, ListCustomersRequest,
    PutCustomersRequest, PutCustomersResponse, Segment,
};

/// Most records of one request.
const BATCH: usize = 1_000;
/// Most lines of a file that are listed because they cannot be taken.
const LISTED_LINES: usize = 20;
/// Stands between the id and the segment of a line.
const SEPARATOR: char = ';';

/// What is meant where there is no such thing.
const NO_RECORD: &str = "the customer has no record: `concenter customer put` writes it";

/// Keep the records of customers (Versicherungsnehmer); for roles admin and portal
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter customer put c-1001 private\n  \
    concenter customer list")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Put(PutArgs),
    /// Show the record of one customer, its etag included
    #[command(after_help = "Examples:\n  concenter customer get c-1001")]
    Get(ById),
    /// List the customers, sorted by id; for role admin
    #[command(after_help = "Examples:\n  \
        concenter customer list --limit 100\n  \
        concenter customer list --user 019a0b6e-6a00-7000-8000-000000000004 --json")]
    List(ListCustomersArgs),
    AssignUser(AssignUserArgs),
    Erase(EraseArgs),
}

/// Write the record of one customer, or of the many in a file
///
/// A file has a line for each customer: his id, a semicolon, and private or commercial. All lines are
/// looked at before anything is sent; then they go in requests of at most 1000. Repeating is harmless:
/// records that say so already stay as they are.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter customer put c-1001 private\n  \
        concenter customer put --file customers.csv\n  \
        portal-export | concenter customer put --file -"
)]
struct PutArgs {
    /// The portal's id of the customer
    #[arg(value_name = "ID", requires = "segment", required_unless_present = "file", conflicts_with = "file")]
    id: Option<String>,

    /// Private or commercial
    #[arg(value_enum)]
    segment: Option<SegmentWord>,

    /// File with a line `id;segment` for each customer, or - for standard input
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,

    #[command(flatten)]
    effect: EffectArgs,
}

#[derive(Debug, clap::Args)]
struct ListCustomersArgs {
    /// Only customers whose own con:center user this is
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    #[command(flatten)]
    list: ListArgs,
}

/// Give a customer a con:center user of his own, or take it away; for role admin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter customer assign-user c-1001 --user 019a0b6e-6a00-7000-8000-000000000004\n  \
    concenter customer assign-user c-1001 --none")]
#[command(group = ArgGroup::new("own_user").required(true).args(["user", "none"]))]
struct AssignUserArgs {
    /// The portal's id of the customer
    #[arg(value_name = "ID")]
    id: String,

    /// Id of the con:center user; it must be Endkunde
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    /// Take his own user away: he uses the shared one of his segment
    #[arg(long)]
    none: bool,

    #[command(flatten)]
    change: ChangeArgs,
}

/// Forget a customer: nothing leads to him any more
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter customer erase c-1001\n  \
    concenter customer erase c-1001 --yes")]
struct EraseArgs {
    /// The portal's id of the customer
    #[arg(value_name = "ID")]
    id: String,

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
    let Args { connection, command } = args;
    match &command {
        Command::Put(put) => connection.share_input(put.file.as_deref().is_some_and(is_input))?,
        Command::Erase(erase) => confirm("The customer is forgotten for good", &erase.id, erase.yes)?,
        Command::Get(_) | Command::List(_) | Command::AssignUser(_) => {}
    }
    let missing = match &command {
        Command::AssignUser(_) => {
            "the customer has no record, or there is no such con:center user: `concenter customer put` writes the one, \
             `concenter user list` shows the others"
        }
        Command::List(_) => "there is no such con:center user: `concenter user list` shows them",
        Command::Put(_) | Command::Get(_) | Command::Erase(_) => NO_RECORD,
    };
    match command {
        Command::Put(args) => put(&connection, args).await,
        Command::Get(ById { id }) => {
            let session = Session::open(&connection, missing).await?;
            session.show(&get(&session, &id).await?)
        }
        Command::List(args) => list(&Session::open(&connection, missing).await?, args).await,
        Command::AssignUser(args) => {
            let session = Session::open(&connection, missing).await?;
            session.show(&assign_user(&session, args).await?)
        }
        Command::Erase(args) => erase(&Session::open(&connection, missing).await?, args).await,
    }
}

fn client(session: &Session) -> CustomerServiceClient<Service> {
    CustomerServiceClient::new(session.service())
}

async fn put(connection: &Connection, args: PutArgs) -> anyhow::Result<()> {
    // Before anything is sent: a file is taken as a whole, or not at all.
    let records = match (args.id, args.segment, args.file) {
        (Some(customer_id), Some(segment), _) => {
            vec![CustomerRecord { customer_id, segment: Segment::from(segment).into() }]
        }
        (_, _, Some(path)) => read_records(&path)?,
        // The arguments name one of the two.
        (_, _, None) => return Err(Failure::NoLines.into()),
    };
    if records.len() > BATCH && args.effect.is_repeated() {
        return Err(Failure::RequestIdForMany.into());
    }
    let session = Session::open(connection, NO_RECORD).await?;
    let mut sum = PutCustomersResponse::default();
    let mut written = 0;
    for batch in records.chunks(BATCH) {
        let change = session.effect(&args.effect);
        let request = PutCustomersRequest { request_id: change.request_id(), customers: batch.to_vec() };
        let answer = session
            .done(&change, client(&session).put_customers(request))
            .await
            .with_context(|| format!("after {written} of {} records", records.len()))?;
        sum.created = sum.created.saturating_add(answer.created);
        sum.changed = sum.changed.saturating_add(answer.changed);
        sum.unchanged = sum.unchanged.saturating_add(answer.unchanged);
        written += batch.len();
    }
    session.show_answer("concenter.v1.PutCustomersResponse", &sum, || {
        let line = |heading: &str, number: i32| vec![heading.to_owned(), number.to_string()];
        render(&[line("Created", sum.created), line("Changed", sum.changed), line("Unchanged", sum.unchanged)])
    })
}

/// Reads a file of records; `-` is standard input.
fn read_records(path: &Path) -> anyhow::Result<Vec<CustomerRecord>> {
    let mut text = String::new();
    let read = if is_input(path) {
        io::stdin().lock().read_to_string(&mut text)
    } else {
        open(path)?.read_to_string(&mut text)
    };
    read.map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    Ok(parse_records(&text)?)
}

/// Reads lines of the form `id;segment`; empty lines are passed over.
///
/// # Errors
/// [`Failure::Lines`] for all lines that cannot be taken, [`Failure::NoLines`] if there is no record.
fn parse_records(text: &str) -> Result<Vec<CustomerRecord>, Failure> {
    let mut records = Vec::new();
    let mut seen = HashSet::new();
    let (mut problems, mut total) = (Vec::new(), 0);
    // What some programs put before the text.
    for (line, text) in (1..).zip(text.trim_start_matches('\u{FEFF}').lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match parse_record(text) {
            Ok(record) if seen.insert(record.customer_id.clone()) => records.push(record),
            taken => {
                total += 1;
                if problems.len() < LISTED_LINES {
                    problems.push(LineProblem {
                        line,
                        problem: taken.err().unwrap_or("this customer stands above already"),
                    });
                }
            }
        }
    }
    if total > 0 {
        return Err(Failure::Lines { problems, total });
    }
    if records.is_empty() { Err(Failure::NoLines) } else { Ok(records) }
}

/// Reads one line. The problem does not repeat it.
fn parse_record(line: &str) -> Result<CustomerRecord, &'static str> {
    let (id, segment) = line.split_once(SEPARATOR).ok_or("must be id;segment")?;
    let id = CustomerId::parse(id.trim()).map_err(|_| "the id must be 1 to 128 of A-Z a-z 0-9 . _ : @ -")?;
    let segment = match segment.trim() {
        "private" => Segment::Private,
        "commercial" => Segment::Commercial,
        _ => return Err("the segment must be private or commercial"),
    };
    Ok(CustomerRecord { customer_id: id.to_string(), segment: segment.into() })
}

async fn list(session: &Session, args: ListCustomersArgs) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListCustomersRequest { page_size, page_token, user_id: args.user.clone() };
        let answer = session.read(client(session).list_customers(request)).await?;
        Ok((answer.customers, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

async fn get(session: &Session, id: &str) -> Result<Customer, Failure> {
    let request = GetCustomerRequest { customer_id: id.to_owned() };
    let answer = session.read(client(session).get_customer(request)).await?;
    session.required(answer.customer)
}

async fn assign_user(session: &Session, args: AssignUserArgs) -> anyhow::Result<Customer> {
    let change = session.change(&args.change, async { Ok(get(session, &args.id).await?.etag) }).await?;
    let request = AssignUserRequest {
        request_id: change.request_id(),
        customer_id: args.id,
        etag: change.etag(),
        user_id: args.user,
    };
    let answer = session.done(&change, client(session).assign_user(request)).await?;
    Ok(session.required(answer.customer)?)
}

async fn erase(session: &Session, args: EraseArgs) -> anyhow::Result<()> {
    let change = session.effect(&args.effect);
    let request = EraseCustomerRequest { request_id: change.request_id(), customer_id: args.id };
    let answer = session.done(&change, client(session).erase_customer(request)).await?;
    session.show_answer("concenter.v1.EraseCustomerResponse", &answer, || "erased\n".to_owned())
}

impl Shown for Customer {
    const NAME: &'static str = "concenter.v1.Customer";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.customer_id),
            column("Segment", word(self.segment().as_str_name(), "SEGMENT_")),
            column("Own user", &self.user_id),
            detail("Created at", instant(self.created_at.as_ref())),
            detail("Updated at", instant(self.updated_at.as_ref())),
            detail("etag", &self.etag),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> (Vec<(usize, &'static str)>, usize) {
        match parse_records(text) {
            Err(Failure::Lines { problems, total }) => {
                (problems.iter().map(|at| (at.line, at.problem)).collect(), total)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_an_id_and_a_segment() {
        let text = "\u{feff}c-1;private\r\n\n  c-2 ; commercial \n";
        let read: Vec<_> = parse_records(text)
            .unwrap()
            .into_iter()
            .map(|record| (record.customer_id.clone(), record.segment()))
            .collect();
        assert_eq!(read, [("c-1".to_owned(), Segment::Private), ("c-2".to_owned(), Segment::Commercial)]);
    }

    #[test]
    fn every_line_that_cannot_be_taken_is_named_by_its_number() {
        let (problems, total) = problems("c-1;private\nc-2\nc 3;private\nc-4;Privat\nc-1;commercial\n;private\n");
        assert_eq!(total, 5);
        assert_eq!(problems.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert_eq!(problems[3], (5, "this customer stands above already"));
    }

    #[test]
    fn many_wrong_lines_are_counted_but_not_all_listed() {
        let (problems, total) = problems(&"x\n".repeat(50));
        assert_eq!((problems.len(), total), (LISTED_LINES, 50));
    }

    #[test]
    fn a_file_without_records_is_a_slip() {
        assert!(matches!(parse_records("\n \n"), Err(Failure::NoLines)));
    }
}
