//! What deciding and redeeming ask, many at once: one statement for each kind of row, whatever the number of questions.
//!
//! Each statement takes the questions apart by `json_each` and says with every row which question it answers. What many
//! of them share (tenants, targets, users) is read once.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _, SqliteConnection, SqlitePool};

use super::audit::read_salts;
use super::catalog::target_of;
use super::error::{Failure, Step};
use super::hot::minute_before;
use super::jumps::{jump_of, redeem_inputs_of};
use super::row::{Cells, hex};
use super::settings::settings_of;
use super::tenants::keys_of;
use super::users::scope_of;
use crate::domain::ids::{ActivationId, JumpId, ProviderId, TargetId, TenantId, UserId};
use crate::domain::jump::{
    JUMPS_A_MINUTE, Jump, JumpInputs, JumpState, JumpVersions, Person, PersonInputs, RedeemInputs, Standing,
};
use crate::domain::provider::State;
use crate::domain::resolve::{Assignments, CandidateActivation, CandidateTarget, CandidateUser, Candidates};
use crate::domain::settings::Settings;
use crate::domain::target::{Target, WebUrl};
use crate::domain::tenant::{TenantState, WrappedKeys};
use crate::store::StoreError;
use crate::store::codes::Code as _;
use crate::store::reader::{Answer, Answers, CustomerRow, JumpQuestion, Questions, Reads, RedeemQuestion};

/// Readers of jumps. One is enough: while it reads, more questions gather, and each of them gets cheaper.
pub(super) const READERS: usize = 1;

/// Reads on connections of a pool.
#[derive(Clone)]
pub(super) struct PoolReads(pub(super) SqlitePool);

#[async_trait]
impl Reads for PoolReads {
    async fn read(&self, questions: &Questions) -> Result<Answers, StoreError> {
        let mut reader = self.0.acquire().await.map_err(Failure::from)?;
        let mut snapshot = reader.begin().await.map_err(Failure::from)?;
        let answers = read(&mut snapshot, questions).await?;
        snapshot.rollback().await.map_err(Failure::from)?;
        Ok(answers)
    }
}

/// What jumps of a tenant rest on, whoever they are for: its row with its settings and the service's numbers.
pub(super) const TENANTS: &str = "
SELECT
    t.tenant_id,
    t.state AS tenant_state,
    t.deleted_at IS NOT NULL AS is_deleted,
    t.config_version,
    t.kek_id,
    t.dek_version,
    t.wrapped_dek,
    t.sealed_mac_key,
    x.jump_life,
    x.customer_idle,
    x.customer_absolute,
    x.broker_idle,
    x.broker_absolute,
    x.import_change_limit,
    x.default_mvp_user,
    x.version AS settings_version,
    s.epoch,
    s.catalog_version
FROM json_each(?1) AS q
CROSS JOIN service AS s ON s.singleton = 1
CROSS JOIN tenant AS t ON t.tenant_id = q.value
LEFT JOIN tenant_settings AS x ON x.tenant_id = t.tenant_id
";

/// Targets with the states of their product providers.
pub(super) const TARGETS: &str = "
SELECT
    g.target_id,
    g.provider_id,
    g.kind,
    g.display_name,
    g.state,
    g.url,
    g.delivery,
    g.accepts_brokers,
    g.accepts_customers,
    g.lines,
    g.hands_over_secret,
    g.nonce_required,
    g.redirect_origins,
    g.version,
    p.state AS provider_state
FROM json_each(?1) AS q
CROSS JOIN target AS g ON g.target_id = q.value
CROSS JOIN product_provider AS p ON p.provider_id = g.provider_id
";

/// Product providers that are named.
pub(super) const PROVIDERS: &str = "
SELECT p.provider_id, p.state
FROM json_each(?1) AS q
CROSS JOIN product_provider AS p ON p.provider_id = q.value
";

/// Return URLs that are allowed.
pub(super) const RETURN_URLS: &str = "
SELECT r.url
FROM json_each(?1) AS q
CROSS JOIN return_url AS r ON r.url = q.value
WHERE r.state = 'active'
";

