//! Opening, closing and losing a database of the SQLite engine.

use std::fs;
use std::sync::Arc;

use concenter_gateway::domain::audit::Action;
use concenter_gateway::domain::error::Version;
use concenter_gateway::domain::ids::TenantId;
use concenter_gateway::domain::jump::{JumpState, JumpVersions, ProofHash, RedeemOutcome};
use concenter_gateway::domain::provider::State;
use concenter_gateway::domain::settings::Settings;
use concenter_gateway::domain::signing::KeyTimes;
use concenter_gateway::domain::tenant::TenantState;
use concenter_gateway::domain::time::Timestamp;
use concenter_gateway::store::sqlite::{OpenError, SqliteStore};
use concenter_gateway::store::{ServiceStore as _, StoreError, UserStore as _};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use crate::fixture::jump::{for_broker, for_customer};
use crate::fixture::{done, first, target};
use crate::sqlite::{DATABASE, opened, reopened, shell};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
/// The tenant A of `rules/seed.sql`.
const FIRM: &str = "00000000-0000-7000-8000-00000000000a";
#[tokio::test]
async fn a_second_open_of_a_directory_is_refused_and_names_the_holder() {
    let (_h, _store, directory) = opened().await;
    let refused = SqliteStore::open(directory.path()).await.expect_err("it is held");
    let OpenError::Held { path, pid } = &refused else { panic!("not held: {refused:?}") };
    assert_eq!((path.as_path(), *pid), (directory.path().join("concenter.lock").as_path(), Some(std::process::id())));
    let told = refused.to_string();
    assert!(told.contains(&std::process::id().to_string()), "{told}");
    assert!(told.contains(&path.display().to_string()), "{told}");
}

/// F20: what would be made for an empty database would open nothing in this one.
#[tokio::test]
async fn a_database_with_data_and_without_its_service_is_not_taken_for_an_empty_one() {
    let (h, _store, directory) = opened().await;
    h.example().await;
    let mut shell = shell(directory.path(), false).await;
    for sql in ["DROP TRIGGER service_is_never_deleted", "DELETE FROM service"] {
        sqlx::query(sql).execute(&mut shell).await.expect(sql);
    }
    let refused = h.store.load_service().await.expect_err("a damaged database");
    assert!(matches!(refused, StoreError::Corrupt { table: "service" }), "{refused:?}");
}

#[tokio::test]
async fn a_closed_directory_opens_again_with_everything_in_it() {
    let (h, store, directory) = opened().await;
    let firm = h.example().await;
    let service = h.store.load_service().await.expect("an answer");
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    store.close().await;
    let (again, _store) = reopened(&directory).await;
    assert_eq!(again.store.load_service().await.expect("an answer"), service);
    let inputs = again.redeem_inputs(&firm.tenant, &jump.jti_hash).await.expect("the jump");
    assert_eq!((inputs.state, &inputs.jump), (JumpState::Issued, &jump));
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let (h, _store, directory) = opened().await;
    let firm = h.example().await;
    let jump = h.issue(&firm.tenant, for_broker("m.meier")).await;
    assert_eq!(h.redeem(&firm.tenant, &jump).await, RedeemOutcome::Redeemed);
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    // What a killed process leaves behind: the database and its log, nothing written back, no index of the log.
    let killed = Arc::new(tempfile::tempdir().expect("a directory"));
    for name in [DATABASE, "concenter.db-wal"] {
        fs::copy(directory.path().join(name), killed.path().join(name)).expect("a copy");
    }
    let (again, _store) = reopened(&killed).await;
    assert_eq!(again.user(&firm.tenant, &firm.meier).await.state, State::Disabled);
    assert_eq!(again.redeem(&firm.tenant, &jump).await, RedeemOutcome::AlreadyRedeemed);
    assert_eq!(again.accepted(&firm.tenant, Action::DisableUser).await, 1);
}

