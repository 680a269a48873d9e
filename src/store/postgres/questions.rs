//! What deciding and redeeming ask, many at once: one statement for each kind of row, whatever the number of questions.
//!
//! Each statement takes the questions apart by UNNEST and says with every row which question it answers.

use std::collections::{HashMap, HashSet};

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::catalog::target_of;
use super::error::{Failure, Step};
use super::hot::minute_before;
use super::jumps::{jump_of, redeem_inputs_of};
use super::row::{Cells, uuid};
use super::settings::settings_of;
use super::tenants::keys_of;
use super::users::scope_of;
use crate::domain::audit::{AuditedPerson, Salt};
use crate::domain::ids::{ActivationId, JumpId, ProviderId, TenantId, UserId};
use crate::domain::jump::{
    JUMPS_A_MINUTE, Jump, JumpInputs, JumpState, JumpVersions, Person, PersonInputs, RedeemInputs, Standing,
};
use crate::domain::resolve::{Assignments, CandidateActivation, CandidateTarget, CandidateUser, Candidates};
use crate::domain::target::{Target, WebUrl};
use crate::store::StoreError;
use crate::store::codes::Code as _;
use crate::store::reader::{Answer, Answers, CustomerRow, JumpQuestion, PersonKey, Questions, RedeemQuestion};

// JOIN LATERAL with LIMIT: looked up by its whole key for each row, which LIMIT keeps the planner from taking apart. Without
// statistics it would take the key of the tenant for as good, and walk through all that the tenant has.

/// Everything of one row each: tenant, settings, service, target, providers, return URL, how crowded it is.
pub(super) const FRAME: &str = "
SELECT
    q.place,
    t.state AS tenant_state,
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
    s.catalog_version,
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
    p.state AS provider_state,
    n.state AS named_state,
    q.return_url IS NULL OR EXISTS (
        SELECT 1
        FROM return_url AS r
        WHERE r.url = q.return_url
          AND r.state = 'active'
    ) AS return_url_allowed,
    -- Not EXISTS: that could be answered by reading all requests first.
    (
        SELECT l.request_id
        FROM request_log AS l
        WHERE l.tenant_id = q.tenant_id
          AND l.caller = q.caller
          AND l.request_id = q.request_id
    ) IS NOT NULL AS had_other_effect,
    -- The first of as many jumps of the person as a minute takes, if all of them are from the last one.
    (
        SELECT j.jump_id
        FROM jump AS j
        WHERE j.tenant_id = q.tenant_id
          AND j.person_kind = q.person_kind
          AND j.person_id = q.person_id
          AND j.jump_id >= q.counts_from
        ORDER BY j.jump_id DESC
        LIMIT 1
        OFFSET $10::BIGINT - 1
    ) AS crowding_jump_id
