//! How the pages look: narrow and wide, to people who see and to those who do not.

use concenter_gateway::proto::admin::v1 as admin;
use serde_json::json;

use crate::harness::{C1, COMPARATOR, calculator, customer, disable_target};
use crate::place::Place;

/// Pages that the visit looks at.
const PAGES: usize = 17;

#[tokio::test]
async fn every_page_is_usable_in_german() {
    look("de", "de-DE").await;
}

#[tokio::test]
async fn every_page_is_usable_in_english() {
    look("en", "en-GB").await;
}

async fn look(language: &str, locale: &str) {
    let Some(place) = Place::open().await else { return };
    let gateway = place.world.service.public_url();
    let closed = admin::PutTargetRequest {
        product_provider_id: COMPARATOR.to_owned(),
        delivery: admin::Delivery::FormPost.into(),
        ..calculator("zu")
    };
    place.world.service.operator().catalog_admin().put_target(closed).await.expect("a target");
    disable_target(&place.world, "zu").await;

    let used = place.link(customer(C1)).await;
    let old = place
        .link_with(customer(C1), |request| request.ttl = Some(prost_types::Duration { seconds: 10, nanos: 0 }))
        .await;
    place.world.service.clock.advance(16);
    place.use_up(&used).await;
    let link = place.link(customer(C1)).await;
    // A token of somebody else's making.
    let other = place.link(customer(C1)).await;
    let (start, signature) = other.rsplit_once('.').expect("a token");
    let invalid = format!("{start}.{}", signature.chars().rev().collect::<String>());
    let known = json!({
        "language": language,
        "locale": locale,
        "calculator": place.calculator_url(),
        "portal": place.portal.origin(),
        "landing": place.landing(),
        "closed": format!("{gateway}/j/zu"),
        "missing": format!("{gateway}/j/nirgends"),
        "old": old,
        "used": used,
        "invalid": invalid,
        "link": link,
    });
    assert_eq!(place.browser.visit("looks", known).await, PAGES);
    place.close().await;
}
