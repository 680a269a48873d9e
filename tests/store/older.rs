//! Services of the version before, on the schema of this one: while they are exchanged one after the other
//! (`docs/operations.md#upgrades`), they do what they always did, by their own statements, and nothing is refused or left behind.
//!
//! On PostgreSQL alone: a database of SQLite has one service, which is stopped for it. A statement here is that of the version
//! before, but for its binds; a migration that demands more of one has a case.

use sqlx::{PgConnection, Row as _};

use crate::rules::on_postgres::{run, seeded};
use crate::support::TestDatabase;

const A: &str = "00000000-0000-7000-8000-00000000000a";
/// Shared by private customers, with a password.
const PRIVATE: &str = "40000000-0000-7000-8000-00000000000a";
/// Endkunde, and nothing depends on it once [`FREE`] was done.
const COMMERCIAL: &str = "50000000-0000-7000-8000-00000000000a";
const FREE: &str = "UPDATE customer_access SET commercial_user_id = NULL";

/// A service of the version before, and somebody who looks at what it did.
struct Older {
    service: PgConnection,
    owner: PgConnection,
}

impl Older {
    async fn on(database: &TestDatabase) -> Self {
        Self { service: database.service().await, owner: database.owner().await }
    }

    /// Prepares what a service of this version left.
    async fn find(&mut self, sql: &str) {
        assert!(run(&mut self.owner, sql.to_owned()).await.expect(sql) > 0, "rows of {sql}");
    }

    /// Executes a statement of the version before, in a transaction about tenant A. Tells how many rows it changed.
    async fn does(&mut self, sql: &str) -> u64 {
        run(&mut self.service, "BEGIN".to_owned()).await.expect("a transaction");
        run(&mut self.service, format!("SET LOCAL concenter.tenants = '{A}'")).await.expect("about A");
        let rows = run(&mut self.service, sql.to_owned()).await.expect(sql);
        run(&mut self.service, "COMMIT".to_owned()).await.expect("a commit");
        rows
    }

    /// Reads one number.
    async fn number(&mut self, sql: &'static str) -> i64 {
        sqlx::query(sql).fetch_one(&mut self.owner).await.expect(sql).get(0)
    }
}

/// A jump for a customer or for a broker who works for one, with a page of the target.
fn jump(id: u32, person: &str) -> String {
    format!(
        "INSERT INTO jump (
             tenant_id, jump_id, jti_hash, caller, request_id, content, target_id, subject, issued_at, expires_at, epoch,
             config_version, catalog_version, context, return_url, target_page, person_kind, person_id, segment, user_id, way,
             customer_context
         )
         VALUES (
             '{A}', '99999999-0000-7000-8000-00000000000{id}', randomblob(32), randomblob(32),
             '99999999-0000-7000-8000-00000000001{id}', zeroblob(32), 'rechner',
             'subject-of-43-characters-000000000000000000', 1, 60000001, 5, 5, 5, 'Angebot 7', 'https://portal.example/',
             'kfz/k-9', {person}
         )"
    )
}

#[tokio::test]
async fn a_customer_is_forgotten_with_the_page_that_was_named() {
    let Some(database) = seeded().await else { return };
    let mut older = Older::on(&database).await;
    older.find(&jump(1, &format!("'customer', 'k-9', 'private', '{PRIVATE}', 'shared_private', NULL"))).await;
    let meier = "20000000-0000-7000-8000-00000000000a";
    older.find(&jump(2, &format!("'broker', 'm.meier', NULL, '{meier}', 'activation', 'k-9'"))).await;
    let own = format!(
        "UPDATE jump
         SET revoked_at = CASE WHEN redeemed_at IS NULL THEN coalesce(revoked_at, 3) END,
             session_revoked_at = coalesce(session_revoked_at, CASE WHEN redeemed_at + 4 > 3 THEN 3 END),
             caller = jti_hash,
             content = jti_hash,
             person_id = '',
             actor_role = NULL,
             actor_id = NULL,
             subject = repeat('0', 43),
             actor_subject = NULL,
             customer_context = NULL,
             context = NULL,
             nonce = NULL,
             return_url = NULL
         WHERE tenant_id = '{A}'
           AND person_kind = 'customer'
           AND person_id = 'k-9'"
    );
    assert_eq!(older.does(&own).await, 1);
    let of_others = format!(
        "UPDATE jump
         SET revoked_at = CASE WHEN redeemed_at IS NULL THEN coalesce(revoked_at, 3) END,
             content = jti_hash,
             customer_context = NULL,
             context = NULL,
             return_url = NULL
         WHERE tenant_id = '{A}'
           AND customer_context = 'k-9'"
    );
    assert_eq!(older.does(&of_others).await, 1);
    assert_eq!(older.number("SELECT count(*) FROM jump WHERE target_page IS NOT NULL").await, 0);
}