FROM unnest(
    $1::UUID[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::BYTEA[], $6::UUID[], $7::TEXT[], $8::TEXT[], $9::UUID[]
) WITH ORDINALITY AS q (
    tenant_id, target_id, provider_id, return_url, caller, request_id, person_kind, person_id, counts_from, place
)
JOIN service AS s ON s.singleton = 1
CROSS JOIN LATERAL (
    SELECT *
    FROM tenant
    WHERE tenant_id = q.tenant_id
    LIMIT 1
) AS t
LEFT JOIN LATERAL (
    SELECT *
    FROM tenant_settings
    WHERE tenant_id = q.tenant_id
    LIMIT 1
) AS x ON TRUE
LEFT JOIN target AS g ON g.target_id = q.target_id
LEFT JOIN product_provider AS p ON p.provider_id = g.provider_id
LEFT JOIN product_provider AS n ON n.provider_id = q.provider_id
WHERE t.deleted_at IS NULL
";

/// All activations of each broker with their users, at most [`crate::store::MOST_ACTIVATIONS_OF_BROKER`]: leaving one out could
/// choose silently.
pub(super) const OF_BROKERS: &str = "
SELECT
    q.place,
    a.activation_id,
    a.state AS activation_state,
    u.user_id,
    u.kind,
    u.state,
    u.providers,
    u.reported_end_customer,
    u.sealed_secret IS NOT NULL AS has_secret,
    u.credential_suspect_since IS NOT NULL AS is_suspect
FROM unnest($1::BIGINT[], $2::UUID[], $3::TEXT[]) AS q (place, tenant_id, broker_id)
JOIN activation_broker AS b
    ON b.tenant_id = q.tenant_id
    AND b.broker_id = q.broker_id
CROSS JOIN LATERAL (
    SELECT *
    FROM broker_activation
    WHERE tenant_id = b.tenant_id
      AND activation_id = b.activation_id
    LIMIT 1
) AS a
CROSS JOIN LATERAL (
    SELECT *
    FROM concenter_user
    WHERE tenant_id = a.tenant_id
      AND user_id = a.user_id
    LIMIT 1
) AS u
";

/// The shared users of each customer's tenant, and the customer's record if there is one.
pub(super) const OF_CUSTOMERS: &str = "
SELECT
    q.place,
    a.private_user_id,
    a.commercial_user_id,
    a.commercial_falls_back,
    c.segment,
    c.user_id,
    c.jump_version
FROM unnest($1::BIGINT[], $2::UUID[], $3::TEXT[]) AS q (place, tenant_id, customer_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM customer_access
    WHERE tenant_id = q.tenant_id
    LIMIT 1
) AS a
LEFT JOIN LATERAL (
    SELECT *
    FROM customer
    WHERE tenant_id = q.tenant_id
      AND customer_id = q.customer_id
    LIMIT 1
) AS c ON TRUE
";

/// Users, each asked for once.
pub(super) const USERS: &str = "
SELECT
    u.tenant_id,
    u.user_id,
    u.kind,
    u.state,
    u.providers,
    u.reported_end_customer,
    u.sealed_secret IS NOT NULL AS has_secret,
    u.credential_suspect_since IS NOT NULL AS is_suspect
FROM unnest($1::UUID[], $2::UUID[]) AS q (tenant_id, user_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM concenter_user
    WHERE tenant_id = q.tenant_id
      AND user_id = q.user_id
    LIMIT 1
) AS u
";

pub(super) const EARLIER: &str = "
SELECT
    q.place,
    jump.*,
    (
        SELECT c.jump_version
        FROM customer AS c
        WHERE jump.person_kind = 'customer'
          AND c.tenant_id = jump.tenant_id
          AND c.customer_id = jump.person_id
    ) AS current_customer_version
FROM unnest($1::BIGINT[], $2::UUID[], $3::BYTEA[], $4::UUID[]) AS q (place, tenant_id, caller, request_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM jump
    WHERE tenant_id = q.tenant_id
      AND caller = q.caller
      AND request_id = q.request_id
    LIMIT 1
) AS jump
-- Not one that has forgotten its customer.
WHERE jump.person_id <> ''
";

pub(super) const SALTS: &str = "
SELECT q.tenant_id, p.kind, p.person_id, p.salt
FROM unnest($1::UUID[], $2::TEXT[], $3::TEXT[]) AS q (tenant_id, kind, person_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM person_salt
    WHERE tenant_id = q.tenant_id
      AND kind = q.kind
      AND person_id = q.person_id
    LIMIT 1
) AS p
";

pub(super) const REDEEM_INPUTS: &str = "
SELECT
    q.place,
    jump.*,
    t.state AS tenant_state,
    t.config_version AS current_config_version,
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
    s.epoch AS current_epoch,
    s.catalog_version AS current_catalog_version,
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
FROM unnest($1::UUID[], $2::BYTEA[]) WITH ORDINALITY AS q (tenant_id, proof, place)
-- Not jti_hash = .. OR handle_hash = ..: that would walk through all jumps of the tenant.
CROSS JOIN LATERAL (
    SELECT j.jump_id
    FROM jump AS j
    WHERE j.tenant_id = q.tenant_id
      AND j.jti_hash = q.proof
    UNION ALL
    SELECT j.jump_id
    FROM jump AS j
    WHERE j.tenant_id = q.tenant_id
      AND j.handle_hash = q.proof
) AS found
CROSS JOIN LATERAL (
    SELECT *
    FROM jump
    WHERE tenant_id = q.tenant_id
      AND jump_id = found.jump_id
    LIMIT 1
) AS jump
JOIN service AS s ON s.singleton = 1
CROSS JOIN LATERAL (
    SELECT *
    FROM tenant
    WHERE tenant_id = q.tenant_id
    LIMIT 1
) AS t
JOIN target AS g ON g.target_id = jump.target_id
LEFT JOIN LATERAL (
    SELECT *
    FROM tenant_settings
    WHERE tenant_id = q.tenant_id
    LIMIT 1
) AS x ON TRUE
LEFT JOIN concenter_user AS u
    ON u.tenant_id = jump.tenant_id
    AND u.user_id = jump.user_id
-- Not one that has forgotten its customer.
WHERE jump.person_id <> ''
";

/// Reads what all of them ask, in their order. One whose rows do not read fails alone.
pub(super) async fn read(tx: &mut PgConnection, questions: &Questions) -> Step<Answers> {
    let mut of_jumps = find_persons(tx, &questions.persons()).await?;
    let persons = of_jumps.split_off(questions.jumps.len());
    let found = Answers {
        jumps: find_jumps(tx, &questions.jumps, of_jumps).await?,
        persons: persons.into_iter().map(|person| Ok(person?)).collect(),
        redeems: find_redeems(tx, &questions.redeems).await?,
    };
    let salts = salts(tx, &found.people(questions)).await?;
    Ok(found.with_salts(questions, &salts))
}

async fn find_jumps(
    tx: &mut PgConnection,
    questions: &[JumpQuestion],
    persons: Vec<Step<Option<PersonInputs>>>,
) -> Step<Vec<Answer<JumpInputs>>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let frames = by_place(frames(tx, questions).await?)?;
    let earlier = earlier(tx, questions).await?;
    let answer = |((place, question), person): ((i64, &JumpQuestion), _)| match frames.get(&place) {
        Some(frame) => Ok(Some(inputs_of(frame, question, person, earlier.get(&place))?)),
        None => Ok(None),
    };
    Ok(places(questions).zip(persons).map(answer).collect())
}

