//! People who share a con:center user, and honest ones who click around.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{C1, C2, MEIER, SCHULZE, broker, customer, decode};
use crate::place::Place;

/// R09, in the browser: nobody finds or opens what somebody else saved.
#[tokio::test]
async fn a_broker_and_two_customers_with_one_concenter_user_see_their_own_quotes_alone() {
    let Some(place) = Place::open().await else { return };
    let links = [place.link(broker(MEIER)).await, place.link(customer(C1)).await, place.link(customer(C2)).await];
    let subjects: BTreeSet<_> = links.iter().map(|link| subject(link)).collect();
    assert_eq!(subjects.len(), 3);
    let door = |link: &String| place.portal.door_to(link.clone());
    let people = json!([
        { "link": door(&links[0]), "as": "Vermittler" },
        { "link": door(&links[1]), "as": "Privatkunde" },
        { "link": door(&links[2]), "as": "Privatkunde" },
    ]);
    let known = json!({ "calculator": place.calculator_url(), "portal": place.portal.origin(), "people": people });
    assert_eq!(place.browser.visit("people", known).await, 3);

    let mut users = Vec::new();
    for person in [C1, C2] {
        users.extend(place.users_of(person).await);
    }
    assert_eq!(users, [place.world.a.private.clone(), place.world.a.private.clone()]);
    place.close().await;
}

/// T01, L11, in the browser: whoever clicks around is not taken for a thief.
#[tokio::test]
async fn back_reload_and_a_second_tab_redeem_nothing_twice() {
    let Some(place) = Place::open().await else { return };
    let known = json!({
        "calculator": place.calculator_url(),
        "portal": place.portal.origin(),
        "landing": place.landing(),
        "link": place.door(customer(C1)).await,
        "refused": place.door(broker(SCHULZE)).await,
    });
    assert_eq!(place.browser.visit("again", known).await, 2);
    assert_eq!((place.redeemed().await, place.refused("JUMP_ALREADY_REDEEMED").await), (2, 0));
    place.close().await;
}

/// L12: browsers hold the redirects that follow a form against the policy of its page; those of the portal are nobody's to know.
#[tokio::test]
async fn the_way_back_leads_through_the_redirects_of_the_portal() {
    let Some(place) = Place::open().await else { return };
    let link = place.link_with(customer(C1), |request| request.return_url = Some(place.portal.way_home())).await;
    let known = json!({ "calculator": place.calculator_url(), "home": place.portal.home(), "link": link });
    place.browser.visit("home", known).await;
    place.close().await;
}

/// Claim `sub` of the token in a link.
fn subject(link: &str) -> String {
    let (_, token) = link.split_once('#').expect("a token");
    let payload = token.split('.').nth(1).expect("a payload");
    let claims: Value = serde_json::from_slice(&decode(payload)).expect("claims");
    claims["sub"].as_str().expect("a subject").to_owned()
}
