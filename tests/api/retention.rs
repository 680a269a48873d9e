//! What goes because its time is over (`docs/domain.md#retention`), and deleted tenants until they are gone
//! (`docs/domain.md#tenants`).
//!
//! A test does the worker's work at the time that it chooses; two start the service and leave it to its worker. Callers'
//! tokens last a day, so whoever calls after a month comes with a new one.

mod files;

use std::collections::BTreeSet;

use concenter_gateway::app::App;
use concenter_gateway::app::sealing::Reach;
use concenter_gateway::config::RetentionSettings;
use concenter_gateway::domain::retention::{JumpDays, RequestHours, Retention};
use concenter_gateway::proto::admin::v1 as admin;
use concenter_gateway::proto::admin::v1::TenantState;
use concenter_gateway::proto::v1;
use concenter_gateway::proto::v1::UserKind;
use concenter_gateway::worker::retention::{tick_audit, tick_jumps, tick_requests, tick_tenants};
use concenter_gateway::worker::{Outcome, sealing};
use tonic::{Code, Response, Status};

use crate::harness::*;

const DAY: i64 = 86_400;
const MONTH: i64 = 30 * DAY;
const TENANT_MISMATCH: (Code, &str) = (Code::PermissionDenied, "TENANT_MISMATCH");
const NOT_FOUND: (Code, &str) = (Code::NotFound, "NOT_FOUND");
const REVOKED: (Code, &str) = (Code::FailedPrecondition, "JUMP_REVOKED");

/// Old jumps in the test of steps: 40 steps.
const OLD_JUMPS: u64 = 20_000;
/// Answers that the worker of a running service is given time for. It needs a handful.
const TRIES: usize = 10_000;

async fn tick_default_jumps(app: &App) -> Outcome {
    tick_jumps(app, &Retention::DEFAULT).await
}

async fn tick_default_requests(app: &App) -> Outcome {
    tick_requests(app, &Retention::DEFAULT).await
}

async fn get_jump(service: &Service, tenant: &str, jump: &str) -> Result<Response<v1::GetJumpResponse>, Status> {
    service.portal(tenant).jumps().get_jump(v1::GetJumpRequest { jump_id: jump.to_owned() }).await
}

async fn get_tenant(service: &Service, tenant: &str) -> Result<Response<admin::GetTenantResponse>, Status> {
    let get = admin::GetTenantRequest { tenant_id: tenant.to_owned() };
    service.operator().tenants().get_tenant(get).await
}

async fn undelete_tenant(
    service: &Service,
    tenant: &str,
    etag: &str,
) -> Result<Response<admin::UndeleteTenantResponse>, Status> {
    let (tenant_id, etag) = (tenant.to_owned(), etag.to_owned());
    let undelete = admin::UndeleteTenantRequest { request_id: request_id(), tenant_id, etag };
    service.operator().tenants().undelete_tenant(undelete).await
}

/// What the database holds of a tenant, but for what says of itself when it was asked for.
async fn lines_of(service: &Service, tenant: &str) -> Vec<String> {
    let of = format!("tenant_id={tenant}");
    let is_state = |line: &String| !line.starts_with("request_log:") && !line.starts_with("tenant:");
    service.state().await.into_iter().filter(|line| line.contains(&of)).filter(is_state).collect()
}

#[tokio::test]
async fn a_jump_stays_in_the_history_for_30_days_and_not_longer() {
    let world = World::example().await;
    let service = &world.service;
    let old = world.a.jump(X, broker(MEIER)).await.expect("a jump").into_inner().jump_id;
    let stranger = world.b.jump(X, customer(C1)).await.expect("a jump").into_inner().jump_id;
    service.clock.advance(DAY / 2);
    let young = world.a.jump(X, broker(MEIER)).await.expect("a jump").into_inner().jump_id;

    service.clock.advance(MONTH - DAY / 2 - 1);
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Done(0));
    let kept = get_jump(service, &world.a.tenant, &old).await.expect("a jump").into_inner().jump.expect("a jump");
    assert_eq!((kept.jump_id, kept.person_id), (old.clone(), MEIER.to_owned()));

    service.clock.advance(2);
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Done(2), "one of each tenant");
    service.refuses("call", NOT_FOUND, get_jump(service, &world.a.tenant, &old)).await;
    service.refuses("call", NOT_FOUND, get_jump(service, &world.b.tenant, &stranger)).await;
    let list = v1::ListJumpsRequest::default();
    let listed = service.admin(&world.a.tenant).jumps().list_jumps(list).await.expect("a list").into_inner().jumps;
    assert_eq!(listed.into_iter().map(|jump| jump.jump_id).collect::<Vec<_>>(), [young]);
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Done(0));
}

