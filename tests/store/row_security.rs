//! Row level security of PostgreSQL, the second lock behind every WHERE: what the service's role sees and may, whatever its
//! statements say.

use sqlx::PgConnection;

use crate::rules::on_postgres::{run, seeded};
use crate::support::TestDatabase;

const A: &str = "00000000-0000-7000-8000-00000000000a";
const B: &str = "00000000-0000-7000-8000-00000000000b";
const C: &str = "00000000-0000-7000-8000-00000000000c";
/// What PostgreSQL answers somebody who may not: no right, or a row that no policy lets through.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Somebody who logged in as the service.
struct Service(PgConnection);

impl Service {
    async fn of(database: &TestDatabase) -> Self {
        Self(database.service().await)
    }

    /// The same, in a transaction that says which tenants it is about.
    async fn about(database: &TestDatabase, tenants: &[&str]) -> Self {
        let mut service = Self::of(database).await;
        service.does("BEGIN").await;
        service.does(&format!("SET LOCAL concenter.tenants = '{}'", tenants.join(","))).await;
        service
    }

    /// Does a statement and tells how many rows it changed.
    async fn does(&mut self, sql: &str) -> u64 {
        run(&mut self.0, sql.to_owned()).await.expect(sql)
    }

    async fn counts(&mut self, table: &str) -> i64 {
        count(&mut self.0, table).await
    }

    /// Asserts that a statement is refused, whatever was done before it.
    async fn may_not(&mut self, sql: &str) {
        self.does("SAVEPOINT before").await;
        let error = run(&mut self.0, sql.to_owned()).await.expect_err(sql);
        let told = error.as_database_error().expect("the database says so");
        assert_eq!(told.code().as_deref(), Some(INSUFFICIENT_PRIVILEGE), "{sql}: {told}");
        self.does("ROLLBACK TO before").await;
    }
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "names of tables, out of the schema and of these tests")]
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")));
    query.fetch_one(connection).await.expect(table)
}

/// Names the tables that have tenants.
async fn tables_of_tenants(database: &TestDatabase) -> Vec<String> {
    let tables = sqlx::query_scalar(
        "SELECT table_name::TEXT
         FROM information_schema.columns
         WHERE table_schema = 'public'
           AND column_name = 'tenant_id'",
    );
    let tables: Vec<String> = tables.fetch_all(&mut database.owner().await).await.expect("the schema");
    assert!(tables.len() >= 11, "{tables:?}");
    tables
}

#[tokio::test]
async fn every_table_that_has_tenants_is_locked() {
    let Some(database) = seeded().await else { return };
    let locked = sqlx::query_scalar(
        "SELECT c.relname::TEXT
         FROM pg_class AS c
         WHERE c.relrowsecurity
           AND EXISTS (
               SELECT 1
               FROM pg_policy AS p
               WHERE p.polrelid = c.oid
                 AND p.polname = 'own_tenants'
                 AND p.polcmd = '*'
           )",
    );
    let locked: Vec<String> = locked.fetch_all(&mut database.owner().await).await.expect("the schema");
    for table in tables_of_tenants(&database).await {
        assert!(locked.contains(&table), "{table}");
    }
}

#[tokio::test]
async fn a_transaction_that_names_no_tenant_sees_none() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::of(&database).await;
    for table in tables_of_tenants(&database).await {
        assert_eq!(service.counts(&table).await, 0, "{table}");
    }
    for sql in ["UPDATE concenter_user SET version = 9", "DELETE FROM customer", "DELETE FROM jump"] {
        assert_eq!(service.does(sql).await, 0, "{sql}");
    }
}

#[tokio::test]
async fn a_statement_without_a_where_sees_nothing_of_another_tenant() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::about(&database, &[A]).await;
    for table in tables_of_tenants(&database).await {
        assert_eq!(service.counts(&format!("{table} WHERE tenant_id <> '{A}'")).await, 0, "{table}");
    }
    assert_eq!(service.counts("tenant").await, 1);
    assert_eq!(service.counts("concenter_user").await, 6);
    assert_eq!(service.counts("jump").await, 2);
}

#[tokio::test]
async fn a_statement_without_a_where_changes_nothing_of_another_tenant() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::about(&database, &[A]).await;
    assert_eq!(service.does("UPDATE concenter_user SET version = 9").await, 6);
    assert_eq!(service.does("UPDATE customer_access SET version = 9").await, 1);
    assert_eq!(service.does("DELETE FROM customer_access").await, 1);
    service.does("COMMIT").await;
    let mut owner = database.owner().await;
    assert_eq!(count(&mut owner, "concenter_user WHERE version = 9").await, 6);
    assert_eq!(count(&mut owner, &format!("concenter_user WHERE version = 1 AND tenant_id = '{B}'")).await, 2);
    assert_eq!(count(&mut owner, &format!("customer_access WHERE version = 1 AND tenant_id = '{B}'")).await, 1);
}

#[tokio::test]
async fn a_row_of_another_tenant_is_not_written() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::about(&database, &[A]).await;
    let insert = |tenant| {
        format!(
            "INSERT INTO customer (tenant_id, customer_id, segment, jump_version, version, created_at, updated_at)
             VALUES ('{tenant}', 'neu', 'private', 1, 1, 1, 1)"
        )
    };
    service.may_not(&insert(B)).await;
    service.may_not(&format!("UPDATE customer SET tenant_id = '{B}' WHERE customer_id = 'k-2'")).await;
    assert_eq!(service.does(&insert(A)).await, 1);
}

