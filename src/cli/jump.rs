//! `concenter jump`: which con:center user a jump would use and why, and what became of past ones.

use clap::{ArgGroup, Subcommand};
use prost_types::Timestamp;

use super::remote::{
    ById, Connection, EffectArgs, Field, ListArgs, Service, Session, Shown, and_more, column, detail, instant,
    wire_name, word,
};
use super::table::render;
use super::words::{JumpStateWord, SegmentWord};
use crate::proto::v1::explain_jump_response::Result as Decision;
use crate::proto::v1::jump_service_client::JumpServiceClient;
use crate::proto::v1::revoke_jump_request::Jumps;
use crate::proto::v1::{
    CustomerRef, ErrorReason, ExplainJumpRequest, ExplainJumpResponse, GetJumpRequest, Jump, JumpState,
    ListJumpsRequest, Person, ResolutionRule, RevokeJumpRequest, Segment, StepOutcome, TraceStep, list_jumps_request,
    person,
};

/// Explain jumps (Absprünge), look at past ones and revoke them; for roles admin and portal, for brokers and customers their own
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    concenter jump explain --target tarif-rechner --customer c-1001\n  \
    concenter jump list --broker b-17 --limit 20\n  \
    concenter jump revoke --broker b-17")]
pub struct Args {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Explain(ExplainArgs),
    /// List the jumps of the last days, the newest first; brokers and customers see their own
    #[command(after_help = "Examples:\n  \
        concenter jump list --limit 20\n  \
        concenter jump list --customer c-1001 --state redeemed --updated-after 2026-01-31T08:00:00Z")]
    List(ListJumpsArgs),
    /// Show one jump; brokers and customers see their own
    #[command(after_help = "Examples:\n  concenter jump get 019a0b6e-6a00-7000-8000-000000000005")]
    Get(ById),
    Revoke(RevokeArgs),
}

/// Say which con:center user a jump would use, or why it would be refused, rule by rule; for roles admin and portal
///
/// The rules are those that decide a real jump; none is made. A refusal is an answer, too: the
/// command ends with 0.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter jump explain --target tarif-rechner --broker b-17\n  \
        concenter jump explain --target tarif-rechner --customer c-9 --segment commercial --line-of-business 050"
)]
#[command(group = ArgGroup::new("person").required(true).multiple(false).args(["broker", "customer"]))]
struct ExplainArgs {
    /// The target; its kind says which of the two jumps is explained
    #[arg(long, value_name = "ID")]
    target: String,

    /// The broker that it would be made for: the portal's id of him
    #[arg(long, value_name = "ID")]
    broker: Option<String>,

    /// The customer that it would be made for: the portal's id of him
    #[arg(long, value_name = "ID")]
    customer: Option<String>,

    /// Segment of a customer who has no record
    // Without the second one a broker would do: what he excludes is not missed.
    #[arg(long, value_enum, requires = "customer", conflicts_with = "broker")]
    segment: Option<SegmentWord>,

    /// The human at the screen, where he is not the person
    #[arg(long, value_name = "ID")]
    actor: Option<String>,

    /// The activation to use, where a broker has several
    #[arg(long, value_name = "ID")]
    activation: Option<String>,

    /// The customer whom a broker works for
    #[arg(long, value_name = "ID")]
    customer_context: Option<String>,

    /// Line of business: a GDV code of three digits
    #[arg(long, value_name = "CODE")]
    line_of_business: Option<String>,

    /// Product provider to open
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ListJumpsArgs {
    /// Only jumps with this con:center user
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    /// Only jumps made for this broker
    #[arg(long, value_name = "ID", conflicts_with = "customer")]
    broker: Option<String>,

    /// Only jumps made for this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,

    /// Only jumps to this target
    #[arg(long, value_name = "ID")]
    target: Option<String>,

    /// Only jumps of which this became
    #[arg(long, value_enum)]
    state: Option<JumpStateWord>,

    /// Only jumps about which something was written after this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    updated_after: Option<Timestamp>,

    #[command(flatten)]
    list: ListArgs,
}

/// Revoke one jump, or all of a con:center user, broker or customer; for roles admin and portal
///
/// No redemption that starts later succeeds. Sessions that were opened are marked revoked, for targets
/// that ask; those of a con:center user are not.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  \
        concenter jump revoke --jump 019a0b6e-6a00-7000-8000-000000000005\n  \
        concenter jump revoke --user 019a0b6e-6a00-7000-8000-000000000002"
)]
#[command(group = ArgGroup::new("jumps").required(true).multiple(false).args(["jump", "user", "broker", "customer"]))]
struct RevokeArgs {
    /// This jump
    #[arg(long, value_name = "ID")]
    jump: Option<String>,