// Where a question has several members they are turned into JSONB first, once each (see `super::hot`), and then taken out, once
// each too.

/// What the caller and the person did before: another effect under the request id, a jump under it, and the first of as many
/// jumps of the person as a minute takes, if all of them are from the last one.
pub(super) const BEFORE: &str = "
WITH item AS MATERIALIZED (
    SELECT key AS place, jsonb(value) AS asked
    FROM json_each(?1)
),
q AS MATERIALIZED (
    SELECT
        place,
        asked ->> 'tenant_id' AS tenant_id,
        unhex(asked ->> 'caller') AS caller,
        asked ->> 'request_id' AS request_id,
        asked ->> 'person_kind' AS person_kind,
        asked ->> 'person_id' AS person_id,
        asked ->> 'counts_from' AS counts_from
    FROM item
)
SELECT
    q.place,
    EXISTS (
        SELECT 1
        FROM request_log AS l
        WHERE l.tenant_id = q.tenant_id
          AND l.caller = q.caller
          AND l.request_id = q.request_id
    ) AS had_other_effect,
    (
        SELECT j.jump_id
        FROM jump AS j
        WHERE j.tenant_id = q.tenant_id
          AND j.caller = q.caller
          AND j.request_id = q.request_id
    ) AS earlier_jump_id,
    (
        SELECT j.jump_id
        FROM jump AS j
        WHERE j.tenant_id = q.tenant_id
          AND j.person_kind = q.person_kind
          AND j.person_id = q.person_id
          AND j.jump_id >= q.counts_from
        ORDER BY j.jump_id DESC
        LIMIT 1
        OFFSET ?2 - 1
    ) AS crowding_jump_id
FROM q
";

/// All activations of each broker, at most [`crate::store::MOST_ACTIVATIONS_OF_BROKER`]: leaving one out could choose silently.
pub(super) const OF_BROKERS: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS asked
    FROM json_each(?1)
)
SELECT
    item.asked ->> 'place' AS place,
    a.activation_id,
    a.state AS activation_state,
    a.user_id
FROM item
CROSS JOIN activation_broker AS b
    ON b.tenant_id = item.asked ->> 'tenant_id'
    AND b.broker_id = item.asked ->> 'id'
CROSS JOIN broker_activation AS a
    ON a.tenant_id = b.tenant_id
    AND a.activation_id = b.activation_id
";

/// The shared users of each customer's tenant, and the customer's record if there is one.
pub(super) const OF_CUSTOMERS: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS asked
    FROM json_each(?1)
)
SELECT
    item.asked ->> 'place' AS place,
    a.private_user_id,
    a.commercial_user_id,
    a.commercial_falls_back,
    c.segment,
    c.user_id,
    c.jump_version
FROM item
CROSS JOIN customer_access AS a ON a.tenant_id = item.asked ->> 'tenant_id'
LEFT JOIN customer AS c
    ON c.tenant_id = a.tenant_id
    AND c.customer_id = item.asked ->> 'id'
";

/// Users, each asked for once.
pub(super) const USERS: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS asked
    FROM json_each(?1)
)
SELECT
    u.tenant_id,
    u.user_id,
    u.kind,
    u.state,
    u.providers,
    u.reported_end_customer,
    u.sealed_secret IS NOT NULL AS has_secret,
    u.credential_suspect_since IS NOT NULL AS is_suspect
FROM item
CROSS JOIN concenter_user AS u
    ON u.tenant_id = item.asked ->> 'tenant_id'
    AND u.user_id = item.asked ->> 'id'
";

/// Jumps, each as its own question has found it, with the number of the customer's record now.
pub(super) const EARLIER: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS asked
    FROM json_each(?1)
)
SELECT
    item.asked ->> 'place' AS place,
    jump.*,
    (
        SELECT c.jump_version
        FROM customer AS c
        WHERE jump.person_kind = 'customer'
          AND c.tenant_id = jump.tenant_id
          AND c.customer_id = jump.person_id
    ) AS current_customer_version
FROM item
CROSS JOIN jump
    ON jump.tenant_id = item.asked ->> 'tenant_id'
    AND jump.jump_id = item.asked ->> 'id'