#[tokio::test]
async fn a_store_opened_for_reading_follows_the_server_and_writes_nothing() {
    let (h, _store, directory) = opened().await;
    let firm = h.example().await;
    let reader = SqliteStore::open_read_only(directory.path()).await.expect("a reader");
    let seen = async || reader.get_user(&firm.tenant, &firm.meier).await.expect("an answer").expect("a user").state;
    assert_eq!(seen().await, State::Active);
    h.set_user_state(&firm, &firm.meier, State::Disabled).await;
    assert_eq!(seen().await, State::Disabled);
    let effect = h.effect(firm.tenant, Action::EnableUser);
    let version = Version::from_number(2);
    let refused = reader.set_user_state(&firm.tenant, &effect, &firm.meier, version, State::Active).await;
    assert!(matches!(refused, Err(StoreError::Down(_))), "{refused:?}");
    assert_eq!(seen().await, State::Disabled);
}

#[tokio::test]
async fn a_reader_does_not_keep_the_server_out() {
    let (h, store, directory) = opened().await;
    let firm = h.example().await;
    store.close().await;
    let _reader = SqliteStore::open_read_only(directory.path()).await.expect("a reader");
    let (again, _store) = reopened(&directory).await;
    again.set_user_state(&firm, &firm.meier, State::Disabled).await;
}

#[tokio::test]
async fn a_closed_store_is_down() {
    let (h, store, _directory) = opened().await;
    let firm = h.example().await;
    store.close().await;
    let read = store.get_user(&firm.tenant, &firm.meier).await;
    assert!(matches!(read, Err(StoreError::Down(_))), "{read:?}");
    let effect = h.effect(firm.tenant, Action::DisableUser);
    let written = store.set_user_state(&firm.tenant, &effect, &firm.meier, Version::FIRST, State::Disabled).await;
    assert!(matches!(written, Err(StoreError::Down(_))), "{written:?}");
    assert!(matches!(store.check().await, Err(StoreError::Down(_))));
}

#[tokio::test]
async fn closing_lets_the_writes_that_wait_finish() {
    let (h, store, directory) = opened().await;
    let firm = h.example().await;
    let hold = store.hold_writer().await.expect("the writer stands still");
    let effect = h.effect(firm.tenant, Action::DisableUser);
    let write = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.set_user_state(&firm.tenant, &effect, &firm.meier, Version::FIRST, State::Disabled).await
        })
    };
    while hold.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    let closing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.close().await })
    };
    while hold.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    closing.await.expect("it closes");
    assert_eq!(done(write.await.expect("it ends")).state, State::Disabled);
    let (again, _store) = reopened(&directory).await;
    assert_eq!(again.user(&firm.tenant, &firm.meier).await.state, State::Disabled);
}

/// Makes a database as the service did before it knew settings, with rows in it.
async fn made_of_schema_5() -> Arc<TempDir> {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let options = SqliteConnectOptions::new().filename(directory.path().join(DATABASE)).create_if_missing(true);
    let mut connection = options.foreign_keys(true).connect().await.expect("a database");
    let first_five = MIGRATIONS.iter().filter(|migration| migration.version <= 5).cloned().collect();
    Migrator::with_migrations(first_five).run_direct(None, &mut connection, false).await.expect("schema 5");
    sqlx::raw_sql(include_str!("rules/seed.sql")).execute(&mut connection).await.expect("the seed is good");
    let key = "
        INSERT INTO signing_key (kid, purpose, state, sealed_private, created_at)
        VALUES ('current-jump-key-00000000000000000000000000', 'jump', 'current', x'00', 1)";
    sqlx::query(key).execute(&mut connection).await.expect("a key");
    let requests = "
        INSERT INTO request_log (tenant_id, caller, request_id, content, resource, created_at)
        SELECT ?1, randomblob(32), value || '-0000-7000-8000-000000000000', zeroblob(32), resource, 1
        FROM (
            SELECT '00000001' AS value, 'k-1' AS resource
            UNION ALL
            SELECT '00000002', '1 0 0'
            UNION ALL
            SELECT '00000003', user_id
            FROM concenter_user
            WHERE user_name = 'schulze'
        )";
    sqlx::query(requests).bind(FIRM).execute(&mut connection).await.expect("three requests");
    connection.close().await.expect("it closes");
    directory
}