/// Somebody is to be told of a user for each cause.
fn notices(user: &str) -> String {
    format!(
        "INSERT INTO notice (tenant_id, notice_id, cause, user_id, created_at)
         VALUES
             ('{A}', gen_random_uuid(), 'credential_suspect', '{user}', 1),
             ('{A}', gen_random_uuid(), 'end_customer_mismatch', '{user}', 1)"
    )
}

#[tokio::test]
async fn a_new_password_is_trusted() {
    let Some(database) = seeded().await else { return };
    let mut older = Older::on(&database).await;
    older.find(&notices(PRIVATE)).await;
    let suspect = format!(
        "UPDATE concenter_user
         SET last_login_succeeded_at = 1, last_login_failed_at = 2, failed_logins = 3, credential_suspect_since = 2
         WHERE user_id = '{PRIVATE}'"
    );
    older.find(&suspect).await;
    let set = format!(
        "UPDATE concenter_user
         SET sealed_secret = '\\x01',
             secret_version = 2,
             secret_set_at = 5,
             version = version + 1,
             updated_at = 5
         WHERE tenant_id = '{A}'
           AND user_id = '{PRIVATE}'"
    );
    assert_eq!(older.does(&set).await, 1);
    let trusted = "
        SELECT count(*)
        FROM concenter_user
        WHERE secret_version = 2
          AND last_login_succeeded_at IS NULL
          AND last_login_failed_at IS NULL
          AND failed_logins = 0
          AND credential_suspect_since IS NULL";
    assert_eq!(older.number(trusted).await, 1);
    assert_eq!(older.number("SELECT count(*) FROM notice WHERE cause = 'credential_suspect'").await, 0);
    assert_eq!(older.number("SELECT count(*) FROM notice WHERE cause = 'end_customer_mismatch'").await, 1);
}

#[tokio::test]
async fn under_another_name_nothing_is_known_of_the_account_unless_con_center_said_no() {
    let Some(database) = seeded().await else { return };
    let mut older = Older::on(&database).await;
    let known = |said: bool, user: &str| {
        format!(
            "UPDATE concenter_user
             SET reported_end_customer = {said}, reported_at = 1, reported_source = 'attestation', reported_by = 'admin',
                 failed_logins = 2, last_login_failed_at = 2
             WHERE user_id = '{user}'"
        )
    };
    older.find(&known(true, PRIVATE)).await;
    older.find(&known(false, COMMERCIAL)).await;
    for (user, name) in [(PRIVATE, "privat-neu"), (COMMERCIAL, "gewerbe-neu")] {
        let rename = format!(
            "UPDATE concenter_user
             SET user_name = '{name}',
                 user_name_key = '{name}',
                 providers = providers,
                 display_name = NULL,
                 notification_email = NULL,
                 version = version + 1,
                 updated_at = 5
             WHERE tenant_id = '{A}'
               AND user_id = '{user}'"
        );
        assert_eq!(older.does(&rename).await, 1);
    }
    let yes = "SELECT count(*) FROM concenter_user WHERE reported_end_customer OR failed_logins > 0";
    assert_eq!(older.number(yes).await, 0);
    let no = "SELECT count(*) FROM concenter_user WHERE NOT reported_end_customer AND reported_by = 'admin'";
    assert_eq!(older.number(no).await, 1);
}