async fn find_redeems(tx: &mut PgConnection, questions: &[RedeemQuestion]) -> Step<Vec<Answer<RedeemInputs>>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(REDEEM_INPUTS)
        .bind(questions.iter().map(|question| uuid(question.tenant.as_bytes())).collect::<Vec<_>>())
        .bind(questions.iter().map(|question| question.proof.0.as_slice()).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    let rows = by_place(rows)?;
    let answer = |(place, question): (i64, &RedeemQuestion)| match rows.get(&place) {
        Some(row) => Ok(Some(redeem_inputs_of(row, question.now)?)),
        None => Ok(None),
    };
    Ok(places(questions).map(answer).collect())
}

/// The questions with their places, the first of which is 1 as in the database.
fn places<Q>(questions: &[Q]) -> impl Iterator<Item = (i64, &Q)> {
    (1..).zip(questions)
}

/// Rows of which each question has one at most, by its place.
fn by_place(rows: Vec<PgRow>) -> Step<HashMap<i64, PgRow>> {
    rows.into_iter().map(|row| Ok((Cells::of(&row, "jump").plain("place")?, row))).collect()
}

async fn frames(tx: &mut PgConnection, questions: &[JumpQuestion]) -> Step<Vec<PgRow>> {
    let all = || questions.iter();
    let requests = || all().map(|question| question.request.as_ref());
    let query = sqlx::query(FRAME)
        .bind(all().map(|question| uuid(question.tenant.as_bytes())).collect::<Vec<_>>())
        .bind(all().map(|question| question.order.target_id.as_str()).collect::<Vec<_>>())
        .bind(all().map(|question| question.order.provider_id.as_ref().map(ProviderId::as_str)).collect::<Vec<_>>())
        .bind(all().map(|question| question.return_url.as_ref().map(WebUrl::as_str)).collect::<Vec<_>>())
        .bind(requests().map(|request| request.map(|request| request.caller.as_slice())).collect::<Vec<_>>())
        .bind(requests().map(|request| request.map(|request| uuid(request.request_id.as_bytes()))).collect::<Vec<_>>())
        .bind(all().map(|question| question.order.person.kind().code()).collect::<Vec<_>>())
        .bind(all().map(|question| question.order.person.id()).collect::<Vec<_>>())
        .bind(all().map(|question| uuid(minute_before(question.now).as_bytes())).collect::<Vec<_>>());
    Ok(query.bind(i64::from(JUMPS_A_MINUTE)).fetch_all(tx).await?)
}

/// The activations of each broker that is asked for, with their users.
async fn activations(tx: &mut PgConnection, persons: &[(TenantId, &Person)]) -> Step<HashMap<i64, Vec<PgRow>>> {
    let (mut at, mut tenants, mut brokers) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (tenant, person)) in places(persons) {
        if let Person::Broker(broker) = person {
            at.push(place);
            tenants.push(uuid(tenant.as_bytes()));
            brokers.push(broker.as_str());
        }
    }
    let mut found: HashMap<_, Vec<_>> = HashMap::with_capacity(at.len());
    if !at.is_empty() {
        let rows = sqlx::query(OF_BROKERS).bind(at).bind(tenants).bind(brokers).fetch_all(tx).await?;
        for row in rows {
            found.entry(Cells::of(&row, "broker_activation").plain("place")?).or_default().push(row);
        }
    }
    Ok(found)
}