-- Not one that has forgotten its customer.
WHERE jump.person_id <> ''
";

/// The jump of each proof with its user and what its target gets.
pub(super) const OF_PROOFS: &str = "
WITH item AS MATERIALIZED (
    SELECT jsonb(value) AS asked
    FROM json_each(?1)
),
q AS MATERIALIZED (
    SELECT
        asked ->> 'place' AS place,
        asked ->> 'tenant_id' AS tenant_id,
        unhex(asked ->> 'id') AS proof
    FROM item
)
SELECT
    q.place,
    jump.*,
    (
        SELECT c.jump_version
        FROM customer AS c
        WHERE jump.person_kind = 'customer'
          AND c.tenant_id = jump.tenant_id
          AND c.customer_id = jump.person_id
    ) AS current_customer_version,
    u.user_name,
    u.kind AS user_kind,
    u.providers,
    u.sealed_secret,
    u.secret_version,
    g.hands_over_secret
FROM q
CROSS JOIN jump
    ON jump.tenant_id = q.tenant_id
    -- Not jti_hash = .. OR handle_hash = ..: that would walk through all jumps of the tenant.
    AND jump.jump_id = coalesce(
        (
            SELECT j.jump_id
            FROM jump AS j
            WHERE j.tenant_id = q.tenant_id
              AND j.jti_hash = q.proof
        ),
        (
            SELECT j.jump_id
            FROM jump AS j
            WHERE j.tenant_id = q.tenant_id
              AND j.handle_hash = q.proof
        )
    )
CROSS JOIN target AS g ON g.target_id = jump.target_id
LEFT JOIN concenter_user AS u
    ON u.tenant_id = jump.tenant_id
    AND u.user_id = jump.user_id
-- Not one that has forgotten its customer.
WHERE jump.person_id <> ''
";

/// What stands before a jump, for [`BEFORE`]; members are named after the columns.
#[derive(Serialize)]
struct BeforeItem {
    tenant_id: String,
    caller: Option<String>,
    request_id: Option<String>,
    person_kind: &'static str,
    person_id: String,
    counts_from: String,
}

/// Something of a tenant that a question asks for by its id.
#[derive(Serialize)]
struct Item {
    place: usize,
    tenant_id: String,
    id: String,
}

impl Item {
    fn new(place: usize, tenant: TenantId, id: String) -> Self {
        Self { place, tenant_id: tenant.to_string(), id }
    }
}

/// Reads what all of them ask, in their order. One whose rows do not read fails alone.
async fn read(snapshot: &mut SqliteConnection, questions: &Questions) -> Step<Answers> {
    let Questions { jumps, redeems, .. } = questions;
    let tenants = tenants(snapshot, jumps, redeems).await?;
    let mut of_jumps = find_persons(snapshot, &questions.persons()).await?;
    let persons = of_jumps.split_off(jumps.len());
    let found = Answers {
        jumps: find_jumps(snapshot, jumps, &tenants, of_jumps).await?,
        persons: persons.into_iter().map(|person| Ok(person?)).collect(),
        redeems: find_redeems(snapshot, redeems, &tenants).await?,
    };
    let salts = read_salts(snapshot, &found.people(questions)).await?;
    Ok(found.with_salts(questions, &salts))
}

/// A tenant as jumps rest on it.
#[derive(Clone)]
struct TenantFrame {
    state: TenantState,
    is_deleted: bool,
    config_version: i64,
    epoch: i64,
    catalog_version: i64,
    keys: WrappedKeys,
    settings: Settings,
}

impl TenantFrame {
    fn of(row: &SqliteRow) -> Step<Self> {
        let cells = Cells::of(row, "tenant");
        Ok(Self {
            state: cells.code("tenant_state")?,
            is_deleted: cells.plain("is_deleted")?,
            config_version: cells.plain("config_version")?,
            epoch: cells.plain("epoch")?,
            catalog_version: cells.plain("catalog_version")?,
            keys: keys_of(cells)?,
            settings: settings_of(Cells::of(row, "tenant_settings"))?,
        })
    }

