//! What the service is given does not fit: it refuses to start, and says what to do.

use std::fs;
use std::path::Path;
use std::time::Duration;

use concenter_gateway::store::DatabaseUrl;
use concenter_gateway::store::postgres::{OpenError, PostgresStore};
use rustix::process::Signal;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::gateway::Gateway;
use crate::key_file::another_key;
use crate::postgres::{self, PrivateServer};
use crate::process::{Ended, Process};
use crate::stopped::{Stopped, data_in};

/// Starts a service that must not start; gives how it ended.
async fn serve(url: &str) -> Ended {
    let directory = tempfile::tempdir().expect("a directory");
    Process::serve(&data_in(&directory), Some(url)).ended().await
}

/// `url` with a change.
fn changed(url: &str, change: impl FnOnce(&mut Url)) -> String {
    let mut url = Url::parse(url).expect("a URL");
    change(&mut url);
    url.into()
}

async fn run(shell: &mut PgConnection, script: &'static str) {
    sqlx::raw_sql(script).execute(shell).await.expect(script);
}

#[tokio::test]
async fn a_database_that_cannot_be_entered_ends_the_start_with_78() {
    let Some(database) = postgres::database().await else { return };
    let url = database.service_url();
    let wrong_parameter = changed(&url, |url| url.set_query(Some("sslmode=maybe")));
    serve(&wrong_parameter).await.is_error(78, &["--database-url", "parameter"]);
    let wrong_password = changed(&url, |url| url.set_password(Some("falsch")).expect("a password"));
    serve(&wrong_password).await.is_error(78, &["--database-url", "--database-password-file", "pg_hba.conf"]);
    let nobody = changed(&url, |url| url.set_username("nobody_of_this_name").expect("a user"));
    serve(&nobody).await.is_error(78, &["--database-url", "--database-password-file"]);
    let no_database = changed(&url, |url| url.set_path("not_there"));
    serve(&no_database).await.is_error(78, &["not_there", "createdb", "concenter migrate"]);
    for url in [wrong_parameter, wrong_password, nobody, no_database] {
        let password = Url::parse(&url).expect("a URL").password().expect("a password").to_owned();
        let ended = serve(&url).await;
        assert!(!ended.err.contains(&password), "the password is told: {}", ended.err);
    }
}

#[tokio::test]
async fn what_is_no_url_of_a_database_is_wrong_usage() {
    let ended = serve("mysql://me@here/there").await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("--database-url must begin with postgres://"), "{}", ended.err);
}

/// F24
#[tokio::test]
async fn an_older_or_newer_schema_ends_the_start_with_78() {
    let Some(empty) = postgres::empty_database().await else { return };
    serve(&empty.owner_url()).await.is_error(78, &["older schema", "concenter migrate"]);
    let database = postgres::database().await.expect("a database");
    let mut owner = database.owner().await;
    run(&mut owner, "INSERT INTO _sqlx_migrations SELECT 9999, 'later', now(), TRUE, '', 0").await;
    serve(&database.service_url()).await.is_error(78, &["schema 9999", "use the newer program"]);
    run(&mut owner, "DELETE FROM _sqlx_migrations WHERE version >= (SELECT max(version) FROM _sqlx_migrations WHERE version < 9999)").await;
    serve(&database.service_url()).await.is_error(78, &["older schema", "concenter migrate"]);
}

#[tokio::test]
async fn a_user_whom_the_second_lock_does_not_hold_ends_the_start_with_78() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let help = "concenter migrate --create-role";
    serve(&database.admin_url()).await.is_error(78, &["--database-url", "is a superuser", help]);
    serve(&database.owner_url()).await.is_error(78, &["--database-url", "owns tables", help]);
    let mut admin = database.admin().await;
    run(&mut admin, "CREATE ROLE stranger LOGIN PASSWORD 'fremd'").await;
    let stranger = changed(&database.service_url(), |url| {
        url.set_username("stranger").expect("a user");
        url.set_password(Some("fremd")).expect("a password");
    });
    serve(&stranger).await.is_error(78, &["--database-url", "has not the rights", help]);
    run(&mut admin, "ALTER ROLE stranger BYPASSRLS").await;
    let mut owner = database.owner().await;
    run(&mut owner, "GRANT SELECT ON _sqlx_migrations TO stranger").await;
    serve(&stranger).await.is_error(78, &["--database-url", "has BYPASSRLS", help]);
    run(&mut owner, "ALTER TABLE jump DISABLE ROW LEVEL SECURITY").await;
    serve(&database.service_url()).await.is_error(78, &["--database-url", "row level security was switched off"]);
}

#[tokio::test]
async fn a_database_that_takes_no_writes_ends_the_start_with_78() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let url = database.service_url();
    let read_only = changed(&url, |url| url.set_query(Some("options=-c default_transaction_read_only=on")));
    serve(&read_only).await.is_error(78, &["read-only", "name the primary (--database-url)"]);
    server.stop();
    let signal = server.directory().join("data/standby.signal");
    fs::write(&signal, "").expect("a file");
    crate::stopped::chmod(&signal, 0o666);
    server.start();
    serve(&url).await.is_error(78, &["read-only", "name the primary (--database-url)"]);
}