#[tokio::test]
async fn a_damaged_row_of_a_tenant_keeps_no_jump_from_going() {
    let world = World::example().await;
    let service = &world.service;
    world.a.jump(X, broker(MEIER)).await.expect("a jump");
    world.b.jump(X, broker(MEIER)).await.expect("a jump");
    service.clock.advance(MONTH + 1);
    let damage = Sql {
        sqlite: "
            UPDATE tenant
            SET display_name = 'no line' || char(7)
            WHERE tenant_id = (SELECT tenant_id FROM tenant ORDER BY tenant_id LIMIT 1)
        ",
        postgres: "
            UPDATE tenant
            SET display_name = 'no line' || chr(7)
            WHERE tenant_id = (SELECT tenant_id FROM tenant ORDER BY tenant_id LIMIT 1)
        ",
    };
    assert_eq!(service.shell().await.execute(damage, &[]).await.expect("a damaged row"), 1);
    let list = service.operator().tenants().list_tenants(admin::ListTenantsRequest::default()).await;
    assert!(list.is_err(), "it does not read");
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Done(2));
}

#[tokio::test]
async fn a_tenant_whose_jumps_cannot_go_keeps_no_others() {
    let world = World::example().await;
    let service = &world.service;
    world.a.jump(X, broker(MEIER)).await.expect("a jump");
    world.b.jump(X, broker(MEIER)).await.expect("a jump");
    service.clock.advance(MONTH + 1);
    let trigger = Sql {
        sqlite: "
            CREATE TRIGGER the_first_tenants_stay
            BEFORE DELETE ON jump
            WHEN OLD.tenant_id = (SELECT tenant_id FROM tenant ORDER BY tenant_id LIMIT 1)
            BEGIN
                SELECT RAISE(ABORT, 'kept');
            END
        ",
        // As the owner: the service is shown one tenant at a time.
        postgres: "
            CREATE FUNCTION keep_the_first_tenants() RETURNS TRIGGER
            LANGUAGE plpgsql
            SECURITY DEFINER
            AS $$
            BEGIN
                IF OLD.tenant_id = (SELECT tenant_id FROM tenant ORDER BY tenant_id LIMIT 1) THEN
                    RAISE EXCEPTION 'kept';
                END IF;
                RETURN OLD;
            END;
            $$;
            CREATE TRIGGER the_first_tenants_stay
            BEFORE DELETE ON jump
            FOR EACH ROW
            EXECUTE FUNCTION keep_the_first_tenants();
        ",
    };
    service.shell().await.execute(trigger, &[]).await.expect("a trigger");
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Failed, "the log says so");
    let left = "SELECT count(*) FROM jump WHERE tenant_id <> (SELECT tenant_id FROM tenant ORDER BY tenant_id LIMIT 1)";
    assert_eq!(service.reader().await.integer(left, &[]).await, 0);
    let no_trigger =
        Sql { sqlite: "DROP TRIGGER the_first_tenants_stay", postgres: "DROP TRIGGER the_first_tenants_stay ON jump" };
    service.shell().await.execute(no_trigger, &[]).await.expect("no trigger");
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Done(1), "the next run takes it up");
}

/// J12
#[tokio::test]
async fn a_token_whose_jump_is_gone_opens_nothing() {
    let world = World::example().await;
    let by_token = proof(world.a.jump(X, broker(MEIER)).await.expect("a jump").get_ref());
    let by_handle = proof(world.a.jump(Y, broker(MEIER)).await.expect("a jump").get_ref());
    let redeemed = proof(world.a.jump(X, broker(MEIER)).await.expect("a jump").get_ref());
    world.redeem(X, redeemed.clone()).await.expect("a redemption");
    world.service.clock.advance(MONTH + 1);
    assert_eq!(tick_default_jumps(world.service.app()).await, Outcome::Done(3));

    let expired = (Code::FailedPrecondition, "JUMP_EXPIRED");
    for proof in [by_token, redeemed] {
        world.service.refuses("jump.redeem", expired, world.redeem(X, proof)).await;
    }
    let status = status_of(world.redeem(Y, by_handle).await);
    assert_eq!(reason(&status), (Code::PermissionDenied, "JUMP_INVALID".to_owned()));
}

