//! The commands that work on the data themselves, where that is in PostgreSQL. What they are refused is among the faults
//! (`tests/faults/refusals.rs`).

use std::fs;

use super::client::{Office, field};
use super::place::{Ended, Place};
use super::program::CHECKS;

#[tokio::test]
async fn the_service_ends_in_order_and_starts_again_on_its_database() {
    let Some(place) = Place::on_postgres().await else { return };
    assert_eq!(place.serve().stop(), Some(0));
    let entries = fs::read_dir(place.data()).expect("the directory").map(|entry| entry.expect("an entry").file_name());
    assert_eq!(entries.collect::<Vec<_>>(), ["keys"], "the directory is for the key file alone");
    assert_eq!(place.serve().stop(), Some(0));
}

#[tokio::test]
async fn a_token_minted_beside_the_service_is_taken_by_it() {
    let Some(place) = Place::on_postgres().await else { return };
    let office = Office::at(place);
    let operator = office.operator();
    let made = operator.json(&["tenant", "create", "Makler Nord"]);
    let listed = operator.json(&["tenant", "list"]);
    assert_eq!(field(&listed, "tenantId"), field(&made, "tenantId"));
}

#[tokio::test]
async fn check_says_of_each_thing_that_it_is_in_order() {
    let Some(place) = Place::on_postgres().await else { return };
    let service = place.serve();
    let ended = place.run(&["check"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), CHECKS.map(|check| format!("ok      {check}")));
    assert_eq!(service.stop(), Some(0), "it went on meanwhile");
}

#[tokio::test]
async fn check_stops_at_a_missing_key_file() {
    let Some(place) = Place::on_postgres().await else { return };
    assert_eq!(place.serve().stop(), Some(0));
    let file = place.key_file();
    fs::remove_file(&file).expect("no key file");
    let ended = place.run(&["check"]);
    assert!(ended.error(78).contains(&*file.to_string_lossy()), "{ended:?}");
    assert!(ended.out.ends_with("FAILED  the key file is whole and private\n"), "{}", ended.out);
}

#[tokio::test]
async fn migrate_as_the_owner_says_that_nothing_was_to_be_done() {
    let Some(place) = Place::on_postgres().await else { return };
    let mut command = place.command(&["migrate"]);
    command.env("CONCENTER_DATABASE_URL", place.postgres().owner_url());
    let ended = Ended::of(command.output().expect("the program runs"));
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.ends_with(&format!("/{} was up to date\n", place.postgres().name())), "{}", ended.out);
}
