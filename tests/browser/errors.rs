//! Links that lead nowhere, and those who only look at links.

use serde_json::json;

use crate::harness::{C1, customer};
use crate::place::Place;

#[tokio::test]
async fn an_expired_link_says_so_and_leads_back_to_the_portal() {
    let Some(place) = Place::open().await else { return };
    let link = place.door(customer(C1)).await;
    place.world.service.clock.advance(66);
    let known = json!({ "calculator": place.calculator_url(), "portal": place.portal.origin(), "link": link });
    place.browser.visit("expired", known).await;
    assert_eq!(place.redeemed().await, 0);
    place.close().await;
}

/// T01, in the browser: the second use gets the calculator's page, and the session of the first one ends.
#[tokio::test]
async fn a_link_that_was_copied_works_once_and_not_for_long() {
    let Some(place) = Place::open().await else { return };
    let link = place.door(customer(C1)).await;
    let known = json!({ "calculator": place.calculator_url(), "portal": place.portal.origin(), "link": link });
    place.browser.visit("used", known).await;
    assert_eq!((place.redeemed().await, place.refused("JUMP_ALREADY_REDEEMED").await), (1, 1));
    place.close().await;
}

/// L10
#[tokio::test]
async fn scanners_and_prefetching_use_nothing_up() {
    let Some(place) = Place::open().await else { return };
    let known = json!({
        "calculator": place.calculator_url(),
        "portal": place.portal.origin(),
        "gateway": place.world.service.public_url(),
        "link": place.link(customer(C1)).await,
    });
    place.browser.visit("scanned", known).await;
    assert_eq!((place.redeemed().await, place.refused("JUMP_ALREADY_REDEEMED").await), (1, 0));
    place.close().await;
}

#[tokio::test]
async fn a_browser_that_does_not_post_by_itself_is_told_what_to_do() {
    let Some(place) = Place::open().await else { return };
    let link = place.link(customer(C1)).await;
    let known = json!({ "calculator": place.calculator_url(), "portal": place.portal.origin(), "link": link });
    assert_eq!(place.browser.visit("kept", known).await, 1);
    assert_eq!((place.redeemed().await, place.refused("JUMP_ALREADY_REDEEMED").await), (1, 0));
    place.close().await;
}

/// L10, without a script.
#[tokio::test]
async fn without_javascript_the_page_says_what_to_do() {
    let Some(place) = Place::open().await else { return };
    let link = place.door(customer(C1)).await;
    let known = json!({ "calculator": place.calculator_url(), "portal": place.portal.origin(), "link": link });
    place.browser.visit("without_script", known).await;
    assert_eq!(place.redeemed().await, 0);
    place.close().await;
}