/// J19
#[tokio::test]
async fn the_request_of_a_jump_is_known_as_long_as_the_jump() {
    let world = World::example().await;
    let service = &world.service;
    let wish = to(X, Some(broker(MEIER)));
    let old = world.a.portal.jumps().jump_to_tarif(wish.clone()).await.expect("a jump").into_inner().jump_id;
    service.clock.advance(MONTH - 1);
    assert!(matches!(tick_default_requests(service.app()).await, Outcome::Done(1..)));
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Done(0));
    let again = service.portal(&world.a.tenant).jumps().jump_to_tarif(wish.clone()).await;
    assert_eq!(reason(&status_of(again)), (Code::FailedPrecondition, "JUMP_EXPIRED".to_owned()));

    service.clock.advance(2);
    assert_eq!(tick_default_jumps(service.app()).await, Outcome::Done(1));
    let anew = service.portal(&world.a.tenant).jumps().jump_to_tarif(wish).await.expect("a jump").into_inner();
    assert_ne!(anew.jump_id, old);
}

#[tokio::test]
async fn a_request_id_means_the_same_request_for_24_hours_and_then_nothing() {
    let world = World::example().await;
    let service = &world.service;
    assert_eq!(tick_default_requests(service.app()).await, Outcome::Done(0));
    let new = user("A", "neu", UserKind::Broker, all());
    let other = v1::CreateUserRequest { user_name: "anders".to_owned(), ..new.clone() };
    let made = world.a.admin.users().create_user(new.clone()).await.expect("a user").into_inner();

    service.clock.advance(DAY - 1);
    assert_eq!(tick_default_requests(service.app()).await, Outcome::Done(0));
    let a = service.admin(&world.a.tenant);
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED");
    service.refuses("user.create", reused, a.users().create_user(other.clone())).await;
    assert_eq!(a.users().create_user(new).await.expect("the same user").into_inner(), made);

    service.clock.advance(2);
    assert!(matches!(tick_default_requests(service.app()).await, Outcome::Done(1..)));
    let anew = service.admin(&world.a.tenant).users().create_user(other).await.expect("a user").into_inner();
    assert_ne!(anew.user.expect("a user").user_id, made.user.expect("a user").user_id);
}

#[tokio::test]
async fn an_operators_request_id_goes_as_that_of_any_caller() {
    let service = Service::start().await;
    let new = |request_id: &str, name: &str| admin::CreateTenantRequest {
        request_id: request_id.to_owned(),
        display_name: name.to_owned(),
        create_standard_user: None,
    };
    let id = request_id();
    service.operator().tenants().create_tenant(new(&id, "eins")).await.expect("a tenant");
    service.clock.advance(DAY + 1);
    assert_eq!(tick_default_requests(service.app()).await, Outcome::Done(1));
    assert!(service.operator().tenants().create_tenant(new(&id, "zwei")).await.is_ok());
}

#[tokio::test]
async fn what_is_deleted_in_steps_keeps_nobody_from_jumping() {
    let world = World::example().await;
    let service = &world.service;
    // So that a copy of it, made a month later, is not the 31st jump of somebody within a minute.
    let old = world.a.jump(X, broker(SCHULZE)).await.expect("a jump").into_inner().jump_id;
    copy_jump(service, &old, OLD_JUMPS - 1).await;
    service.clock.advance(MONTH + 1);

    let portal = service.portal(&world.a.tenant);
    let jumping = async |deleted: &tokio::sync::watch::Receiver<bool>| {
        let mut jumped = 0;
        loop {
            let person = customer_of(&format!("neu-{jumped}"), Some(v1::Segment::Private));
            let jump = portal.jumps().jump_to_tarif(to(X, Some(person))).await;
            assert!(jump.is_ok(), "jump {jumped}: {:?}", jump.err());
            jumped += 1;
            if *deleted.borrow() {
                return jumped;
            }
        }
    };
    let (done, is_done) = tokio::sync::watch::channel(false);
    let deleting = async {
        let outcome = tick_default_jumps(service.app()).await;
        done.send(true).expect("somebody jumps");
        outcome
    };
    let (outcome, jumped) = tokio::join!(deleting, jumping(&is_done));
    assert_eq!(outcome, Outcome::Done(OLD_JUMPS));
    let left = service.reader().await.integer("SELECT count(*) FROM jump", &[]).await;
    assert_eq!(left, jumped, "those of meanwhile, and no old one");
}