    /// All open jumps with this con:center user
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    /// All jumps made for this broker
    #[arg(long, value_name = "ID")]
    broker: Option<String>,

    /// All jumps made for this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,

    #[command(flatten)]
    effect: EffectArgs,
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let session = Session::open(&args.connection, missing(&args.command)).await?;
    match args.command {
        Command::Explain(args) => explain(&session, args).await,
        Command::List(args) => list(&session, args).await,
        Command::Get(ById { id }) => {
            let answer = session.read(client(&session).get_jump(GetJumpRequest { jump_id: id })).await?;
            session.show(&session.required(answer.jump)?)
        }
        Command::Revoke(args) => revoke(&session, args).await,
    }
}

/// What may be meant where there is no such thing.
const fn missing(command: &Command) -> &'static str {
    match command {
        Command::Explain(args) if args.activation.is_some() || args.provider.is_some() => {
            "there is no such target, activation or product provider: `concenter target list --as-tenant`, \
             `concenter activation list` and `concenter provider list --as-tenant` show them"
        }
        Command::Explain(_) => "there is no such target: `concenter target list --as-tenant` shows them",
        _ => "there is no such jump: `concenter jump list` shows those of the last days",
    }
}

fn client(session: &Session) -> JumpServiceClient<Service> {
    JumpServiceClient::new(session.service())
}

async fn explain(session: &Session, args: ExplainArgs) -> anyhow::Result<()> {
    let segment = args.segment.map(|segment| Segment::from(segment).into());
    let customer = args.customer.map(|customer_id| person::Person::Customer(CustomerRef { customer_id, segment }));
    let request = ExplainJumpRequest {
        target_id: args.target,
        person: Some(Person { person: customer.or(args.broker.map(person::Person::BrokerId)) }),
        actor_id: args.actor,
        activation_id: args.activation,
        customer_context_id: args.customer_context,
        line_of_business: args.line_of_business,
        product_provider_id: args.provider,
    };
    let answer = session.read(client(session).explain_jump(request)).await?;
    session.show_answer("concenter.v1.ExplainJumpResponse", &answer, || explanation(&answer))
}

async fn list(session: &Session, args: ListJumpsArgs) -> anyhow::Result<()> {
    let broker = args.broker.map(list_jumps_request::Person::BrokerId);
    let person = broker.or(args.customer.map(list_jumps_request::Person::CustomerId));
    let state = args.state.map(|state| JumpState::from(state).into());
    let page = async |page_size, page_token| {
        let request = ListJumpsRequest {
            page_size,
            page_token,
            user_id: args.user.clone(),
            person: person.clone(),
            target_id: args.target.clone(),
            state,
            updated_after: args.updated_after,
        };
        let answer = session.read(client(session).list_jumps(request)).await?;
        Ok((answer.jumps, answer.next_page_token))
    };
    session.list(&args.list, page).await
}

async fn revoke(session: &Session, args: RevokeArgs) -> anyhow::Result<()> {
    let change = session.effect(&args.effect);
    let jumps = [
        args.jump.map(Jumps::JumpId),
        args.user.map(Jumps::UserId),
        args.broker.map(Jumps::BrokerId),
        args.customer.map(Jumps::CustomerId),
    ];
    let request = RevokeJumpRequest { request_id: change.request_id(), jumps: jumps.into_iter().flatten().next() };
    let answer = session.done(&change, client(session).revoke_jump(request)).await?;
    session.show_answer("concenter.v1.RevokeJumpResponse", &answer, || {
        let line = |heading: &str, number: i32| vec![heading.to_owned(), number.to_string()];
        render(&[
            line("Open jumps revoked", answer.revoked_jumps),
            line("Sessions marked revoked", answer.revoked_sessions),
        ])
    })
}

/// Reads an instant.
pub(super) fn parse_instant(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "must be an instant as in 2026-01-31T08:00:00Z")
}

/// The trace rule by rule, then the decision and what can be done about it.
fn explanation(answer: &ExplainJumpResponse) -> String {
    let mut steps = vec![["Rule", "Outcome", "Reason", "What it says"].map(str::to_owned).to_vec()];
    steps.extend(answer.trace.iter().map(step_cells));
    let mut lines = decision(answer.result.as_ref());
    lines.extend(more_failures(&answer.trace));
    format!("{}\n{}", render(&steps), render(&lines))
}