    /// What a jump rests on whose person's number is this one.
    const fn standing(&self, customer_version: Option<i64>) -> Standing {
        Standing {
            tenant: self.state,
            epoch: self.epoch,
            versions: JumpVersions {
                config: self.config_version,
                customer: customer_version,
                catalog: self.catalog_version,
            },
        }
    }
}

/// Tenants by their ids; one whose row does not read fails those who ask about it.
type Tenants = HashMap<TenantId, Step<TenantFrame>>;

async fn tenants(snapshot: &mut SqliteConnection, jumps: &[JumpQuestion], redeems: &[RedeemQuestion]) -> Step<Tenants> {
    let of_jumps = jumps.iter().map(|question| question.tenant);
    let wanted: HashSet<_> = of_jumps.chain(redeems.iter().map(|question| question.tenant)).collect();
    let rows = rows_of(snapshot, TENANTS, wanted.iter().map(TenantId::to_string)).await?;
    let tenant = |row: &SqliteRow| {
        let id = Cells::of(row, "tenant").parsed("tenant_id", TenantId::parse)?;
        Ok((id, TenantFrame::of(row)))
    };
    rows.iter().map(tenant).collect()
}

/// The rows that a statement finds for a list; none for an empty one, without asking.
async fn rows_of<T: Serialize>(
    snapshot: &mut SqliteConnection,
    statement: &'static str,
    list: impl IntoIterator<Item = T>,
) -> Step<Vec<SqliteRow>> {
    let list: Vec<_> = list.into_iter().collect();
    if list.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query(statement).bind(serde_json::to_string(&list)?).fetch_all(snapshot).await?)
}

/// Rows of which each question has one at most, by its place.
fn by_place(rows: Vec<SqliteRow>) -> Step<HashMap<usize, SqliteRow>> {
    rows.into_iter().map(|row| Ok((place_of(&row)?, row))).collect()
}

fn place_of(row: &SqliteRow) -> Step<usize> {
    let place: i64 = row.try_get("place")?;
    usize::try_from(place).map_err(|_| Failure(StoreError::Corrupt { table: "jump" }))
}

async fn find_jumps(
    snapshot: &mut SqliteConnection,
    questions: &[JumpQuestion],
    tenants: &Tenants,
    persons: Vec<Step<Option<PersonInputs>>>,
) -> Step<Vec<Answer<JumpInputs>>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let targets = targets(snapshot, questions).await?;
    let providers = providers(snapshot, questions).await?;
    let return_urls = return_urls(snapshot, questions).await?;
    let before = before(snapshot, questions).await?;
    let earlier = earlier(snapshot, questions, &before).await?;
    let found = Found { targets, providers, return_urls, before, earlier };
    let answer = |((place, question), person): ((usize, &JumpQuestion), _)| match tenants.get(&question.tenant) {
        None => Ok(None),
        Some(Ok(tenant)) if tenant.is_deleted => Ok(None),
        Some(Ok(tenant)) => Ok(Some(found.inputs(place, question, tenant, person)?)),
        Some(Err(failure)) => Err(failure.clone().into()),
    };
    Ok(questions.iter().enumerate().zip(persons).map(answer).collect())
}

async fn find_redeems(
    snapshot: &mut SqliteConnection,
    questions: &[RedeemQuestion],
    tenants: &Tenants,
) -> Step<Vec<Answer<RedeemInputs>>> {
    let items = questions.iter().enumerate();
    let items = items.map(|(place, question)| Item::new(place, question.tenant, hex(&question.proof.0)));
    let rows = by_place(rows_of(snapshot, OF_PROOFS, items).await?)?;
    let answer = |(place, question): (usize, &RedeemQuestion)| {
        let Some((row, tenant)) = rows.get(&place).zip(tenants.get(&question.tenant)) else {
            return Ok(None);
        };
        let tenant = tenant.clone()?;
        let standing = tenant.standing(row.try_get("current_customer_version").map_err(Failure::from)?);
        Ok(Some(redeem_inputs_of(row, &standing, question.now, (tenant.settings, tenant.keys))?))
    };
    Ok(questions.iter().enumerate().map(answer).collect())
}