/// What leads each customer that is asked for to a user.
async fn customers(tx: &mut PgConnection, persons: &[(TenantId, &Person)]) -> Step<HashMap<i64, Step<CustomerRow>>> {
    let (mut at, mut tenants, mut customers) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (tenant, person)) in places(persons) {
        if let Person::Customer { customer_id, .. } = person {
            at.push(place);
            tenants.push(uuid(tenant.as_bytes()));
            customers.push(customer_id.as_str());
        }
    }
    if at.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(OF_CUSTOMERS).bind(at).bind(tenants).bind(customers).fetch_all(tx).await?;
    rows.iter().map(|row| Ok((Cells::of(row, "customer").plain("place")?, customer_row_of(row)))).collect()
}

/// What leads each person to a user, but for the salts; `None` where a customer has no tenant.
async fn find_persons(tx: &mut PgConnection, persons: &[(TenantId, &Person)]) -> Step<Vec<Step<Option<PersonInputs>>>> {
    let activations = activations(tx, persons).await?;
    let customers = customers(tx, persons).await?;
    let users = users(tx, persons, &customers).await?;
    let inputs = |(place, (tenant, person)): (i64, &(TenantId, &Person))| match person {
        Person::Broker(_) => of_broker(activations.get(&place).map_or(&[], Vec::as_slice)).map(Some),
        Person::Customer { customer_id, .. } => {
            let Some(row) = customers.get(&place) else { return Ok(None) };
            let row = row.as_ref().map_err(Failure::clone)?;
            let users = row.users().filter_map(|user| users.get(&(*tenant, user)).cloned()).collect::<Step<_>>()?;
            let assignments = row.assignments(customer_id);
            Ok(Some(PersonInputs { assignments, users, customer: row.jump_version, salts: Vec::new() }))
        }
    };
    Ok(places(persons).map(inputs).collect())
}

fn of_broker(rows: &[PgRow]) -> Step<PersonInputs> {
    let mut activations = Vec::with_capacity(rows.len());
    let mut users = Vec::new();
    let mut seen = HashSet::new();
    for row in rows {
        let cells = Cells::of(row, "broker_activation");
        let user = user_of(row)?;
        activations.push(CandidateActivation {
            activation_id: cells.id("activation_id", ActivationId::parse)?,
            user_id: user.user_id,
            state: cells.code("activation_state")?,
        });
        if seen.insert(user.user_id) {
            users.push(user);
        }
    }
    Ok(PersonInputs { assignments: Assignments::Broker(activations), users, customer: None, salts: Vec::new() })
}

/// A user of a tenant.
type UserKey = (TenantId, UserId);

/// The users that could be meant for customers; one whose row does not read fails those whom it is meant for.
async fn users(
    tx: &mut PgConnection,
    persons: &[(TenantId, &Person)],
    customers: &HashMap<i64, Step<CustomerRow>>,
) -> Step<HashMap<UserKey, Step<CandidateUser>>> {
    let mut wanted: HashSet<UserKey> = HashSet::new();
    for (place, (tenant, _)) in places(persons) {
        let users = customers.get(&place).into_iter().flatten().flat_map(CustomerRow::users);
        wanted.extend(users.map(|user| (*tenant, user)));
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(USERS)
        .bind(wanted.iter().map(|(tenant, _)| uuid(tenant.as_bytes())).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, user)| uuid(user.as_bytes())).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    let user = |row: &PgRow| {
        let cells = Cells::of(row, "concenter_user");
        Ok(((cells.id("tenant_id", TenantId::parse)?, cells.id("user_id", UserId::parse)?), user_of(row)))
    };
    rows.iter().map(user).collect()
}

/// The jumps that the same requests made before.
async fn earlier(tx: &mut PgConnection, questions: &[JumpQuestion]) -> Step<HashMap<i64, PgRow>> {
    let (mut at, mut tenants) = (Vec::new(), Vec::new());
    let (mut callers, mut requests) = (Vec::new(), Vec::new());
    for (place, question) in places(questions) {
        if let Some(request) = &question.request {
            at.push(place);
            tenants.push(uuid(question.tenant.as_bytes()));
            callers.push(request.caller.as_slice());
            requests.push(uuid(request.request_id.as_bytes()));
        }
    }
    if at.is_empty() {
        return Ok(HashMap::new());
    }
    by_place(sqlx::query(EARLIER).bind(at).bind(tenants).bind(callers).bind(requests).fetch_all(tx).await?)
}

