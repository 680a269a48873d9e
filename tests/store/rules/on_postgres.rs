//! The shell of PostgreSQL, in front of a database that was migrated: its owner's, whom row level security lets see
//! everything.

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::postgres::PgDatabaseError;

use super::{Engine, Kind, NULL, Refused, Shell, Wall};
use crate::support::{self, TestDatabase};

/// What SQLite has for making bytes.
const BYTES: &str = "
    CREATE FUNCTION zeroblob(length INTEGER) RETURNS BYTEA
    RETURN decode(repeat('00', length), 'hex');
    CREATE FUNCTION randomblob(length INTEGER) RETURNS BYTEA
    RETURN substr(sha256(uuid_send(gen_random_uuid())), 1, length)";

/// Tries a rule on a fresh database, where there is PostgreSQL.
pub(crate) async fn play(case: impl AsyncFnOnce(&mut Shell)) {
    let Some(database) = seeded().await else { return };
    let mut owner = database.owner().await;
    run(&mut owner, "BEGIN".to_owned()).await.expect("a transaction");
    case(&mut Shell { engine: Box::new(owner), kind: Kind::Postgres }).await;
}

/// A fresh database with the rows of `rules/seed.sql`, where there is PostgreSQL.
pub(crate) async fn seeded() -> Option<TestDatabase> {
    let database = support::database().await?;
    let mut owner = database.owner().await;
    run(&mut owner, BYTES.to_owned()).await.expect("functions");
    run(&mut owner, spelled(concat!(include_str!("seed.sql"), include_str!("seed_key.sql")), &[]))
        .await
        .expect("the seed is good");
    Some(database)
}

/// In one transaction, so that a case may take back what it did.
#[async_trait]
impl Engine for PgConnection {
    async fn execute(&mut self, sql: &str, binds: &[&str]) -> Result<u64, Refused> {
        // Whatever fails takes its transaction along, up to here.
        run(self, "SAVEPOINT statement".to_owned()).await.expect("a savepoint");
        match run(self, spelled(sql, binds)).await {
            Ok(rows) => Ok(rows),
            Err(error) => {
                run(self, "ROLLBACK TO statement".to_owned()).await.expect("a way back");
                Err(refused(self, &error).await)
            }
        }
    }

    async fn drop_trigger(&mut self, trigger: &str, table: &str) {
        self.execute(&format!("DROP TRIGGER {trigger} ON {table}"), &[]).await.expect("the trigger goes");
    }
}

/// Spells a statement of a case with its binds. These become literals, which take the type of whatever they meet, as a bind of
/// SQLite's does.
fn spelled(sql: &str, binds: &[&str]) -> String {
    let sql = sql.replace(" x'", r" '\x").replace("(x'", r"('\x").replace(r#"'["sicher"]'"#, r#"'{"sicher"}'"#);
    binds.iter().enumerate().fold(sql, |sql, (place, bind)| sql.replace(&format!("?{}", place + 1), &literal(bind)))
}

fn literal(bind: &str) -> String {
    if bind == NULL {
        return NULL.to_owned();
    }
    // A list: there, in braces.
    let items = bind.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bind = items.map_or_else(|| bind.to_owned(), |items| format!("{{{items}}}"));
    format!("'{}'", bind.replace('\'', "''"))
}

/// Executes a statement of a test's, whole or with its binds spelled in.
pub(crate) async fn run(connection: &mut PgConnection, sql: String) -> Result<u64, sqlx::Error> {
    #[expect(clippy::disallowed_methods, reason = "SQL of the tests' own, with names and binds that were quoted")]
    let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    Ok(sql.execute(connection).await?.rows_affected())
}

/// Reads PostgreSQL's code (its manual, appendix A), and what stands in the way: a check's rule, the columns of the others.
async fn refused(connection: &mut PgConnection, error: &sqlx::Error) -> Refused {
    let told = error.as_database_error().expect("the database says so").downcast_ref::<PgDatabaseError>();
    let (table, constraint) = (told.table().unwrap_or_default(), told.constraint().unwrap_or_default());
    let (wall, says) = match told.code() {
        "22P02" | "42804" => (Wall::Type, told.message().to_owned()),
        "23000" => (Wall::Trigger, told.message().to_owned()),
        "23502" => (Wall::NotNull, format!("{table}.{}", told.column().unwrap_or_default())),
        "23503" => (Wall::ForeignKey, told.message().to_owned()),
        "23505" => {
            let wall = if constraint.ends_with("_pkey") { Wall::PrimaryKey } else { Wall::Unique };
            (wall, key_of(connection, table, told.detail().unwrap_or_default()).await)
        }
        "23514" => (Wall::Check, rule_of(connection, table, constraint).await),
        other => panic!("no wall has the code {other}: {told}"),
    };
    Refused { wall, says }
}

/// The columns of a key in the order of their table, out of `Key (user_id, tenant_id)=(..) already exists.`
async fn key_of(connection: &mut PgConnection, table: &str, detail: &str) -> String {
    let columns = detail.strip_prefix("Key (").and_then(|rest| rest.split_once(")=("));
    let columns: Vec<&str> = columns.expect("the columns of the key").0.split(", ").collect();
    let key = sqlx::query_scalar(
        "SELECT string_agg($1 || '.' || attname, ', ' ORDER BY attnum)
         FROM pg_attribute
         WHERE attrelid = $1::REGCLASS
           AND attname = ANY ($2)",
    );
    key.bind(table).bind(columns).fetch_one(connection).await.expect("the columns")
}

async fn rule_of(connection: &mut PgConnection, table: &str, constraint: &str) -> String {
    let rule = sqlx::query_scalar(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::REGCLASS AND conname = $2",
    );
    rule.bind(table).bind(constraint).fetch_one(connection).await.expect("the rule")
}
