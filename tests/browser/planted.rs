//! Links that somebody plants on somebody else.

use serde_json::{Value, json};

use crate::harness::{C1, C2, customer};
use crate::place::Place;

/// T03
#[tokio::test]
async fn a_planted_link_does_not_open_in_a_session_that_began_with_a_nonce() {
    let Some(place) = Place::open().await else { return };
    let with_another = |request: &mut concenter_gateway::proto::v1::JumpToTarifRequest| {
        request.nonce = Some("of-somebody-else".to_owned());
    };
    let planted =
        [place.door(customer(C2)).await, place.portal.door_to(place.link_with(customer(C2), with_another).await)];
    let known = |more: Value| {
        let mut known = json!({ "calculator": place.calculator_url(), "portal": place.portal.origin() });
        known.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        known
    };
    let began = place.browser.visit("begin", known(json!({ "planted": planted }))).await;
    assert_eq!((place.redeemed().await, place.refused("JUMP_INVALID").await), (0, 2));

    let nonce = began["nonce"].as_str().expect("a nonce").to_owned();
    let link = place.link_with(customer(C1), |request| request.nonce = Some(nonce)).await;
    place.browser.visit("go_on", known(json!({ "browser": began["browser"], "link": link }))).await;
    assert_eq!(place.redeemed().await, 1);
    place.close().await;
}

/// T03, by a form of one's own: the calculator takes jumps from the landing page alone.
#[tokio::test]
async fn a_jump_that_an_unknown_page_posts_is_not_redeemed() {
    let Some(place) = Place::open().await else { return };
    let link = place.link(customer(C1)).await;
    let (_, token) = link.split_once('#').expect("a token");
    let known = json!({ "calculator": place.calculator_url(), "portal": place.portal.origin(), "token": token });
    place.browser.visit("foreign", known).await;
    assert_eq!(place.redeemed().await, 0);
    place.close().await;
}