/// The salts of all of `people` who have one.
async fn salts(tx: &mut PgConnection, people: &HashSet<PersonKey>) -> Step<HashMap<PersonKey, Salt>> {
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(SALTS)
        .bind(people.iter().map(|(tenant, _)| uuid(tenant.as_bytes())).collect::<Vec<_>>())
        .bind(people.iter().map(|(_, person)| person.kind.code()).collect::<Vec<_>>())
        .bind(people.iter().map(|(_, person)| person.id.as_str()).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    let salt = |row: &PgRow| {
        let cells = Cells::of(row, "person_salt");
        let person = AuditedPerson { kind: cells.code("kind")?, id: cells.plain("person_id")? };
        Ok(((cells.id("tenant_id", TenantId::parse)?, person), Salt(cells.bytes32("salt")?)))
    };
    rows.iter().map(salt).collect()
}

/// All but the salts.
fn inputs_of(
    frame: &PgRow,
    question: &JumpQuestion,
    person: Step<Option<PersonInputs>>,
    earlier: Option<&PgRow>,
) -> Step<JumpInputs> {
    // Every tenant is made with its row.
    let person = person?.ok_or(Failure(StoreError::Corrupt { table: "customer_access" }))?;
    let cells = Cells::of(frame, "tenant");
    let standing = Standing {
        tenant: cells.code("tenant_state")?,
        epoch: cells.plain("epoch")?,
        versions: JumpVersions {
            config: cells.plain("config_version")?,
            customer: person.customer,
            catalog: cells.plain("catalog_version")?,
        },
    };
    let crowding = Cells::of(frame, "jump").id_or_null("crowding_jump_id", JumpId::parse)?;
    let target = target_of_frame(frame)?;
    let provider_state = cells.code_or_null("provider_state")?;
    let candidates = Candidates {
        tenant: standing.tenant,
        target: target.as_ref().zip(provider_state).map(|(target, state)| CandidateTarget::of(target, state)),
        named_provider: cells.code_or_null("named_state")?,
        assignments: person.assignments,
        users: person.users,
    };
    Ok(JumpInputs {
        candidates,
        target,
        versions: standing.versions,
        epoch: standing.epoch,
        keys: keys_of(cells)?,
        return_url_allowed: cells.plain("return_url_allowed")?,
        earlier: earlier.map(|row| earlier_of(row, question, &standing)).transpose()?,
        had_other_effect: cells.plain("had_other_effect")?,
        crowded_since: crowding.map(|jump| jump.made_at()),
        settings: settings_of(Cells::of(frame, "tenant_settings"))?,
        salts: Vec::new(),
    })
}

fn earlier_of(row: &PgRow, question: &JumpQuestion, standing: &Standing) -> Step<(Jump, JumpState)> {
    // Its person may be another than this order's: then the request id was used for something else.
    let customer = row.try_get("current_customer_version")?;
    let standing = Standing { versions: JumpVersions { customer, ..standing.versions }, ..*standing };
    jump_of(row, &standing, question.now)
}

fn target_of_frame(frame: &PgRow) -> Step<Option<Target>> {
    let is_there: Option<&str> = Cells::of(frame, "target").plain("target_id")?;
    is_there.map(|_| target_of(frame)).transpose()
}

fn customer_row_of(row: &PgRow) -> Step<CustomerRow> {
    let cells = Cells::of(row, "customer");
    Ok(CustomerRow {
        segment: cells.code_or_null("segment")?,
        own_user: cells.id_or_null("user_id", UserId::parse)?,
        private_user: cells.id_or_null("private_user_id", UserId::parse)?,
        commercial_user: cells.id_or_null("commercial_user_id", UserId::parse)?,
        commercial_falls_back: cells.plain("commercial_falls_back")?,
        jump_version: cells.plain("jump_version")?,
    })
}

/// A user as a decision sees him.
pub(super) fn user_of(row: &PgRow) -> Step<CandidateUser> {
    let cells = Cells::of(row, "concenter_user");
    Ok(CandidateUser {
        user_id: cells.id("user_id", UserId::parse)?,
        kind: cells.code("kind")?,
        state: cells.code("state")?,
        has_secret: cells.plain("has_secret")?,
        is_suspect: cells.plain("is_suspect")?,
        scope: scope_of(cells)?,
        reported_end_customer: cells.plain("reported_end_customer")?,
    })
}
