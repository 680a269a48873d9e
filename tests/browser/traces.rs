//! Where the token must not stand.

use serde_json::json;

use crate::harness::{C1, Log, customer};
use crate::place::Place;

/// T16, in the browser: in no address that a server sees, no `Referer`, no log, and not in the history of the tab.
#[tokio::test]
async fn a_jump_leaves_no_trace_of_its_token() {
    let log = Log::listen();
    let Some(place) = Place::open().await else { return };
    let link = place.link(customer(C1)).await;
    let (_, token) = link.split_once('#').expect("a token");
    let known = json!({
        "calculator": place.calculator_url(),
        "portal": place.portal.origin(),
        "link": place.portal.door_to(link.clone()),
    });
    let seen = place.browser.visit("traces", known).await;

    let (requests, addresses) = (seen["requests"].as_array().unwrap(), seen["addresses"].as_array().unwrap());
    let landing = format!("{}/j/", place.world.service.public_url());
    assert!(requests.iter().any(|request| request["url"].as_str().unwrap().starts_with(&landing)), "{requests:?}");
    assert!(
        addresses.iter().any(|address| address.as_str().unwrap().starts_with(&place.calculator_url())),
        "{addresses:?}"
    );
    assert!(addresses.iter().all(|address| !address.as_str().unwrap().contains('#')), "{addresses:?}");
    let at_calculator = place.seen();
    assert!(at_calculator.iter().any(|line| line.starts_with("POST /jump http")), "{at_calculator:?}");
    let log = log.text();
    assert!(log.contains("web.answered") && log.contains("concenter_gateway"), "nobody listened: {log}");
    for part in token.split('.') {
        for text in [&seen.to_string(), &at_calculator.join("\n"), &log] {
            assert!(!text.contains(part), "{part}: {text}");
        }
    }
    place.close().await;
}