/// Targets with the states of their product providers; one whose row does not read fails those who ask for it.
type Targets = HashMap<TargetId, Step<(Target, State)>>;

async fn targets(snapshot: &mut SqliteConnection, questions: &[JumpQuestion]) -> Step<Targets> {
    let wanted: HashSet<_> = questions.iter().map(|question| question.order.target_id.as_str()).collect();
    let target = |row: &SqliteRow| {
        let cells = Cells::of(row, "target");
        let id = cells.parsed("target_id", TargetId::parse)?;
        Ok((id, target_of(row).and_then(|target| Ok((target, cells.code("provider_state")?)))))
    };
    rows_of(snapshot, TARGETS, wanted).await?.iter().map(target).collect()
}

/// The states of the product providers that are named.
async fn providers(
    snapshot: &mut SqliteConnection,
    questions: &[JumpQuestion],
) -> Step<HashMap<ProviderId, Step<State>>> {
    let named = questions.iter().filter_map(|question| question.order.provider_id.as_ref());
    let wanted: HashSet<_> = named.map(ProviderId::as_str).collect();
    let provider = |row: &SqliteRow| {
        let cells = Cells::of(row, "product_provider");
        Ok((cells.parsed("provider_id", ProviderId::parse)?, cells.code("state")))
    };
    rows_of(snapshot, PROVIDERS, wanted).await?.iter().map(provider).collect()
}

/// Those of the return URLs that are allowed.
async fn return_urls(snapshot: &mut SqliteConnection, questions: &[JumpQuestion]) -> Step<HashSet<String>> {
    let wanted: HashSet<_> =
        questions.iter().filter_map(|question| question.return_url.as_ref()).map(WebUrl::as_str).collect();
    let rows = rows_of(snapshot, RETURN_URLS, wanted).await?;
    rows.iter().map(|row| Cells::of(row, "return_url").plain("url")).collect()
}

/// What was done before each question.
async fn before(snapshot: &mut SqliteConnection, questions: &[JumpQuestion]) -> Step<HashMap<usize, SqliteRow>> {
    let item = |question: &JumpQuestion| {
        let request = question.request.as_ref();
        BeforeItem {
            tenant_id: question.tenant.to_string(),
            caller: request.map(|request| hex(&request.caller)),
            request_id: request.map(|request| request.request_id.to_string()),
            person_kind: question.order.person.kind().code(),
            person_id: question.order.person.id().to_owned(),
            counts_from: minute_before(question.now).to_string(),
        }
    };
    let items = serde_json::to_string(&questions.iter().map(item).collect::<Vec<_>>())?;
    by_place(sqlx::query(BEFORE).bind(items).bind(JUMPS_A_MINUTE).fetch_all(snapshot).await?)
}

/// The jumps that the same requests made before.
async fn earlier(
    snapshot: &mut SqliteConnection,
    questions: &[JumpQuestion],
    before: &HashMap<usize, SqliteRow>,
) -> Step<HashMap<usize, SqliteRow>> {
    let mut items = Vec::new();
    for (place, question) in questions.iter().enumerate() {
        let row = before.get(&place);
        let jump: Option<String> =
            row.map(|row| Cells::of(row, "jump").plain("earlier_jump_id")).transpose()?.flatten();
        items.extend(jump.map(|jump| Item::new(place, question.tenant, jump)));
    }
    by_place(rows_of(snapshot, EARLIER, items).await?)
}

/// An activation of a broker; where its row does not read, the failure for him who asks.
type ActivationRow = Step<CandidateActivation>;

/// The activations of each broker that is asked for.
async fn activations(
    snapshot: &mut SqliteConnection,
    persons: &[(TenantId, &Person)],
) -> Step<HashMap<usize, Vec<ActivationRow>>> {
    let items = persons.iter().enumerate().filter_map(|(place, (tenant, person))| match person {
        Person::Broker(broker) => Some(Item::new(place, *tenant, broker.as_str().to_owned())),
        Person::Customer { .. } => None,
    });
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows_of(snapshot, OF_BROKERS, items).await? {
        let cells = Cells::of(&row, "broker_activation");
        let activation = || {
            Ok(CandidateActivation {
                activation_id: cells.parsed("activation_id", ActivationId::parse)?,
                user_id: cells.parsed("user_id", UserId::parse)?,
                state: cells.code("activation_state")?,
            })
        };
        found.entry(place_of(&row)?).or_default().push(activation());
    }
    Ok(found)
}