/// What can be done about each rule that failed behind the one that decides.
fn more_failures(trace: &[TraceStep]) -> impl Iterator<Item = Vec<String>> {
    let failed = trace.iter().filter(|step| step.outcome() == StepOutcome::Failed);
    let told = |step: &TraceStep| format!("{}: {}", word(step.rule().as_str_name(), "RESOLUTION_RULE_"), step.advice);
    failed.skip(1).map(move |step| vec!["And then".to_owned(), told(step)])
}

fn step_cells(step: &TraceStep) -> Vec<String> {
    let outcome = match step.outcome() {
        StepOutcome::Unspecified => "",
        StepOutcome::Passed => "passed",
        StepOutcome::Failed => "FAILED",
        StepOutcome::NotSet => "not set",
    };
    let reason = if step.reason() == ErrorReason::Unspecified { "" } else { wire_name(step.reason()) };
    let rule = step.rule();
    [word(rule.as_str_name(), "RESOLUTION_RULE_"), outcome, reason, says(rule)].map(str::to_owned).to_vec()
}

fn decision(decision: Option<&Decision>) -> Vec<Vec<String>> {
    let line = |heading: &str, text: &str| vec![heading.to_owned(), text.to_owned()];
    match decision {
        Some(Decision::Resolved(jump)) => vec![
            line("Decision", "the jump would be made"),
            line("User", &format!("{} ({})", jump.user_name, jump.user_id)),
            line("Way", word(jump.way().as_str_name(), "RESOLUTION_WAY_")),
        ],
        Some(Decision::Refusal(refusal)) => {
            let mut lines = vec![
                line("Decision", &format!("the jump would be refused: {}", wire_name(refusal.reason()))),
                line("Advice", &refusal.advice),
            ];
            lines.extend(refusal.candidates.iter().map(|id| line("Candidate", id)));
            let total = usize::try_from(refusal.candidate_count).unwrap_or(0);
            lines.extend(and_more(refusal.candidates.len(), total).map(|more| line("Candidate", &more)));
            lines
        }
        None => vec![line("Decision", "")],
    }
}

/// What a rule says, in one sentence.
const fn says(rule: ResolutionRule) -> &'static str {
    match rule {
        ResolutionRule::Unspecified => "",
        ResolutionRule::TenantActive => "the tenant is not stopped",
        ResolutionRule::TargetKind => "the target is of the kind asked for, and no insurer's portal for a customer",
        ResolutionRule::TargetEnabled => "the target is active",
        ResolutionRule::ProviderEnabled => "the target's product provider is active",
        ResolutionRule::NamedProviderEnabled => "the product provider that was named is active",
        ResolutionRule::TargetTakesPerson => "the target takes this kind of person",
        ResolutionRule::TargetLineOfBusiness => "the target takes the line of business",
        ResolutionRule::Activation => "exactly one con:center user follows from the broker's activations",
        ResolutionRule::Segment => "the customer's segment is known and agrees with his record",
        ResolutionRule::OwnUser => "the customer has a con:center user of his own",
        ResolutionRule::SharedCommercialUser => "a shared user of commercial customers is set",
        ResolutionRule::FallbackAllowed => "commercial customers may use the shared user of private ones",
        ResolutionRule::SharedPrivateUser => "a shared user of private customers is set",
        ResolutionRule::UserNotStandard => "the user is not the Standard one",
        ResolutionRule::UserKindFits => "the user is Endkunde for a customer, and is not for a broker",
        ResolutionRule::UserReportedEndCustomer => "con:center does not report that the user is no Endkunde",
        ResolutionRule::UserActive => "the user is active",
        ResolutionRule::UserHasSecret => "the user has a password",
        ResolutionRule::UserCredentialTrusted => "the user's password is not suspect",
        ResolutionRule::ProviderInScope => "the target's product provider is in the user's scope",
        ResolutionRule::NamedProviderInScope => "the product provider that was named is in the user's scope",
    }
}

impl Shown for Jump {
    const NAME: &'static str = "concenter.v1.Jump";