/// Makes `count` copies of a jump, each with keys of its own.
async fn copy_jump(service: &Service, jump: &str, count: u64) {
    let copies = Sql {
        sqlite: "
            WITH RECURSIVE copy (number) AS (
                SELECT 1
                UNION ALL
                SELECT number + 1
                FROM copy
                WHERE number < CAST($2 AS INTEGER)
            )
            INSERT INTO jump (
                tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, target_id, user_id,
                way, subject, issued_at, expires_at, epoch, config_version, catalog_version
            )
            SELECT
                -- The end of the id is random; its beginning tells the time.
                tenant_id, substr(jump_id, 1, 24) || printf('%012d', number), randomblob(32), caller,
                substr(request_id, 1, 24) || printf('%012x', 0xF00000000000 + number), content, person_kind, person_id,
                target_id, user_id, way, subject, issued_at, expires_at, epoch, config_version, catalog_version
            FROM jump, copy
            WHERE jump_id = $1
        ",
        postgres: "
            INSERT INTO jump (
                tenant_id, jump_id, jti_hash, caller, request_id, content, person_kind, person_id, target_id, user_id,
                way, subject, issued_at, expires_at, epoch, config_version, catalog_version
            )
            SELECT
                tenant_id, (left(jump_id::TEXT, 24) || lpad(number::TEXT, 12, '0'))::UUID,
                sha256(number::TEXT::BYTEA), caller,
                (left(request_id::TEXT, 24) || 'f' || lpad(to_hex(number), 11, '0'))::UUID, content, person_kind,
                person_id, target_id, user_id, way, subject, issued_at, expires_at, epoch, config_version,
                catalog_version
            FROM jump, generate_series(1, $2::BIGINT) AS number
            WHERE jump_id = $1::UUID
        ",
    };
    let copied = service.shell().await.execute(copies, &[jump, &count.to_string()]).await;
    assert_eq!(copied.expect("copies"), count);
}

#[tokio::test]
async fn the_service_does_all_this_by_itself() {
    let world = World::example().await;
    let jump = world.a.jump(X, broker(MEIER)).await.expect("a jump").into_inner().jump_id;
    let new = user("A", "neu", UserKind::Broker, all());
    world.a.admin.users().create_user(new.clone()).await.expect("a user");
    world.delete(&world.b.tenant).await;
    let World { service, a, b } = world;
    let (tenant, deleted) = (a.tenant.clone(), b.tenant.clone());
    drop((a, b));
    service.clock.advance(MONTH + 1);

    // Whatever the end of a service cuts off, the next start takes up.
    let service = service.restart(|_| {}).await.restart(|_| {}).await;
    eventually("the old jump goes", async || get_jump(&service, &tenant, &jump).await.err()).await;
    eventually("the deleted tenant goes", async || get_tenant(&service, &deleted).await.err()).await;
    eventually("the request id means nothing", async || {
        let other = v1::CreateUserRequest { user_name: "anders".to_owned(), ..new.clone() };
        service.admin(&tenant).users().create_user(other).await.ok()
    })
    .await;
}

#[tokio::test]
async fn the_service_keeps_everything_as_long_as_its_settings_say() {
    let World { service, a, b } = World::example().await;
    let old = a.jump(X, broker(MEIER)).await.expect("a jump").into_inner().jump_id;
    let new = user("A", "neu", UserKind::Broker, all());
    a.admin.users().create_user(new.clone()).await.expect("a user");
    let tenant = a.tenant.clone();
    drop((a, b));
    service.clock.advance(3 * DAY);
    let young = service.portal(&tenant).jumps().jump_to_tarif(to(X, Some(broker(MEIER)))).await.expect("a jump");

    let jumps = JumpDays::parse("2").expect("days");
    let requests = RequestHours::parse("720").expect("hours");
    let settings = RetentionSettings { jumps, requests, ..RetentionSettings::DEFAULT };
    let service = service.restart(|server| server.retention = settings).await;
    eventually("the old jump goes", async || get_jump(&service, &tenant, &old).await.err()).await;
    assert!(get_jump(&service, &tenant, &young.get_ref().jump_id).await.is_ok());
    // The worker's own look at the requests may still be under way; this is one more, by the same settings.
    assert_eq!(tick_requests(service.app(), &settings.into()).await, Outcome::Done(0));
    let other = v1::CreateUserRequest { user_name: "anders".to_owned(), ..new };
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED");
    service.refuses("user.create", reused, service.admin(&tenant).users().create_user(other)).await;
}