#[tokio::test]
async fn endkunde_goes_with_who_set_it_and_a_user_with_what_is_to_be_told_of_him() {
    let Some(database) = seeded().await else { return };
    let mut older = Older::on(&database).await;
    older.find(FREE).await;
    older.find(&notices(COMMERCIAL)).await;
    older
        .find("UPDATE concenter_user SET end_customer_at = 1, end_customer_by = 'admin' WHERE kind = 'end_customer'")
        .await;
    let unmark = format!(
        "UPDATE concenter_user
         SET kind = 'broker',
             providers = providers,
             version = version + 1,
             updated_at = 5
         WHERE tenant_id = '{A}'
           AND user_id = '{COMMERCIAL}'"
    );
    assert_eq!(older.does(&unmark).await, 1);
    let marked = "SELECT count(*) FROM concenter_user WHERE kind <> 'end_customer' AND end_customer_at IS NOT NULL";
    assert_eq!(older.number(marked).await, 0);
    assert_eq!(older.number("SELECT count(*) FROM concenter_user WHERE end_customer_at IS NOT NULL").await, 3);
    assert_eq!(older.number("SELECT count(*) FROM notice").await, 1);
    let delete = format!("DELETE FROM concenter_user WHERE tenant_id = '{A}' AND user_id = '{COMMERCIAL}'");
    assert_eq!(older.does(&delete).await, 1);
    assert_eq!(older.number("SELECT count(*) FROM notice").await, 0);
}

#[tokio::test]
async fn a_target_that_nobody_posts_to_any_more_loses_its_redirects() {
    let Some(database) = seeded().await else { return };
    let mut older = Older::on(&database).await;
    let origins = "SELECT count(*) FROM target WHERE cardinality(redirect_origins) = 1";
    let posted = "
        UPDATE target
        SET delivery = 'form_post', redirect_origins = ARRAY['https://a.example']
        WHERE target_id = 'rechner'";
    older.find(posted).await;
    let put = |delivery: &str| {
        format!(
            "INSERT INTO target AS t (
                 target_id, provider_id, kind, display_name, state, url, delivery,
                 accepts_brokers, accepts_customers, lines, hands_over_secret, nonce_required, version
             )
             VALUES (
                 'rechner', 'sicher', 'tariff_calculator', 'Rechner', 'active', 'https://r.example/', '{delivery}',
                 TRUE, TRUE, NULL, TRUE, FALSE, 1
             )
             ON CONFLICT (target_id) DO UPDATE
             SET provider_id = excluded.provider_id,
                 kind = excluded.kind,
                 display_name = excluded.display_name,
                 url = excluded.url,
                 delivery = excluded.delivery,
                 accepts_brokers = excluded.accepts_brokers,
                 accepts_customers = excluded.accepts_customers,
                 lines = excluded.lines,
                 hands_over_secret = excluded.hands_over_secret,
                 nonce_required = excluded.nonce_required,
                 version = t.version + 1"
        )
    };
    assert_eq!(older.does(&put("form_post")).await, 1);
    assert_eq!(older.number(origins).await, 1, "they stay while they mean something");
    assert_eq!(older.does(&put("fragment")).await, 1);
    assert_eq!(older.number(origins).await, 0);
}

#[tokio::test]
async fn a_tenant_is_deleted_with_what_somebody_was_to_be_told() {
    let Some(database) = seeded().await else { return };
    let mut older = Older::on(&database).await;
    // Of a user who is gone: it was sent.
    older.find(&notices("90000000-0000-7000-8000-00000000000a")).await;
    older.find("UPDATE notice SET sent_at = 2").await;
    let tables = [
        "activation_broker",
        "broker_activation",
        "customer",
        "customer_access",
        "jump",
        "concenter_user",
        "request_log",
        "person_salt",
        "tenant_settings",
    ];
    for table in tables {
        older.does(&format!("DELETE FROM {table} WHERE tenant_id = '{A}'")).await;
    }
    let delete = format!(
        "DELETE FROM tenant
         WHERE tenant_id = '{A}'
           AND 500 > 0"
    );
    assert_eq!(older.does(&delete).await, 1);
    assert_eq!(older.number("SELECT count(*) FROM notice").await, 0);
}
