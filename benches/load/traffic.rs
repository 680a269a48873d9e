//! The calls: so many in flight at a time, for the length of a slice.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::redeem_jump_request::Proof;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Status};

use super::firm::{TARGET, broker_id, by, customer_id};
use super::service::Client;

/// How many calls are in flight: connections, and calls on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Connections.
    pub(crate) connections: usize,
    /// Calls in flight on each.
    pub(crate) calls: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.connections, self.calls)
    }
}

impl Shape {
    /// All calls that are in flight.
    pub(crate) const fn in_flight(self) -> usize {
        self.connections * self.calls
    }

    /// Reads a shape, for example `8x8`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const PROBLEM: &str = "must be connections x calls like 8x8: 1 to 64 of each";
        let (connections, calls) = text.split_once('x').ok_or(PROBLEM)?;
        let number = |text: &str| text.parse().ok().filter(|number| (1..=64).contains(number)).ok_or(PROBLEM);
        Ok(Self { connections: number(connections)?, calls: number(calls)? })
    }
}

/// What is called.
pub(crate) trait Load: Send + Sync + 'static {
    /// Makes one call and waits for its answer; `false` if there is nothing left to call.
    fn call(&self, client: &mut Client) -> impl Future<Output = Result<bool, Status>> + Send;
}

/// What came of a slice.
#[derive(Debug)]
pub(crate) struct Slice {
    /// From the first call to the last answer.
    took: Duration,
    /// How long each call took, in microseconds.
    pub(crate) latencies: Vec<u32>,
}

impl Slice {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap_or(u32::MAX)) / self.took.as_secs_f64()
    }
}

/// Keeps as many calls in flight as `shape` says until `span` is over, and waits for the last answers. A call that is
/// refused ends the run: what is measured are answers that are OK.
pub(crate) async fn slice<L: Load>(
    clients: &[Client],
    shape: Shape,
    span: Duration,
    load: &Arc<L>,
) -> anyhow::Result<Slice> {
    let begun = Instant::now();
    let end = begun + span;
    let mut callers = JoinSet::new();
    for client in clients {
        for _ in 0..shape.calls {
            callers.spawn(call_until(end, client.clone(), Arc::clone(load)));
        }
    }
    let mut latencies = Vec::new();
    while let Some(caller) = callers.join_next().await {
        latencies.extend(caller.context("a caller")?.context("a call was refused")?);
    }
    Ok(Slice { took: begun.elapsed(), latencies })
}

async fn call_until<L: Load>(end: Instant, mut client: Client, load: Arc<L>) -> Result<Vec<u32>, Status> {
    let mut latencies = Vec::new();
    let mut begun = Instant::now();
    while begun < end && load.call(&mut client).await? {
        let answered = Instant::now();
        latencies.push(u32::try_from((answered - begun).as_micros()).unwrap_or(u32::MAX));
        begun = answered;
    }
    Ok(latencies)
}

/// Those who jump.
#[derive(Debug)]
pub(crate) struct Crowd {
    portals: Vec<AsciiMetadataValue>,
    people: People,
    next: AtomicU32,
}

/// How many they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct People {
    /// Firms.
    pub(crate) firms: u32,
    /// Brokers of each.
    pub(crate) brokers: u32,
    /// Private customers of each.
    pub(crate) customers: u32,
}

impl People {
    /// After how many wishes everybody has had one, at the latest.
    fn wishes_of_all(self) -> u32 {
        2 * self.firms * self.brokers.max(self.customers)
    }
}

impl Crowd {
    /// The people of firms, by the credentials of their portals: number n is of firm n modulo the number of firms.
    pub(crate) fn new(portals: Vec<AsciiMetadataValue>, people: People) -> Arc<Self> {
        Arc::new(Self { portals, people, next: AtomicU32::new(0) })
    }

    /// The people of one firm. They go on from here, so that their requests are new.
    pub(crate) fn of_firm(&self, firm: usize) -> Option<Arc<Self>> {
        let portals = vec![self.portals.get(firm)?.clone()];
        let next = AtomicU32::new(self.next.load(Ordering::Relaxed));
        Some(Arc::new(Self { portals, people: People { firms: 1, ..self.people }, next }))
    }

    /// Whoever is next, with the number of his call and the credential of his portal: in turns of a broker and a customer, all
    /// of them as often, since one person gets no more than 30 jumps a minute, and neighbours far from one another.
    fn next(&self) -> Option<(u32, &AsciiMetadataValue, v1::Person)> {
        use v1::person::Person;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (round, is_broker) = (u64::from(number / 2), number.is_multiple_of(2));
        let People { firms, brokers, customers } = self.people;
        let (firms, people) = (u64::from(firms), u64::from(if is_broker { brokers } else { customers }));
        // A prime, so that it steps on everybody before it steps on anybody again.
        let index = (round * 2_654_435_761) % (firms * people);
        let (firm, person) = (index % firms, u32::try_from(index / firms).ok()?);
        let person = if is_broker {
            Person::BrokerId(broker_id(person))
        } else {
            Person::Customer(v1::CustomerRef { customer_id: customer_id(person), segment: None })
        };
        Some((number, self.portal(firm, round)?, v1::Person { person: Some(person) }))
    }

    /// The wish for the next jump.
    fn wish(&self) -> Option<Request<v1::JumpToTarifRequest>> {
        let (number, portal, person) = self.next()?;
        let wish = v1::JumpToTarifRequest {
            request_id: scattered_id(number),
            target_id: TARGET.to_owned(),
            person: Some(person),
            line_of_business: Some("050".to_owned()),
            ..v1::JumpToTarifRequest::default()
        };
        Some(by(portal, wish))
    }