/// Asks again and again, until there is something.
async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) {
    for _ in 0..TRIES {
        if ask().await.is_some() {
            return;
        }
    }
    panic!("{what}: not within {TRIES} answers");
}

#[tokio::test]
async fn a_deleted_tenant_turns_everybody_away_at_once() {
    let world = World::example().await;
    let service = &world.service;
    let deleted = world.delete(&world.a.tenant).await;
    assert_eq!(deleted.state(), TenantState::Deleted);
    let destroyed_after = deleted.destroyed_after.expect("an instant").seconds;
    assert_eq!(destroyed_after, service.now() + MONTH);

    let status = service.refuses("call", TENANT_MISMATCH, world.a.jump(X, broker(MEIER))).await;
    let list = v1::ListUsersRequest::default();
    service.refuses("call", TENANT_MISMATCH, world.a.admin.users().list_users(list)).await;
    let new = user("A", "neu", UserKind::Broker, all());
    service.refuses("call", TENANT_MISMATCH, world.a.admin.users().create_user(new)).await;
    let list = v1::ListJumpsRequest::default();
    let meier = service.broker(&world.a.tenant, MEIER, "meier");
    service.refuses("call", TENANT_MISMATCH, meier.jumps().list_jumps(list)).await;
    let targets = v1::ListTargetsRequest::default();
    let c1 = service.customer(&world.a.tenant, C1, C1);
    service.refuses("call", TENANT_MISMATCH, c1.catalog().list_targets(targets)).await;

    // As if it had never been.
    let never = service.portal(NOBODY).jumps().jump_to_tarif(to(X, Some(broker(MEIER)))).await;
    same_bytes(&status, &status_of(never), "a deleted tenant and one that never was");
    assert!(world.b.jump(X, broker(MEIER)).await.is_ok(), "another tenant goes on");
}

#[tokio::test]
async fn deleting_a_tenant_revokes_its_open_jumps_and_no_others() {
    let world = World::example().await;
    let own = proof(world.a.jump(X, customer(C1)).await.expect("a jump").get_ref());
    let strangers = proof(world.b.jump(X, customer(C1)).await.expect("a jump").get_ref());
    world.delete(&world.a.tenant).await;
    let status = world.service.refuses("jump.redeem", REVOKED, world.redeem(X, own)).await;
    assert!(!everything(&status).contains("geheim"));
    assert!(world.redeem(X, strangers).await.is_ok());
}

#[tokio::test]
async fn a_deletion_is_taken_back_within_30_days_with_all_that_the_tenant_had() {
    let world = World::example().await;
    let (service, tenant) = (&world.service, world.a.tenant.as_str());
    let revoked = proof(world.a.jump(X, customer(C1)).await.expect("a jump").get_ref());
    let before = lines_of(service, tenant).await;
    assert!(before.len() > 10, "{before:?}");
    world.delete(tenant).await;
    service.clock.advance(MONTH - 1);
    assert_eq!(tick_tenants(service.app()).await, Outcome::Done(0));

    let not_yet = (Code::FailedPrecondition, "TENANT_DELETED");
    service.refuses("tenant.start", not_yet, world.start(tenant)).await;
    let back = world.undelete(tenant).await;
    assert_eq!((back.state(), back.destroyed_after), (TenantState::Stopped, None));
    assert_eq!(lines_of(service, tenant).await, before);

    world.start(tenant).await.expect("a tenant that runs");
    service.clock.advance(2);
    assert_eq!(tick_tenants(service.app()).await, Outcome::Done(0), "the 30 days are over, the deletion is not");
    let jump = service.portal(tenant).jumps().jump_to_tarif(to(X, Some(customer(C1)))).await.expect("a jump");
    let redeemed = world.redeem(X, proof(jump.get_ref())).await.expect("a redemption").into_inner();
    assert_eq!(redeemed.concenter_user_name, "privatkunden");
    assert_eq!(redeemed.password.as_deref(), Some(password("A", "privatkunden").as_str()));
    assert!(world.redeem(X, revoked).await.is_err(), "what was revoked stays so");
}