    fn fields(&self) -> Vec<Field> {
        vec![
            column("Id", &self.jump_id),
            column("State", word(self.state().as_str_name(), "JUMP_STATE_")),
            column("Person", word(self.person_kind().as_str_name(), "PERSON_KIND_")),
            column("Person's id", &self.person_id),
            column("Target", &self.target_id),
            column("User", &self.user_id),
            column("Issued at", instant(self.issued_at.as_ref())),
            column("Redeemed at", instant(self.redeemed_at.as_ref())),
            detail("Actor", &self.actor_id),
            detail("Actor's role", word(self.actor_role().as_str_name(), "ACTOR_ROLE_")),
            detail("Way", word(self.way().as_str_name(), "RESOLUTION_WAY_")),
            detail("Segment", word(self.segment().as_str_name(), "SEGMENT_")),
            detail("Activation", &self.activation_id),
            detail("Customer worked for", &self.customer_context_id),
            detail("Line of business", &self.line_of_business),
            detail("Produktgeber", &self.product_provider_id),
            detail("Expires at", instant(self.expires_at.as_ref())),
            detail("Revoked at", instant(self.revoked_at.as_ref())),
            detail("Session revoked at", instant(self.session_revoked_at.as_ref())),
            detail("Result", word(self.result().as_str_name(), "JUMP_RESULT_")),
            detail("Result at", instant(self.result_at.as_ref())),
            detail("Updated at", instant(self.updated_at.as_ref())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{JumpRefusal, ResolutionWay, ResolvedJump};

    fn step(rule: ResolutionRule, outcome: StepOutcome, reason: ErrorReason) -> TraceStep {
        let advice = if outcome == StepOutcome::Failed { "do something".to_owned() } else { String::new() };
        TraceStep { rule: rule.into(), outcome: outcome.into(), reason: reason.into(), advice }
    }

    #[test]
    fn a_refusal_is_told_rule_by_rule_with_its_advice() {
        let refusal = JumpRefusal {
            reason: ErrorReason::AmbiguousActivation.into(),
            advice: "name one".to_owned(),
            candidates: vec!["a-1".to_owned(), "a-2".to_owned()],
            candidate_count: 5,
        };
        let answer = ExplainJumpResponse {
            result: Some(Decision::Refusal(refusal)),
            trace: vec![
                step(ResolutionRule::TargetEnabled, StepOutcome::Passed, ErrorReason::Unspecified),
                step(ResolutionRule::Activation, StepOutcome::Failed, ErrorReason::AmbiguousActivation),
            ],
        };
        let expected = "\
Rule            Outcome  Reason                What it says
TARGET_ENABLED  passed   -                     the target is active
ACTIVATION      FAILED   AMBIGUOUS_ACTIVATION  exactly one con:center user follows from the broker's activations

Decision   the jump would be refused: AMBIGUOUS_ACTIVATION
Advice     name one
Candidate  a-1
Candidate  a-2
Candidate  and 3 more
";
        assert_eq!(explanation(&answer), expected);
    }

    #[test]
    fn what_else_is_in_the_way_is_told_with_its_advice() {
        let refusal = JumpRefusal {
            reason: ErrorReason::UserDisabled.into(),
            advice: "enable it".to_owned(),
            ..Default::default()
        };
        let answer = ExplainJumpResponse {
            result: Some(Decision::Refusal(refusal)),
            trace: vec![
                step(ResolutionRule::UserActive, StepOutcome::Failed, ErrorReason::UserDisabled),
                step(ResolutionRule::UserHasSecret, StepOutcome::Failed, ErrorReason::SecretMissing),
            ],
        };
        let expected = "\
Decision  the jump would be refused: USER_DISABLED
Advice    enable it
And then  USER_HAS_SECRET: do something
";
        assert!(explanation(&answer).ends_with(expected), "{}", explanation(&answer));
    }

    #[test]
    fn a_jump_that_would_be_made_names_its_user_and_way() {
        let resolved = ResolvedJump {
            user_id: "u-1".to_owned(),
            user_name: "privatkunden".to_owned(),
            way: ResolutionWay::SharedPrivate.into(),
            ..Default::default()
        };
        let trace = vec![step(ResolutionRule::OwnUser, StepOutcome::NotSet, ErrorReason::Unspecified)];
        let text = explanation(&ExplainJumpResponse { result: Some(Decision::Resolved(resolved)), trace });
        assert!(text.contains("OWN_USER  not set  -"), "{text}");
        assert!(text.contains("privatkunden (u-1)") && text.ends_with("Way       SHARED_PRIVATE\n"), "{text}");
    }

    #[test]
    fn every_rule_says_something() {
        let rules = (1..64).filter_map(|number| ResolutionRule::try_from(number).ok());
        assert!(rules.inspect(|rule| assert!(!says(*rule).is_empty(), "{rule:?}")).count() >= 20);
    }
}
