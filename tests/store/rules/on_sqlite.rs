//! The shell of SQLite, in front of a database that the service made and has closed.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{Engine, Kind, NULL, Refused, Shell, Wall};
use crate::sqlite;

/// Tries a rule on a fresh database.
pub(crate) async fn play(case: impl AsyncFnOnce(&mut Shell)) {
    let directory = sqlite::made_and_closed().await;
    let mut connection = sqlite::shell(directory.path(), true).await;
    sqlx::raw_sql(concat!(include_str!("seed.sql"), include_str!("seed_key.sql")))
        .execute(&mut connection)
        .await
        .expect("the seed is good");
    case(&mut Shell { engine: Box::new(connection), kind: Kind::Sqlite }).await;
}

#[async_trait]
impl Engine for SqliteConnection {
    async fn execute(&mut self, sql: &str, binds: &[&str]) -> Result<u64, Refused> {
        #[expect(clippy::disallowed_methods, reason = "a case's own SQL, which is not 'static on its way here")]
        let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
        let query = binds.iter().fold(query, |query, bind| query.bind((*bind != NULL).then_some(*bind)));
        match query.execute(self).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(refused(&error)),
        }
    }

    async fn drop_trigger(&mut self, trigger: &str, _table: &str) {
        self.execute(&format!("DROP TRIGGER {trigger}"), &[]).await.expect("the trigger goes");
    }
}

/// Reads SQLite's extended result code (<https://www.sqlite.org/rescode.html>).
fn refused(error: &sqlx::Error) -> Refused {
    let told = error.as_database_error().expect("the database says so");
    let wall = match told.code().as_deref() {
        Some("1") => Wall::Statement,
        Some("275") => Wall::Check,
        Some("787") => Wall::ForeignKey,
        Some("1299") => Wall::NotNull,
        Some("1555") => Wall::PrimaryKey,
        Some("1811") => Wall::Trigger,
        Some("2067") => Wall::Unique,
        Some("3091") => Wall::Type,
        other => panic!("no wall has the code {other:?}: {told}"),
    };
    Refused { wall, says: told.message().to_owned() }
}