/// I9
#[tokio::test]
async fn after_30_days_a_deleted_tenant_is_gone_but_for_the_audit_log() {
    let world = World::example().await;
    let (service, tenant) = (&world.service, world.a.tenant.as_str());
    world.arrive(X, customer(C1)).await;
    // Somebody is to be told of it, and never is.
    let v1::ConcenterUser { user_id, etag, .. } = world.a.user(&world.a.private).await;
    let remote_end_customer = v1::RemoteEndCustomer::No.into();
    let attest = v1::AttestEndCustomerRequest { request_id: request_id(), user_id, etag, remote_end_customer };
    world.a.admin.users().attest_end_customer(attest).await.expect("noted");
    let deleted = world.delete(tenant).await;
    // Whatever is written is sealed within a second: here at once.
    assert!(matches!(sealing::tick(service.app(), Reach::Everybody).await, Outcome::Done(_)));
    let (strangers, audit) = (lines_of(service, &world.b.tenant).await, service.audit().await);
    assert!(
        rows_of(service, tenant)
            .await
            .iter()
            .all(|(table, rows)| *rows > 0 || ["audit_floor", "request_log"].contains(table))
    );

    service.clock.advance(MONTH + 1);
    assert_eq!(tick_tenants(service.app()).await, Outcome::Done(1));
    let left: Vec<_> = rows_of(service, tenant).await.into_iter().filter(|(_, rows)| *rows > 0).collect();
    let in_the_log = audit.iter().filter(|row| row.tenant == tenant).count();
    let in_the_log = i64::try_from(in_the_log).expect("a count");
    assert_eq!(left, [("audit_entry", in_the_log), ("audit_seal", in_the_log)], "and it is sealed");
    assert_eq!(lines_of(service, &world.b.tenant).await, strangers);
    let of_the_end = AuditRow {
        tenant: "00000000-0000-0000-0000-000000000000".to_owned(),
        role: "service".to_owned(),
        action: "tenant.destroy".to_owned(),
        object: Some(tenant.to_owned()),
        reason: None,
    };
    assert_eq!(service.audit_since(&audit).await, [of_the_end]);

    // Once is enough, and nobody takes it back.
    assert_eq!(tick_tenants(service.app()).await, Outcome::Done(0));
    service.refuses("call", NOT_FOUND, get_tenant(service, tenant)).await;
    service.refuses("tenant.undelete", NOT_FOUND, undelete_tenant(service, tenant, &deleted.etag)).await;
    let jump = service.portal(tenant).jumps().jump_to_tarif(to(X, Some(customer(C1)))).await;
    assert_eq!(reason(&status_of(jump)), (TENANT_MISMATCH.0, TENANT_MISMATCH.1.to_owned()));
    // Whoever knocks with a token of old is turned away and not made known.
    let salts = rows_of(service, tenant).await.into_iter().find(|(table, _)| *table == "person_salt");
    assert_eq!(salts, Some(("person_salt", 0)));
    assert!(service.portal(&world.b.tenant).jumps().jump_to_tarif(to(X, Some(customer(C1)))).await.is_ok());
}

#[tokio::test]
async fn the_keys_of_a_tenant_are_destroyed_before_its_rows_go() {
    let world = World::example().await;
    let (service, tenant) = (&world.service, world.a.tenant.as_str());
    // Somebody keeps a row that does not let go of the tenant's: all that can be destroyed are the keys.
    let trigger = Sql {
        sqlite: "
            CREATE TRIGGER nothing_goes
            BEFORE DELETE ON customer_access
            BEGIN
                SELECT RAISE(ABORT, 'kept');
            END
        ",
        postgres: "
            CREATE TRIGGER nothing_goes
            BEFORE DELETE ON customer_access
            FOR EACH ROW
            EXECUTE FUNCTION concenter_refuse('kept')
        ",
    };
    service.shell().await.execute(trigger, &[]).await.expect("a trigger");
    let deleted = world.delete(tenant).await;
    world.delete(&world.b.tenant).await;
    service.clock.advance(MONTH + 1);
    assert_eq!(tick_tenants(service.app()).await, Outcome::Failed);
    let keys = "SELECT sum(length(wrapped_dek) + length(sealed_mac_key)) FROM tenant";
    assert_eq!(service.reader().await.integer(keys, &[]).await, 0, "one that fails does not keep the next one's keys");
    assert!(rows_of(service, tenant).await.iter().any(|(table, rows)| *table == "customer_access" && *rows == 1));
    service.refuses("tenant.undelete", NOT_FOUND, undelete_tenant(service, tenant, &deleted.etag)).await;

    let no_trigger =
        Sql { sqlite: "DROP TRIGGER nothing_goes", postgres: "DROP TRIGGER nothing_goes ON customer_access" };
    service.shell().await.execute(no_trigger, &[]).await.expect("no trigger");
    assert_eq!(tick_tenants(service.app()).await, Outcome::Done(2), "the next run takes it up");
}

