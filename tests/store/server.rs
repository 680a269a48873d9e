//! The PostgreSQL that tests run against: what it promises them.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use crate::support::{PrivateServer, database, empty_database};

/// Nobody waits for an answer longer. A server that runs answers in far less.
const SOON: Duration = Duration::from_secs(5);

async fn answers(url: &str) -> bool {
    let asked = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&mut connection).await
    };
    matches!(tokio::time::timeout(SOON, asked).await, Ok(Ok(1)))
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (Some(one), Some(other)) = (database().await, database().await) else { return };
    assert_ne!(one.name(), other.name());
    let mut owner = one.owner().await;
    sqlx::query("DELETE FROM service_role").execute(&mut owner).await.expect("the table is there");
    sqlx::query("CREATE TABLE mine ()").execute(&mut owner).await.expect("a table");
    let there = sqlx::query_scalar("SELECT to_regclass('mine') IS NOT NULL");
    let there: bool = there.fetch_one(&mut other.owner().await).await.expect("an answer");
    assert!(!there);
}

#[tokio::test]
async fn an_empty_database_has_no_table() {
    let Some(database) = empty_database().await else { return };
    let tables = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    let tables: i64 = tables.fetch_one(&mut database.owner().await).await.expect("a number");
    assert_eq!(tables, 0);
}

#[tokio::test]
async fn neither_owner_nor_service_is_a_superuser() {
    let Some(database) = database().await else { return };
    for mut shell in [database.owner().await, database.service().await] {
        let mighty = sqlx::query_scalar("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user");
        let mighty: bool = mighty.fetch_one(&mut shell).await.expect("an answer");
        assert!(!mighty);
    }
}

#[tokio::test]
async fn a_stopped_server_comes_back_with_its_rows() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let (url, port) = (database.owner_url(), server.port());
    sqlx::query("CREATE TABLE kept ()").execute(&mut database.owner().await).await.expect("a table");
    server.stop();
    assert!(!answers(&url).await);
    server.start();
    assert_eq!(server.port(), port);
    sqlx::query("TABLE kept").execute(&mut database.owner().await).await.expect("it is still there");
}

#[tokio::test]
async fn a_frozen_server_takes_a_connection_and_says_nothing() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let database = server.database().await;
    let mut open = database.owner().await;
    server.freeze();
    let silent = tokio::time::timeout(Duration::from_millis(200), open.ping()).await;
    assert!(silent.is_err(), "{silent:?}");
    TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("the system takes it");
    server.thaw();
    assert!(answers(&database.owner_url()).await);
}

#[tokio::test]
async fn a_frozen_server_ends_with_its_test() {
    let Some(server) = PrivateServer::start_new().await else { return };
    let (port, directory) = (server.port(), server.directory().to_owned());
    server.freeze();
    drop(server);
    assert!(!directory.exists(), "{}", directory.display());
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}