/// F20: as `a_missing_key_file_is_never_made_anew`, with the code that the process ends with.
#[tokio::test]
async fn a_service_without_the_key_file_of_its_database_ends_with_78() {
    let Some(database) = postgres::database().await else { return };
    let gateway = Gateway::start(&database.service_url()).await;
    gateway.stop().await;
    serve(&database.service_url()).await.is_error(78, &["keys/kek-", "restore it from its backup"]);
}

/// F21: as `a_whole_key_file_with_another_key_under_the_same_id_is_refused`, with the code that the process ends with.
#[tokio::test]
async fn a_service_with_another_key_than_its_database_ends_with_78() {
    for stopped in Stopped::on_each_store().await {
        let file = stopped.key_file();
        let whole = fs::read_to_string(&file).expect("the key file");
        let id = whole.split(':').nth(1).expect("an id");
        fs::write(&file, another_key(id)).expect("another key");
        let file_name = file.to_str().expect("a path");
        let ended = Process::serve(&stopped.data_dir(), stopped.url().as_deref()).ended().await;
        ended.is_error(78, &[file_name, "not the one that this database was made with", "restore the right one"]);

        fs::write(&file, whole).expect("the right file");
        stopped.starts_and_redeems().await;
    }
}

#[tokio::test]
async fn a_command_that_cannot_reach_the_database_ends_with_1() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgres://me@{}/makler", gone.local_addr().expect("its address"));
    drop(gone);
    let directory = tempfile::tempdir().expect("a directory");
    for words in [&["check"][..], &["token", "--role", "operator"], &["migrate"]] {
        let ended = Process::run(words, &data_in(&directory), Some(&url)).await;
        ended.is_error(1, &["cannot be reached", "--database-url"]);
    }
}

/// At how many moments a migration is killed.
const MOMENTS: u32 = 6;

/// F23: on PostgreSQL.
#[tokio::test]
async fn a_migration_that_is_killed_is_finished_by_the_next_one() {
    let Some(whole) = postgres::empty_database().await else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let role = whole.service_role();
    let words = ["migrate", "--create-role", &role];
    let begun = Instant::now();
    assert_eq!(Process::run(&words, directory.path(), Some(&whole.owner_url())).await.code, Some(0));
    let takes = begun.elapsed();

    for moment in 0..MOMENTS {
        let database = postgres::empty_database().await.expect("a database");
        kill_after(Process::start(&words, directory.path(), Some(&database.owner_url())), takes * moment / MOMENTS)
            .await;
        let service: DatabaseUrl = database.service_url().parse().expect("a URL");
        let opened = PostgresStore::open(&service).await;
        let is_whole_or_old = matches!(opened, Ok(_) | Err(OpenError::SchemaOlder { .. } | OpenError::RoleUnfit));
        assert!(is_whole_or_old, "half a migration after {moment}/{MOMENTS}: {opened:?}");
        let again = Process::run(&words, directory.path(), Some(&database.owner_url())).await;
        assert_eq!(again.code, Some(0), "after {moment}/{MOMENTS}: {again:?}");
        let gateway = Gateway::start(&database.service_url()).await;
        gateway.firm().await;
        gateway.stop().await;
    }
}

/// F23: on SQLite.
#[tokio::test]
async fn a_migration_of_a_directory_that_is_killed_is_finished_by_the_next_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let begun = Instant::now();
    assert_eq!(Process::run(&["migrate"], &directory.path().join("whole"), None).await.code, Some(0));
    let takes = begun.elapsed();
    for moment in 0..MOMENTS {
        let data_dir = directory.path().join(moment.to_string());
        kill_after(Process::start(&["migrate"], &data_dir, None), takes * moment / MOMENTS).await;
        let again = Process::run(&["migrate"], &data_dir, None).await;
        assert_eq!(again.code, Some(0), "after {moment}/{MOMENTS}: {again:?}");
        let check = Process::run(&["check"], &data_dir, None).await;
        check.is_error(78, &["the database has no keys yet"]);
    }
}

async fn kill_after(process: Process, time: Duration) {
    // It is to be killed in the middle, wherever that is.
    sleep(time).await;
    process.signal(Signal::KILL);
    process.ended().await;
}

/// F25: what was in the middle of the file is found by whoever looks.
#[tokio::test]
async fn a_database_file_with_flipped_bytes_is_found_damaged() {
    let stopped = Stopped::after_a_jump_in(tempfile::tempdir().expect("a directory")).await;
    let data_dir = stopped.data_dir();
    flip(&data_dir, 5);
    let check = Process::run(&["check"], &data_dir, None).await;
    check.is_error(78, &["concenter.db", "is damaged", "restore a backup"]);
}

/// F25: without its first page nothing of the file can be read.
#[tokio::test]
async fn a_database_file_without_its_head_ends_the_start_with_78() {
    let stopped = Stopped::after_a_jump_in(tempfile::tempdir().expect("a directory")).await;
    let data_dir = stopped.data_dir();
    flip(&data_dir, 0);
    let ended = Process::serve(&data_dir, None).ended().await;
    ended.is_error(78, &["concenter.db", "cannot open the database"]);
}

/// Flips a bit of every byte at the beginning of a page of 4 KiB.
fn flip(data_dir: &Path, page: usize) {
    let path = data_dir.join("concenter.db");
    let mut bytes = fs::read(&path).expect("the database");
    bytes[page * 4096..][..64].iter_mut().for_each(|byte| *byte ^= 0x40);
    fs::write(&path, bytes).expect("a damaged database");
}
