//! Moving a data directory to a PostgreSQL: `concenter migrate --from --to`.

mod same;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::place::{Ended, Place};
use crate::support::{TestDatabase, database, empty_database};

/// Nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

impl Place {
    /// A place that was served from, with rows in every table.
    async fn filled() -> Self {
        let place = Self::served();
        place.shell(include_str!("source.sql")).await;
        place
    }

    /// Runs a script on the database, as somebody with a SQL shell does.
    async fn shell(&self, script: &'static str) {
        let mut shell =
            SqliteConnection::connect(&format!("sqlite://{}", self.database().display())).await.expect("a shell");
        sqlx::raw_sql(script).execute(&mut shell).await.expect("the script is taken");
        shell.close().await.expect("it is closed");
    }

    fn database(&self) -> PathBuf {
        self.data().join("concenter.db")
    }

    fn move_to(&self, to: &str) -> Ended {
        self.run(&["migrate", "--log", "warn", "--from", text(&self.data()), "--to", to])
    }

    /// Starts a move and leaves it to itself.
    fn start_to_move(&self, to: &str) -> Moving {
        let mut command = self.command(&["migrate", "--log", "warn", "--from", text(&self.data()), "--to", to]);
        Moving(command.stdout(Stdio::null()).spawn().expect("the program runs"))
    }
}

/// A move that ends with its owner.
struct Moving(Child);