#[tokio::test]
async fn a_transaction_about_two_tenants_sees_both_and_no_third() {
    let Some(database) = seeded().await else { return };
    let third = format!(
        "INSERT INTO tenant (
             tenant_id, display_name, state, config_version, kek_id, dek_version, wrapped_dek, sealed_mac_key, version,
             created_at, updated_at
         )
         VALUES ('{C}', 'Firma C', 'active', 1, 'kek', 1, '\\x00', '\\x00', 1, 1, 1)"
    );
    run(&mut database.owner().await, third).await.expect("a third tenant");
    let mut service = Service::about(&database, &[A, B]).await;
    assert_eq!(service.counts("tenant").await, 2);
    assert_eq!(service.counts("concenter_user").await, 8);
    assert_eq!(service.does("UPDATE tenant_settings SET version = 2").await, 2);
}

#[tokio::test]
async fn what_a_transaction_is_about_ends_with_it() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::about(&database, &[A]).await;
    service.does("COMMIT").await;
    assert_eq!(service.counts("tenant").await, 0);
}

#[tokio::test]
async fn the_service_cannot_switch_the_lock_off() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::about(&database, &[A]).await;
    for sql in [
        "ALTER TABLE concenter_user DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE concenter_user NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own_tenants ON concenter_user",
        "ALTER POLICY own_tenants ON concenter_user USING (TRUE)",
        "CREATE POLICY mine ON concenter_user USING (TRUE)",
        "ALTER TABLE concenter_user OWNER TO CURRENT_USER",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "SET LOCAL session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION concenter_tenants() RETURNS UUID[] LANGUAGE sql AS 'SELECT NULL::UUID[]'",
        "CREATE TABLE mine (tenant_id UUID)",
        "CREATE TEMPORARY TABLE concenter_user (tenant_id UUID)",
        "CREATE SCHEMA mine",
    ] {
        service.may_not(sql).await;
    }
    service.may_not(&format!("SET LOCAL ROLE {}", database.owner_role())).await;
    // This one may be said, and gets an error instead of more rows.
    service.does("SET LOCAL row_security = off").await;
    service.may_not("SELECT count(*) FROM concenter_user").await;
}

/// T50
#[tokio::test]
async fn the_service_changes_nothing_in_the_audit_log() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::about(&database, &[A]).await;
    for sql in [
        "UPDATE audit_entry SET at = 2",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_entry_is_never_changed ON audit_entry",
        "UPDATE audit_seal SET seq = 2",
        "DELETE FROM audit_seal",
        "TRUNCATE audit_seal",
        "ALTER TABLE audit_seal DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_seal_follows_the_last_one ON audit_seal",
        "SELECT * FROM concenter_audit_chains('00000000-0000-0000-0000-000000000000', TRUE, 10)",
    ] {
        service.may_not(sql).await;
    }
    assert_eq!(service.counts("audit_entry").await, 1);
}

#[tokio::test]
async fn workers_cross_tenants_without_their_keys_and_users() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::of(&database).await;
    service.does("BEGIN").await;
    service.does(&format!("SET LOCAL ROLE {}", database.worker_role())).await;
    let tenants = sqlx::query_scalar("SELECT tenant_id::TEXT FROM tenant ORDER BY tenant.tenant_id");
    let tenants: Vec<String> = tenants.fetch_all(&mut service.0).await.expect("the tenants");
    assert_eq!(tenants, [A, B]);
    for sql in [
        "SELECT wrapped_dek FROM tenant",
        "SELECT sealed_mac_key FROM tenant",
        "UPDATE tenant SET state = 'stopped'",
        "SELECT count(*) FROM concenter_user",
        "SELECT count(*) FROM jump",
        "SELECT count(*) FROM audit_entry",
        "SELECT count(*) FROM audit_seal",
        "SELECT count(*) FROM signing_key",
    ] {
        service.may_not(sql).await;
    }
}

/// What a service may about key-encryption keys goes through the functions that ask first.
#[tokio::test]
async fn the_service_neither_retires_nor_activates_a_key_encryption_key_by_itself() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::about(&database, &[A]).await;
    for sql in [
        "UPDATE kek SET retired_at = 1",
        "UPDATE kek SET canary = ''",
        "DELETE FROM kek",
        "INSERT INTO kek (kek_id, canary, added_at, retired_at) VALUES ('x', '', 1, 1)",
        "UPDATE service SET active_kek_id = NULL",
        "UPDATE service SET sealed_mac_key = ''",
        "UPDATE service SET dek_version = 2",
    ] {
        service.may_not(sql).await;
    }
    assert_eq!(service.counts("kek WHERE retired_at IS NULL").await, 0, "the seed knows none");
    service.does("INSERT INTO kek (kek_id, canary, added_at) VALUES ('x', '', 1)").await;
    service.does("SET LOCAL ROLE NONE").await;
    let of_seed = "SELECT concenter_kek_use('0000000000000001')";
    let counted: i64 = sqlx::query_scalar(of_seed).fetch_one(&mut service.0).await.expect("a number");
    assert_eq!(counted, 3, "of all tenants, and the service");
}

#[tokio::test]
async fn workers_see_under_which_key_a_tenant_is_and_no_key() {
    let Some(database) = seeded().await else { return };
    let mut service = Service::of(&database).await;
    service.does("BEGIN").await;
    service.does(&format!("SET LOCAL ROLE {}", database.worker_role())).await;
    assert_eq!(service.counts("tenant WHERE kek_id = '0000000000000001'").await, 2);
    for sql in ["SELECT canary FROM kek", "SELECT concenter_retire_kek('x', 1)", "UPDATE tenant SET kek_id = 'x'"] {
        service.may_not(sql).await;
    }
}
