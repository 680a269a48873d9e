//! The service's own state.

use crate::fixture::Harness;

pub(crate) async fn a_new_store_has_no_service(h: &Harness) {
    assert_eq!(h.store.load_service().await.expect("an answer"), None);
}

pub(crate) async fn the_service_reads_back_as_it_was_initialised(h: &Harness) {
    let mut state = h.service_state();
    state.epoch = 7;
    h.store.initialise_service(&state).await.expect("a service");
    let mut loaded = h.store.load_service().await.expect("an answer").expect("a service");
    loaded.signing_keys.sort_by(|one, other| one.kid.cmp(&other.kid));
    assert_eq!(loaded, state);
}

pub(crate) async fn a_second_initialisation_changes_nothing(h: &Harness) {
    h.service().await;
    let first = h.store.load_service().await.expect("an answer");
    h.store.initialise_service(&h.service_state()).await.expect("it does nothing");
    assert_eq!(h.store.load_service().await.expect("an answer"), first);
}

pub(crate) async fn a_store_that_works_says_so(h: &Harness) {
    h.store.check().await.expect("it can be read and written");
}