/// What verifying a firm's log finds, by an administrator with a token of now.
async fn report_of(world: &World, tenant: &str) -> v1::VerifyAuditLogResponse {
    let admin = world.service.admin(tenant).audit();
    { admin }.verify_audit_log(v1::VerifyAuditLogRequest {}).await.expect("a report").into_inner()
}

#[tokio::test]
async fn the_audit_log_goes_three_years_after_the_end_of_its_own() {
    let world = World::example().await;
    let app = world.service.app();
    app.seal_audit_logs(Reach::Everybody).await.expect("seals");
    let before = report_of(&world, &world.a.tenant).await;
    assert!(before.sealed_entries > 5 && before.dropped_entries == 0, "{before:?}");
    // 2030-01-01T00:00:00Z. The rows are of March 2026, and so 36 months old since March 2029.
    let end = 1_893_456_000;
    world.service.clock.set(end - 1);
    assert_eq!(tick_audit(app, &Retention::DEFAULT).await, Outcome::Done(0));
    world.service.clock.set(end);
    let Outcome::Done(dropped) = tick_audit(app, &Retention::DEFAULT).await else { panic!("it failed") };
    assert!(dropped > 0);
    assert_eq!(tick_audit(app, &Retention::DEFAULT).await, Outcome::Done(0), "once");
    app.seal_audit_logs(Reach::Everybody).await.expect("seals");
    let after = report_of(&world, &world.a.tenant).await;
    assert_eq!(after.fault(), v1::AuditFault::Unspecified, "{after:?}");
    // The newest one of then stays, and the row that tells of it is new.
    assert_eq!((after.dropped_entries, after.sealed_entries), (before.sealed_entries - 1, 2), "{after:?}");
    let listed =
        world.service.admin(&world.a.tenant).audit().list_audit_entries(v1::ListAuditEntriesRequest::default()).await;
    let listed = listed.expect("a list").into_inner().entries;
    assert_eq!(
        listed.first().map(|entry| (entry.action.as_str(), entry.role.as_str())),
        Some(("audit.drop", "service"))
    );
}

#[tokio::test]
async fn a_floor_that_somebody_raised_by_hand_lets_nothing_go_and_is_found() {
    let world = World::example().await;
    let app = world.service.app();
    app.seal_audit_logs(Reach::Everybody).await.expect("seals");
    let raise = Sql {
        sqlite: "INSERT INTO audit_floor (tenant_id, seq, hash, signed)
            SELECT tenant_id, seq, hash, 'x' FROM audit_seal WHERE seq = 3 AND tenant_id = $1",
        postgres: "INSERT INTO audit_floor (tenant_id, seq, hash, signed)
            SELECT tenant_id, seq, hash, 'x' FROM audit_seal WHERE seq = 3 AND tenant_id::TEXT = $1",
    };
    let mut shell = world.service.shell().await;
    assert_eq!(shell.execute(raise, &[&world.a.tenant]).await.expect("a floor on a seal"), 1);
    drop(shell);
    let before = rows_of(&world.service, &world.a.tenant).await;
    assert_eq!(tick_audit(app, &Retention::DEFAULT).await, Outcome::Done(0));
    assert_eq!(rows_of(&world.service, &world.a.tenant).await, before);
    let report = report_of(&world, &world.a.tenant).await;
    assert_eq!((report.fault(), report.fault_seq), (v1::AuditFault::FloorForged, 3));
    assert_eq!(report_of(&world, &world.b.tenant).await.fault(), v1::AuditFault::Unspecified);
}