/// What leads each customer that is asked for to a user.
async fn customers(
    snapshot: &mut SqliteConnection,
    persons: &[(TenantId, &Person)],
) -> Step<HashMap<usize, Step<CustomerRow>>> {
    let items = persons.iter().enumerate().filter_map(|(place, (tenant, person))| match person {
        Person::Customer { customer_id, .. } => Some(Item::new(place, *tenant, customer_id.as_str().to_owned())),
        Person::Broker(_) => None,
    });
    let rows = rows_of(snapshot, OF_CUSTOMERS, items).await?;
    rows.iter().map(|row| Ok((place_of(row)?, customer_row_of(row)))).collect()
}

/// What leads each person to a user, but for the salts; `None` where a customer has no tenant.
async fn find_persons(
    snapshot: &mut SqliteConnection,
    persons: &[(TenantId, &Person)],
) -> Step<Vec<Step<Option<PersonInputs>>>> {
    let activations = activations(snapshot, persons).await?;
    let customers = customers(snapshot, persons).await?;
    let users = users(snapshot, persons, &activations, &customers).await?;
    let inputs = |(place, (tenant, person)): (usize, &(TenantId, &Person))| {
        let user_of = |user: UserId| found_in(&users, Some(&(*tenant, user)));
        match person {
            Person::Broker(_) => {
                let rows = activations.get(&place).cloned().unwrap_or_default();
                let activations = rows.into_iter().collect::<Step<Vec<_>>>()?;
                let mut seen = HashSet::new();
                let users = activations.iter().map(|activation| activation.user_id).filter(|user| seen.insert(*user));
                let users = users.filter_map(|user| user_of(user).transpose()).collect::<Step<_>>()?;
                let assignments = Assignments::Broker(activations);
                Ok(Some(PersonInputs { assignments, users, customer: None, salts: Vec::new() }))
            }
            Person::Customer { customer_id, .. } => {
                let Some(row) = customers.get(&place) else { return Ok(None) };
                let row = row.as_ref().map_err(Failure::clone)?;
                let users = row.users().filter_map(|user| user_of(user).transpose()).collect::<Step<_>>()?;
                let assignments = row.assignments(customer_id);
                Ok(Some(PersonInputs { assignments, users, customer: row.jump_version, salts: Vec::new() }))
            }
        }
    };
    Ok(persons.iter().enumerate().map(inputs).collect())
}

/// A user of a tenant.
type UserKey = (TenantId, UserId);

/// The users that could be meant; one whose row does not read fails those whom it is meant for.
async fn users(
    snapshot: &mut SqliteConnection,
    persons: &[(TenantId, &Person)],
    activations: &HashMap<usize, Vec<ActivationRow>>,
    customers: &HashMap<usize, Step<CustomerRow>>,
) -> Step<HashMap<UserKey, Step<CandidateUser>>> {
    let mut wanted: HashSet<UserKey> = HashSet::new();
    for (place, (tenant, _)) in persons.iter().enumerate() {
        let of_broker = activations.get(&place).into_iter().flatten().flatten().map(|activation| activation.user_id);
        let of_customer = customers.get(&place).into_iter().flatten().flat_map(CustomerRow::users);
        wanted.extend(of_broker.chain(of_customer).map(|user| (*tenant, user)));
    }
    let items = wanted.into_iter().map(|(tenant, user)| Item::new(0, tenant, user.to_string()));
    let user = |row: &SqliteRow| {
        let cells = Cells::of(row, "concenter_user");
        let tenant = cells.parsed("tenant_id", TenantId::parse)?;
        let user = cells.parsed("user_id", UserId::parse)?;
        Ok(((tenant, user), user_of(row)))
    };
    rows_of(snapshot, USERS, items).await?.iter().map(user).collect()
}

