//! The data is moved from SQLite to PostgreSQL while a jump is open.

use concenter_gateway::store::DatabaseUrl;
use concenter_gateway::store::relocate::{Relocated, relocate};

use crate::postgres;
use crate::stopped::Stopped;

fn url(text: &str) -> DatabaseUrl {
    text.parse().expect("a URL")
}

#[tokio::test]
async fn a_jump_from_before_the_move_is_redeemed_after_it_with_the_password() {
    let Some(database) = postgres::database().await else { return };
    let mut stopped = Stopped::after_a_jump_in(tempfile::tempdir().expect("a directory")).await;
    let moved = relocate(&stopped.data_dir(), &url(&database.owner_url())).await.expect("a move");
    assert!(matches!(moved, Relocated::Verified(_)), "{moved:?}");
    stopped.serve_from(database);
    stopped.starts_and_redeems().await;
}
