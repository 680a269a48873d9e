//! `concenter simulate`: what a change would do, before it is made.
//!
//! A command of its own, and no flag of those that change something: whoever forgets a flag must not have changed anything,
//! and what the operator may change the firm's administrator may think through.

use clap::Subcommand;

use super::remote::{Connection, Service, Session, wire_name, word};
use super::table::render;
use super::words::SegmentWord;
use crate::proto::v1::jump_service_client::JumpServiceClient;
use crate::proto::v1::simulate_change_request::Change;
use crate::proto::v1::simulated_outcome::Outcome;
use crate::proto::v1::simulated_person::Person;
use crate::proto::v1::{
    RemovedProvider, Segment, SharedUserChange, SimulateChangeRequest, SimulateChangeResponse, SimulatedOutcome,
    SimulatedPerson, SimulationCounts,
};

/// What is meant where there is no such thing.
const MISSING: &str = "there is no such con:center user, product provider or target: `concenter user list`, \
                       `concenter provider list --as-tenant` and `concenter target list --as-tenant` show them";
/// Most persons on a page.
const PAGE: u32 = 500;

/// Tell who would get another con:center user after a change, or none; for role admin
///
/// Nothing is changed. All brokers in activations and all customers with a record are decided by the rules of a
/// real jump, before and after.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter simulate disable-user 019a0b6e-6a00-7000-8000-000000000004\n  \
        concenter simulate shared-user commercial --user 019a0b6e-6a00-7000-8000-000000000005 --limit 500"
)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    /// Look at jumps to this target alone; without it, to every active one
    #[arg(long, value_name = "ID", global = true)]
    target: Option<String>,

    /// Name so many persons at most
    #[arg(long, value_name = "N", global = true, default_value = "50", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// This con:center user becomes Standard
    #[command(after_help = "Examples:\n  concenter simulate standard 019a0b6e-6a00-7000-8000-000000000002")]
    Standard {
        /// Id of the con:center user
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Customers of a segment share another con:center user, or none
    #[command(after_help = "Examples:\n  \
        concenter simulate shared-user private --user 019a0b6e-6a00-7000-8000-000000000004\n  \
        concenter simulate shared-user commercial")]
    SharedUser {
        /// Whose
        #[arg(value_enum)]
        segment: SegmentWord,

        /// Id of the con:center user; without it none is set any more
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
    /// This con:center user loses the mark Endkunde
    #[command(after_help = "Examples:\n  concenter simulate end-customer-off 019a0b6e-6a00-7000-8000-000000000004")]
    EndCustomerOff {
        /// Id of the con:center user
        #[arg(value_name = "ID")]
        id: String,
    },
    /// This con:center user is disabled
    #[command(after_help = "Examples:\n  concenter simulate disable-user 019a0b6e-6a00-7000-8000-000000000004")]
    DisableUser {
        /// Id of the con:center user
        #[arg(value_name = "ID")]
        id: String,
    },
    /// A product provider is taken out of the scope of a con:center user
    #[command(after_help = "Examples:\n  \
        concenter simulate remove-provider 019a0b6e-6a00-7000-8000-000000000004 --provider sicher")]
    RemoveProvider {
        /// Id of the con:center user
        #[arg(value_name = "ID")]
        id: String,

        /// The product provider
        #[arg(long, value_name = "ID")]
        provider: String,
    },
    /// A product provider is disabled, for everybody
    #[command(after_help = "Examples:\n  concenter simulate disable-provider sicher")]
    DisableProvider {
        /// The product provider
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl From<Command> for Change {
    fn from(command: Command) -> Self {
        match command {
            Command::Standard { id } => Self::StandardUserId(id),
            Command::SharedUser { segment, user } => {
                Self::SharedUser(SharedUserChange { segment: Segment::from(segment).into(), user_id: user })
            }
            Command::EndCustomerOff { id } => Self::EndCustomerOffUserId(id),
            Command::DisableUser { id } => Self::DisableUserId(id),
            Command::RemoveProvider { id, provider } => {
                Self::RemoveProvider(RemovedProvider { user_id: id, product_provider_id: provider })
            }
            Command::DisableProvider { id } => Self::DisableProductProviderId(id),
        }
    }
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, MISSING).await?;
    let change = Change::from(args.command);
    let mut told = SimulateChangeResponse::default();
    let mut left = args.limit;
    loop {
        let request = SimulateChangeRequest {
            change: Some(change.clone()),
            target_id: args.target.clone(),
            page_size: i32::try_from(left.min(PAGE))?,
            page_token: told.next_page_token.clone(),
        };
        let page = session.read(client(&session).simulate_change(request)).await?;
        left = left.saturating_sub(u32::try_from(page.persons.len())?);
        told.persons.extend(page.persons);
        told.next_page_token = page.next_page_token;
        // Told on the first page only.
        told.brokers = told.brokers.or(page.brokers);
        told.customers = told.customers.or(page.customers);
        told.would_be_refused = page.would_be_refused;
        if told.next_page_token.is_empty() || left == 0 {
            return session.show_answer("concenter.v1.SimulateChangeResponse", &told, || text(&told));
        }
    }
}

fn client(session: &Session) -> JumpServiceClient<Service> {
    JumpServiceClient::new(session.service())
}

/// The numbers, whether the change would be taken, and those who differ.
fn text(told: &SimulateChangeResponse) -> String {
    let mut numbers = vec![["Who", "Same", "Other user", "Loses user", "Gains user"].map(str::to_owned).to_vec()];
    for (who, counts) in [("Brokers", told.brokers), ("Customers", told.customers)] {
        let SimulationCounts { same, other_user, loses_user, gains_user } = counts.unwrap_or_default();
        let cells = [same, other_user, loses_user, gains_user].map(|number| number.to_string());
        numbers.push([vec![who.to_owned()], cells.to_vec()].concat());
    }
    let mut text = render(&numbers);
    if let Some(refusal) = &told.would_be_refused {
        let refused = format!("would be refused: {}", wire_name(refusal.reason()));
        let lines = [("The change", refused.as_str()), ("Advice", refusal.advice.as_str())];
        text.push('\n');
        text.push_str(&render(&lines.map(|(heading, line)| vec![heading.to_owned(), line.to_owned()])));
    }
    if !told.persons.is_empty() {
        let mut rows =
            vec![["Person", "What", "Target", "Targets", "Activation", "Now", "Then"].map(str::to_owned).to_vec()];
        rows.extend(told.persons.iter().map(cells));
        text.push('\n');
        text.push_str(&render(&rows));
    }
    if !told.next_page_token.is_empty() {
        text.push_str("and more: --limit names more of them\n");
    }
    text
}

fn cells(person: &SimulatedPerson) -> Vec<String> {
    let who = match &person.person {
        Some(Person::BrokerId(id)) => format!("broker {id}"),
        Some(Person::CustomerId(id)) => format!("customer {id}"),
        None => String::new(),
    };
    vec![
        who,
        word(person.shift().as_str_name(), "SHIFT_").to_owned(),
        person.target_id.clone(),
        person.targets.to_string(),
        person.activation_id.clone().unwrap_or_default(),
        outcome(person.before.as_ref()),
        outcome(person.after.as_ref()),
    ]
}

fn outcome(outcome: Option<&SimulatedOutcome>) -> String {
    match outcome.and_then(|outcome| outcome.outcome.as_ref()) {
        Some(Outcome::User(user)) => user.user_name.clone(),
        Some(Outcome::Refusal(refusal)) => wire_name(refusal.reason()).to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{ErrorReason, Shift, SimulatedRefusal, SimulatedUser};

    #[test]
    fn numbers_come_first_and_then_those_who_differ() {
        let user = SimulatedUser { user_name: "privatkunden".to_owned(), ..Default::default() };
        let refusal = |reason: ErrorReason| SimulatedRefusal { reason: reason.into(), advice: "tick it".to_owned() };
        let told = SimulateChangeResponse {
            brokers: Some(SimulationCounts { same: 2, ..Default::default() }),
            customers: Some(SimulationCounts { same: 1, loses_user: 7, ..Default::default() }),
            would_be_refused: Some(refusal(ErrorReason::SlotInUse)),
            persons: vec![SimulatedPerson {
                person: Some(Person::CustomerId("c-1".to_owned())),
                before: Some(SimulatedOutcome { outcome: Some(Outcome::User(user)) }),
                after: Some(SimulatedOutcome {
                    outcome: Some(Outcome::Refusal(refusal(ErrorReason::EndkundeRequired))),
                }),
                target_id: "rechner".to_owned(),
                targets: 2,
                shift: Shift::LosesUser.into(),
                activation_id: None,
            }],
            next_page_token: "more".to_owned(),
        };
        let expected = "\
Who        Same  Other user  Loses user  Gains user
Brokers    2     0           0           0
Customers  1     0           7           0

The change  would be refused: SLOT_IN_USE
Advice      tick it

Person        What        Target   Targets  Activation  Now           Then
customer c-1  LOSES_USER  rechner  2        -           privatkunden  ENDKUNDE_REQUIRED
and more: --limit names more of them
";
        assert_eq!(text(&told), expected);
    }
}