#[tokio::test]
async fn a_database_of_an_earlier_schema_is_brought_up_to_date_with_everything_in_it() {
    let directory = made_of_schema_5().await;
    let refused = SqliteStore::open_read_only(directory.path()).await.expect_err("an earlier schema");
    assert!(matches!(refused, OpenError::SchemaOlder { .. }), "{refused:?}");
    let (h, _store) = reopened(&directory).await;
    let tenant = TenantId::parse(FIRM).expect("an id");
    let firm = h.tenant(&tenant).await;
    assert_eq!((firm.state, firm.deleted_at, firm.version), (TenantState::Active, None, Version::FIRST));
    assert_eq!(h.settings(&tenant).await, Settings::INITIAL);
    assert!(h.store.tenant_keys(&tenant).await.expect("an answer").is_some());
    assert_eq!(h.store.list_users(&tenant, &first(10)).await.expect("a page").rows.len(), 6);
    assert_eq!(h.store.list_customers(&tenant, None, &first(10)).await.expect("a page").rows.len(), 2);
    let decided_on = async |id| h.inputs(&tenant, &for_customer(id)).await.versions;
    assert_eq!(decided_on("k-1").await, JumpVersions { config: 5, customer: Some(5), catalog: 5 });
    assert_eq!(h.inspect.count_jumps(&tenant).await, 2);
    let open = h.redeem_inputs(&tenant, &ProofHash([0; 32])).await.expect("the jump of the seed");
    assert_eq!(open.state, JumpState::Expired);
    let service = h.store.load_service().await.expect("an answer").expect("a service");
    let [key] = service.signing_keys.as_slice() else { panic!("one key: {service:?}") };
    assert_eq!(key.times, KeyTimes::new(Timestamp::from_unix_micros(1), Timestamp::from_unix_micros(1)));
}

/// Portals name a return URL letter by letter, so it stays what it was.
#[tokio::test]
async fn urls_of_an_earlier_schema_stay_as_they_were_registered() {
    let directory = made_of_schema_5().await;
    let mut shell = shell(directory.path(), true).await;
    for sql in [
        "UPDATE target SET url = 'https://{x}.example/?u={user}' WHERE target_id = 'rechner'",
        "UPDATE return_url SET url = 'https://portal.example/?{x}'",
    ] {
        sqlx::query(sql).execute(&mut shell).await.expect(sql);
    }
    shell.close().await.expect("it closes");
    let (h, _store) = reopened(&directory).await;
    let rechner = h.store.get_target(&target("rechner")).await.expect("an answer").expect("the target");
    assert_eq!(rechner.url.as_str(), "https://{x}.example/?u={user}");
    let return_urls = h.store.list_return_urls(&first(10)).await.expect("a page").rows;
    let found: Vec<_> = return_urls.iter().map(|entry| entry.url.as_str()).collect();
    assert_eq!(found, ["https://portal.example/?{x}"]);
}

/// Of all that erasing finds there is nothing left in the log of requests either.
#[tokio::test]
async fn the_log_of_requests_of_an_earlier_schema_forgets_customers() {
    let directory = made_of_schema_5().await;
    let (_h, store) = reopened(&directory).await;
    let mut shell = shell(directory.path(), true).await;
    let resources: Vec<String> = sqlx::query_scalar("SELECT resource FROM request_log ORDER BY request_id")
        .fetch_all(&mut shell)
        .await
        .expect("three requests");
    assert_eq!(resources, ["", "1 0 0", "30000000-0000-7000-8000-00000000000a"]);
    store.close().await;
}