impl Drop for Moving {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Serves from the target with the key file of the source, and gives how that ended; for a target that is refused.
fn serve_from(place: &Place, database: &TestDatabase) -> Ended {
    let words = ["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--log", "warn"];
    place.run(&[&words[..], &["--database-url", &database.service_url()]].concat())
}

/// Waits until somebody waits for a lock in this database.
async fn somebody_waits(database: &TestDatabase) {
    let mut admin = database.admin().await;
    let waits = async {
        loop {
            let waiting = sqlx::query_scalar(
                "
                SELECT EXISTS (
                    SELECT 1
                    FROM pg_stat_activity
                    WHERE datname = current_database()
                      AND wait_event_type = 'Lock'
                )
                ",
            );
            if waiting.fetch_one(&mut admin).await.expect("an answer") {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, waits).await.expect("somebody waits");
}

async fn count(shell: &mut PgConnection, question: &'static str) -> i64 {
    sqlx::query_scalar(question).fetch_one(shell).await.expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_moved_and_the_source_stays_as_it_was() {
    let Some(database) = empty_database().await else { return };
    let place = Place::filled().await;
    let before = fs::read(place.database()).expect("the database");

    let ended = place.move_to(&database.owner_url());
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let lines: Vec<Vec<&str>> = ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.iter().filter(|line| line.last() == Some(&"ok")).count(), 21, "{}", ended.out);
    assert!(lines.iter().any(|line| line[..2] == ["jump", "5000"]), "{}", ended.out);
    assert!(fs::read(place.database()).expect("the database") == before, "the source was changed");
    same::assert_same(&place.database(), &mut database.owner().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trigger_is_on_again_and_the_mark_is_gone() {
    let Some(database) = database().await else { return };
    let place = Place::filled().await;
    assert_eq!(place.move_to(&database.owner_url()).code, Some(0));
    let mut owner = database.owner().await;
    assert_eq!(count(&mut owner, "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'").await, 0);
    assert_eq!(count(&mut owner, "SELECT count(*) FROM pg_tables WHERE tablename = 'relocation'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_the_source_open_what_was_moved() {
    let Some(database) = database().await else { return };
    let place = Place::filled().await;
    assert_eq!(place.move_to(&database.owner_url()).code, Some(0));
    let checked = place.run(&["check", "--database-url", &database.service_url()]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.out.ends_with("ok      the keys of the service open\n"), "{}", checked.out);
}

/// Killed before the first row, within a table, behind it, and before the last row: each time a lock holds the move there.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_anywhere_goes_on_and_ends_verified() {
    let Some(database) = database().await else { return };
    let place = Place::filled().await;
    let url = database.owner_url();
    for held in [
        "LOCK TABLE signing_key IN SHARE MODE",
        "LOCK TABLE tenant IN SHARE MODE",
        "
        INSERT INTO customer (tenant_id, customer_id, segment, jump_version, version, created_at, updated_at)
        SELECT tenant_id, 'z 1998', 'private', 1, 1, 1, 1
        FROM tenant
        WHERE state = 'active'
        ",
        "LOCK TABLE audit_entry IN SHARE MODE",
        "LOCK TABLE service IN SHARE MODE",
    ] {
        let mut owner = database.owner().await;
        let mut tx = owner.begin().await.expect("a transaction");
        sqlx::query(held).execute(&mut *tx).await.expect("what holds the move");
        let moving = place.start_to_move(&url);
        somebody_waits(&database).await;
        drop(moving);
        tx.rollback().await.expect("it is let go");
        assert_eq!(count(&mut owner, "SELECT count(*) FROM service").await, 0, "{held}");
    }
    let refused = serve_from(&place, &database);
    assert!(refused.error(78).contains("service"), "{refused:?}");

    let ended = place.move_to(&url);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    same::assert_same(&place.database(), &mut database.owner().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_move_finds_nothing_to_do() {
    let Some(database) = database().await else { return };
    let place = Place::served();
    assert_eq!(place.move_to(&database.owner_url()).code, Some(0));
    let again = place.move_to(&database.owner_url());
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""));
    assert!(again.out.ends_with("before: nothing is left to do\n"), "{}", again.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moves_at_once_do_not_meet() {
    let Some(database) = database().await else { return };
    let place = Place::served();
    let mut other = database.owner().await;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(0x636f_6e63_6d6f_7665_i64)
        .execute(&mut other)
        .await
        .expect("a lock");
    let refused = place.move_to(&database.owner_url());
    assert!(refused.error(1).contains("is under way"), "{refused:?}");
}

/// What was moved is changed there, and then moved no further.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_are_named_and_serve_nobody() {
    let Some(database) = database().await else { return };
    let place = Place::filled().await;
    let mut owner = database.owner().await;
    let mut tx = owner.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE audit_entry IN SHARE MODE").execute(&mut *tx).await.expect("a lock");
    let moving = place.start_to_move(&database.owner_url());
    somebody_waits(&database).await;
    drop(moving);
    tx.rollback().await.expect("it is let go");
    sqlx::query("UPDATE customer SET version = version + 1 WHERE customer_id = 'after'")
        .execute(&mut owner)
        .await
        .expect("a row that differs");

    let ended = place.move_to(&database.owner_url());
    assert!(ended.error(78).contains("serves nobody"), "{ended:?}");
    let differing: Vec<_> = ended.out.lines().filter(|line| line.contains("DIFFERS")).collect();
    assert!(matches!(differing[..], [line] if line.starts_with("customer  ")), "{}", ended.out);
    assert_eq!(count(&mut owner, "SELECT count(*) FROM service").await, 0);
    assert_eq!(serve_from(&place, &database).code, Some(78));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_refuses_is_told_and_can_be_put_right() {
    let Some(database) = database().await else { return };
    let place = Place::filled().await;
    place
        .shell(
            "
            PRAGMA foreign_keys = OFF;
            INSERT INTO customer_access (tenant_id, private_user_id, commercial_falls_back, version)
            VALUES ('00000000-0000-7000-8000-00000000000c', '00000002-0000-7000-8000-0000000000a1', 0, 1);
            ",
        )
        .await;
    let refused = place.move_to(&database.owner_url());
    let told = refused.error(78);
    assert!(told.contains("customer_access") && told.contains("the same command again"), "{told}");

    place.shell("DELETE FROM customer_access WHERE tenant_id = '00000000-0000-7000-8000-00000000000c'").await;
    assert_eq!(place.move_to(&database.owner_url()).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_is_not_moved() {
    let Some(database) = database().await else { return };
    let place = Place::new();
    let service = place.serve();
    let refused = place.move_to(&database.owner_url());
    assert!(refused.error(78).contains(&format!("process {}: stop it first", service.pid())), "{refused:?}");
}

/// Its last writes stand in the log beside the database, and stay there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_service_has_written_is_moved_too() {
    let Some(database) = database().await else { return };
    let place = Place::new();
    drop(place.serve());
    let before = fs::read(place.database()).expect("the database");
    assert_ne!(fs::metadata(place.database().with_extension("db-wal")).expect("the log").len(), 0);
    let ended = place.move_to(&database.owner_url());
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert!(fs::read(place.database()).expect("the database") == before, "the source was changed");
    assert_eq!(count(&mut database.owner().await, "SELECT count(*) FROM signing_key").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_data_of_its_own_is_refused() {
    let Some(database) = database().await else { return };
    let (place, other) = (Place::served(), Place::served());
    sqlx::query(
        "INSERT INTO return_url (return_url_id, url, state, version) VALUES ('a', 'https://a.example/', 'active', 1)",
    )
    .execute(&mut database.owner().await)
    .await
    .expect("a row");
    let refused = place.move_to(&database.owner_url());
    assert!(refused.error(78).contains("has rows in return_url already"), "{refused:?}");

    sqlx::query("DELETE FROM return_url").execute(&mut database.owner().await).await.expect("no row");
    assert_eq!(place.move_to(&database.owner_url()).code, Some(0));
    let refused = other.move_to(&database.owner_url());
    assert!(refused.error(78).contains("has rows in service already"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_move_of_another_source_is_left_alone() {
    let Some(database) = database().await else { return };
    let (place, other) = (Place::served(), Place::served());
    let mut owner = database.owner().await;
    let mut tx = owner.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE service IN SHARE MODE").execute(&mut *tx).await.expect("a lock");
    let moving = place.start_to_move(&database.owner_url());
    somebody_waits(&database).await;
    drop(moving);
    tx.rollback().await.expect("it is let go");

    let refused = other.move_to(&database.owner_url());
    assert!(refused.error(78).contains("unfinished move of another database"), "{refused:?}");
    assert_eq!(place.move_to(&database.owner_url()).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_a_service_is_not_moved() {
    let Some(database) = database().await else { return };
    let place = Place::new();
    let refused = place.move_to(&database.owner_url());
    assert!(refused.error(78).contains("there is no database at"), "{refused:?}");
    assert!(!place.data().exists(), "it was made");
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    let refused = place.move_to(&database.owner_url());
    assert!(refused.error(78).contains("was never served from"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_own_the_target_moves_nothing_there() {
    let Some(database) = empty_database().await else { return };
    let place = Place::served();
    let refused = place.move_to(&database.service_url());
    assert!(refused.error(78).contains("own the database"), "{refused:?}");
}

#[test]
fn where_to_and_where_from_are_told_together() {
    let place = Place::new();
    for words in [
        &["migrate", "--from", "x"][..],
        &["migrate", "--to", "postgres://me@db.example/makler"],
        &["migrate", "--from", "x", "--to", "postgres://me:geheim@"],
        &["migrate", "--from", "x", "--to", "postgres://me@db.example/makler", "--create-role", "me"],
    ] {
        let ended = place.run(words);
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        assert!(!ended.err.contains("geheim"), "{}", ended.err);
    }
}