#[tokio::test]
async fn what_somebody_changed_is_not_signed_away() {
    let world = World::example().await;
    let app = world.service.app();
    app.seal_audit_logs(Reach::Everybody).await.expect("seals");
    // A role in which nobody has called: rows of one instant are sealed in any order, and this must change whichever is second.
    let change = Sql {
        sqlite: "UPDATE audit_entry SET role = 'broker' WHERE tenant_id = $1
            AND audit_id = (SELECT audit_id FROM audit_seal WHERE tenant_id = $1 AND seq = 2)",
        postgres: "UPDATE audit_entry SET role = 'broker' WHERE tenant_id::TEXT = $1
            AND audit_id = (SELECT audit_id FROM audit_seal WHERE tenant_id::TEXT = $1 AND seq = 2)",
    };
    let mut shell = world.service.lawless_shell().await;
    let no_guard = Sql {
        sqlite: "DROP TRIGGER audit_entry_is_never_changed",
        postgres: "ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_is_never_changed",
    };
    shell.execute(no_guard, &[]).await.expect("no guard");
    assert_eq!(shell.execute(change, &[&world.a.tenant]).await.expect("by force"), 1);
    drop(shell);
    world.service.clock.set(1_893_456_000);
    assert!(matches!(tick_audit(app, &Retention::DEFAULT).await, Outcome::Done(1..)), "the others go all the same");
    let report = report_of(&world, &world.a.tenant).await;
    assert_eq!((report.fault(), report.fault_seq), (v1::AuditFault::RowChanged, 2));
    assert_eq!(report.dropped_entries, 0);
}

/// How many rows of a tenant stand in each table that has tenants.
async fn rows_of(service: &Service, tenant: &str) -> Vec<(&'static str, i64)> {
    const TABLES: &[(&str, &str)] = &[
        ("activation_broker", "SELECT count(*) FROM activation_broker WHERE CAST(tenant_id AS TEXT) = $1"),
        ("audit_entry", "SELECT count(*) FROM audit_entry WHERE CAST(tenant_id AS TEXT) = $1"),
        ("audit_floor", "SELECT count(*) FROM audit_floor WHERE CAST(tenant_id AS TEXT) = $1"),
        ("audit_seal", "SELECT count(*) FROM audit_seal WHERE CAST(tenant_id AS TEXT) = $1"),
        ("broker_activation", "SELECT count(*) FROM broker_activation WHERE CAST(tenant_id AS TEXT) = $1"),
        ("concenter_user", "SELECT count(*) FROM concenter_user WHERE CAST(tenant_id AS TEXT) = $1"),
        ("customer", "SELECT count(*) FROM customer WHERE CAST(tenant_id AS TEXT) = $1"),
        ("customer_access", "SELECT count(*) FROM customer_access WHERE CAST(tenant_id AS TEXT) = $1"),
        ("jump", "SELECT count(*) FROM jump WHERE CAST(tenant_id AS TEXT) = $1"),
        ("notice", "SELECT count(*) FROM notice WHERE CAST(tenant_id AS TEXT) = $1"),
        ("person_salt", "SELECT count(*) FROM person_salt WHERE CAST(tenant_id AS TEXT) = $1"),
        ("request_log", "SELECT count(*) FROM request_log WHERE CAST(tenant_id AS TEXT) = $1"),
        ("tenant", "SELECT count(*) FROM tenant WHERE CAST(tenant_id AS TEXT) = $1"),
        ("tenant_settings", "SELECT count(*) FROM tenant_settings WHERE CAST(tenant_id AS TEXT) = $1"),
    ];
    let mut reader = service.reader().await;
    let known = Sql {
        sqlite: "
            SELECT t.name
            FROM sqlite_schema AS t
            JOIN pragma_table_info(t.name) AS c ON c.name = 'tenant_id'
            WHERE t.type = 'table'
            ORDER BY t.name
        ",
        postgres: "
            SELECT c.relname::TEXT
            FROM pg_class AS c
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
            WHERE c.relnamespace = 'public'::REGNAMESPACE
              AND c.relkind = 'r'
            ORDER BY c.relname
        ",
    };
    let known = reader.texts(known, &[]).await;
    let counted: BTreeSet<_> = TABLES.iter().map(|(table, _)| *table).collect();
    assert_eq!(known, counted.into_iter().collect::<Vec<_>>(), "a table that has tenants, and is not looked into");
    let mut rows = Vec::new();
    for (table, count) in TABLES {
        rows.push((*table, reader.integer(*count, &[tenant]).await));
    }
    rows
}