/// What was found for jumps, by the place of the question or by what was asked for.
struct Found {
    targets: Targets,
    providers: HashMap<ProviderId, Step<State>>,
    return_urls: HashSet<String>,
    before: HashMap<usize, SqliteRow>,
    earlier: HashMap<usize, SqliteRow>,
}

impl Found {
    /// All but the salts.
    fn inputs(
        &self,
        place: usize,
        question: &JumpQuestion,
        tenant: &TenantFrame,
        person: Step<Option<PersonInputs>>,
    ) -> Step<JumpInputs> {
        // Every tenant is made with its row.
        let person = person?.ok_or(Failure(StoreError::Corrupt { table: "customer_access" }))?;
        let standing = tenant.standing(person.customer);
        let order = &question.order;
        let target = found_in(&self.targets, Some(&order.target_id))?;
        let before = self.before.get(&place).ok_or(Failure(StoreError::Corrupt { table: "jump" }))?;
        let before = Cells::of(before, "jump");
        let crowding = before.parsed_or_null("crowding_jump_id", JumpId::parse)?;
        let return_url = question.return_url.as_ref();
        let candidates = Candidates {
            tenant: standing.tenant,
            target: target.as_ref().map(|(target, provider_state)| CandidateTarget::of(target, *provider_state)),
            named_provider: found_in(&self.providers, order.provider_id.as_ref())?,
            assignments: person.assignments,
            users: person.users,
        };
        Ok(JumpInputs {
            candidates,
            target: target.map(|(target, _)| target),
            versions: standing.versions,
            epoch: standing.epoch,
            keys: tenant.keys.clone(),
            return_url_allowed: return_url.is_none_or(|url| self.return_urls.contains(url.as_str())),
            earlier: self.earlier(place, question, &standing)?,
            had_other_effect: before.plain("had_other_effect")?,
            crowded_since: crowding.map(|jump| jump.made_at()),
            settings: tenant.settings.clone(),
            salts: Vec::new(),
        })
    }

    fn earlier(&self, place: usize, question: &JumpQuestion, standing: &Standing) -> Step<Option<(Jump, JumpState)>> {
        let Some(row) = self.earlier.get(&place) else {
            return Ok(None);
        };
        // Its person may be another than this order's: then the request id was used for something else.
        let customer = row.try_get("current_customer_version")?;
        let standing = Standing { versions: JumpVersions { customer, ..standing.versions }, ..*standing };
        Ok(Some(jump_of(row, &standing, question.now)?))
    }
}

/// What was found under a key; `None` without a key or where nothing was, and its failure where it does not read.
fn found_in<K: Eq + Hash, V: Clone>(found: &HashMap<K, Step<V>>, key: Option<&K>) -> Step<Option<V>> {
    key.and_then(|key| found.get(key)).cloned().transpose()
}

fn customer_row_of(row: &SqliteRow) -> Step<CustomerRow> {
    let cells = Cells::of(row, "customer");
    Ok(CustomerRow {
        segment: cells.code_or_null("segment")?,
        own_user: cells.parsed_or_null("user_id", UserId::parse)?,
        private_user: cells.parsed_or_null("private_user_id", UserId::parse)?,
        commercial_user: cells.parsed_or_null("commercial_user_id", UserId::parse)?,
        commercial_falls_back: cells.plain("commercial_falls_back")?,
        jump_version: cells.plain("jump_version")?,
    })
}

/// A user as a decision sees him.
pub(super) fn user_of(row: &SqliteRow) -> Step<CandidateUser> {
    let cells = Cells::of(row, "concenter_user");
    Ok(CandidateUser {
        user_id: cells.parsed("user_id", UserId::parse)?,
        kind: cells.code("kind")?,
        state: cells.code("state")?,
        has_secret: cells.plain("has_secret")?,
        is_suspect: cells.plain("is_suspect")?,
        scope: scope_of(cells)?,
        reported_end_customer: cells.plain("reported_end_customer")?,
    })
}
