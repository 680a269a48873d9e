//! What every page has, and what none shows.

use reqwest::{Method, StatusCode};
use tarifrechner::proto::{Actor, ActorRole, Segment};

use super::fake::{PASSWORD, USER, broker, private_customer};
use super::harness::{Calculator, LANDING};

#[tokio::test]
async fn every_answer_has_the_strict_headers() {
    let calculator = Calculator::start().await;
    let mut browser = calculator.customer("s").await;
    let answers = [
        browser.get("/").await,
        browser.get("/nowhere").await,
        browser.get("/jump").await,
        browser.get("/style.css").await,
        browser.ask(Method::POST, "/jump", Some(LANDING), Some(&[("token", "x")]), "de").await,
        browser.ask(Method::POST, "/jump", None, None, "de").await,
    ];
    let policy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for answer in answers {
        assert_eq!(answer.header("content-security-policy"), policy);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "strict-origin");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("vary"), "Accept-Language, Cookie");
        assert!(!answer.headers.contains_key("strict-transport-security"));
        assert!(!answer.body.contains("<script") && !answer.body.contains("style="), "{}", answer.body);
    }
}

#[tokio::test]
async fn no_page_shows_the_concenter_user_or_its_password() {
    let calculator = Calculator::start().await;
    for jump in [private_customer("s"), broker("b")] {
        let mut browser = calculator.arrived(jump).await;
        let quote = browser.saved().await;
        for path in ["/", &quote, "/nowhere"] {
            let body = browser.get(path).await.body;
            assert!(!body.contains(USER) && !body.contains(PASSWORD) && !body.contains("session-of"), "{path}: {body}");
        }
    }
}

#[tokio::test]
async fn the_page_says_who_acts() {
    let calculator = Calculator::start().await;
    let mut commercial = private_customer("k");
    commercial.segment = Segment::Commercial.into();
    let with = |mut jump: tarifrechner::proto::RedeemJumpResponse, role: ActorRole| {
        jump.actor = Some(Actor { subject: "a".to_owned(), role: role.into() });
        jump
    };
    let cases = [
        (broker("b"), "Sie handeln als <strong>Vermittler</strong>", "You act as <strong>a broker</strong>"),
        (private_customer("s"), "<strong>Privatkunde</strong>", "<strong>a private customer</strong>"),
        (commercial.clone(), "<strong>Gewerbekunde</strong>", "<strong>a commercial customer</strong>"),
        (
            with(commercial, ActorRole::CustomerStaff),
            "<strong>Gewerbekunde</strong> (am Bildschirm: Mitarbeiter des Kunden)",
            "<strong>a commercial customer</strong> (at the screen: the customer&#39;s staff)",
        ),
        (with(broker("b"), ActorRole::BrokerStaff), "Mitarbeiter des Vermittlers", "the broker&#39;s staff"),
        (with(broker("b"), ActorRole::PortalUser), "ein Benutzer des Portals", "a user of the portal"),
    ];
    for (jump, german, english) in cases {
        let mut browser = calculator.arrived(jump).await;
        let (in_german, in_english) = (browser.get("/").await, browser.get_english("/").await);
        assert!(in_german.body.contains("<html lang=\"de\">") && in_german.body.contains(german), "{}", in_german.body);
        assert!(
            in_english.body.contains("<html lang=\"en\">") && in_english.body.contains(english),
            "{}",
            in_english.body
        );
    }
}

#[tokio::test]
async fn what_the_jump_opens_is_shown() {
    let calculator = Calculator::start().await;
    let mut jump = broker("b");
    jump.line_of_business = Some("050".to_owned());
    jump.product_provider_id = Some("sicher".to_owned());
    jump.target_page = Some("kfz/neu".to_owned());
    jump.context = Some("<canary>".to_owned());
    let body = calculator.arrived(jump).await.get("/").await.body;
    assert!(body.contains("Kraftfahrt (050)") && body.contains(">kfz/neu<"), "{body}");
    assert!(body.contains("<option value=\"sicher\" selected>"), "{body}");
    assert!(!body.contains("canary"), "{body}");
}

#[tokio::test]
async fn a_page_that_is_not_there_is_told() {
    let calculator = Calculator::start().await;
    let answer = calculator.browser().get_english("/<b>?<i>").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("There is no such page.") && !answer.body.contains("<b>"), "{}", answer.body);
}