    /// The question what would become of that jump.
    fn question(&self) -> Option<Request<v1::ExplainJumpRequest>> {
        let (_, portal, person) = self.next()?;
        let question = v1::ExplainJumpRequest {
            target_id: TARGET.to_owned(),
            person: Some(person),
            line_of_business: Some("050".to_owned()),
            ..v1::ExplainJumpRequest::default()
        };
        Some(by(portal, question))
    }

    /// One of the portals of a firm, in turns.
    fn portal(&self, firm: u64, round: u64) -> Option<&AsciiMetadataValue> {
        let firms = u64::from(self.people.firms);
        let portals_of_firm = (u64::try_from(self.portals.len()).ok()? / firms).max(1);
        // So many rounds step on all firms, and the next ones on all of them again.
        self.portals.get(usize::try_from(firm + firms * (round / firms % portals_of_firm)).ok()?)
    }
}

/// The `number`th id of a request: no order in it, as portals have it that draw their ids.
fn scattered_id(number: u32) -> String {
    // The finaliser of SplitMix64.
    let mut mixed = u64::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    uuid::Uuid::from_u64_pair(mixed, mixed.rotate_left(32)).to_string()
}

/// Jumps to the calculator.
pub(crate) struct Jumps {
    crowd: Arc<Crowd>,
    made: AtomicU32,
    /// Where their tokens go, if somebody wants them.
    tokens: Option<Arc<Tokens>>,
}

impl Jumps {
    /// Jumps of these people.
    pub(crate) fn of(crowd: Arc<Crowd>, tokens: Option<Arc<Tokens>>) -> Arc<Self> {
        Arc::new(Self { crowd, made: AtomicU32::new(0), tokens })
    }

    /// How many were answered.
    pub(crate) fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// Makes the next one.
    pub(crate) async fn jump(&self, client: &mut Client) -> Result<(), Status> {
        let wish = self.crowd.wish().ok_or_else(|| Status::internal("nobody is there who could jump"))?;
        let jump = client.jump_to_tarif(wish).await?.into_inner();
        self.made.fetch_add(1, Ordering::Relaxed);
        if let (Some(tokens), Some(form)) = (&self.tokens, jump.form_post) {
            tokens.put(form.token);
        }
        Ok(())
    }
}

impl Load for Jumps {
    async fn call(&self, client: &mut Client) -> Result<bool, Status> {
        self.jump(client).await.map(|()| true)
    }
}

/// Explanations of the jumps that people would make.
pub(crate) struct Explanations(Arc<Crowd>);

impl Explanations {
    /// Explanations of the jumps of these people.
    pub(crate) fn of(crowd: Arc<Crowd>) -> Arc<Self> {
        Arc::new(Self(crowd))
    }
}

impl Load for Explanations {
    async fn call(&self, client: &mut Client) -> Result<bool, Status> {
        let question = self.0.question().ok_or_else(|| Status::internal("nobody is there who could jump"))?;
        match client.explain_jump(question).await?.into_inner().result {
            Some(v1::explain_jump_response::Result::Resolved(_)) => Ok(true),
            // A refusal has status OK and costs something else.
            Some(v1::explain_jump_response::Result::Refusal(_)) | None => {
                Err(Status::internal("the jump would be refused"))
            }
        }
    }
}

/// Calls in flight while people are introduced.
pub(crate) const INTRODUCING: Shape = Shape { connections: 8, calls: 8 };

/// Jumps of those who would jump for the first time later on.
pub(crate) struct Introductions {
    jumps: Arc<Jumps>,
    begun: AtomicU32,
    wishes: u32,
}

impl Introductions {
    /// Introduces the people of `jumps`, none of whom has jumped yet.
    pub(crate) fn to(jumps: &Arc<Jumps>) -> Arc<Self> {
        let wishes = jumps.crowd.people.wishes_of_all();
        Arc::new(Self { jumps: Arc::clone(jumps), begun: AtomicU32::new(0), wishes })
    }

    /// Introduces the portals of `jumps`, none of which has called yet, and with them the firms: a broker and a customer of each.
    pub(crate) fn to_portals(jumps: &Arc<Jumps>) -> Arc<Self> {
        let wishes = u32::try_from(2 * jumps.crowd.portals.len()).unwrap_or(u32::MAX);
        Arc::new(Self { jumps: Arc::clone(jumps), begun: AtomicU32::new(0), wishes })
    }
}

impl Load for Introductions {
    async fn call(&self, client: &mut Client) -> Result<bool, Status> {
        if self.begun.fetch_add(1, Ordering::Relaxed) < self.wishes {
            return self.jumps.call(client).await;
        }
        Ok(false)
    }
}

/// Tokens that wait to be redeemed.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<Vec<String>>);

impl Tokens {
    fn put(&self, token: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(token);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Forgets those that are left.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Redemptions of jumps whose tokens wait.
pub(crate) struct Redeems {
    target: AsciiMetadataValue,
    tokens: Arc<Tokens>,
    made: AtomicU32,
}

impl Redeems {
    /// Redemptions by the target whose credential this is.
    pub(crate) fn of(target: AsciiMetadataValue, tokens: Arc<Tokens>) -> Arc<Self> {
        Arc::new(Self { target, tokens, made: AtomicU32::new(0) })
    }

    /// How many were answered.
    pub(crate) fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }
}

impl Load for Redeems {
    async fn call(&self, client: &mut Client) -> Result<bool, Status> {
        let Some(token) = self.tokens.take() else {
            return Ok(false);
        };
        client
            .redeem_jump(by(&self.target, v1::RedeemJumpRequest { proof: Some(Proof::Token(token)), nonce: None }))
            .await?;
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}
